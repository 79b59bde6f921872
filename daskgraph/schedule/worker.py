"""What the schedule knows of a worker."""

from dataclasses import dataclass, field

from daskgraph.schedule.progress import Bucket, Lease, Work


@dataclass
class Worker:
    """A worker, by what it was told and has answered."""

    committed: float
    """When it last committed."""

    cost: float = 0.0
    """Seconds that took."""

    lease: Lease | None = None
    """What it is training."""

    ahead: Lease | None = None
    """What it trains next."""

    latest: Lease | None = None
    """What it was given last."""

    held: set[int] = field(default_factory=set)
    """Partitions that it has in memory, as they are."""

    changed: set[int] = field(default_factory=set)
    """Partitions that it has changed and not committed."""

    work: Work = field(default_factory=Work)
    """Trained and not committed."""

    busy: bool = False
    """Whether it is carrying out an instruction."""

    leaving: bool = False
    """Whether it is to hand back what it has."""

    @property
    def owned(self) -> set[int]:
        """Partitions that no other worker may have."""
        leases = [lease for lease in (self.lease, self.ahead) if lease is not None]
        return self.changed.union(*(lease.partitions for lease in leases))

    @property
    def attempted(self) -> set[Bucket]:
        """What it is training, or has trained and was to commit."""
        return set(self.work.stretches) if self.lease is None else _buckets_of(self.lease)

    @property
    def unfinished(self) -> set[Bucket]:
        """What it was to train, or has trained and not committed."""
        leases = [lease for lease in (self.lease, self.ahead) if lease is not None]
        return set(self.work.stretches).union(*map(_buckets_of, leases))


def _buckets_of(lease: Lease) -> set[Bucket]:
    """Return the buckets that a lease trains."""
    return {stretch.bucket for stretch in lease.stretches}
