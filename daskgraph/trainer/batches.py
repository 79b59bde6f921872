"""Edges of a slice, cut into batches: in random order, a batch's relations all of one group or even the
same.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from daskgraph.graph import Edges
from daskgraph_kernels.rng import derive_key
from daskgraph_kernels.shuffling import count_keys, deal, list_stretches, shuffle, sort_by_key
from daskgraph_kernels.workspace import Batches

Ids = npt.NDArray[np.int64]
Column = npt.NDArray[Any]

_STACK = 1 << 14
"""Edges that are shuffled together, about: three columns of them stay in a second cache."""

_DEAL = 0xDEA1


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
    keys = group_index[edges.relation] if mixed else edges.relation
    shuffled, ends = _shuffled(edges, keys, len(group_index), key)
    starts, stops, keys = _chunks(ends, batch_size)
    groups = keys if mixed else group_index[keys]
    return [
        GroupBatches(
            int(group),
            _gather(shuffled, starts[groups == group], stops[groups == group], derive_key(key, int(group))),
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


def _shuffled(edges: Edges, keys: Ids, count: int, key: int) -> tuple[Edges, Ids]:
    """Return edges in a random order in which equal keys are together, and where each of the keys ends.

    Many edges of one key are dealt out to stacks, and those shuffled: they stay in a cache, where a
    permutation of all would jump about in the memory. All orders are as likely (Rao 1961, Sandelius 1962).
    """
    ends = np.empty(count + 1, np.int64)
    count_keys(keys, ends)
    firsts = np.concatenate([[0], np.cumsum(np.diff(ends) // _STACK + 1)])
    if firsts[-1] > count:
        stacks, ends = np.empty_like(keys), np.empty(firsts[-1] + 1, np.int64)
        deal(derive_key(key, _DEAL), keys, firsts, stacks)
        count_keys(stacks, ends)
        keys = stacks
    head, relation, tail = _ordered(edges[:3], keys, ends, key)
    weight = None if edges.weight is None else _ordered([edges.weight], keys, ends, key)[0]
    return Edges(head, relation, tail, weight), ends[firsts[1:]]


def _ordered(columns: Sequence[Column], keys: Ids, ends: Ids, key: int) -> Column:
    """Return columns sorted by keys, key k ending at ends[k + 1], and those of equal keys shuffled."""
    out = np.empty((len(columns), len(keys)), columns[0].dtype)
    for column, own in zip(columns, out, strict=True):
        sort_by_key(keys, ends[:-1].copy(), column, own)
    shuffle(np.uint64(key), ends, out)
    return out


def _chunks(ends: Ids, size: int) -> tuple[Ids, Ids, Ids]:
    """Bounds of stretches of at most `size` equal keys, and their keys; key k ends at ends[k]."""
    counts = -(-np.diff(ends, prepend=0) // size)
    keys = np.repeat(np.arange(len(ends)), counts)
    nth = np.arange(len(keys)) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = np.concatenate([[0], ends[:-1]])[keys] + nth * size
    return starts, np.minimum(starts + size, ends[keys]), keys


def _gather(edges: Edges, starts: Ids, stops: Ids, key: np.uint64) -> Batches:
    """Copy the edges of some batches together, the batches in random order."""
    order = np.arange(len(starts))[np.newaxis]
    shuffle(key, np.array([0, len(starts)]), order)
    starts, lengths = starts[order[0]], (stops - starts)[order[0]]
    bounds = np.concatenate([[0], np.cumsum(lengths)])

    def listed(column: Column) -> Column:
        out = np.empty(int(bounds[-1]), column.dtype)
        list_stretches(column, starts, bounds, out)
        return out

    weight = np.empty(0, np.float32) if edges.weight is None else listed(edges.weight)
    return Batches(listed(edges.head), listed(edges.relation), listed(edges.tail), weight, bounds)
