"""Whole trainings on graphs with known answers, through real stores."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from known_graphs import clique_purity, cliques

from daskgraph.config import Config
from daskgraph.events import Committed, EdgesTrained, EpochFinished, Event, TrainingFinished, ignore
from daskgraph.executors import train_inline
from daskgraph.ingest import import_edges
from daskgraph.model import Model
from daskgraph.schedule import Progress
from daskgraph.store import GraphStore, ModelStore

Train = Callable[..., tuple[ModelStore, dict[str, Any]]]

BASE: dict[str, Any] = {
    "model": {"dimension": 16, "comparator": "cos"},
    "loss": {"function": "softmax"},
    "negatives": {"uniform": 20},
    "training": {"epochs": 8, "batch_size": 20, "threads": 1},
}


def chosen(**training: Any) -> Config:
    return Config.from_dict({**BASE, "training": {**BASE["training"], **training}})


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, GraphStore]:
    """The same cliques in 1 and in 4 partitions."""
    folder = tmp_path_factory.mktemp("graphs")
    stores = {}
    for partitions in (1, 4):
        path = folder / f"{partitions}.graph.zarr"
        config = Config.from_dict({"graph": {"partitions": partitions}})
        import_edges([cliques(12, 8)], path, config=config, callback=ignore)
        stores[partitions] = GraphStore.open(path)
    return stores


@pytest.fixture
def train(tmp_path: Path, graphs: dict[int, GraphStore]) -> Train:
    def run(
        config: Config, name: str = "m", partitions: int = 1, callback: Any = ignore
    ) -> tuple[ModelStore, dict[str, Any]]:
        graph = graphs[partitions]
        model = Model(config, graph.schema)
        path = tmp_path / f"{name}.model.zarr"
        if path.exists():
            store = ModelStore.open(path)
        else:
            store = ModelStore.create(path, config.to_dict(), graph, model.stored_shapes())
        with store.lock():
            store.sweep()
            return store, train_inline(store, graph, model, callback)

    return run


def vectors(store: ModelStore) -> np.ndarray:
    return store.read_embeddings("entity", 0, store.schema.entity_type("entity").count)


@pytest.mark.compiled
@pytest.mark.parametrize(("partitions", "buffer"), [(1, 0), (4, 0), (4, 2), (4, 3)])
def test_training__members_of_a_clique_are_nearest(
    train: Train, graphs: dict[int, GraphStore], partitions: int, buffer: int
) -> None:
    store, summary = train(chosen(epochs=30, buffer=buffer, threads=2), partitions=partitions)
    names = list(graphs[partitions].names("entity"))
    assert clique_purity(vectors(store), names) > 0.97
    assert summary["edges"] == 30 * 12 * 8 * 7
    assert summary["epochs"] == 30
    # With room for one more than three, all four are held.
    assert (summary["swaps"] > 0) == (buffer == 2)


@pytest.mark.compiled
def test_training__one_thread_is_reproducible(train: Train) -> None:
    first, _ = train(chosen(), "first")
    second, _ = train(chosen(), "second")
    np.testing.assert_array_equal(vectors(first), vectors(second))
    other, _ = train(chosen(seed=1), "other")
    assert (vectors(first) != vectors(other)).any()


@pytest.mark.compiled
@pytest.mark.parametrize(("partitions", "buffer"), [(1, 0), (4, 2)])
def test_training__goes_on_as_if_it_had_never_stopped(train: Train, partitions: int, buffer: int) -> None:
    whole, _ = train(chosen(epochs=6, buffer=buffer), "whole", partitions)
    train(chosen(epochs=2, buffer=buffer), "parts", partitions)
    parts, summary = train(chosen(epochs=6, buffer=buffer), "parts", partitions)
    assert summary["resumed_from"] == 2
    assert summary["epochs"] == 4
    np.testing.assert_array_equal(vectors(whole), vectors(parts))
    assert [entry["epoch"] for entry in parts.history] == [1, 2, 3, 4, 5, 6]


def test_training__killed_within_an_epoch_it_trains_the_rest(train: Train) -> None:
    class KilledError(Exception):
        pass

    commits = 0

    def kill(event: Event) -> None:
        nonlocal commits
        commits += isinstance(event, Committed)
        if commits == 3:
            raise KilledError

    config = chosen(epochs=1, buffer=2, checkpoint=0.0)
    with pytest.raises(KilledError):
        train(config, partitions=4, callback=kill)
    trained: list[int] = []
    store, summary = train(config, partitions=4, callback=lambda e: trained.append(getattr(e, "edges", 0)))
    record = Progress.from_dict(store.progress, 4)
    assert record.epoch == 1
    assert 0 < summary["edges"] < 12 * 8 * 7
    assert store.history[-1]["edges"] == 12 * 8 * 7


def test_training__tells_what_happens(train: Train) -> None:
    events: list[Event] = []
    _, summary = train(chosen(epochs=3), callback=events.append)
    epochs = [event for event in events if isinstance(event, EpochFinished)]
    assert [event.epoch for event in epochs] == [1, 2, 3]
    assert epochs[-1].loss < epochs[0].loss
    assert summary["loss"] == epochs[-1].loss
    assert sum(event.edges for event in events if isinstance(event, EdgesTrained)) == summary["edges"]
    assert isinstance(events[-1], TrainingFinished)
