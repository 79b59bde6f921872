"""Sizes are those of what a training really makes: workspaces, slices, parameters, vectors."""

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import daskgraph
from daskgraph.buffer import Buffer
from daskgraph.config import Config
from daskgraph.graph import EntityType, GraphSchema, RelationType
from daskgraph.model import Model
from daskgraph.planning import Choice, memory_of
from daskgraph.schedule import Lease, Stretch
from daskgraph.sizes import (
    block_edges,
    choose_held,
    choose_sweeps,
    keeps_edges,
    memory_limit,
    reads_ahead,
    sizes_of,
    worker_config,
)
from daskgraph.store import GraphStore, ModelStore
from daskgraph.trainer.feed import Feed
from daskgraph.trainer.trainer import Trainer
from daskgraph_kernels.workspace import Workspace

EDGES, ENTITIES = 60_000, 2000


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, GraphStore]:
    """Random edges of one relation, and of three."""
    folder = tmp_path_factory.mktemp("graphs")
    random = np.random.default_rng(0)
    found = {}
    for typed in (False, True):
        frame = pd.DataFrame({side: random.integers(ENTITIES, size=EDGES) for side in ("head", "tail")})
        if typed:
            frame["relation"] = random.choice(["a", "b", "c"], EDGES)
        path = folder / f"{typed}.graph.zarr"
        daskgraph.import_edges(frame, path, config={"graph": {"partitions": 8}})
        found[typed] = GraphStore.open(path)
    return found


def model_of(graph: GraphStore, **sections: dict[str, Any]) -> Model:
    config = {"graph": {"partitions": 8}, "model": {"dimension": 6}, "training": {"batch_size": 16}}
    return Model(Config.from_dict({**config, **sections}), graph.schema)


def held(folder: Path, graph: GraphStore, model: Model, capacity: int) -> Buffer:
    store = ModelStore.create(folder / "m.zarr", model.config.to_dict(), graph, model.stored_shapes())
    return Buffer(store, graph, model, capacity)


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"model": {"dimension": 6, "operator": "linear", "reciprocal": True, "comparator": "cos"}},
        {"negatives": {"all": True}},
        {"model": {"dimension": 6, "comparator": "l2", "bias": True}, "negatives": {"corrupt": "tail"}},
    ],
    ids=["default", "reciprocal", "all", "tails"],
)
@pytest.mark.parametrize("capacity", [3, 8])
def test_sizes__are_those_of_buffer_and_workspace(
    sections: dict[str, Any], capacity: int, graphs: dict[bool, GraphStore], tmp_path: Path
) -> None:
    graph = graphs[True]
    model = model_of(graph, **sections)
    buffer = held(tmp_path, graph, model, capacity)
    buffer.hold(range(capacity))
    trainer = Trainer(model, model.initial(), 1)
    trainer.compile(buffer.tables)
    memory = memory_of(sizes_of(model, EDGES, 1), Choice(8, capacity))
    assert memory.vectors == sum(table.rows.nbytes + table.sums.nbytes for table in buffer.tables.values())
    workspaces = sum(map(bytes_of, (work for works in trainer._spare.values() for work in works)))
    # A plan counts the partition on its way among the candidates.
    assert (
        workspaces
        <= memory.workspaces
        <= (1.4 if sections.get("negatives", {}).get("all") else 1) * workspaces
    )
    stored = model.unpack(model.initial())
    assert memory.parameters == 2 * sum(array.nbytes for array in stored.values())
    trainer.close()
    buffer.close()


