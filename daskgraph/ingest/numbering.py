"""The second pass of an import: every entity gets its row, at random, within its type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from daskgraph.config import Config
from daskgraph.errors import ConfigValueError
from daskgraph.graph import UNTYPED_ENTITY, EntityType, GraphSchema, RelationType
from daskgraph.ingest.collecting import CodedEdges, Collected
from daskgraph.ingest.features import FeaturePairs, NumberedFeatures, number_features
from daskgraph.ingest.strings import arrow_indices, arrow_strings
from daskgraph.sizes import choose_partitions, worker_config
from daskgraph.threads import available_threads

Rows = npt.NDArray[np.integer[Any]]

RESERVED = "relations"
"""A type can not be called so: the store keeps the relations' names beside those of types."""


@dataclass(frozen=True)
class Numbering:
    """Which row every entity has."""

    schema: GraphSchema
    """Types with their counts, relations, and partitions."""
    rows: dict[str, Rows]
    """By type: the row of each code; anything for codes that are not of that type."""
    names: dict[str, pa.Array]
    """By type: the entities' names in the order of rows."""
    features: dict[str, NumberedFeatures] = field(default_factory=dict)
    """By featurised type: the features of the entities."""


def number(collected: Collected, config: Config, pairs: Mapping[str, FeaturePairs]) -> Numbering:
    """Number the entities of all splits, so that every row range is a fair sample of its type.

    Parameters
    ----------
    collected
        All edges.
    config
        Types and relations.
    pairs
        Entities with their features, by featurised type.

    Raises
    ------
    MissingFeaturesError
        An entity of a featurised type has no features.
    ConfigValueError
        More partitions than entities are asked for, or a type has a name that is taken.
    DoesNotFitError
        No number of partitions lets `training.memory` hold enough of them.
    """
    types = type_names(config)
    relations = relations_of(collected, config)
    positions, strings = collected.entities.positions(), arrow_strings(collected.entities.strings())
    rows, names = {}, {}
    for index, name in enumerate(types):
        used = _used(collected, relations, name, positions)
        order = random_order(len(used), config.training.seed, 1, index)
        rows[name] = np.zeros(len(positions), order.dtype)
        rows[name][used] = order
        placed = np.empty(len(used), np.int64)
        placed[order] = positions[used]
        names[name] = strings.take(arrow_indices(placed))
    features = {name: number_features(name, given, names[name]) for name, given in pairs.items()}
    kinds = entity_types({name: len(names[name]) for name in types}, config, features)
    return Numbering(_schema(kinds, relations, collected, config), rows, names, features)


def random_order(count: int, seed: int, *stream: int) -> Rows:
    """Return the numbers 0 to count - 1 in an order drawn from the seed and the stream alone."""
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *stream])))
    order: Rows = np.arange(count, dtype=np.int32 if count < 1 << 31 else np.int64)
    generator.shuffle(order)
    return order


def type_names(config: Config) -> tuple[str, ...]:
    """Return the names of the entity types. Raises ConfigValueError if one is taken."""
    types = tuple(config.entities) or (UNTYPED_ENTITY,)
    if RESERVED in types:
        raise ConfigValueError(f"entities.{RESERVED}", {}, "should have another name; this one is taken")
    return types


def relations_of(collected: Collected, config: Config) -> tuple[RelationType, ...]:
    """Return the relations: those of the config, or those found, between entities of the only type."""
    if config.relations:
        return tuple(
            RelationType(relation.name, relation.head, relation.tail) for relation in config.relations
        )
    return tuple(RelationType(name, UNTYPED_ENTITY, UNTYPED_ENTITY) for name in collected.relations)


def _used(collected: Collected, relations: tuple[RelationType, ...], name: str, positions: Rows) -> Rows:
    if all(relation.head == relation.tail == name for relation in relations):
        return collected.entities.codes()
    used = np.zeros(len(positions), np.bool_)
    for edges in collected.splits.values():
        for codes, selected in sides_of(edges, relations, name):
            used[codes[selected]] = True
    return np.flatnonzero(used)


def sides_of(
    edges: CodedEdges, relations: tuple[RelationType, ...], name: str
) -> tuple[tuple[npt.NDArray[Any], npt.NDArray[np.bool_]], ...]:
    """Return head and tail codes, each with which of them are of the type `name`."""
    heads = np.array([relation.head == name for relation in relations])
    tails = np.array([relation.tail == name for relation in relations])
    return (edges.head, heads[edges.relation]), (edges.tail, tails[edges.relation])


def entity_types(
    counts: Mapping[str, int], config: Config, features: Mapping[str, NumberedFeatures] | None = None
) -> tuple[EntityType, ...]:
    """Return the entity types as they are declared, those that are made of features with these."""
    kinds = []
    for name, count in counts.items():
        declared, own = config.entities.get(name), (features or {}).get(name)
        kind = EntityType(name, count, declared is None or declared.partitioned)
        if declared is not None and declared.featurized:
            # Any entity may need any feature: these are shared, and never leave memory.
            kind = replace(kind, partitioned=False, featurized=True)
        if own is not None:
            kind = replace(kind, features=len(own.names), feature_pairs=len(own.lists.ids))
        kinds.append(kind)
    return tuple(kinds)


def _schema(
    types: tuple[EntityType, ...], relations: tuple[RelationType, ...], collected: Collected, config: Config
) -> GraphSchema:
    weighted = any(edges.weight is not None for edges in collected.splits.values())
    whole = GraphSchema(types, relations, 1, weighted)
    asked = config.graph.partitions
    if asked == "auto":
        edges, own = len(collected.splits["train"]), worker_config(config, available_threads(0))
        threads = available_threads(own.training.threads)
        return replace(whole, partitions=choose_partitions(own, whole, edges, threads).partitions)
    return replace(whole, partitions=_possible(asked, types))


def _possible(asked: int, types: tuple[EntityType, ...]) -> int:
    smallest = min((kind for kind in types if kind.partitioned), key=lambda kind: kind.count, default=None)
    if smallest is None:
        if asked > 1:
            allowed = "should be 1 or left out: every type is held whole, none is split into partitions"
            raise ConfigValueError("graph.partitions", asked, allowed)
        return 1
    if asked > smallest.count:
        hint = f"is more than there are entities of type {smallest.name!r} ({smallest.count})"
        if len(types) > 1:
            hint += f"; fewer will do, or entities.{smallest.name}.partitioned = false"
        raise ConfigValueError("graph.partitions", asked, hint)
    return asked
