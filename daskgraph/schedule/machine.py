"""The schedule of a training: a state machine that is told what happened and answers what to do next.

Whoever executes it, in this process or on a cluster, carries out instructions and reports events, each with
the time. A worker's work counts for good once it is committed; until then it is the worker's alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from daskgraph.schedule.orders import Held, held_sets
from daskgraph.schedule.progress import Bucket, Lease, Progress, Stretch, Work
from daskgraph_kernels.rng import derive_key

_ORDER, _BUCKETS = 0x1EA5E, 0xB0C4E7


@dataclass(frozen=True)
class Joined:
    """A worker is ready."""

    worker: str


@dataclass(frozen=True)
class Trained:
    """A worker has trained its lease, or as much of it as its time allowed."""

    worker: str
    lease: int
    work: Work


@dataclass(frozen=True)
class Committed:
    """What a worker had trained is part of the model on disk."""

    worker: str
    seconds: float
    """How long that took."""


@dataclass(frozen=True)
class EpochEnded:
    """All that belongs to an epoch's end is done."""

    stop: bool = False
    """Whether training ends here, though epochs are left."""

    commit: bool = False
    """Whether what was trained is to be committed, whatever that costs."""


@dataclass(frozen=True)
class Stopping:
    """Whoever executes the schedule is about to stop."""


Event = Joined | Trained | Committed | EpochEnded | Stopping


@dataclass(frozen=True)
class Train:
    """Let a worker train a lease."""

    worker: str
    lease: Lease
    ahead: Lease | None
    """What it will train next: its partitions and edges can be read ahead."""

    seconds: float
    """After so long it reports what it has done, to be committed."""


@dataclass(frozen=True)
class Commit:
    """Make a worker's changes part of the model, with this progress."""

    worker: str
    progress: Progress


@dataclass(frozen=True)
class EndEpoch:
    """Every edge of an epoch is trained."""

    progress: Progress


@dataclass(frozen=True)
class Finish:
    """Nothing is left to do."""


Instruction = Train | Commit | EndEpoch | Finish


@dataclass
class _Worker:
    """What the schedule knows of a worker."""

    committed: float
    """When it last committed."""

    cost: float = 0.0
    """Seconds that took."""

    lease: Lease | None = None
    ahead: Lease | None = None
    work: Work = field(default_factory=Work)
    """Trained and not committed."""

    changed: bool = False
    """Whether there is anything to commit."""


