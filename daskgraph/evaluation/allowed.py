"""Type-constrained candidates: only entities that stand on the asked side of the relation in train edges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from daskgraph.comparing import Side
from daskgraph.evaluation.known import Known, among, slices
from daskgraph.graph import GraphSchema
from daskgraph.store import GraphStore
from daskgraph_kernels.ranking import Candidates, Compared

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Allowed:
    """Which candidates a question may have as answers.

    Parameters
    ----------
    places
        By side and relation places in the list of all candidates, ascending.
    """

    places: Mapping[tuple[Side, int], Ids]

    def narrow(self, side: Side, relations: Ids, own: Ids, known: Known) -> tuple[Ids, Known]:
        """Turn places among all candidates into places among those that the relation allows.

        Parameters
        ----------
        side
            The side asked for.
        relations
            Of every question, ascending, (questions,).
        own
            Where the positives stand, -1: nowhere, (questions,).
        known
            What does not count as a candidate.
        """
        own, first, last = own.copy(), np.empty_like(known.first), np.empty_like(known.last)
        ids, count = [np.empty(0, np.int64)], 0
        for relation, part in stretches(relations):
            allowed = self.places[side, relation]
            own[part] = [_place_in(allowed, place) for place in own[part].tolist()]
            # Lists of one relation stand together.
            start, stop = known.first[part].min(), known.last[part].max()
            lists = Known(known.first[part] - start, known.last[part] - start, known.ids[start:stop])
            kept = among(lists, allowed)
            first[part], last[part] = kept.first + count, kept.last + count
            ids.append(kept.ids)
            count += len(kept.ids)
        return own, Known(first, last, np.concatenate(ids))

    def counts(self, side: Side, relations: Ids) -> Ids:
        """Return how many candidates each question has; relations as of `narrow`."""
        counts = np.empty(len(relations), np.int64)
        for relation, part in stretches(relations):
            counts[part] = len(self.places[side, relation])
        return counts

    def of_block(self, side: Side, relation: int, block: Candidates) -> Candidates:
        """Keep of a block of candidates what a relation allows."""
        allowed = self.places[side, relation]
        start, stop = np.searchsorted(allowed, [block.start, block.start + len(block.raw)]).tolist()
        rows = allowed[start:stop] - block.start
        return Candidates(start, block.raw[rows], Compared(*(array[rows] for array in block.compared)))


def occurring(graph: GraphStore, split: str) -> dict[tuple[Side, int], Ids]:
    """Find the entities that stand on either side of a relation in train edges.

    Parameters
    ----------
    graph
        The graph.
    split
        Only relations count that it has edges of: memory grows with theirs alone.

    Returns
    -------
    By side and relation their rows, ascending.
    """
    relations = graph.schema.relations
    asked = np.zeros(len(relations), np.bool_)
    for edges in slices(graph, split):
        asked[edges.relation] = True
    width = max((kind.count for kind in graph.schema.entity_types), default=0) + 1
    keys: dict[Side, Ids] = {"head": np.empty(0, np.int64), "tail": np.empty(0, np.int64)}
    for edges in slices(graph, "train"):
        wanted = asked[edges.relation]
        for side in keys:
            ids = edges.head if side == "head" else edges.tail
            keys[side] = np.union1d(keys[side], edges.relation[wanted] * width + ids[wanted])
    rows: dict[tuple[Side, int], Ids] = {}
    for side, own in keys.items():
        of, ids = np.divmod(own, width)
        for index in np.flatnonzero(asked).tolist():
            rows[side, index] = ids[slice(*np.searchsorted(of, [index, index + 1]))]
    return rows


def joined(chosen: Mapping[tuple[Side, int], Ids], schema: GraphSchema) -> tuple[dict[str, Ids], Allowed]:
    """Return all candidates by type, ascending, and which of them every relation has chosen.

    Parameters
    ----------
    chosen
        By side and relation rows, ascending.
    schema
        Types of the relations.
    """
    by_kind: dict[str, list[Ids]] = {kind.name: [np.empty(0, np.int64)] for kind in schema.entity_types}
    for (side, index), rows in chosen.items():
        by_kind[side_type(schema, side, index)].append(rows)
    whole = {kind: np.unique(np.concatenate(parts)) for kind, parts in by_kind.items()}
    places = {
        (side, index): np.searchsorted(whole[side_type(schema, side, index)], rows)
        for (side, index), rows in chosen.items()
    }
    return whole, Allowed(places)


def side_type(schema: GraphSchema, side: Side, relation: int) -> str:
    """Return the entity type on a side of a relation."""
    kind = schema.relations[relation]
    return kind.head if side == "head" else kind.tail


def stretches(relations: Ids) -> Iterator[tuple[int, slice]]:
    """Give every relation of an ascending list, with where it stands."""
    bounds = [0, *(np.flatnonzero(np.diff(relations)) + 1).tolist(), len(relations)]
    for first, last in pairwise(bounds):
        yield int(relations[first]), slice(first, last)


def _place_in(allowed: Ids, place: int) -> int:
    """Return where a place stands among those allowed, -1 if it does not."""
    found = int(np.searchsorted(allowed, place))
    return found if place >= 0 and found < len(allowed) and allowed[found] == place else -1
