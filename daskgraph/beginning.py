"""Begin a model with the vectors of another one: entities and relations that have the same names."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from daskgraph.config import merge_stored
from daskgraph.errors import InitError, UntrainedModelError
from daskgraph.graph import EntityType
from daskgraph.model import Model
from daskgraph.store import GraphStore, ModelStore, Staging
from daskgraph.store.joining import common_rows
from daskgraph.vectors import FeatureMeans

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

ROOM = 1 << 30
"""Bytes of vectors that are put together at a time, where `training.memory` allows it.

The other model is read as often as the new one has such pieces: rows are numbered at random in both.
"""


class Found(NamedTuple):
    """What of a new model the other one had."""

    entities: int
    """Entities of all types."""

    relations: int
    """Relations."""


def check(model: Model, other: ModelStore) -> None:
    """Refuse another model whose vectors can not become those of this one.

    Raises
    ------
    InitError
        A type or relation of the same name has another dimension or operator, or is made of features in one
        of the two alone.
    """
    theirs = _description(other)
    known = {kind.name: kind.featurized for kind in theirs.schema.entity_types}
    for kind in model.schema.entity_types:
        if known.get(kind.name, kind.featurized) != kind.featurized:
            reason = (
                f"its {kind.name!r} is {'' if known[kind.name] else 'not '}featurised, here it is otherwise"
            )
            raise InitError(str(other.path), reason)
        if kind.name in known and model.dimension(kind.name) != theirs.dimension(kind.name):
            given, wanted = theirs.dimension(kind.name), model.dimension(kind.name)
            raise InitError(str(other.path), f"its {kind.name!r} has dimension {given}, here it is {wanted}")
    for mine, index in _common_relations(model, theirs):
        group, their_group = model.group_of(mine), theirs.group_of(index)
        name = model.schema.relations[mine].name
        if group.operator != their_group.operator:
            reason = (
                f"its relation {name!r} has the operator {their_group.operator}, here it is {group.operator}"
            )
            raise InitError(str(other.path), reason)
        given, wanted = theirs.dimension(their_group.tail), model.dimension(group.tail)
        if given != wanted:
            raise InitError(
                str(other.path), f"its relation {name!r} has dimension {given}, here it is {wanted}"
            )


def is_begun(store: ModelStore) -> bool:
    """Tell whether a model holds vectors, trained or not."""
    types = store.schema.entity_types
    return len(store.read_parameters()) == len(store.parameters) and all(
        store.has_rows(kind.name, 0, kind.count) for kind in types
    )


def begin(store: ModelStore, graph: GraphStore, model: Model, other: ModelStore, optimizer: bool) -> Found:
    """Commit the first vectors of a model: those of another one by name, all others as usual.

    Parameters
    ----------
    store
        The new model; its lock is held.
    graph
        Its graph.
    model
        Its config and schema.
    other
        The model to begin with.
    optimizer
        Whether Adagrad's sums come along; else they begin at 0.

    Raises
    ------
    InitError
        As of `check`.
    UntrainedModelError
        The other model holds no vectors.
    GraphNotFoundError, OtherGraphError
        The graph of the other model, which knows its entities' names, is gone.
    """
    check(model, other)
    if not is_begun(other):
        raise UntrainedModelError(str(other.path))
    staging = store.staging("begun")
    parameters = model.unpack(model.initial())
    relations = _take_parameters(model, other, parameters, optimizer)
    entities = 0
    for kind in model.schema.entity_types:
        lists = graph.features(kind.name)
        sources = _sources(graph, other, kind)
        if lists is None:
            entities += int(np.count_nonzero(sources >= 0))
            _begin_rows(store, model, other, kind.name, sources, optimizer, staging)
        else:
            # An entity is known if all its features are.
            entities += int(np.logical_and.reduceat(sources[lists.ids] >= 0, lists.offsets[:-1]).sum())
            _take_features(other, kind.name, sources, parameters, optimizer)
            means = FeatureMeans(model, model.pack(parameters), kind.name, lists)
            staging.write_means(kind.name, len(means), means.rows)
    staging.write_parameters(parameters)
    store.commit(staging, {})
    return Found(entities, relations)


def _begin_rows(
    store: ModelStore,
    model: Model,
    other: ModelStore,
    kind: str,
    sources: Ids,
    optimizer: bool,
    staging: Staging,
) -> None:
    for start, stop in _ranges(store, model, kind):
        rows = np.empty((stop - start, model.dimension(kind)), np.float32)
        sums = np.zeros(stop - start, np.float32)
        model.initial_rows(kind, start, rows)
        _take(other, kind, sources[start:stop], rows, sums if optimizer else None)
        staging.write_rows(kind, start, rows, sums)


def _description(other: ModelStore) -> Model:
    return Model(merge_stored(other.config, {}, other.path), other.schema)


def _common_relations(model: Model, theirs: Model) -> list[tuple[int, int]]:
    """Return the indices of relations of the same name, in both."""
    known = {relation.name: index for index, relation in enumerate(theirs.schema.relations)}
    named = enumerate(relation.name for relation in model.schema.relations)
    return [(index, known[name]) for index, name in named if name in known]


def _sources(graph: GraphStore, other: ModelStore, kind: EntityType) -> Ids:
    """Return for every row of a type the row of the same name in the other model, -1 if it has none.

    The rows of a featurised type are its features'.
    """
    sources = np.full(kind.features if kind.featurized else kind.count, -1, np.int64)
    if kind.name in {known.name for known in other.schema.entity_types}:
        graphs = (graph, other.open_graph())
        named = [own.feature_names if kind.featurized else own.names for own in graphs]
        for mine, theirs in common_rows(*(names(kind.name) for names in named)):
            sources[mine] = theirs
    return sources


def _ranges(store: ModelStore, model: Model, kind: str) -> Iterator[tuple[int, int]]:
    """Give ranges of whole chunks that together hold all rows of a type, and fit in the room each."""
    room = min(ROOM, (model.config.training.memory_bytes or 4 * ROOM) // 4)
    chunk, count = store.chunk_rows(kind), model.schema.entity_type(kind).count
    step = max(1, room // (4 * (model.dimension(kind) + 1)) // chunk) * chunk
    for start in range(0, count, step):
        yield start, min(start + step, count)


def _take(other: ModelStore, kind: str, sources: Ids, rows: Floats, sums: Floats | None) -> None:
    """Copy the rows `sources` of another model, where they are not -1; its chunks are read in order."""
    order = np.argsort(sources, kind="stable")
    order = order[np.searchsorted(sources[order], 0) :]
    ascending = sources[order]
    if not len(ascending):
        return
    step, count = other.chunk_rows(kind), other.schema.entity_type(kind).count
    for first in (np.unique(ascending // step) * step).tolist():
        places = order[np.searchsorted(ascending, first) : np.searchsorted(ascending, first + step)]
        embeddings, their_sums = other.read_rows(kind, first, min(first + step, count))
        rows[places] = embeddings[sources[places] - first]
        if sums is not None:
            sums[places] = their_sums[sources[places] - first]


def _take_features(
    other: ModelStore, kind: str, sources: Ids, parameters: Mapping[str, Floats], optimizer: bool
) -> None:
    """Copy the embeddings of those features of a type that the other model has."""
    mine = np.flatnonzero(sources >= 0)
    paths = [f"features/{kind}", *([f"optimizer/features/{kind}"] if optimizer else [])]
    for path, theirs in other.read_parameters(paths if len(mine) else []).items():
        parameters[path][mine] = theirs[sources[mine]]


def _take_parameters(
    model: Model, other: ModelStore, parameters: Mapping[str, Floats], optimizer: bool
) -> int:
    """Copy operators of relations, and the vectors common to a type; return how many relations there are."""
    found = np.array(_common_relations(model, _description(other)), np.int64).reshape(-1, 2)
    stored = other.read_parameters([path for path in other.parameters if "features/" not in path])
    for name, values in parameters.items():
        theirs = stored.get(name)
        if theirs is None or (name.startswith("optimizer/") and not optimizer):
            continue
        if "relations/" in name:
            # An array has room for the greatest operator in use: that may be greater here, or there.
            sizes = zip(values.shape[1:], theirs.shape[1:], strict=True)
            cut: Any = tuple(slice(0, min(both)) for both in sizes)
            values[(found[:, 0], *cut)] = theirs[(found[:, 1], *cut)]
        else:
            values[:] = theirs
    return len(found)
