"""Trainings that can not begin, go on or end."""

from collections.abc import Mapping
from dataclasses import dataclass

from daskgraph.errors.base import (
    DaskgraphError,
    UsageError,
    shortened,
)


@dataclass(eq=False)
class InitError(UsageError):
    """A model that can not begin with the vectors of the other one that was given."""

    path: str
    """The other model's path."""
    reason: str
    """What is wrong, and what to do."""

    def __str__(self) -> str:
        return f"--init {self.path}: {self.reason}"


@dataclass(eq=False)
class FixedKeyError(UsageError):
    """A key of a model that exists was to be changed, and can not be."""

    path: str
    """Dotted path of the key."""
    stored: object
    """Its value in the model."""
    given: object
    """The value given now."""

    def __str__(self) -> str:
        change = f"from {shortened(self.stored)} to {shortened(self.given)}"
        return f"{self.path} can not change {change} in a trained model; leave it out, or train another model"


@dataclass(eq=False)
class LeaseFailedError(DaskgraphError):
    """The same part of a graph could not be trained, again and again."""

    lease: int
    """Number of the lease that failed last."""
    partitions: tuple[int, ...]
    """Its partitions."""
    reason: str
    """What happened, with its traceback where there is one."""

    def __str__(self) -> str:
        where = ", ".join(map(str, self.partitions))
        last = self.reason.strip().splitlines()[-1:]
        return (
            f"lease {self.lease} (partitions {where}) failed too often, the last time with: {' '.join(last)}"
        )


@dataclass(eq=False)
class NoProgressError(DaskgraphError):
    """A cluster on which nothing happens any more."""

    seconds: float
    """For how long."""
    holders: Mapping[str, tuple[int, ...]]
    """Partitions that each worker was training."""

    def __str__(self) -> str:
        held = "; ".join(f"{worker} holds partitions {parts}" for worker, parts in self.holders.items())
        what = held or "there is no worker: look why none could start"
        return (
            f"nothing has happened for {self.seconds:.0f} s ({what}); what was committed is safe, train again"
        )


@dataclass(eq=False)
class NoWorkersError(DaskgraphError):
    """A cluster without workers."""

    seconds: float
    """For how long."""

    def __str__(self) -> str:
        return f"there has been no worker for {self.seconds:.0f} s; look why none could start"


@dataclass(eq=False)
class PieceFailedError(DaskgraphError):
    """A piece of work over which worker after worker has died."""

    times: int
    """How many of them."""

    def __str__(self) -> str:
        return (
            f"{self.times} workers have died over the same piece of the work; "
            "look into their logs, and whether they have memory enough"
        )


@dataclass(eq=False)
class SchedulerLostError(DaskgraphError):
    """A cluster whose scheduler is gone."""

    address: str
    """Where it was."""

    def __str__(self) -> str:
        return (
            f"the scheduler at {self.address} does not answer any more; what was committed is safe, "
            "train again on a cluster that runs"
        )
