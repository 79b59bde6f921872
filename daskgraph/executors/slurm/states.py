"""What SLURM says of jobs, read and put into plain sentences."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

QUEUE_FORMAT = "%i|%j|%T|%r|%S|%e|%N"
"""What squeue is asked for: id, name, state, reason, start, end, nodes."""

ACCOUNT_FORMAT = "JobID,State,ExitCode,ElapsedRaw"
"""What sacct is asked for."""

OUT_OF_MEMORY = "OUT_OF_MEMORY"

RUNNING = "RUNNING"

_STARTING = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT")

BY_OTHERS = {
    "TIMEOUT": "it reached its walltime (cluster.walltime)",
    "NODE_FAIL": "its node failed",
    "PREEMPTED": "a job that comes first took its place",
    "CANCELLED": "it was cancelled",
    "BOOT_FAIL": "its node did not boot",
    "DEADLINE": "it could not end before its deadline",
    "REVOKED": "another cluster took it",
}
"""How a job ends that did nothing wrong."""

TOO_MUCH = "used more than cluster.memory allows: give more, or lower training.memory"

_OUT_OF_MEMORY = re.compile("exceeded memory limit|oom.?kill|out of memory", re.IGNORECASE)

_KILLED = re.compile("memory budget|killed by signal 9")

_NO_LOG = "0:53"
"""What SLURM calls the exit of a job that could not begin to write."""

_UNREACHED = re.compile("Timed out|No route to host|Connection refused|Network is unreachable")

BY_ITSELF = {
    OUT_OF_MEMORY: f"it {TOO_MUCH}",
    "COMPLETED": "its worker ended",
    "FAILED": "it failed",
}

REASONS = {
    "None": "SLURM has not looked at it yet",
    "Priority": "other jobs come first",
    "Resources": "it comes next, as soon as nodes are free",
    "BeginTime": "it may not begin yet",
    "JobHeldUser": "it is held by you: scontrol release {job}",
    "JobHeldAdmin": "it is held by an administrator: ask them",
    "launch failed requeued held": "SLURM could not launch it and holds it: scontrol release {job}",
    "PartitionTimeLimit": "cluster.walltime is longer than the queue allows",
    "PartitionNodeLimit": "the queue allows no job so large",
    "PartitionDown": "the queue starts no jobs now",
    "PartitionInactive": "the queue is closed",
    "ReqNodeNotAvail": "nodes that it needs are down, drained or reserved, perhaps for maintenance",
    "Nodes required for job are DOWN": "nodes that it needs are down, drained or reserved",
    "NodeDown": "a node that it needs is down",
    "Reservation": "it waits for its reservation",
    "Licenses": "it waits for a licence",
    "DependencyNeverSatisfied": "what it depends on has failed: it will never begin",
    "Dependency": "it waits for another job",
    "BadConstraints": "no node has what cluster.directives ask for",
    "InvalidAccount": "cluster.account may not run jobs here",
    "InvalidQOS": "the quality of service that cluster.directives ask for is not yours",
    "JobArrayTaskLimit": "so many jobs of one array may not run at once",
    "Assoc": "a limit of your account is reached",
    "QOS": "a limit of the quality of service is reached",
    "MaxJobsPer": "you have as many jobs as you may",
}
"""Why a job waits, by what the reason begins with."""


@dataclass(frozen=True)
class Queued:
    """A job that squeue lists."""

    id: str
    name: str
    state: str
    reason: str
    start: float | None
    """When it began, or is expected to, in seconds since the epoch."""
    end: float | None
    """When its walltime is over."""
    node: str


@dataclass(frozen=True)
class Ended:
    """A job that is no longer in the queue."""

    id: str
    state: str
    exit: str
    """Exit status and signal, as SLURM writes them; may be empty."""
    seconds: float | None
    """How long it ran, where that is known."""


def read_queue(text: str) -> list[Queued]:
    """Read what squeue prints in `QUEUE_FORMAT`."""
    jobs = []
    for line in text.splitlines():
        job, name, state, reason, start, end, node = (field.strip() for field in line.split("|", 6))
        jobs.append(Queued(job, name, state, reason, _time(start), _time(end), node))
    return jobs


def read_account(text: str) -> dict[str, Ended]:
    """Read what `sacct -n -P -X` prints in `ACCOUNT_FORMAT`."""
    found = {}
    for line in text.splitlines():
        job, state, status, seconds = (field.strip() for field in line.split("|", 3))
        if state:
            found[job] = Ended(job, state.split()[0], status, float(seconds) if seconds.isdigit() else None)
    return found


def read_job(text: str) -> Ended | None:
    """Read what `scontrol show job -o` prints of one job; None if it knows none."""
    fields = dict(word.partition("=")[::2] for word in text.split())
    if "JobId" not in fields or "JobState" not in fields:
        return None
    start, end = _time(fields.get("StartTime", "")), _time(fields.get("EndTime", ""))
    seconds = end - start if start is not None and end is not None else None
    return Ended(fields["JobId"], fields["JobState"], fields.get("ExitCode", ""), seconds)


def with_log(ended: Ended, tail: str) -> Ended:
    """Return what became of a job, given the end of its log: without cgroups only that speaks of memory."""
    if ended.state == "FAILED" and _OUT_OF_MEMORY.search(tail):
        return Ended(ended.id, OUT_OF_MEMORY, ended.exit, ended.seconds)
    return ended


def lacked_memory(log: str) -> bool:
    """Tell from a job's log whether its worker was last started again for want of memory.

    Dask ends a worker that comes near its limit; where SLURM sets one, the system kills it outright.
    """
    before, found, _ = log.rpartition("Restarting worker")
    return bool(found and _KILLED.search(before[-1000:].rpartition("Registered to")[2]))


def unreached(log: str) -> bool:
    """Tell from a job's log whether its worker found no way to the driver."""
    return "Registered to" not in log and _UNREACHED.search(log) is not None


