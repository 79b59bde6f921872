"""SLURM and its jobs."""

from dataclasses import dataclass
from typing import ClassVar

from daskgraph.errors.base import DaskgraphError, UsageError


@dataclass(eq=False)
class SlurmMissingError(UsageError):
    """A program or package that jobs need, and this machine lacks."""

    name: str
    """What is not found."""
    remedy: str
    """What to do."""

    def __str__(self) -> str:
        return f"jobs of SLURM need {self.name}, which is not found here: {self.remedy}"


@dataclass(eq=False)
class SlurmCommandError(DaskgraphError):
    """A command of SLURM that fails."""

    command: str
    """The command."""
    reason: str
    """What it says."""

    def __str__(self) -> str:
        return f"{self.command} fails: {self.reason}"


@dataclass(eq=False)
class SubmissionRefusedError(UsageError):
    """Jobs that SLURM would never take."""

    reason: str
    """What sbatch says."""
    asked: str
    """What a job was to have."""

    def __str__(self) -> str:
        hint = f"each was to have {self.asked}; change [cluster] (daskgraph train --dry-run shows the script)"
        return f"SLURM refuses the jobs: {self.reason}; {hint}"


@dataclass(eq=False)
class JobsFailedError(DaskgraphError):
    """Jobs that end by themselves, one after the other."""

    sentences: tuple[str, ...]
    """What became of each."""
    log: str
    """Path of what the last one has printed."""
    tail: str
    """Its last lines."""
    advice: str = ""
    """What to do, where that is known."""

    def __str__(self) -> str:
        advice = f"; {self.advice}" if self.advice else ""
        last = f"; {self.log} ends with: {self.tail}" if self.tail else f"; see {self.log}"
        return f"jobs fail one after the other: {'; '.join(self.sentences)}{advice}{last}"


@dataclass(eq=False)
class RunCancelledError(DaskgraphError):
    """Somebody has cancelled the run."""

    path: str
    """The model's path."""

    def __str__(self) -> str:
        return f"the jobs of {self.path} were cancelled (daskgraph cancel); to go on, give the command again"


@dataclass(eq=False)
class TerminatedError(DaskgraphError):
    """A signal has told the process to end."""

    signal: str
    """The signal's name."""

    exit_status: ClassVar[int] = 143

    def __str__(self) -> str:
        return f"ended by {self.signal}; the same command goes on from the last commit, if there was one"
