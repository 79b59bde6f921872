"""SLURM's commands, each one call; what they say when they fail becomes an error."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from daskgraph.errors import SlurmCommandError, SlurmMissingError, SubmissionRefusedError
from daskgraph.executors.slurm.states import (
    ACCOUNT_FORMAT,
    QUEUE_FORMAT,
    Ended,
    Queued,
    read_account,
    read_job,
    read_queue,
)

SECONDS = 60.0
"""A controller that is busy answers late; one that is down, never."""

_SPEAKER = re.compile(r"^\w+: (error|fatal): ")

_SILENT = re.compile(
    r"timed out|no answer|nable to contact|onnection (refused|failure)|Zero Bytes|ransport endpoint"
    r"|inactive or drain"
)
"""What sbatch says while the controller, or a queue, is away: nothing about the job."""

_UNAVAILABLE = "node configuration is not available"
"""What it says of nodes that do not exist, and of some that are down or drained."""

_KEPT = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_JWT")


def outside(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment as it is outside any job, and one in which SLURM writes times that can be read.

    What a job says of itself in its environment could be taken for a wish of the new one; SBATCH_ACCOUNT and
    the like are the user's own.
    """
    own = {
        name: value for name, value in environment.items() if name in _KEPT or not name.startswith("SLURM_")
    }
    return own | {"SLURM_TIME_FORMAT": "standard"}


def check_submission(script: str, asked: str) -> str:
    """Ask SLURM whether it would take a job; return why it can not tell while nodes are down, else nothing.

    `asked` says in words what the job is to have.

    Raises
    ------
    SlurmMissingError
        This machine has no sbatch.
    SlurmCommandError
        The controller does not answer, or the queue is closed for now.
    SubmissionRefusedError
        It would not; the error has sbatch's own line.
    """
    try:
        _run(["sbatch", "--test-only"], script)
    except SlurmCommandError as error:
        if _SILENT.search(error.reason):
            raise
        if _UNAVAILABLE in error.reason and _nodes_away():
            return error.reason
        raise SubmissionRefusedError(error.reason, asked) from None
    return ""


def submit(script: Path) -> str:
    """Submit a job; return its id."""
    return _run(["sbatch", "--parsable", str(script)]).strip().split(";")[0]


def queue(family: str) -> dict[str, Queued]:
    """Return this user's jobs whose names begin with `family`, by id."""
    text = _run(["squeue", "-h", "-u", str(os.getuid()), "-o", QUEUE_FORMAT])
    return {job.id: job for job in read_queue(text) if job.name.startswith(family)}


def ended(job: str) -> Ended:
    """Return what became of a job; its state is UNKNOWN where SLURM has forgotten it."""
    try:
        found = read_account(_run(["sacct", "-n", "-P", "-X", "-j", job, "-o", ACCOUNT_FORMAT])).get(job)
    except (SlurmCommandError, SlurmMissingError):
        # Sites without a database have no accounts of jobs.
        found = None
    if found is None or found.state in ("RUNNING", "PENDING"):
        with suppress(SlurmCommandError):
            found = read_job(_run(["scontrol", "show", "job", "-o", job])) or found
    return found or Ended(job, "UNKNOWN", "", None)


def cancel(jobs: Collection[str]) -> None:
    """Cancel jobs; those that are over already are no error."""
    if jobs:
        try:
            _run(["scancel", *sorted(jobs)])
        except SlurmCommandError as error:
            if "nvalid job id" not in error.reason:
                raise


def cancel_named(name: str) -> None:
    """Cancel all jobs of this user that are called so."""
    _run(["scancel", f"--user={os.getuid()}", f"--name={name}"])


def _nodes_away() -> bool:
    """Tell whether some nodes are down, drained or in maintenance, so that they may come back."""
    with suppress(SlurmCommandError, SlurmMissingError):
        return bool(_run(["sinfo", "-h", "-t", "down,drain,fail,maint", "-o", "%N"]).strip())
    return False


def _run(command: Sequence[str], given: str | None = None) -> str:
    try:
        done = subprocess.run(
            command,
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env=outside(os.environ),
        )
    except FileNotFoundError:
        remedy = "log in where jobs can be submitted, or train without --cluster slurm"
        raise SlurmMissingError(command[0], remedy) from None
    except subprocess.TimeoutExpired:
        raise SlurmCommandError(command[0], f"no answer within {SECONDS:.0f} s") from None
    if done.returncode:
        lines = [_SPEAKER.sub("", line).strip() for line in done.stderr.splitlines()]
        said = "; ".join(filter(None, lines)) or f"exit status {done.returncode}"
        raise SlurmCommandError(command[0], said)
    return done.stdout
