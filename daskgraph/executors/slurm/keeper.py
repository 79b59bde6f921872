"""Decides how many jobs are submitted, which are cancelled and which hand back their leases."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from daskgraph.executors.slurm.states import (
    BY_OTHERS,
    OUT_OF_MEMORY,
    RUNNING,
    Ended,
    Queued,
    why_ended,
    why_restarted,
)

AT_ONCE = 10
"""So many jobs are submitted at a time: sbatch of hundreds keeps a controller from its work."""

YOUNG = 60.0
"""Seconds; a job that ends by itself before has never worked."""

FAILURES = 3
"""So many jobs may fail in a row."""

ARRIVAL = 600.0
"""Seconds in which the worker of a job that runs must have come."""

RETURN = 60.0
"""Seconds in which a worker that is lost may come back."""

IDLE = 300.0
"""Seconds without work after which an elastic job is given back."""

BACK_OFF = 10.0
"""Seconds until the next submission after a job has failed, or SLURM has refused one; then more."""


@dataclass
class _Kept:
    """A job of the run."""

    since: float
    """When it was submitted, or last changed for the better."""

    running: bool = False
    arrived: float | None = None
    """When its worker came."""

    address: str = ""
    """Where its worker listens: one that is started again in the same job, listens elsewhere."""

    seen: float = 0.0
    """When its worker was last there."""

    lived: float = 0.0
    """Seconds that its last worker was there."""

    cancelled: bool = False


@dataclass(frozen=True)
class Orders:
    """What is to be done now."""

    submit: int = 0
    """Jobs to submit."""

    cancel: tuple[str, ...] = ()
    """Jobs whose worker never came, or is gone."""

    ended: tuple[str, ...] = ()
    """Jobs that are no longer in the queue; what became of them is to be asked."""

    restarted: tuple[str, ...] = ()
    """Jobs whose worker has died and was started again; their logs say why."""


def margin(walltime: float, checkpoint: float) -> float:
    """Return how many seconds before the end of its walltime a job hands back its lease.

    A worker may be in the middle of a lease, which it reports every `checkpoint` seconds.

    >>> margin(86400, 60), margin(600, 60)
    (8640.0, 180.0)
    """
    return min(max(180.0, walltime / 10, 3 * checkpoint), walltime / 2)


def hands_back_at(job: str, end: float, before: float) -> float:
    """Return when a job hands back its lease: not all at the same time, though they began so.

    Parameters
    ----------
    job
        Its id.
    end
        When its walltime is over.
    before
        The margin.
    """
    share = zlib.crc32(job.encode()) % 1000 / 1000
    return end - before - share * before / 2


def spare(idle: Mapping[str, float], workers: int, minimum: int) -> list[str]:
    """Return the workers that may go: those longest without work, as long as enough remain.

    Parameters
    ----------
    idle
        Seconds that each has been without work.
    workers
        How many there are.
    minimum
        How many remain.

    >>> spare({"a": 400.0, "b": 10.0, "c": 900.0}, 3, 2)
    ['c']
    """
    longest = sorted(idle, key=lambda worker: (-idle[worker], worker))
    return [worker for worker in longest if idle[worker] >= IDLE][: max(0, workers - minimum)]


class Keeper:
    """Keeps a number of workers.

    Parameters
    ----------
    workers
        How many.
    before
        Seconds before its end in which a job hands back its lease.
    """

    def __init__(self, workers: int, before: float) -> None:
        self.wanted = workers
        self._before = before
        self._jobs: dict[str, _Kept] = {}
        self._failures: list[str] = []
        self._refused = 0
        self._not_before = 0.0

    @property
    def failures(self) -> tuple[str, ...]:
        """What became of the jobs that have failed in a row, once they are too many."""
        return tuple(self._failures) if len(self._failures) >= FAILURES else ()

    def submitted(self, job: str, now: float) -> None:
        """Know a new job."""
        self._jobs[job] = _Kept(since=now)
        self._refused = 0

    def refused(self, now: float) -> None:
        """Know that a submission was refused: the next one comes later, and then still later."""
        self._refused += 1
        self._not_before = now + min(BACK_OFF * 2**self._refused, 600.0)

    def dismissed(self, job: str) -> None:
        """Know that a job was sent home."""
        if job in self._jobs:
            self._jobs[job].cancelled = True

    def look(self, queue: Mapping[str, Queued], workers: Mapping[str, str], now: float) -> Orders:
        """Compare what there is with what is wanted.

        Parameters
        ----------
        queue
            All jobs of the run that SLURM lists.
        workers
            By the ids of their jobs, where the connected workers listen.
        now
            The time, in seconds of a clock that does not go back.
        """
        gone = tuple(job for job in self._jobs if job not in queue)
        lost, restarted = [], []
        for job, kept in self._jobs.items():
            if job in gone or kept.cancelled:
                continue
            if self._see(kept, queue[job].state == RUNNING, workers.get(job), now):
                restarted.append(job)
            if kept.running and self._is_lost(kept, now):
                kept.cancelled = True
                lost.append(job)
                if kept.arrived is None:
                    self._fail(f"job {job} has run for {ARRIVAL:.0f} s, and its worker has not come", now)
        live = sum(not kept.cancelled and job not in gone for job, kept in self._jobs.items())
        due = max(0, self.wanted - live) if now >= self._not_before else 0
        return Orders(min(due, AT_ONCE), tuple(lost), gone, tuple(restarted))

    def handing_back(self, queue: Mapping[str, Queued], now: float) -> set[str]:
        """Return the jobs whose end is near, by a clock in seconds since the epoch."""
        return {
            job.id
            for job in queue.values()
            if job.state == RUNNING
            and job.end is not None
            and now >= hands_back_at(job.id, job.end, self._before)
        }

    def ended(self, end: Ended, now: float) -> str | None:
        """Take in that a job is over; return a sentence about it, None for one that was sent home."""
        kept = self._jobs.pop(end.id, None)
        if kept is None or kept.cancelled:
            return None
        sentence = why_ended(end)
        lived = 0.0 if kept.arrived is None else kept.seen - kept.arrived
        if end.state == OUT_OF_MEMORY or (end.state not in BY_OTHERS and lived < YOUNG):
            self._fail(sentence, now)
        elif lived < YOUNG:
            self._not_before = max(self._not_before, now + BACK_OFF)
        return sentence

    def restarted(self, job: str, memory: bool, now: float) -> str:
        """Take in that a worker was started again, perhaps for want of memory; return a sentence about it."""
        sentence = why_restarted(job, memory)
        if memory or self._jobs[job].lived < YOUNG:
            self._fail(sentence, now)
        return sentence

    def _see(self, kept: _Kept, running: bool, address: str | None, now: float) -> bool:
        """Take in what there is of a job; tell whether its worker was started again."""
        if running and not kept.running:
            kept.running, kept.since = True, now
        if address is None:
            return False
        restarted = kept.arrived is not None and kept.address != address
        if kept.arrived is None or restarted:
            kept.lived = kept.seen - (kept.arrived or kept.seen)
            kept.arrived, kept.address = now, address
        kept.seen = now
        if now - kept.arrived >= YOUNG:
            self._failures = [said for said in self._failures if "memory" in said]
        return restarted

    def _is_lost(self, kept: _Kept, now: float) -> bool:
        if kept.arrived is None:
            return now - kept.since > ARRIVAL
        return now - kept.seen > RETURN

    def _fail(self, sentence: str, now: float) -> None:
        self._failures.append(sentence)
        self._not_before = now + BACK_OFF * 2 ** (len(self._failures) - 1)