class Schedule:
    """Decides which lease is trained next, and when to commit.

    Parameters
    ----------
    progress
        How far the training is.
    epochs
        Epochs when all is done, counted from the model's first.
    buffer
        Partitions that a worker holds at once.
    order
        A name of `ORDERS`: the order in which partitions meet.
    checkpoint
        Seconds of training that may be lost.
    seed
        Where all orders come from.
    every_epoch
        Whether each epoch's end is committed; else only where that costs little of what it saves.
    """

    def __init__(
        self,
        progress: Progress,
        epochs: int,
        *,
        buffer: int,
        order: str,
        checkpoint: float,
        seed: int,
        every_epoch: bool = False,
    ) -> None:
        self.progress = progress
        self._epochs, self._buffer, self._order = epochs, buffer, order
        self._checkpoint, self._seed, self._every_epoch = checkpoint, seed, every_epoch
        self._workers: dict[str, _Worker] = {}
        self._leases = 0
        self._held: Held = progress.held
        self._begin_epoch()

    def handle(self, event: Event, now: float) -> list[Instruction]:
        """Take an event, and return what is to be done because of it.

        Parameters
        ----------
        event
            What happened.
        now
            When, in seconds of any clock that does not go back.
        """
        match event:
            case Joined(name):
                self._workers[name] = _Worker(committed=now)
                if self.progress.epoch >= self._epochs:
                    return [Finish()]
                return self._next(name, now)
            case Trained(name, lease, work):
                return self._trained(name, lease, work, now)
            case Committed(name, seconds):
                worker = self._workers[name]
                self.progress, worker.work = self.progress.after(worker.work), Work()
                worker.committed, worker.cost, worker.changed = now, seconds, False
                return self._next(name, now)
            case EpochEnded(stop, commit):
                return self._epoch_ended(stop, commit, now)
            case Stopping():
                return [
                    Commit(name, self.progress.after(worker.work))
                    for name, worker in self._workers.items()
                    if worker.changed
                ]

    def _trained(self, name: str, number: int, work: Work, now: float) -> list[Instruction]:
        worker = self._workers[name]
        lease = worker.lease
        if lease is None or lease.number != number:
            return []
        worker.work, worker.changed = worker.work + work, True
        left = tuple(
            work.stretches.get(stretch.bucket, stretch)
            for stretch in lease.stretches
            if not work.stretches.get(stretch.bucket, stretch).finished
        )
        worker.lease = self._lease(lease.partitions, left) if left else None
        progress = self.progress.after(worker.work)
        # What ends an epoch is committed with the epoch's end.
        if now - worker.committed >= self._checkpoint and not progress.buckets.all():
            return [Commit(name, progress)]
        return self._next(name, now)

    def _next(self, name: str, now: float) -> list[Instruction]:
        """Return what a worker does next."""
        worker = self._workers[name]
        worker.lease = worker.lease or worker.ahead or self._plan()
        if worker.lease is None:
            self.progress, worker.work = self.progress.after(worker.work), Work()
            if self.progress.buckets.all():
                return [EndEpoch(self.progress)]
            return [Finish()]
        if worker.ahead is None or worker.ahead.number == worker.lease.number:
            worker.ahead = self._plan()
        left = self._checkpoint - (now - worker.committed)
        return [Train(name, worker.lease, worker.ahead, max(left, 0.0))]

    def _epoch_ended(self, stop: bool, commit: bool, now: float) -> list[Instruction]:
        self.progress = self.progress.next_epoch(self._held)
        last = stop or self.progress.epoch >= self._epochs
        if stop:
            self._epochs = self.progress.epoch
        self._begin_epoch()
        (name, worker), *_ = self._workers.items()
        worker.changed = True
        due = commit_due(now, worker.committed, worker.cost, self._checkpoint)
        if last or commit or self._every_epoch or due:
            return [Commit(name, self.progress)]
        return self._next(name, now)

    def _begin_epoch(self) -> None:
        partitions = len(self.progress.buckets)
        self._left = ~self.progress.buckets if self.progress.epoch < self._epochs else None
        random = self._random(_ORDER)
        self._sets: Iterator[tuple[int, Held]] = enumerate(
            held_sets(self._order, partitions, self._buffer, self.progress.held, random)
        )

    def _plan(self) -> Lease | None:
        """Take the next set of partitions between which anything is left to train."""
        if self._left is None:
            return None
        for number, held in self._sets:
            rows, columns = np.nonzero(self._left[np.ix_(held, held)])
            if len(rows):
                self._held = held
                self._left[np.ix_(held, held)] = False
                buckets: list[Bucket] = [(held[i], held[j]) for i, j in zip(rows, columns, strict=True)]
                order = self._random(_BUCKETS, number).permutation(len(buckets))
                stretches = (
                    Stretch(buckets[index], self.progress.partial.get(buckets[index], 0)) for index in order
                )
                return self._lease(held, tuple(stretches))
        return None

    def _lease(self, held: Held, stretches: tuple[Stretch, ...]) -> Lease:
        self._leases += 1
        return Lease(self._leases, self.progress.epoch, tuple(sorted(held)), stretches)

    def _random(self, *what: int) -> np.random.Generator:
        key = derive_key(self._seed, what[0], self.progress.epoch, *what[1:])
        return np.random.Generator(np.random.Philox(int(key)))


def commit_due(now: float, last: float, cost: float, checkpoint: float) -> bool:
    """Tell whether an epoch's end is worth a commit: it costs less than a tenth of what it saves, or is late.

    Parameters
    ----------
    now, last
        The time, and that of the last commit, in seconds.
    cost
        Seconds that the last commit took.
    checkpoint
        `training.checkpoint` in seconds.
    """
    return now - last >= min(10 * cost, checkpoint)
