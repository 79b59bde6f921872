"""A small typed graph, written without an import."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from daskgraph.graph import EntityType, GraphSchema, RelationType
from daskgraph.store import GraphStore, GraphWriter

CONFIG = {"model": {"dimension": 6}, "entities": {"item": {"dimension": 4}}, "training": {"seed": 0}}
PARAMETERS = {"relations/translation": (2, 6), "optimizer/relations/translation": (2, 6), "global/item": (4,)}


def encode(names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    encoded = [name.encode() for name in names]
    return np.cumsum([0, *map(len, encoded)]), np.frombuffer(b"".join(encoded), np.uint8)


def order_of(names: list[str]) -> np.ndarray:
    return np.array(sorted(range(len(names)), key=lambda row: names[row].encode()), np.int32)


def write_graph(path: Path, users: int = 10, edges: int = 50, seed: int = 0) -> GraphStore:
    user, item = EntityType("user", users), EntityType("item", 3, partitioned=False)
    relations = (RelationType("likes", "user", "user"), RelationType("buys", "user", "item"))
    schema = GraphSchema((user, item), relations, 2, weighted=True)
    rng = np.random.default_rng(seed)
    relation = rng.integers(0, 2, edges)
    columns = {
        "head": rng.integers(0, users, edges),
        "relation": relation,
        "tail": np.where(relation == 0, rng.integers(0, users, edges), rng.integers(0, 3, edges)),
        "weight": rng.random(edges).astype(np.float32),
    }
    names = {"user": [f"u{row}é" for row in range(users)], "item": ["c", "a", "b"]}
    with GraphWriter.create(path, schema) as writer:
        for entity_type, ids in names.items():
            writer.write_names(entity_type, encode(ids), order_of(ids))
            writer.write_degrees(entity_type, np.arange(len(ids)))
        writer.write_labels("item", encode(["tea", "", "tea"]), order_of(["tea", "", "tea"]))
        writer.write_descriptions("item", encode(["green", "", "black"]))
        out = writer.edges("train", edges, np.array([0, 5, 5, 20, edges]))
        for name, values in columns.items():
            out.write(name, 0, values)
        out.finish()
        writer.finish(CONFIG, [{"split": "train", "name": "edges.tsv"}])
    return GraphStore.open(path)
