"""Memory, disk and partitions that are too few."""

from collections.abc import Mapping
from dataclasses import dataclass

from daskgraph.errors.base import (
    DaskgraphError,
    shown_size,
)


class DoesNotFitError(DaskgraphError):
    """A training takes more than there is."""


@dataclass(eq=False)
class MemoryTooSmallError(DoesNotFitError):
    """Memory that is too small for a training of this kind, however few vectors it holds."""

    limit: int
    """Bytes that a worker may use."""
    needed: int
    """Bytes that it takes without any vectors."""
    process: int
    """What of these an idle process takes."""
    parts: Mapping[str, int]
    """What of these edges, workspaces and parameters take."""

    def __str__(self) -> str:
        largest = max(self.parts, key=self.parts.__getitem__)
        what = f"an idle process {shown_size(self.process)}, {largest} {shown_size(self.parts[largest])}"
        lower = {
            "edges": "",
            "workspaces": ", or lower negatives.uniform, training.batch_size or training.threads",
            "parameters": ", or take an operator with fewer numbers",
        }
        return (
            f"training.memory of {shown_size(self.limit)} is too small: without any vectors, a worker takes "
            f"{shown_size(self.needed)} ({what}); give more{lower[largest]}"
        )


@dataclass(eq=False)
class UnpartitionedTooBigError(DoesNotFitError):
    """Entity types without partitions that are too big to be held whole."""

    sizes: Mapping[str, int]
    """Bytes of each such type."""
    limit: int
    """Bytes that a worker may use."""
    needed: int
    """Bytes that would do."""
    featurized: tuple[str, ...] = ()
    """Which of them are featurised, and can not have partitions."""

    def __str__(self) -> str:
        largest = max(self.sizes, key=self.sizes.__getitem__)
        way_out = "fewer features" if largest in self.featurized else f"entities.{largest}.partitioned = true"
        return (
            f"entity type {largest!r} takes {shown_size(self.sizes[largest])} in every worker, too much for "
            f"training.memory of {shown_size(self.limit)}; give {shown_size(self.needed)} or more, "
            f"or import again with {way_out}"
        )


@dataclass(eq=False)
class TooFewPartitionsError(DoesNotFitError):
    """Partitions so large that not even the fewest that a worker needs fit in its memory."""

    partitions: int
    """Partitions of the graph."""
    needed: int
    """Bytes that would do."""
    limit: int
    """Bytes that a worker may use."""
    fitting: int | None
    """How many partitions would fit, if any number does."""

    def __str__(self) -> str:
        change = f"import with -s graph.partitions={self.fitting}, or " if self.fitting else ""
        given = "1 partition" if self.partitions == 1 else f"{self.partitions} partitions"
        return (
            f"a graph in {given} takes {shown_size(self.needed)} to train, more than training.memory of "
            f"{shown_size(self.limit)}; {change}give more training.memory"
        )


@dataclass(eq=False)
class BufferTooBigError(DoesNotFitError):
    """More partitions in memory than fit there were asked for."""

    buffer: int
    """`training.buffer`."""
    needed: int
    """Bytes that it takes."""
    limit: int
    """Bytes that a worker may use."""
    fitting: int
    """How many would fit."""

    def __str__(self) -> str:
        return (
            f"training.buffer = {self.buffer} takes {shown_size(self.needed)}, more than training.memory of "
            f"{shown_size(self.limit)}; {self.fitting} would fit, and 0 takes as many as fit"
        )


@dataclass(eq=False)
class TooManyWorkersError(DoesNotFitError):
    """More workers than can hold different partitions at once."""

    workers: int
    """Workers that were asked for."""
    partitions: int
    """Partitions of the graph."""
    needed: int
    """Partitions that would do."""
    possible: int
    """Workers that these partitions allow."""

    def __str__(self) -> str:
        return (
            f"{self.workers} workers can not share {self.partitions} partitions, which are enough for "
            f"{self.possible}; import with -s graph.partitions={self.needed} or more"
        )


@dataclass(eq=False)
class DiskTooSmallError(DoesNotFitError):
    """A disk with less space than a training will write."""

    path: str
    """The folder."""
    needed: int
    """Bytes that will be written."""
    free: int
    """Bytes that are free."""

    def __str__(self) -> str:
        return (
            f"the disk of {self.path} has {shown_size(self.free)} free, and up to {shown_size(self.needed)} "
            "will be written; choose another place with -o, or a smaller model.dimension"
        )


@dataclass(eq=False)
class NeighborsTooBigError(DoesNotFitError):
    """A graph that is too big to be walked on in memory."""

    needed: int
    """Bytes of all lists of neighbours."""
    limit: int
    """`training.memory` in bytes."""

    def __str__(self) -> str:
        return (
            f"walks need the neighbours of all nodes in memory, {shown_size(self.needed)}, and"
            f" training.memory is {shown_size(self.limit)}; give more, or train the edges themselves with"
            " walks.per_node=0"
        )