def bytes_of(work: Workspace) -> int:
    arrays = {id(array): array for array in (*work, *work.links) if isinstance(array, np.ndarray)}
    return sum(array.nbytes for array in arrays.values())


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("mixed", [False, True])
def test_reading_bytes__are_what_making_a_slice_takes(
    typed: bool, mixed: bool, graphs: dict[bool, GraphStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daskgraph.trainer.feed.keeps_edges", lambda *_: False)
    graph = graphs[typed]
    model = model_of(graph, model={"dimension": 6, "reciprocal": mixed})
    buffer = held(tmp_path, graph, model, 8)
    buffer.hold(range(8))
    feed = Feed(graph, model, buffer)
    stretches = tuple(Stretch((i, j), 0, False) for i in range(8) for j in range(8))
    lease = Lease(number=0, epoch=0, partitions=tuple(range(8)), stretches=stretches)
    block = block_edges(model, graph.edge_chunk("train"))
    next(feed.slices(lease, block))
    tracemalloc.start()
    found = next(feed.slices(lease, block))
    left, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    edges = sum(len(part.batches.head) for part in found.parts)
    sizes = sizes_of(model, EDGES, 1)
    assert edges <= sizes.slice_edges
    assert peak / edges == pytest.approx(sizes.reading_bytes, rel=0.15)
    assert left / edges == pytest.approx(sizes.edge_bytes, rel=0.15)
    feed.close()
    buffer.close()


def test_kept_edges__are_those_of_all_partitions_if_they_are_few(graphs: dict[bool, GraphStore]) -> None:
    model = model_of(graphs[False])
    assert sizes_of(model, EDGES, 1).kept_bytes == 24 * EDGES
    assert sizes_of(model, (32 << 20) // 24 + 1, 1).kept_bytes == 0
    assert not keeps_edges(EDGES, replace(model.schema, partitions=1))


def test_choose_sweeps__as_asked_or_as_the_time_of_kernels_allows(graphs: dict[bool, GraphStore]) -> None:
    model = model_of(graphs[False])
    assert choose_sweeps(model, 10**6, 2, buffer=8, partitions=8) == 1
    few, many, most = (choose_sweeps(model, edges, 2, 4, 8) for edges in (200, 10**6, 10**9))
    assert 1 == few < many <= most == 16
    assert choose_sweeps(model, 10**6, 8, 2, 512) == 1
    assert [choose_sweeps(model, 10**8, 2, 2, 16, workers=workers) for workers in (0, 1, 4, 16)] == [
        16,
        15,
        3,
        15,
    ]
    asked = model_of(graphs[False], training={"sweeps": 3})
    assert choose_sweeps(asked, 200, 2, 4, 8) == 3
    assert choose_sweeps(model_of(graphs[False], training={"bucket_order": "beta"}), 10**6, 2, 4, 8) == 1


def test_reads_ahead__where_all_vectors_take_long_to_move(graphs: dict[bool, GraphStore]) -> None:
    schema = graphs[False].schema
    large = tuple(replace(kind, count=10**9) for kind in schema.entity_types)
    assert not reads_ahead(model_of(graphs[False]))
    assert reads_ahead(Model(Config(), replace(schema, entity_types=large)))


def test_choose_held__as_buffer_or_memory_say(graphs: dict[bool, GraphStore]) -> None:
    for training, expected in (({}, 8), ({"buffer": 3}, 3), ({"buffer": 7}, 8), ({"memory": "1GiB"}, 8)):
        assert choose_held(model_of(graphs[False], training=training), EDGES, 1) == expected


def test_memory_limit__is_that_of_the_machine_where_none_is_given() -> None:
    assert memory_limit(Config.from_dict({"training": {"memory": "1GiB"}})) == 1 << 30
    assert memory_limit(Config()) > 1 << 28


def test_worker_config__shares_a_machine() -> None:
    several = {"cluster": {"workers": 3}}
    shared = worker_config(Config.from_dict(several), 8)
    assert shared.training.threads == 2
    assert shared.training.memory == memory_limit(Config()) // 3
    chosen = Config.from_dict({**several, "training": {"threads": 5, "memory": "1GiB"}})
    assert worker_config(chosen, 8) == chosen
    assert worker_config(Config(), 8) == Config()


def test_sizes__of_types_with_their_own_dimensions() -> None:
    types = (EntityType("user", 10), EntityType("item", 5, partitioned=False))
    schema = GraphSchema(types, (RelationType("likes", "user", "item"),), 2)
    keys = {
        "entities": {"user": {"dimension": 4}, "item": {"dimension": 4, "partitioned": False}},
        "relations": [{"name": "likes", "head": "user", "tail": "item"}],
    }
    sizes = sizes_of(Model(Config.from_dict(keys), schema), 7, 1)
    assert [tuple(table)[:4] for table in sizes.tables] == [("user", 10, 20, True), ("item", 5, 20, False)]
    assert sizes.table_bytes == 300
