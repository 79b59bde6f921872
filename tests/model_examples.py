"""Graphs and models of random numbers, written without an import or a training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from graph_examples import encode, order_of
from naive_ranking import Naive, Triple

from daskgraph.config import Config
from daskgraph.graph import EntityType, GraphSchema, RelationType
from daskgraph.model import Model
from daskgraph.store import GraphStore, GraphWriter, ModelStore

UNTYPED = GraphSchema((EntityType("entity", 13),), (RelationType("edge", "entity", "entity"),))
TYPED = GraphSchema(
    (EntityType("user", 11), EntityType("item", 6, partitioned=False)),
    (
        RelationType("likes", "user", "item"),
        RelationType("follows", "user", "user"),
        RelationType("liked by", "item", "user"),
        RelationType("knows", "user", "user"),
    ),
)


def random_edges(schema: GraphSchema, count: int, rng: np.random.Generator) -> list[Triple]:
    relations = rng.integers(0, len(schema.relations), count).tolist()
    found = []
    for relation in relations:
        kinds = (schema.relations[relation].head, schema.relations[relation].tail)
        head, tail = (int(rng.integers(0, schema.entity_type(kind).count)) for kind in kinds)
        found.append((head, relation, tail))
    return found


def write_random_graph(
    path: Path,
    schema: GraphSchema,
    splits: Mapping[str, list[Triple]],
    labels: Mapping[str, list[str]] | None = None,
    names: Mapping[str, list[str]] | None = None,
) -> GraphStore:
    """Write a graph whose entities are named by type and row, such as "user 3"."""
    named = names or {
        kind.name: [f"{kind.name} {row}" for row in range(kind.count)] for kind in schema.entity_types
    }
    with GraphWriter.create(path, schema) as writer:
        for kind in schema.entity_types:
            ids = named[kind.name]
            writer.write_names(kind.name, encode(ids), order_of(ids))
            uses = [
                head for head, relation, _ in splits["train"] if kind.name == schema.relations[relation].head
            ]
            uses += [
                tail for _, relation, tail in splits["train"] if kind.name == schema.relations[relation].tail
            ]
            writer.write_degrees(kind.name, np.bincount(uses, minlength=kind.count))
            if labels is not None and kind.name in labels:
                writer.write_labels(kind.name, encode(labels[kind.name]), order_of(labels[kind.name]))
        for split, edges in splits.items():
            columns = np.array(edges, np.int64).reshape(-1, 3).T
            out = writer.edges(split, len(edges), np.array([0, len(edges)]))
            for name, values in zip(("head", "relation", "tail"), columns, strict=True):
                out.write(name, 0, values)
            out.finish()
        writer.finish({}, [])
    return GraphStore.open(path)


def random_model(schema: GraphSchema, keys: Mapping[str, Any], rng: np.random.Generator) -> Naive:
    """A model of random numbers in which many entities share their vectors."""
    model = Model(Config.from_dict(keys), schema)
    parameters = model.initial()
    for array in (parameters.tail, parameters.head, *parameters.common.values()):
        array[...] = rng.standard_normal(array.shape)
    tables = {}
    for kind in schema.entity_types:
        distinct = rng.standard_normal((kind.count, model.dimension(kind.name))).astype(np.float32)
        tables[kind.name] = distinct[rng.integers(0, max(1, kind.count * 2 // 3), kind.count)]
    return Naive(model, parameters, tables)


def store_model(path: Path, graph: GraphStore, naive: Naive) -> ModelStore:
    """Write a model in memory as one that was trained."""
    model = naive.model
    store = ModelStore.create(path, model.config.to_dict(), graph, model.stored_shapes())
    staging = store.staging("0")
    for kind, table in naive.tables.items():
        staging.write_rows(kind, 0, table, np.zeros(len(table), np.float32))
    staging.write_parameters(model.unpack(naive.parameters))
    store.commit(staging, {"epoch": 1})
    return store
