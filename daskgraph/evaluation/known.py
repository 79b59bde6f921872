"""The answers that are known to be true: they must not count against a model that names them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from daskgraph.comparing import OTHER, SIDES, Side
from daskgraph.graph import Edges
from daskgraph.store import GraphStore

Ids = npt.NDArray[np.int64]

SLICE = 1 << 20
"""Edges that are read at a time."""


class Known(NamedTuple):
    """For every question a list of entities in ascending order, without repeats."""

    first: Ids
    """Where a question's list begins, int64, (questions,)."""

    last: Ids
    """One past its end, int64, (questions,)."""

    ids: Ids
    """All lists, one after the other."""


def nothing_known(edges: Edges) -> dict[Side, Known]:
    """Return empty lists for each edge's questions."""
    none = np.zeros(len(edges.head), np.int64)
    known = Known(none, none, np.empty(0, np.int64))
    return {"head": known, "tail": known}


def known_answers(graph: GraphStore, edges: Edges, threads: int = 1) -> dict[Side, Known]:
    """Return the known heads and the known tails of each edge's question, its own answer among them.

    Only answers to these questions are kept, so that memory does not grow with the graph. Two
    threads take a side each.
    """
    with ThreadPoolExecutor(min(threads, len(SIDES))) as pool:
        collectors = list(pool.map(lambda side: _Collector(graph, edges, side), SIDES))
        for split in graph.splits:
            for true in slices(graph, split):
                for done in [pool.submit(collector.add, true) for collector in collectors]:
                    done.result()
        return dict(zip(SIDES, pool.map(_Collector.known, collectors), strict=True))


def among(known: Known, chosen: Ids) -> Known:
    """Keep of every list what is in `chosen` (ascending), as places in it."""
    places = np.searchsorted(chosen, known.ids)
    kept = np.zeros(len(known.ids), np.bool_)
    inside = places < len(chosen)
    kept[inside] = chosen[places[inside]] == known.ids[inside]
    before = np.concatenate([[0], np.cumsum(kept)])
    return Known(before[known.first], before[known.last], places[kept])


def slices(graph: GraphStore, split: str) -> Iterator[Edges]:
    """Give the edges of a split in pieces."""
    for start in range(0, graph.splits[split], SLICE):
        yield graph.read_edges(split, start, min(start + SLICE, graph.splits[split]))


class _Collector:
    """Gathers the answers to some edges' questions of one side from all true edges."""

    def __init__(self, graph: GraphStore, edges: Edges, side: Side) -> None:
        self._side = side
        self._width = max((kind.count for kind in graph.schema.entity_types), default=0) + 1
        self._keys, self._question = np.unique(self._asked(edges), return_inverse=True)
        self._found = [np.empty(0, np.int64)]

    def _asked(self, edges: Edges) -> Ids:
        """Return relation and given entity of each edge as one number."""
        given: Ids = getattr(edges, OTHER[self._side])
        return edges.relation * self._width + given

    def add(self, true: Edges) -> None:
        keys, answers = self._asked(true), getattr(true, self._side)
        places = np.searchsorted(self._keys, keys)
        hits = np.flatnonzero(places < len(self._keys))
        hits = hits[self._keys[places[hits]] == keys[hits]]
        self._found.append(places[hits] * self._width + answers[hits])

    def known(self) -> Known:
        questions, ids = np.divmod(np.unique(np.concatenate(self._found)), self._width)
        first = np.searchsorted(questions, np.arange(len(self._keys)))
        last = np.append(first[1:], len(ids))
        return Known(first[self._question], last[self._question], ids)
