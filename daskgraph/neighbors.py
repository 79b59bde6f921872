"""Questions by name: which entities are near one, which would complete an edge."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from daskgraph.comparing import Acting, Comparer, Side
from daskgraph.errors import (
    AmbiguousEntityError,
    QuestionError,
    UnknownEntityError,
    UnknownRelationError,
    nearest_name,
)
from daskgraph.searching import NONE, Best, Query, search
from daskgraph.spreading import Spread
from daskgraph.store import GraphStore, ModelStore
from daskgraph.vectors import Ids, StoredVectors, Vectors, gathered

EDGES = 1 << 20
"""Edges that are read at a time."""

SHOWN = 10
"""Entities that are listed where a label is not unique."""


class Answer(NamedTuple):
    """An entity that answers a question."""

    entity: str
    """Its id."""

    label: str | None
    """What people call it, if the graph knows."""

    score: float
    """Its score; higher is better."""


def find_entity(graph: GraphStore, name: str, entity_type: str | None = None) -> tuple[str, int]:
    """Return the type and row of an entity.

    Parameters
    ----------
    graph
        The graph.
    name
        Its id, or its label where that is unique; an id counts before a label. Where several types have the
        id, "type:id".
    entity_type
        The type it must be of; any, by default.

    Raises
    ------
    UnknownEntityError
        No entity has the id or label; a near one is named.
    AmbiguousEntityError
        Several have it; they are listed.
    """
    name = str(name)
    kinds = [kind.name for kind in graph.schema.entity_types if entity_type in (None, kind.name)]
    found = [(kind, row) for kind in kinds for row in graph.names(kind).matches(name)]
    prefix, _, rest = name.partition(":")
    if not found and prefix in kinds:
        found = [(prefix, row) for row in graph.names(prefix).matches(rest)]
    if not found:
        found = [(kind, row) for kind in kinds for row in _labelled(graph, kind, name)]
    if not found:
        raise _unknown(graph, name, entity_type)
    if len(found) > 1:
        described = [_described(graph, kind, row, len(kinds) > 1) for kind, row in found[:SHOWN]]
        raise AmbiguousEntityError(name, tuple(described))
    return found[0]


def nearest(
    source: ModelStore | Vectors,
    graph: GraphStore,
    entity: str,
    k: int = 10,
    *,
    entity_type: str | None = None,
    spread: Spread | None = None,
) -> list[Answer]:
    """Return the entities nearest to one, of its type and without itself, the nearest first.

    Rows are compared as they are by the model's comparator, the common vector of the type added where there
    is one. No operator acts, and a bias does not count: it makes an entity score well with all others, not
    with this one.

    Parameters
    ----------
    source
        A model on disk, or vectors in memory.
    graph
        The graph it was trained on.
    entity
        Id, or unique label.
    k
        How many; fewer if there are not so many.
    entity_type
        The type of the entity, where its name alone does not tell.
    spread
        Who compares, where the model is on disk; None: this process.

    Raises
    ------
    UnknownEntityError, AmbiguousEntityError
        No entity, or several, go by that name.
    """
    vectors = _vectors(source, graph)
    kind, row = find_entity(graph, entity, entity_type)
    comparer = Comparer(vectors.model, vectors.parameters, with_bias=False)
    given = comparer.compare(gathered(vectors, kind, np.array([row])))
    query = Query(kind, given, k, np.array([row]), with_bias=False)
    return _answers(graph, kind, search(vectors, query, spread, _path(source)))


def predict(
    source: ModelStore | Vectors,
    graph: GraphStore,
    *,
    head: str | None = None,
    relation: str | None = None,
    tail: str | None = None,
    k: int = 10,
    skip_known: bool = False,
    spread: Spread | None = None,
) -> list[Answer]:
    """Return the entities that best complete an edge, the best first.

    The entity asked about is an answer like any other of its type: a graph may have loops, and an evaluation
    ranks against it too. So the place of an answer in the list is its raw rank.

    Parameters
    ----------
    source
        A model on disk, or vectors in memory.
    graph
        The graph it was trained on.
    head, tail
        One of the two, by id or unique label; the other is asked for.
    relation
        Name of the relation; may be left out where the graph has but one.
    k
        How many; fewer if there are not so many.
    skip_known
        Whether answers that are edges of the graph already, in any split, are left out.
    spread
        Who compares, where the model is on disk; None: this process.

    Raises
    ------
    QuestionError
        Both head and tail were given, or neither, or the relation is missing.
    UnknownRelationError, UnknownEntityError, AmbiguousEntityError
        No relation or entity, or several entities, go by that name.
    """
    if (head is None) == (tail is None):
        raise QuestionError("give either a head, to ask for tails, or a tail, to ask for heads")
    index = _find_relation(graph, relation)
    kinds = graph.schema.relations[index]
    vectors = _vectors(source, graph)
    comparer = Comparer(vectors.model, vectors.parameters)
    if tail is None:
        side: Side = "tail"
        asked, (given, row) = kinds.tail, find_entity(graph, str(head), kinds.head)
    else:
        side = "head"
        asked, (given, row) = kinds.head, find_entity(graph, tail, kinds.tail)
    direction = comparer.direction(vectors.model.group_of(index), side)
    rows = gathered(vectors, given, np.array([row]))
    acting = direction.on_candidates
    query = Query(
        asked,
        comparer.compare(rows, direction.on_query, np.array([index])),
        k,
        _known(graph, side, index, row) if skip_known else NONE,
        None if acting is None else Acting(acting.operator, acting.parameters[index : index + 1]),
    )
    return _answers(graph, asked, search(vectors, query, spread, _path(source)))


def _answers(graph: GraphStore, kind: str, best: Best) -> list[Answer]:
    ids = graph.names(kind).names(best.rows)
    labels = graph.labels(kind)
    called: Sequence[str | None] = [None] * len(ids) if labels is None else labels.names(best.rows)
    scored = zip(ids, called, best.scores.tolist(), strict=True)
    return [Answer(entity, label or None, score) for entity, label, score in scored]


def _vectors(source: ModelStore | Vectors, graph: GraphStore) -> Vectors:
    if not isinstance(source, ModelStore):
        return source
    source.check_graph(graph)
    return StoredVectors(source)


def _path(source: ModelStore | Vectors) -> str:
    """Return where others find a model that is on disk."""
    return str(source.path.absolute()) if isinstance(source, ModelStore) else ""


def _find_relation(graph: GraphStore, name: str | None) -> int:
    names = graph.relation_names
    if name is None:
        if len(names) == 1:
            return 0
        raise QuestionError(f"name a relation: the graph has {len(names)} of them, such as {names[0]!r}")
    if name not in names:
        raise UnknownRelationError(name, names)
    return graph.schema.relation_index(name)


def _known(graph: GraphStore, side: Side, relation: int, given: int) -> Ids:
    """Return the entities that the graph's edges give as answers."""
    found: list[npt.NDArray[np.int64]] = [np.empty(0, np.int64)]
    for split, count in graph.splits.items():
        for start in range(0, count, EDGES):
            edges = graph.read_edges(split, start, min(start + EDGES, count))
            asked, known = (edges.head, edges.tail) if side == "head" else (edges.tail, edges.head)
            found.append(asked[(edges.relation == relation) & (known == given)])
    return np.unique(np.concatenate(found))


