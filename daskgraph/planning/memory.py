"""What the vectors, edges and workspaces of a training take in memory, by its sizes and partitions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from daskgraph.graph import partition_size

IDLE_BYTES = 225 << 20
"""What a process takes that has loaded all it needs, kernels too, and trains nothing. Measured; a constant,
so that a graph gets the same partitions wherever it is imported."""

FILE_BYTES, SWAP_BYTES = 3 << 20, 6 << 20
"""What the threads that read edges hold on to; what those that read and write partitions do. Measured."""


class Table(NamedTuple):
    """The vectors of one entity type."""

    name: str
    """The type."""
    rows: int
    """Its entities."""
    row_bytes: int
    """Bytes of a vector and its Adagrad sum."""
    partitioned: bool
    """Whether it is split into partitions."""
    features: int = 0
    """Features whose vectors are in memory in the place of the entities', if the type is featurised."""

    def held_bytes(self, partitions: int, buffer: int) -> int:
        """Return the bytes of its vectors in memory."""
        return (self.features or self.held(partitions, buffer)) * self.row_bytes

    @property
    def stored_bytes(self) -> int:
        """The bytes of its vectors on disk."""
        return (self.features + self.rows) * self.row_bytes

    def held(self, partitions: int, buffer: int) -> int:
        """Return how many entities can be candidates."""
        if not self.partitioned or slots(partitions, buffer) == partitions:
            return self.rows
        return slots(partitions, buffer) * self.largest(partitions)

    def largest(self, partitions: int) -> int:
        """Return the rows of its largest partition."""
        return min(self.rows, partition_size(self.rows, partitions if self.partitioned else 1))


@dataclass(frozen=True)
class Choice:
    """How a graph is cut, and how much of it a worker holds."""

    partitions: int
    """Partitions P of every partitioned type."""
    buffer: int
    """Partitions that a worker holds at once; P if it holds all."""


@dataclass(frozen=True)
class Sizes:
    """What is to be trained, by its sizes."""

    tables: tuple[Table, ...]
    """The vectors of every entity type."""
    edges: int
    """Edges of an epoch."""
    edge_bytes: int
    """Memory of an edge that is trained."""
    reading_bytes: int
    """Memory of an edge that is read and cut into a batch, before that."""
    slice_edges: int
    """Edges that are trained together, at most."""
    parameter_bytes: int
    """Memory for operators and common vectors with their sums, and for what is written of them."""
    workspace_bytes: Callable[[Mapping[str, int]], int]
    """Memory of all threads, for so many rows in memory of each type."""
    batch_size: int
    """Edges of a batch."""
    in_groups: bool = True
    """Whether a lease trains what is between two groups of partitions, and little within them."""
    kept_bytes: int = 0
    """Memory of edges that are kept there all the time."""
    copies: int = 0
    """Snapshots that are kept beside the model."""
    ahead: bool = True
    """Whether several workers leave half of the partitions free, to be read ahead."""

    @property
    def table_bytes(self) -> int:
        """Bytes of all vectors and their sums on disk."""
        return sum(table.stored_bytes for table in self.tables)

    @property
    def most_partitions(self) -> int:
        """As many partitions as the smallest partitioned type has entities."""
        return max(1, min((table.rows for table in self.tables if table.partitioned), default=1))

    def slice_bytes(self, choice: Choice) -> int:
        """Return the memory of the slice that is being read, and of the one that is trained meanwhile."""
        buckets = min(choice.buffer, choice.partitions) ** 2
        if self.in_groups and choice.buffer < choice.partitions:
            buckets = 2 * max(1, choice.buffer // 2) ** 2
        lease = -(-self.edges * buckets // choice.partitions**2)
        reading = min(self.slice_edges, lease)
        return reading * self.reading_bytes + min(reading, lease - reading) * self.edge_bytes

    def partition_bytes(self, partitions: int) -> int:
        """Return the bytes of one partition of every partitioned type."""
        return sum(t.largest(partitions) * t.row_bytes for t in self.tables if t.partitioned)


@dataclass(frozen=True)
class Memory:
    """Where the memory of a worker goes, in bytes."""

    process: int
    """Python, libraries and kernels, before anything is trained."""
    vectors: int
    """Vectors and their Adagrad sums."""
    edges: int
    """Edges that are read, cut into batches and trained."""
    workspaces: int
    """What the threads compute in."""
    parameters: int
    """Operators and common vectors."""
    files: int
    """What is held on to by threads that read and write."""

    @property
    def total(self) -> int:
        """All of it."""
        return self.process + self.above_idle

    @property
    def above_idle(self) -> int:
        """What training adds to a process that is idle."""
        return self.vectors + self.edges + self.workspaces + self.parameters + self.files

    @property
    def needed(self) -> int:
        """What `training.memory` must be at least."""
        return max(2 * self.vectors, self.total)


def spare(buffer: int) -> int:
    """Return how many partitions there is room for beside those of a lease: half of them come with the next.

    >>> spare(2), spare(3), spare(8)
    (1, 1, 4)
    """
    return max(1, buffer // 2)


def slots(partitions: int, buffer: int) -> int:
    """Return how many partitions of a type have room in memory: those held, and those on their way.

    >>> slots(64, 4), slots(4, 3), slots(1, 1)
    (6, 4, 1)
    """
    return min(partitions, buffer + spare(buffer))


def memory_of(sizes: Sizes, choice: Choice) -> Memory:
    """Return what a worker takes that holds so many partitions."""
    held = {table.name: table.held(choice.partitions, choice.buffer) for table in sizes.tables}
    return Memory(
        IDLE_BYTES,
        sum(table.held_bytes(choice.partitions, choice.buffer) for table in sizes.tables),
        sizes.slice_bytes(choice) + sizes.kept_bytes,
        sizes.workspace_bytes(held),
        sizes.parameter_bytes,
        FILE_BYTES + (SWAP_BYTES if slots(choice.partitions, choice.buffer) < choice.partitions else 0),
    )
