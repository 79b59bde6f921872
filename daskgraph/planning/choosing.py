"""How many partitions a graph gets, and how many of them a worker holds: what fits, or why nothing does."""

from bisect import bisect_left

from daskgraph.errors import (
    BufferTooBigError,
    MemoryTooSmallError,
    TooFewPartitionsError,
    TooManyWorkersError,
    UnpartitionedTooBigError,
)
from daskgraph.planning.memory import Choice, Sizes, memory_of, slots, spare

SMALLEST_BUFFER, WISHED_BUFFER = 2, 4
"""Partitions that a worker must hold, and those for which "auto" makes partitions small enough."""


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
    partitions = _power_of_two(max(wished + spare(wished) + 1, 2 * wished * workers if workers > 1 else 1))
    while partitions < sizes.most_partitions and memory_of(sizes, Choice(partitions, wished)).needed > limit:
        partitions *= 2
    return choose_buffer(sizes, limit, min(partitions, sizes.most_partitions), buffer=buffer, workers=workers)


def choose_buffer(sizes: Sizes, limit: int, partitions: int, *, buffer: int = 0, workers: int = 1) -> Choice:
    """Return how many of a graph's partitions a worker holds: as asked, or as many as fit.

    Parameters and errors are those of `choose`, and BufferTooBigError where what was asked for does not fit.
    """
    most = partitions
    if workers > 1:
        most = partitions // (workers * (1 + sizes.ahead))
        if partitions < 4 * workers or buffer > most:
            needed = max(4 * workers, workers * (1 + sizes.ahead) * buffer)
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
    # Two groups that take turns are of one size.
    step = 2 if sizes.in_groups else 1
    held_counts = range(SMALLEST_BUFFER, most + 1, step)
    possible = [held for held in held_counts if slots(partitions, held) < partitions]
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


def _fitting(sizes: Sizes, limit: int) -> int | None:
    """Return the least power of two of partitions of which the smallest buffer fits, if there is one."""
    partitions = _power_of_two(SMALLEST_BUFFER + spare(SMALLEST_BUFFER) + 1)
    while partitions <= sizes.most_partitions:
        if memory_of(sizes, Choice(partitions, SMALLEST_BUFFER)).needed <= limit:
            return partitions
        partitions *= 2
    return None


def _all_or(partitions: int, buffer: int) -> Choice:
    """All partitions are held where those left out fit where the spare ones would be."""
    return Choice(partitions, partitions if slots(partitions, buffer) == partitions else buffer)


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()
