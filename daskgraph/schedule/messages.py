"""What the schedule is told, and what it answers."""

from dataclasses import dataclass

from daskgraph.schedule.progress import Lease, Progress, Work


@dataclass(frozen=True)
class Joined:
    """A worker is ready."""

    worker: str
    others: bool = False
    """Whether others are ready as well, who are told of next."""


@dataclass(frozen=True)
class Left:
    """A worker is gone, with all that it had not committed."""

    worker: str
    lost: bool = True
    """Whether nobody asked it to go."""


@dataclass(frozen=True)
class Leaving:
    """A worker will soon have to go: it gets no lease any more, and what it has trained is committed."""

    worker: str


@dataclass(frozen=True)
class Failed:
    """A worker could not train its lease, or stage it; what it had not committed is void."""

    worker: str
    lease: int
    reason: str


@dataclass(frozen=True)
class Trained:
    """A worker has trained its lease, or as much of it as its time allowed."""

    worker: str
    lease: int
    work: Work


@dataclass(frozen=True)
class Committed:
    """What a worker had trained is part of the model on disk; without a worker, the end of an epoch is."""

    worker: str | None
    seconds: float
    """How long that took."""


@dataclass(frozen=True)
class EpochEnded:
    """All that belongs to an epoch's end is done."""

    stop: bool = False
    """Whether training ends here, though epochs are left."""

    commit: bool = False
    """Whether the end of the epoch is to be committed at once, whatever that costs."""

    rate: float = 1.0
    """Factor on the learning rates from now on."""


@dataclass(frozen=True)
class Stopping:
    """Whoever executes the schedule is about to stop."""


Event = Joined | Left | Leaving | Failed | Trained | Committed | EpochEnded | Stopping


@dataclass(frozen=True)
class Train:
    """Let a worker train a lease."""

    worker: str
    lease: Lease
    ahead: Lease | None
    """What it will train next: its partitions and edges can be read ahead."""

    seconds: float
    """After so long it reports what it has done, to be committed."""

    rate: float = 1.0
    """Factor on the learning rates."""


@dataclass(frozen=True)
class Commit:
    """Make a worker's changes part of the model, with this progress; without a worker, the progress alone."""

    worker: str | None
    progress: Progress


@dataclass(frozen=True)
class Dismiss:
    """Let a worker go that was to leave, and holds nothing any more, or that failed too often in a row."""

    worker: str


@dataclass(frozen=True)
class EndEpoch:
    """Every edge of an epoch is trained."""

    progress: Progress


@dataclass(frozen=True)
class Finish:
    """Nothing is left to do."""


@dataclass(frozen=True)
class Abort:
    """Too much failed: there is no point in going on."""

    lease: Lease
    """What failed last."""

    reason: str


Instruction = Train | Commit | Dismiss | EndEpoch | Finish | Abort
