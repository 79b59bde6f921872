"""Workers under a simulated clock: they carry out a schedule's instructions, take time, die and come back."""

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from daskgraph.schedule import (
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
    Lease,
    Leaving,
    Left,
    Progress,
    Schedule,
    Stretch,
    Train,
    Trained,
    Work,
)


def whole(lease: Lease) -> Work:
    """The work of a lease that was trained to its end: one edge for every bucket."""
    stretches = {stretch.bucket: Stretch(stretch.bucket, 1, True) for stretch in lease.stretches}
    return Work(stretches, len(stretches), 1.0, 1.0)


@dataclass
class Cluster:
    """Runs a schedule to its end, and checks on the way that no two workers ever have the same partition."""

    schedule: Schedule
    duration: Callable[[Train], float]
    commit_seconds: float = 0.01
    now: float = 0.0
    committed: Progress | None = None
    finished: bool = False
    aborted: Abort | None = None
    trained: "Counter[tuple[int, tuple[int, int]]]" = field(default_factory=Counter)
    busy: "Counter[str]" = field(default_factory=Counter)
    epochs: list[Progress] = field(default_factory=list)
    alive: set[str] = field(default_factory=set)
    leaving: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    dismissed: set[str] = field(default_factory=set)
    running: dict[str, Train] = field(default_factory=dict)
    unfinished: dict[str, set[int]] = field(default_factory=dict)
    memory: dict[str, dict[int, int]] = field(default_factory=dict)
    versions: "Counter[int]" = field(default_factory=Counter)
    queue: list[tuple[float, int, str, Event | None]] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=count)

    def tell(self, event: Event) -> None:
        for instruction in self.schedule.handle(event, self.now):
            self.carry_out(instruction)

    def join(self, worker: str) -> None:
        self.alive.add(worker)
        self.unfinished[worker], self.memory[worker] = set(), {}
        self.tell(Joined(worker))

    def kill(self, worker: str) -> None:
        self.alive.discard(worker)
        self.running.pop(worker, None)
        del self.unfinished[worker]
        self.tell(Left(worker))

    def send_away(self, worker: str) -> None:
        self.leaving.add(worker)
        self.tell(Leaving(worker))

    def fail(self, worker: str) -> None:
        train = self.running.pop(worker)
        self.failed.add(worker)
        self.unfinished[worker], self.memory[worker] = set(), {}
        self.queue = [entry for entry in self.queue if entry[2] != worker]
        heapq.heapify(self.queue)
        self.tell(Failed(worker, train.lease.number, "a division by zero"))

    def carry_out(self, instruction: Instruction) -> None:
        match instruction:
            case Train(worker, lease, ahead, _):
                assert worker not in self.leaving, "a lease for one that has to go"
                self._begin(worker, lease, ahead)
                self.running[worker] = instruction
                seconds = self.duration(instruction)
                self.busy[worker] += seconds  # type: ignore[assignment]
                self._later(seconds, worker, Trained(worker, lease.number, whole(lease)))
            case Commit(None, progress):
                self._record(progress)
                self._later(self.commit_seconds, "", Committed(None, self.commit_seconds))
            case Commit(str(worker)):
                seconds = self.seconds_to_commit(worker)
                self._later(seconds, worker, Committed(worker, seconds))
            case Dismiss(worker):
                assert worker in self.leaving | self.failed
                assert not self.unfinished.pop(worker), "what it has trained is lost"
                self.alive.discard(worker)
                self.dismissed.add(worker)
                self.tell(Left(worker, lost=False))
            case EndEpoch(progress):
                self.epochs.append(progress)
                self._later(0.0, "", EpochEnded())
            case Finish():
                self.finished = True
            case Abort():
                self.aborted = instruction

    def seconds_to_commit(self, worker: str) -> float:
        """What a commit of all that a worker has changed takes."""
        del worker
        return self.commit_seconds

    def step(self) -> bool:
        """Let the next thing happen; False when nothing will any more."""
        while self.queue:
            self.now, _, worker, event = heapq.heappop(self.queue)
            if worker and worker not in self.alive:
                continue
            if isinstance(event, Trained):
                train = self.running.pop(worker)
                self.trained.update((train.lease.epoch, stretch.bucket) for stretch in train.lease.stretches)
            if isinstance(event, Committed) and event.worker is not None:
                self._commit(event.worker)
            if event is not None:
                self.tell(event)
            return not self.finished and self.aborted is None
        return False

    def run(self, steps: int = 1_000_000) -> "Cluster":
        for _ in range(steps):
            if not self.step():
                break
        return self

    def _later(self, seconds: float, worker: str, event: Event) -> None:
        heapq.heappush(self.queue, (self.now + seconds, next(self.numbers), worker, event))

    def _commit(self, worker: str) -> None:
        self._record(self.schedule.after_commit_of(worker))
        for partition in self.unfinished[worker]:
            self.versions[partition] += 1
            if partition in self.memory[worker]:
                self.memory[worker][partition] = self.versions[partition]
        self.unfinished[worker] = set()

    def _record(self, progress: Progress) -> None:
        if self.committed is not None and self.committed.epoch == progress.epoch:
            assert not (self.committed.buckets & ~progress.buckets).any(), "a commit is forgotten"
        self.committed = progress

    def _begin(self, worker: str, lease: Lease, ahead: Lease | None) -> None:
        own = {*lease.partitions, *(ahead.partitions if ahead is not None else ())}
        for other, train in self.running.items():
            theirs = {*train.lease.partitions, *(train.ahead.partitions if train.ahead else ())}
            assert not own & theirs, (worker, other)
        for other, changed in self.unfinished.items():
            assert other == worker or not own & changed, (worker, other)
        memory = self.memory[worker]
        for partition in lease.kept:
            assert memory.get(partition) == self.versions[partition], "a stale copy was kept"
        self.memory[worker] = {partition: self.versions[partition] for partition in lease.partitions}
        self.unfinished[worker].update(lease.partitions)


def durations(random: np.random.Generator, spread: float = 0.2) -> Callable[[Train], float]:
    """A second for each bucket of a lease, give or take."""
    return lambda train: len(train.lease.stretches) * float(random.uniform(1 - spread, 1 + spread))
