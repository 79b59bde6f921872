"""Plans through the API: of stores, of files, of numbers; what they say is what a training then does."""

import shutil
from collections import namedtuple
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from known_graphs import rings

import daskgraph
from daskgraph import tune
from daskgraph.errors import (
    ConfigValueError,
    DiskTooSmallError,
    MemoryTooSmallError,
    QuestionError,
    TooFewPartitionsError,
    TooManyWorkersError,
)
from daskgraph.ingest import estimating
from daskgraph.model import Model
from daskgraph.planning import Rates

CONFIG: dict[str, Any] = {
    "model": {"dimension": 8},
    "negatives": {"uniform": 5},
    "training": {"epochs": 2, "batch_size": 8, "threads": 1},
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take rates as given; how they are measured is tested apart."""
    monkeypatch.setattr("daskgraph.api.plans.calibrate", lambda *_: Rates(100.0, 1e9, 1e9))


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    path = tmp_path / "rings.graph.zarr"
    daskgraph.import_edges(rings(40), path, config={"graph": {"partitions": 8}})
    return path


def with_keys(**sections: dict[str, Any]) -> dict[str, Any]:
    return {**CONFIG, **{name: {**CONFIG.get(name, {}), **keys} for name, keys in sections.items()}}


@pytest.mark.parametrize("order", ["auto", "beta", "chained", "random"])
def test_plan__foretells_a_training(order: str, graph: Path, tmp_path: Path) -> None:
    config = with_keys(training={"buffer": 3, "bucket_order": order, "epochs": 1})
    plan = daskgraph.plan(graph, config=config)
    model = daskgraph.train(graph, tmp_path / "m.model.zarr", config=config)
    assert (plan.partitions, plan.buffer, plan.buckets) == (8, 3, 64)
    # Which pairs are near is chance in these orders, and the seed is not that of the training.
    assert plan.swaps == pytest.approx(model.summary["swaps"], rel=0.2)
    assert plan.swaps == model.summary["swaps"] or order in ("auto", "random")
    assert plan.seconds == pytest.approx(120 / 100, rel=0.1)


def test_plan__of_an_opened_graph_with_its_own_types(tmp_path: Path) -> None:
    typed = {
        "entities": {"user": {"dimension": 4}, "item": {"dimension": 4, "partitioned": False}},
        "relations": [
            {"name": name, "head": "user", "tail": "item"} for name in ("next", "after_next", "opposite")
        ],
    }
    daskgraph.import_edges(rings(24), tmp_path / "g.zarr", config={**typed, "graph": {"partitions": 6}})
    plan = daskgraph.plan(daskgraph.open_graph(tmp_path / "g.zarr"), config=CONFIG)
    assert plan.entities == {"user": 24, "item": 24}
    assert plan.memory.vectors == 2 * 24 * 4 * (4 + 1)


def test_plan__of_another_number_of_partitions(graph: Path) -> None:
    plan = daskgraph.plan(graph, config=with_keys(graph={"partitions": 4}))
    assert plan.partitions == 4
    assert "has 8 partitions; this is the plan for importing it again in 4" in plan.notes[0]


def test_plan__of_files_is_that_of_their_graph(tmp_path: Path) -> None:
    rings(40).to_csv(tmp_path / "edges.csv", index=False)
    daskgraph.import_edges(tmp_path / "edges.csv", tmp_path / "g.zarr", config=CONFIG)
    before = daskgraph.plan(tmp_path / "edges.csv", config=CONFIG)
    after = daskgraph.plan(tmp_path / "g.zarr", config=CONFIG)
    assert (before.entities, before.edges, before.memory) == (after.entities, after.edges, after.memory)
    assert before.disk_bytes > after.disk_bytes
    assert before.notes == after.notes == ()


def test_plan__of_large_files_is_an_estimate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimating, "SMALL_BYTES", 0)
    monkeypatch.setattr(estimating, "SAMPLE_EDGES", 1)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    rings(40).to_csv(tmp_path / "a" / "train.csv", index=False)
    rings(40).to_parquet(tmp_path / "b" / "train.parquet", row_group_size=60)
    monkeypatch.setattr("daskgraph.ingest.readers.ROWS", 60)
    assert daskgraph.plan(tmp_path / "a", config=CONFIG).notes == ()
    plan = daskgraph.plan(tmp_path / "b", config=CONFIG)
    assert plan.edges == 120
    assert "estimated from the first 60 edges" in plan.notes[0]


def test_plan__of_numbers() -> None:
    config = with_keys(model={"dimension": 100}, training={"memory": "2GiB"})
    plan = daskgraph.plan(nodes=20_000_000, edges=1_000_000_000, config=config)
    assert plan.partitions == 64
    assert plan.memory_bytes < 2 << 30
    assert 2 * plan.memory.vectors <= 2 << 30
    assert plan.workers_at_most == 64 // (2 * plan.buffer)


def test_plan__for_workers() -> None:
    plan = daskgraph.plan(nodes=1_000_000, edges=10_000_000, config=CONFIG, workers=5)
    assert plan.workers_at_most >= 5
    assert plan.partitions == 64


def test_plan__for_workers_on_this_machine() -> None:
    config = with_keys(training={"memory": "auto", "threads": 0}, cluster={"workers": 2})
    plan = daskgraph.plan(nodes=1_000_000, edges=10_000_000, config=config)
    assert plan.workers_at_most >= 2
    alone = daskgraph.plan(nodes=1_000_000, edges=10_000_000, config=config, workers=1)
    assert plan.seconds is not None
    assert alone.seconds is not None
    # Rates are those of a worker.
    assert plan.seconds == pytest.approx(alone.seconds / 2, rel=0.05)


def test_plan__of_types_by_number() -> None:
    typed = {
        "entities": {"user": {}, "item": {"partitioned": False}},
        "relations": [{"name": "likes", "head": "user", "tail": "item"}],
    }
    plan = daskgraph.plan(nodes={"user": 1000, "item": 10}, edges=100, config={**CONFIG, **typed})
    assert plan.entities == {"user": 1000, "item": 10}
    wrong: list[tuple[Any, str]] = [
        (1000, "user, item: give the nodes of each"),
        ({"user": 1}, "how many nodes of type 'item'"),
        ({"users": 1}, "did you mean 'user'"),
    ]
    for nodes, message in wrong:
        with pytest.raises(QuestionError, match=message):
            daskgraph.plan(nodes=nodes, edges=100, config={**CONFIG, **typed})


def test_plan__of_relations_by_number() -> None:
    config = with_keys(model={"operator": "linear"})
    one, many = (daskgraph.plan(nodes=9, edges=9, relations=n, config=config) for n in (1, 50))
    assert many.memory.parameters == 50 * one.memory.parameters > 0


@pytest.mark.parametrize("given", [{}, {"nodes": 3}, {"edges": 3}, {"source": "a", "nodes": 3, "edges": 3}])
def test_plan__of_nothing_or_of_both(given: dict[str, Any]) -> None:
    with pytest.raises(QuestionError, match="give a source to plan for, or its numbers"):
        daskgraph.plan(**given)


def test_what_does_not_fit_is_refused(graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = with_keys(training={"memory": "200MiB"})
    with pytest.raises(MemoryTooSmallError):
        daskgraph.plan(graph, config=small)
    with pytest.raises(MemoryTooSmallError):
        daskgraph.train(graph, tmp_path / "m.model.zarr", config=small)
    assert not (tmp_path / "m.model.zarr").exists()
    with pytest.raises(TooManyWorkersError, match="enough for 2"):
        daskgraph.plan(graph, config=CONFIG, workers=3)
    usage = namedtuple("usage", ["total", "used", "free"])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1000, 0, 1000))
    with pytest.raises(DiskTooSmallError, match=r"has 1000B free, and up to \d"):
        daskgraph.plan(graph, config=CONFIG)


@pytest.mark.compiled
def test_a_training_that_does_not_fit_any_more_is_refused_and_unharmed(tmp_path: Path) -> None:
    # 40 MB of vectors.
    frame = pd.DataFrame(
        np.random.default_rng(0).integers(50_000, size=(50_000, 2)), columns=["head", "tail"]
    )
    config = with_keys(graph={"partitions": 2}, model={"dimension": 200}, training={"epochs": 1})
    model = daskgraph.train(frame, tmp_path / "m.model.zarr", config=config)
    before = model[model.names()[0]]
    with pytest.raises(TooFewPartitionsError, match=r"in 2 partitions takes .* graph.partitions=\d"):
        daskgraph.train(frame, model.path, config={"training": {"memory": "250MiB", "epochs": 2}})
    np.testing.assert_array_equal(daskgraph.open_model(model.path)[model.names()[0]], before)


@pytest.mark.compiled
def test_the_same_files_are_known_again_whatever_the_memory(tmp_path: Path) -> None:
    frame = rings(4000)
    config = with_keys(model={"dimension": 2000}, training={"memory": "256MiB", "epochs": 1})
    model = daskgraph.train(frame, tmp_path / "m.model.zarr", config=config)
    assert model.store.schema.partitions == 16
    more = daskgraph.train(frame, model.path, config={"training": {"memory": "auto", "epochs": 2}})
    assert more.epochs == 2


@pytest.mark.compiled
def test_rates_are_measured_where_the_model_will_be(
    graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders: list[Path] = []

    def calibrate(model: Model, held: Mapping[str, int], threads: int, folder: Path) -> Rates:
        folders.append(folder)
        return tune.calibrate(model, held, threads, folder, seconds=0.02)

    monkeypatch.setattr("daskgraph.api.plans.calibrate", calibrate)
    (tmp_path / "there").mkdir()
    plan = daskgraph.plan(graph, tmp_path / "there" / "m.model.zarr", config=CONFIG)
    assert folders == [tmp_path / "there"]
    assert plan.rates is not None
    assert plan.rates.edges_per_second > 0


def test_config__is_checked() -> None:
    with pytest.raises(ConfigValueError):
        daskgraph.plan(nodes=3, edges=3, config={"training": {"epochs": 0}})