def _labelled(graph: GraphStore, kind: str, label: str) -> list[int]:
    labels = graph.labels(kind)
    return [] if labels is None else labels.matches(label)


def _unknown(graph: GraphStore, name: str, entity_type: str | None) -> UnknownEntityError:
    """Return the error for a name that no entity has, or none of the type it must be of."""
    kinds = [kind.name for kind in graph.schema.entity_types]
    others = []
    if entity_type is not None and len(kinds) > 1:
        others = [kind for kind in kinds if graph.names(kind).matches(name) or _labelled(graph, kind, name)]
    wanted = entity_type if len(kinds) > 1 else None
    return UnknownEntityError(name, _nearest(graph, name, entity_type), wanted, tuple(others))


def _nearest(graph: GraphStore, name: str, entity_type: str | None) -> str | None:
    """Return an id, or a label that is unique, that was probably meant."""
    near = []
    for kind in graph.schema.entity_types:
        if entity_type in (None, kind.name):
            labels = graph.labels(kind.name)
            near += [graph.names(kind.name).nearest(name)]
            near += [labels.nearest(name, unique=True)] if labels is not None else []
    found = [meant for meant in near if meant is not None and _is_unique(graph, meant, entity_type)]
    return nearest_name(name, found)


def _is_unique(graph: GraphStore, name: str, entity_type: str | None) -> bool:
    try:
        find_entity(graph, name, entity_type)
    except AmbiguousEntityError:
        return False
    return True


def _described(graph: GraphStore, kind: str, row: int, with_type: bool) -> str:
    descriptions = graph.descriptions(kind)
    entity = graph.names(kind).name(row)
    shown = f"{kind}:{entity}" if with_type else entity
    text = "" if descriptions is None else descriptions.name(row)
    return f"{shown} ({text})" if text else shown
