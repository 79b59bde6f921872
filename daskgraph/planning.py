"""What a training will take, before it runs: partitions, memory, disk, swaps, time. Arithmetic alone.

A worker holds `training.buffer` partitions of every partitioned type, and one more that is on its way from or
to the disk; types without partitions are whole in memory. Vectors may take half of `training.memory`, and all
together no more than the whole.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from daskgraph.errors import (
    BufferTooBigError,
    MemoryTooSmallError,
    TooFewPartitionsError,
    TooManyWorkersError,
    UnpartitionedTooBigError,
)
from daskgraph.graph import partition_size

IDLE_BYTES = 225 << 20
"""What a process takes that has loaded all it needs, kernels too, and trains nothing. Measured; a constant,
so that a graph gets the same partitions wherever it is imported."""

FILE_BYTES, SWAP_BYTES = 3 << 20, 6 << 20
"""What the threads that read edges hold on to; what those that read and write partitions do. Measured."""

SMALLEST_BUFFER, WISHED_BUFFER = 2, 4
"""Partitions that a worker must hold, and those for which "auto" makes partitions small enough."""

SPARE = 1
"""Partitions beside those of the buffer: what is being read or written."""

FEW_BATCHES = 4
"""A bucket of fewer batches is more overhead than training."""


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
    copies: int = 0
    """Snapshots that are kept beside the model."""

    @property
    def table_bytes(self) -> int:
        """Bytes of all vectors and their sums on disk."""
        return sum(table.stored_bytes for table in self.tables)

    @property
    def most_partitions(self) -> int:
        """As many partitions as the smallest partitioned type has entities."""
        return max(1, min((table.rows for table in self.tables if table.partitioned), default=1))

    def slice_bytes(self, choice: "Choice") -> int:
        """Return the memory of the slice that is being read, and of the one that is trained meanwhile."""
        held = min(choice.buffer, choice.partitions) ** 2
        lease = -(-self.edges * held // choice.partitions**2)
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


@dataclass(frozen=True)
class Rates:
    """How fast a machine is."""

    edges_per_second: float
    """Edges that its threads train in a second."""
    read_bytes_per_second: float
    """What comes from its disk."""
    write_bytes_per_second: float
    """What goes to it, to stay."""


@dataclass(frozen=True)
class Choice:
    """How a graph is cut, and how much of it a worker holds."""

    partitions: int
    """Partitions P of every partitioned type."""
    buffer: int
    """Partitions that a worker holds at once; P if it holds all."""


@dataclass(frozen=True)
class Plan:
    """What a training will take."""

    entities: Mapping[str, int]
    """Entities by type."""
    edges: int
    """Edges of an epoch."""
    partitions: int
    """Partitions P of every partitioned type."""
    buckets: int
    """P * P: the edges between two partitions are one bucket."""
    buffer: int
    """Partitions that a worker holds at once."""
    memory_bytes: int
    """What a worker will have taken at most, the idle process included."""
    memory: Memory
    """Where that goes."""
    disk_bytes: int
    """What will be written to the disk at most: the model, a commit on its way, and what `extra_disk` was."""
    swaps: int
    """Partitions that are read in an epoch, after the first."""
    seconds: float | None
    """Time of all epochs; None where no rates were given."""
    rates: Rates | None
    """What the time was computed from: the rates of one worker."""
    workers_at_most: int
    """How many workers can train at once: each needs a buffer that no other has, and one to go on with."""
    notes: tuple[str, ...] = ()
    """What to know beside the figures."""

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain data."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in ("memory", "rates"):
            part = plain[name]
            plain[name] = part and {field.name: getattr(part, field.name) for field in fields(part)}
        return {**plain, "entities": dict(self.entities), "notes": list(self.notes)}


def slots(partitions: int, buffer: int) -> int:
    """Return how many partitions of a type have room in memory: those held, and one on its way.

    >>> slots(64, 4), slots(4, 3), slots(1, 1)
    (5, 4, 1)
    """
    return min(partitions, buffer + SPARE)


def memory_of(sizes: Sizes, choice: Choice) -> Memory:
    """Return what a worker takes that holds so many partitions."""
    held = {table.name: table.held(choice.partitions, choice.buffer) for table in sizes.tables}
    return Memory(
        IDLE_BYTES,
        sum(table.held_bytes(choice.partitions, choice.buffer) for table in sizes.tables),
        sizes.slice_bytes(choice),
        sizes.workspace_bytes(held),
        sizes.parameter_bytes,
        FILE_BYTES + (SWAP_BYTES if slots(choice.partitions, choice.buffer) < choice.partitions else 0),
    )


def choose(sizes: Sizes, limit: int, *, buffer: int = 0, workers: int = 1) -> Choice:
    """Return what `graph.partitions = "auto"` stands for.

    That is 1 where all vectors fit in half of the memory and one worker is to train; else the least power of
    two of which a buffer fits, and which has two buffers for every worker.

    Parameters
    ----------
    sizes
        What is to be trained.
    limit
        Bytes that a worker may use.
    buffer
        `training.buffer`; 0: as many partitions as fit, 4 at least.
    workers
        How many will train at once.

    Raises
    ------
    MemoryTooSmallError, UnpartitionedTooBigError, TooFewPartitionsError
        No number of partitions makes it fit.
    TooManyWorkersError
        A type has too few entities for so many partitions.
    """
    whole = Choice(1, 1)
    if workers == 1 and (sizes.most_partitions == 1 or memory_of(sizes, whole).needed <= limit):
        return checked(sizes, limit, whole)
    wished = max(SMALLEST_BUFFER, buffer or WISHED_BUFFER)
    partitions = _power_of_two(max(wished + SPARE + 1, 2 * wished * workers if workers > 1 else 1))
    while partitions < sizes.most_partitions and memory_of(sizes, Choice(partitions, wished)).needed > limit:
        partitions *= 2
    return choose_buffer(sizes, limit, min(partitions, sizes.most_partitions), buffer=buffer, workers=workers)


def choose_buffer(sizes: Sizes, limit: int, partitions: int, *, buffer: int = 0, workers: int = 1) -> Choice:
    """Return how many of a graph's partitions a worker holds: as asked, or as many as fit.

    Parameters and errors are those of `choose`, and BufferTooBigError where what was asked for does not fit.
    """
    most = partitions
    if workers > 1:
        most = partitions // (2 * workers)
        if most < SMALLEST_BUFFER or (buffer and buffer > most):
            needed = 2 * workers * max(SMALLEST_BUFFER, buffer)
            raise TooManyWorkersError(workers, partitions, needed, max(1, partitions // 4))
    if buffer:
        asked = _all_or(partitions, max(SMALLEST_BUFFER, buffer))
        needed = memory_of(sizes, asked).needed
        if needed > limit:
            fitting = choose_buffer(sizes, limit, partitions, workers=workers).buffer
            raise BufferTooBigError(buffer, needed, limit, fitting)
        return asked
    whole = Choice(partitions, partitions)
    if most == partitions and memory_of(sizes, whole).needed <= limit:
        return whole
    possible = range(SMALLEST_BUFFER, min(most, partitions - SPARE - 1) + 1)
    fitting = bisect_left(
        possible, True, key=lambda held: memory_of(sizes, Choice(partitions, held)).needed > limit
    )
    return checked(sizes, limit, Choice(partitions, possible[fitting - 1]) if fitting else whole)


def checked(sizes: Sizes, limit: int, choice: Choice) -> Choice:
    """Return a choice that fits; say what does not, and what to change, where none does.

    Raises
    ------
    MemoryTooSmallError, UnpartitionedTooBigError, TooFewPartitionsError
        As of `choose`.
    """
    if memory_of(sizes, choice).needed <= limit:
        return choice
    memory = memory_of(sizes, _all_or(choice.partitions, SMALLEST_BUFFER))
    fitting = _fitting(sizes, limit)
    if fitting is not None:
        raise TooFewPartitionsError(choice.partitions, memory.needed, limit, fitting)
    others = memory.total - memory.vectors
    if others > limit:
        parts = {"edges": memory.edges, "workspaces": memory.workspaces, "parameters": memory.parameters}
        raise MemoryTooSmallError(limit, others, memory.process, parts)
    whole = {table.name: table.held_bytes(1, 1) for table in sizes.tables if not table.partitioned}
    taken = sum(whole.values())
    if 2 * taken > limit or others + taken > limit:
        featurized = tuple(table.name for table in sizes.tables if table.features)
        raise UnpartitionedTooBigError(whole, limit, max(2 * taken, others + taken), featurized)
    raise TooFewPartitionsError(choice.partitions, memory.needed, limit, None)


def expected_pairs(nodes: int, per_node: int, length: int, window: int) -> int:
    """Return about how many pairs walks make, at most: nodes that are the same make none.

    Parameters
    ----------
    nodes
        Entities of the graph.
    per_node, length, window
        As of `[walks]`.
    """
    apart = range(1, min(window, length - 1) + 1)
    of_walk = sum((length - steps) * (1 - (steps - 1) / window) for steps in apart)
    return round(nodes * per_node * of_walk)


def make_plan(
    sizes: Sizes,
    choice: Choice,
    *,
    epochs: int,
    workers: int = 1,
    rates: Rates | None = None,
    extra_disk: int = 0,
    count_reads: Callable[[int, int], int] | None = None,
    notes: tuple[str, ...] = (),
) -> Plan:
    """Return what a training will take.

    Parameters
    ----------
    sizes
        What is to be trained.
    choice
        Partitions and buffer.
    epochs
        How often every edge is trained.
    workers
        How many train at once.
    rates
        How fast one of them is, if that is known.
    extra_disk
        Bytes that are written beside the model, such as a graph that is still to be imported.
    count_reads
        Tells for partitions and buffer how many partitions an epoch reads; `beta_reads` if None.
    notes
        What to know beside the figures.
    """
    partitions, buffer = choice.partitions, choice.buffer
    swaps = 0 if buffer >= partitions else (count_reads or beta_reads)(partitions, buffer)
    memory = memory_of(sizes, choice)
    return Plan(
        entities={table.name: table.rows for table in sizes.tables},
        edges=sizes.edges,
        partitions=partitions,
        buckets=partitions**2,
        buffer=buffer,
        memory_bytes=memory.total,
        memory=memory,
        # A commit stands beside what it replaces until it is whole.
        disk_bytes=(2 + sizes.copies) * (sizes.table_bytes + sizes.parameter_bytes // 2) + extra_disk,
        swaps=swaps,
        seconds=None if rates is None else _seconds(sizes, choice, swaps, rates, epochs / workers),
        rates=rates,
        workers_at_most=max(1, partitions // (2 * buffer)),
        notes=(*notes, *_notes(sizes, choice)),
    )


def beta_reads(partitions: int, buffer: int) -> int:
    """Return how many partitions an epoch reads in the order `beta`, after the first fill of the buffer.

    Mohoney et al., Marius, OSDI 2021.

    >>> beta_reads(64, 4), beta_reads(16, 8)
    (690, 17)
    """
    left, step = partitions - buffer, buffer - 1
    rounds = left // step
    return left + ((rounds + 1) * (2 * left - rounds * step)) // 2


def _seconds(sizes: Sizes, choice: Choice, swaps: int, rates: Rates, epochs: float) -> float:
    """Kernels run while partitions are read and written: the slower of the two sets the pace."""
    moved = swaps * sizes.partition_bytes(choice.partitions)
    moving = moved / rates.read_bytes_per_second + moved / rates.write_bytes_per_second
    last_commit = sizes.table_bytes / rates.write_bytes_per_second
    return epochs * max(sizes.edges / rates.edges_per_second, moving) + last_commit


def _notes(sizes: Sizes, choice: Choice) -> tuple[str, ...]:
    bucket = sizes.edges / choice.partitions**2
    if choice.partitions == 1 or bucket >= FEW_BATCHES * sizes.batch_size:
        return ()
    return (
        f"a bucket holds {bucket:,.0f} edges, fewer than {FEW_BATCHES} batches of {sizes.batch_size}: "
        "more training.memory or a smaller training.batch_size will train faster",
    )


def _fitting(sizes: Sizes, limit: int) -> int | None:
    """Return the least power of two of partitions of which the smallest buffer fits, if there is one."""
    partitions = _power_of_two(SMALLEST_BUFFER + SPARE + 1)
    while partitions <= sizes.most_partitions:
        if memory_of(sizes, Choice(partitions, SMALLEST_BUFFER)).needed <= limit:
            return partitions
        partitions *= 2
    return None


def _all_or(partitions: int, buffer: int) -> Choice:
    """All partitions are held where only one would be left out: it fits where the spare one would be."""
    return Choice(partitions, partitions if buffer + SPARE >= partitions else buffer)


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()
