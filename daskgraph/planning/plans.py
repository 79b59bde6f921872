"""What a training will take in all: partitions, memory, disk, swaps, time."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from daskgraph.planning.memory import Choice, Memory, Sizes, memory_of

FEW_BATCHES = 4
"""A bucket of fewer batches is more overhead than training."""

LEASE_SECONDS = 2.5e-3
"""What the change from one lease to the next takes beside reading and writing."""


class Rounds(NamedTuple):
    """How partitions meet in an epoch after the first."""

    sweeps: int
    """So often all of them do."""
    changes: int
    """So often a worker goes from one lease to the next, in all sweeps."""
    reads: int
    """Partitions that are read, in all sweeps."""


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
    sweeps: int
    """So often all partitions meet in an epoch after the first."""
    swaps: int
    """Partitions that are read in such an epoch."""
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


def expected_pairs(nodes: int, per_node: int, length: int, window: int, kept: float = 1.0) -> int:
    """Return about how many pairs walks make, at most: nodes that are the same make none.

    Parameters
    ----------
    nodes
        Entities of the graph.
    per_node, length, window
        As of `[walks]`.
    kept
        The share of them that thinning leaves.
    """
    apart = range(1, min(window, length - 1) + 1)
    of_walk = sum((length - steps) * (1 - (steps - 1) / window) for steps in apart)
    return round(nodes * per_node * of_walk * kept)


def make_plan(
    sizes: Sizes,
    choice: Choice,
    *,
    epochs: int,
    workers: int = 1,
    rates: Rates | None = None,
    extra_disk: int = 0,
    count_rounds: Callable[[int, int], Rounds] | None = None,
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
    count_rounds
        Tells for partitions and buffer how partitions meet in an epoch; once, in the order `beta`, if None.
    notes
        What to know beside the figures.
    """
    partitions, buffer = choice.partitions, choice.buffer
    rounds = Rounds(1, 0, 0) if buffer >= partitions else (count_rounds or _beta_rounds)(partitions, buffer)
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
        sweeps=rounds.sweeps,
        swaps=rounds.reads,
        seconds=None if rates is None else _seconds(sizes, choice, rounds, rates, epochs / workers),
        rates=rates,
        workers_at_most=max(1, min(partitions // 4, partitions // ((1 + sizes.ahead) * buffer))),
        notes=(*notes, *_notes(sizes, choice, rounds, rates)),
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


def _beta_rounds(partitions: int, buffer: int) -> Rounds:
    reads = beta_reads(partitions, buffer)
    return Rounds(1, reads, reads)


def _seconds(sizes: Sizes, choice: Choice, rounds: Rounds, rates: Rates, epochs: float) -> float:
    """Kernels run while partitions are read and written: the slower of the two sets the pace."""
    moving = _moving(sizes, choice, rounds, rates)
    last_commit = sizes.table_bytes / rates.write_bytes_per_second
    epoch = max(sizes.edges / rates.edges_per_second, moving) + rounds.changes * LEASE_SECONDS
    return epochs * epoch + last_commit


def _moving(sizes: Sizes, choice: Choice, rounds: Rounds, rates: Rates) -> float:
    """Return the seconds that partitions are read and written in an epoch."""
    moved = rounds.reads * sizes.partition_bytes(choice.partitions)
    return moved / rates.read_bytes_per_second + moved / rates.write_bytes_per_second


def _notes(sizes: Sizes, choice: Choice, rounds: Rounds, rates: Rates | None) -> Iterator[str]:
    bucket = sizes.edges / choice.partitions**2
    if choice.partitions > 1 and bucket < FEW_BATCHES * sizes.batch_size:
        yield (
            f"a bucket holds {bucket:,.0f} edges, fewer than {FEW_BATCHES} batches of {sizes.batch_size}: "
            "more training.memory or a smaller training.batch_size will train faster"
        )
    if rates is None:
        return
    computing = sizes.edges / rates.edges_per_second
    changing = _moving(sizes, choice, rounds, rates) + rounds.changes * LEASE_SECONDS
    if changing > computing:
        fewer = ", or training.sweeps=1, which costs quality" if rounds.sweeps > 1 else ""
        yield (
            f"changing partitions takes {changing:,.2g} s an epoch, training {computing:,.2g} s: fewer "
            f"graph.partitions or a larger training.buffer will train faster{fewer}"
        )
