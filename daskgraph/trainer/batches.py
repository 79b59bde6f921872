"""Edges of a slice, cut into batches: in random order, a batch's relations all of one group or even the
same.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from daskgraph.graph import Edges
from daskgraph_kernels.workspace import Batches

Ids = npt.NDArray[np.int64]


class GroupBatches(NamedTuple):
    """The batches of one group of relations in a slice."""

    group: int
    """Index of the group in the model."""

    batches: Batches
    """The edges in the order in which they are trained."""


class Run(NamedTuple):
    """Consecutive batches of one group, trained by one call of the kernel."""

    batches: GroupBatches
    """Where they are."""

    first: int
    """The first of them."""

    last: int
    """One past the last."""


def cut(
    edges: Edges, group_index: Ids, batch_size: int, mixed: bool, random: np.random.Generator
) -> list[GroupBatches]:
    """Shuffle edges and cut them into batches.

    Parameters
    ----------
    edges
        Edges with heads and tails as places in memory.
    group_index
        For every relation the index of its group, int64, (relations,).
    batch_size
        Edges of a batch; the last of each relation, or of each group, may be smaller.
    mixed
        Whether the relations of a group share batches. If not, a batch has one relation, and batches of all
        relations come in random order: at any time a relation is as likely as it has batches left.
    random
        Where the order comes from.
    """
    shuffled = random.permutation(len(edges.head))
    keys = edges.relation[shuffled]
    if mixed:
        keys = group_index[keys]
    order = shuffled[np.argsort(keys, kind="stable")] if len(keys) and np.ptp(keys) else shuffled
    keys = edges.relation[order] if not mixed else group_index[edges.relation[order]]
    starts, stops = _chunks(keys, batch_size)
    groups = group_index[edges.relation[order[starts]]]
    return [
        GroupBatches(
            int(group), _gather(edges, order, starts[groups == group], stops[groups == group], random)
        )
        for group in np.unique(groups)
    ]


def runs(parts: list[GroupBatches], threads: int, random: np.random.Generator) -> list[Run]:
    """Cut the batches of all groups into runs, those of different groups in random order.

    A run is short enough that all threads finish together, long enough that calling the kernel costs nothing.
    """
    found = []
    for part in parts:
        count = len(part.batches.starts) - 1
        step = min(256, max(1, count // (8 * threads)))
        found += [Run(part, first, min(first + step, count)) for first in range(0, count, step)]
    if len(parts) == 1:
        return found
    return [found[index] for index in random.permutation(len(found))]


def _chunks(keys: Ids, size: int) -> tuple[Ids, Ids]:
    """Bounds of stretches of at most `size` equal keys."""
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(keys)) + 1, [len(keys)]])
    lengths = np.diff(bounds)
    counts = -(-lengths // size)
    first = np.repeat(bounds[:-1], counts)
    nth = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = first + nth * size
    return starts, np.minimum(starts + size, np.repeat(bounds[1:], counts))


def _gather(edges: Edges, order: Ids, starts: Ids, stops: Ids, random: np.random.Generator) -> Batches:
    """Copy the edges of some batches together, the batches in random order."""
    shuffled = random.permutation(len(starts))
    starts, lengths = starts[shuffled], (stops - starts)[shuffled]
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    chosen = order[np.repeat(starts - bounds[:-1], lengths) + np.arange(bounds[-1])]
    weight = np.empty(0, np.float32) if edges.weight is None else edges.weight[chosen]
    return Batches(edges.head[chosen], edges.relation[chosen], edges.tail[chosen], weight, bounds)
