"""The schedule of a training: a state machine that is told what happened and answers what to do next.

Whoever executes it, in this process or on a cluster, carries out instructions and reports events, each with
the time. A worker's work counts for good once it is committed; until then it is the worker's alone, and so
are the partitions it has changed.
"""

from dataclasses import replace

import numpy as np

from daskgraph.schedule import comet
from daskgraph.schedule.failures import Failures
from daskgraph.schedule.greedy import Flags, choose, share
from daskgraph.schedule.messages import (
    Abort,
    Commit,
    Committed,
    Dismiss,
    EndEpoch,
    EpochEnded,
    Event,
    Failed,
    Finish,
    Instruction,
    Joined,
    Leaving,
    Left,
    Stopping,
    Train,
    Trained,
)
from daskgraph.schedule.orders import Held, arrange, held_sets
from daskgraph.schedule.progress import Bucket, Lease, Progress, Stretch, Work
from daskgraph.schedule.worker import Worker
from daskgraph_kernels.rng import derive_key

_ORDER, _BUCKETS = 0x1EA5E, 0xB0C4E7


class Schedule:
    """Decides which lease is trained next, by whom, and when to commit.

    Parameters
    ----------
    progress
        How far the training is.
    epochs
        Epochs when all is done, counted from the model's first.
    buffer
        Partitions that a worker can hold at once; where there are several workers, they share all that there
        are.
    ahead
        Whether several workers leave half of them free, so that each can read ahead what it trains next.
    order
        A name of `ORDERS`: how partitions meet. Several workers meet those that cost the fewest reads; whole
        groups of them with `comet`.
    sweeps
        So often all partitions meet in an epoch, but for the first: vectors that are nearly 0 take large
        steps, and grow into spaces that do not fit each other where leases are small. An epoch that is begun
        keeps its own.
    checkpoint
        Seconds of training that may be lost.
    seed
        Where all orders come from.
    every_epoch
        Whether each epoch's end is committed; else only where that costs little of what it saves.
    settle
        Whether all work is committed before an epoch ends, even that of a worker that is alone.
    rate
        Factor on the learning rates.
    """

    def __init__(
        self,
        progress: Progress,
        epochs: int,
        *,
        buffer: int,
        order: str,
        ahead: bool = True,
        sweeps: int = 1,
        checkpoint: float,
        seed: int,
        every_epoch: bool = False,
        settle: bool = False,
        rate: float = 1.0,
    ) -> None:
        self._sweeps = sweeps
        begun = not progress.between_epochs
        self.progress = progress if begun else replace(progress, sweeps=self._sweeps_of(progress.epoch))
        self._epochs, self._buffer, self._order, self._ahead = epochs, buffer, order, ahead
        self._checkpoint, self._seed, self._every_epoch = checkpoint, seed, every_epoch
        self._settle, self._rate = settle, rate
        self._workers: dict[str, Worker] = {}
        self._leases = 0
        self._ending = False
        self._last_held: Held = progress.held
        self._failures = Failures()
        self._begin_sweep()

    def handle(self, event: Event, now: float) -> list[Instruction]:
        """Take an event, and return what is to be done because of it.

        Parameters
        ----------
        event
            What happened. One of a worker that has left, or of a lease that was taken back, changes nothing.
        now
            When, in seconds of any clock that does not go back.
        """
        match event:
            case Joined(name, others):
                self._join(name, now)
                # The first of several would take all there is, and later epochs are for all of them. In the
                # first one that is well: what grows together fits together.
                if others and self.progress.epoch:
                    return []
            case Left(name, lost):
                return self._left_by(name, lost, now)
            case Leaving(name):
                if name in self._workers:
                    self._workers[name].leaving = True
            case Failed(name, lease, reason):
                return self._failed(name, lease, reason, now)
            case Trained(name, lease, work):
                if not self._trained(name, lease, work):
                    return []
            case Committed(name, seconds):
                self._committed(name, seconds, now)
            case EpochEnded(stop, commit, rate):
                self._rate = rate
                return self._epoch_ended(stop, commit, now)
            case Stopping():
                return self._last_commits()
        return self._assign(now)

    def holders(self) -> dict[str, Lease]:
        """Return the lease that each worker is training."""
        return {name: worker.lease for name, worker in self._workers.items() if worker.lease is not None}

    def after_commit_of(self, name: str) -> Progress:
        """Return the progress once what a worker has trained is committed too.

        That of the instruction is as of its time: others may have committed since.
        """
        return self.progress.after(self._workers[name].work)

    def _join(self, name: str, now: float) -> None:
        self._workers[name] = Worker(committed=now)
        if len(self._workers) == 2:
            # What several hold is no beginning for the order of one.
            self._last_held = ()

    def _last_commits(self) -> list[Instruction]:
        changed = {name: worker for name, worker in self._workers.items() if worker.changed}
        return [Commit(name, self.progress.after(worker.work)) for name, worker in changed.items()]

    def _trained(self, name: str, number: int, work: Work) -> bool:
        worker = self._workers.get(name)
        if worker is None or worker.lease is None or worker.lease.number != number:
            return False
        lease = worker.lease
        worker.busy = False
        worker.work = worker.work + work
        worker.changed.update(lease.partitions)
        left = tuple(
            work.stretches.get(stretch.bucket, stretch)
            for stretch in lease.stretches
            if not work.stretches.get(stretch.bucket, stretch).finished
        )
        worker.lease = self._lease(lease.partitions, left, worker) if left else None
        return True

    def _committed(self, name: str | None, seconds: float, now: float) -> None:
        if name is None:
            self._ending = False
        elif name in self._workers:
            worker = self._workers[name]
            self._failures.forget(name, worker.work.stretches)
            self._fold(worker)
            worker.committed, worker.cost, worker.busy = now, seconds, False
            worker.changed.clear()
            if worker.lease is not None and len(worker.lease.partitions) > self._room:
                # Others have joined since, who wait for a part of it.
                self._give_back(worker)

    def _fold(self, worker: Worker) -> None:
        self.progress, worker.work = self.progress.after(worker.work), Work()

    def _give_back(self, worker: Worker) -> None:
        """Let others train what a worker was to train, and what it has not committed."""
        for bucket in worker.unfinished:
            if self._left is not None and not self.progress.buckets[bucket]:
                self._left[bucket] = True
        worker.lease = worker.ahead = None
        self._begin_order()

    def _failed(self, name: str, number: int, reason: str, now: float) -> list[Instruction]:
        worker = self._workers.get(name)
        if worker is None or (worker.lease is not None and worker.lease.number != number):
            return []
        self._failures.add(name, worker.attempted)
        trusted = not self._failures.distrusts(name)
        if trusted:
            self._workers[name] = Worker(committed=now, leaving=worker.leaving)
        else:
            del self._workers[name]
        if not self._workers or self._failures.is_hopeless(worker.attempted, self._workers):
            return [_abort(worker, reason)]
        self._give_back(worker)
        return [*([] if trusted else [Dismiss(name)]), *self._assign(now)]

    def _left_by(self, name: str, lost: bool, now: float) -> list[Instruction]:
        worker = self._workers.pop(name, None)
        if worker is None:
            return []
        if lost and worker.busy:
            self._failures.add(name, worker.attempted)
            if self._failures.is_hopeless(worker.attempted, self._workers):
                return [_abort(worker, "the worker died")]
        self._give_back(worker)
        return self._assign(now)

    def _assign(self, now: float) -> list[Instruction]:
        """Give every worker that is not busy something to do; end the epoch if nothing is left."""
        if self._ending:
            return []
        if self.progress.epoch >= self._epochs:
            return [Finish()]
        found = [self._next(name, worker, now) for name, worker in self._workers.items() if not worker.busy]
        given = [instruction for instruction in found if instruction is not None]
        waiting = any(instruction is None for instruction in found)
        for name, worker in self._workers.items() if waiting else ():
            # Somebody waits for what it has changed.
            if not worker.busy and worker.changed and (self._settle or len(self._workers) > 1):
                worker.busy = True
                given.append(Commit(name, self.progress.after(worker.work)))
        if not given and not any(worker.busy for worker in self._workers.values()):
            for worker in self._workers.values():
                self._fold(worker)
            if self._workers and self.progress.buckets.all():
                if self.progress.sweep + 1 < self.progress.sweeps:
                    self.progress = self.progress.next_sweep(self._last_held)
                    self._begin_sweep()
                    return self._assign(now)
                self._ending = True
                return [EndEpoch(self.progress)]
        return given

    def _next(self, name: str, worker: Worker, now: float) -> Instruction | None:
        """Return what a worker does next, None where it has to wait."""
        alone = len(self._workers) == 1 and not self._settle
        late = now - worker.committed >= self._checkpoint or self._is_waited_for(name)
        # What ends an epoch is committed with the epoch's end.
        if worker.changed and late and not (alone and self.progress.after(worker.work).buckets.all()):
            worker.busy = True
            return Commit(name, self.progress.after(worker.work))
        if worker.leaving:
            worker.busy = True
            return Commit(name, self.progress.after(worker.work)) if worker.changed else Dismiss(name)
        if worker.lease is None:
            worker.lease, worker.ahead = worker.ahead or self._plan(worker), None
        if worker.lease is None:
            return None
        worker.busy, worker.latest = True, worker.lease
        worker.held = set(worker.lease.partitions)
        for other in self._workers.values():
            if other is not worker:
                other.held -= worker.held
        if worker.ahead is None and not self._somebody_waits():
            worker.ahead = self._plan(worker)
        seconds = max(self._checkpoint - (now - worker.committed), 0.0)
        return Train(name, worker.lease, worker.ahead, seconds, self._rate)

    def _is_waited_for(self, name: str) -> bool:
        """Tell whether somebody waits who could train something, had nobody changed it."""
        others = (worker for other, worker in self._workers.items() if other != name)
        waits = any(not worker.busy and not worker.leaving for worker in others)
        return waits and self._left is not None and bool(self._left.any())

    def _somebody_waits(self) -> bool:
        return any(not worker.busy for worker in self._workers.values())

    def _epoch_ended(self, stop: bool, commit: bool, now: float) -> list[Instruction]:
        self.progress = self.progress.next_epoch(self._last_held, self._sweeps_of(self.progress.epoch + 1))
        last = stop or self.progress.epoch >= self._epochs
        if stop:
            self._epochs = self.progress.epoch
        self._begin_sweep()
        if self._settle or len(self._workers) != 1:
            return [Commit(None, self.progress)]
        self._ending = False
        (name, worker), *_ = self._workers.items()
        due = commit_due(now, worker.committed, worker.cost, self._checkpoint)
        if last or commit or self._every_epoch or due:
            worker.busy = True
            return [Commit(name, self.progress)]
        return self._assign(now)

    def _sweeps_of(self, epoch: int) -> int:
        return self._sweeps if epoch else 1

    def _begin_sweep(self) -> None:
        self._left = ~self.progress.buckets if self.progress.epoch < self._epochs else None
        self._begin_order()

    def _begin_order(self) -> None:
        random = self._random(_ORDER)
        self._arranged = arrange(len(self.progress.buckets), self.progress.held, random)
        first = self.progress.epoch == 0
        self._sets = held_sets(self._order, self._arranged, self._buffer, random, first=first)

    def _plan(self, worker: Worker) -> Lease | None:
        """Take partitions between which anything is left to train."""
        if self._left is None:
            return None
        if len(self._workers) > 1:
            held = self._choose(worker)
            return None if held is None else self._take(held, worker)
        for held in self._sets:
            lease = self._take(held, worker)
            if lease is not None:
                self._last_held = held
                return lease
        return None

    def _choose(self, worker: Worker) -> Held | None:
        assert self._left is not None
        everything = range(len(self._left))
        taken = set[int]().union(*(other.owned for other in self._workers.values() if other is not worker))
        seen = self.progress.buckets if self.progress.epoch == 0 else np.ones_like(self._left)
        trained: Flags = np.logical_or(seen.any(axis=0), seen.any(axis=1))
        for other in self._workers.values():
            trained[sorted(other.owned)] = True
        held = worker.held - taken
        free = [partition for partition in everything if partition not in taken and partition not in held]
        if self._order == "comet":
            return comet.choose_groups(self._left, self._arranged, sorted(held), free, self._room, trained)
        return choose(self._left, sorted(held), free, self._room, trained)

    @property
    def _room(self) -> int:
        """How many partitions a worker may hold now."""
        return share(len(self.progress.buckets), len(self._workers), self._buffer, ahead=self._ahead)

    def _take(self, held: Held, worker: Worker) -> Lease | None:
        """Take the buckets that are trained when these partitions are held now, if there are any."""
        assert self._left is not None
        held = tuple(sorted(held))
        random = self._random(_BUCKETS, *held)
        taken = self._left[np.ix_(held, held)]
        if self._order == "comet" and len(held) < len(self._left):
            taken = comet.taken_now(self._left, self._arranged, held, self._room, random)
        rows, columns = np.nonzero(taken)
        if not len(rows):
            return None
        buckets: list[Bucket] = [(held[i], held[j]) for i, j in zip(rows, columns, strict=True)]
        self._left[np.ix_(held, held)] &= ~taken
        order = random.permutation(len(buckets))
        stretches = (Stretch(buckets[index], self.progress.partial.get(buckets[index], 0)) for index in order)
        return self._lease(held, tuple(stretches), worker)

    def _lease(self, held: Held, stretches: tuple[Stretch, ...], worker: Worker) -> Lease:
        self._leases += 1
        kept = tuple(sorted(worker.held & set(held)))
        sweep, sweeps = self.progress.sweep, self.progress.sweeps
        return Lease(self._leases, self.progress.epoch, held, stretches, kept, sweep, sweeps)

    def _random(self, *what: int) -> np.random.Generator:
        key = derive_key(self._seed, what[0], self.progress.epoch, self.progress.sweep, *what[1:])
        return np.random.Generator(np.random.Philox(int(key)))


def _abort(worker: Worker, reason: str) -> Abort:
    assert worker.latest is not None
    return Abort(worker.latest, reason)


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