def why_restarted(job: str, memory: bool) -> str:
    """Return why the worker of a job was started again.

    >>> why_restarted("7", memory=False)
    'the worker of job 7 died and was started again'
    """
    if memory:
        return f"the worker of job {job} {TOO_MUCH}; it was started again"
    return f"the worker of job {job} died and was started again"


def why_ended(ended: Ended) -> str:
    """Return what became of a job.

    >>> why_ended(Ended("7", "PREEMPTED", "0:15", 80.0))
    'job 7 is over: a job that comes first took its place'
    """
    what = BY_OTHERS.get(ended.state) or BY_ITSELF.get(ended.state)
    if ended.exit == _NO_LOG:
        what = "its log could not be written: graph and model must lie where all nodes reach them"
    elif ended.state == "FAILED" and ended.exit not in ("", "0:0"):
        status, _, number = ended.exit.partition(":")
        killed = status == "0"
        what = f"it was killed by signal {number}" if killed else f"it failed with exit status {status}"
    return f"job {ended.id} is over: {what or f'SLURM says {ended.state}'}"


def why_waiting(job: Queued) -> str:
    """Return why a job has not begun.

    >>> why_waiting(Queued("7", "dg", "PENDING", "JobHeldUser", None, None, ""))
    'it is held by you: scontrol release 7'
    """
    reason = job.reason.strip("()") or "None"
    for begin, sentence in REASONS.items():
        if reason.startswith(begin):
            said = sentence.format(job=job.id)
            return f"{said} ({reason})" if begin in ("Assoc", "QOS", "MaxJobsPer") else said
    return f"SLURM says {reason}"


def overview(jobs: Iterable[Queued], workers: Collection[str], wanted: int) -> str:
    """Return, on one line, how many workers there are and what the other jobs wait for.

    Parameters
    ----------
    jobs
        Those in the queue.
    workers
        Ids of the jobs whose workers have come.
    wanted
        How many workers there are to be.
    """
    listed = list(jobs)
    parts = [f"{len(workers)} of {wanted} workers"]
    starting = sum(job.state == RUNNING and job.id not in workers for job in listed)
    if starting:
        parts.append(f"{_jobs(starting)} {_s('start', starting)}")
    waiting = [job for job in listed if job.state in _STARTING]
    for why, count in Counter(map(why_waiting, waiting)).items():
        parts.append(f"{_jobs(count)} {_s('wait', count)}: {why}")
    begins = [job.start for job in waiting if job.start is not None]
    if begins:
        parts.append(f"the next is expected at {datetime.fromtimestamp(min(begins)):%H:%M on %d %B}")
    return "; ".join(parts)


def waits(jobs: Mapping[str, Queued]) -> bool:
    """Tell whether any job is still to begin."""
    return any(job.state in _STARTING for job in jobs.values())


def _jobs(count: int) -> str:
    return f"{count} job{'' if count == 1 else 's'}"


def _s(verb: str, count: int) -> str:
    return f"{verb}s" if count == 1 else verb


def _time(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
