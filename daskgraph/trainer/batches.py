"""Edges of a slice, cut into batches: in random order, a batch's relations all of one group or even the
same.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from daskgraph.graph import Edges
from daskgraph_kernels.rng import derive_key
from daskgraph_kernels.shuffling import copy_edges, count_keys, list_edges, shuffle, sort_by_key
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


def cut(edges: Edges, group_index: Ids, batch_size: int, mixed: bool, key: int) -> list[GroupBatches]:
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
    key
        What decides the order.
    """
    order, ends = _sorted(group_index[edges.relation] if mixed else edges.relation, len(group_index), key)
    starts, stops, keys = _chunks(ends, batch_size)
    groups = keys if mixed else group_index[keys]
    return [
        GroupBatches(
            int(group),
            _gather(
                edges, order, starts[groups == group], stops[groups == group], derive_key(key, int(group))
            ),
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
        step = min(256, max(1, min(4, count // (2 * threads)), count // (8 * threads)))
        found += [Run(part, first, min(first + step, count)) for first in range(0, count, step)]
    if len(parts) == 1:
        return found
    return [found[index] for index in random.permutation(len(found))]


def _sorted(keys: Ids, count: int, key: int) -> tuple[Ids, Ids]:
    """A random order of edges in which equal keys are together, and where each of the `count` keys ends."""
    order, ends = np.empty(len(keys), np.int64), np.empty(count + 1, np.int64)
    shuffle(np.uint64(key), order)
    count_keys(keys, ends)
    if np.diff(ends).max(initial=0) == len(keys):
        return order, ends[1:]
    out = np.empty_like(order)
    sort_by_key(keys, order, ends, out)
    return out, ends[:-1]


def _chunks(ends: Ids, size: int) -> tuple[Ids, Ids, Ids]:
    """Bounds of stretches of at most `size` equal keys, and their keys; key k ends at ends[k]."""
    counts = -(-np.diff(ends, prepend=0) // size)
    keys = np.repeat(np.arange(len(ends)), counts)
    nth = np.arange(len(keys)) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = np.concatenate([[0], ends[:-1]])[keys] + nth * size
    return starts, np.minimum(starts + size, ends[keys]), keys


def _gather(edges: Edges, order: Ids, starts: Ids, stops: Ids, key: np.uint64) -> Batches:
    """Copy the edges of some batches together, the batches in random order."""
    shuffled = np.empty(len(starts), np.int64)
    shuffle(key, shuffled)
    starts, lengths = starts[shuffled], (stops - starts)[shuffled]
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    chosen = np.empty(int(bounds[-1]), np.int64)
    list_edges(order, starts, bounds, chosen)
    head, relation, tail = columns = np.empty((3, len(chosen)), np.int64)
    copy_edges(edges.head, edges.relation, edges.tail, chosen, columns)
    weight = np.empty(0, np.float32) if edges.weight is None else edges.weight[chosen]
    return Batches(head, relation, tail, weight, bounds)
