"""A model that begins with the vectors of another one, by the names of entities and relations."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from known_graphs import rings

import daskgraph
from daskgraph import beginning
from daskgraph.api import training
from daskgraph.errors import (
    GraphNotFoundError,
    InitError,
    NotAStoreError,
    UntrainedModelError,
)
from daskgraph.events import Event, Notice
from daskgraph.store import ModelStore

CONFIG: dict[str, Any] = {
    "model": {"dimension": 8, "operator": "translation", "reciprocal": True, "global_embedding": True},
    "negatives": {"uniform": 5},
    "training": {"epochs": 2, "batch_size": 16, "threads": 1},
}
STILL = {"training": {**CONFIG["training"], "epochs": 1, "learning_rate": 1e-20}}
"""One epoch in which nothing moves: what the model holds is what it began with."""


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> daskgraph.Model:
    return daskgraph.train(rings(16), tmp_path_factory.mktemp("other") / "other.model.zarr", config=CONFIG)


def bigger(partitions: int = 1) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The graph of a ring of 20: it has four entities and one relation more, and lacks one relation."""
    edges = rings(20)
    edges["relation"] = edges["relation"].replace("opposite", "across")
    return edges, {**CONFIG, **STILL, "graph": {"partitions": partitions}}


@pytest.mark.parametrize(("partitions", "room"), [(1, 1 << 30), (3, 200)])
@pytest.mark.parametrize("optimizer", [True, False])
def test_init(
    other: daskgraph.Model,
    optimizer: bool,
    partitions: int,
    room: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(beginning, "ROOM", room)
    edges, config = bigger(partitions)
    alone = daskgraph.train(edges, tmp_path / "alone.model.zarr", config=config)
    events: list[Event] = []
    model = daskgraph.train(
        edges,
        tmp_path / "m.model.zarr",
        config=config,
        init=other.path,
        init_optimizer=optimizer,
        callback=events.append,
    )
    for name in model.names():
        expected = other if name in other.names() else alone
        np.testing.assert_array_equal(model[name], expected[name])
    for relation, expected in {"next": other, "after_next": other, "across": alone}.items():
        for parameter, values in model.relation(relation).items():
            np.testing.assert_allclose(values, expected.relation(relation)[parameter], atol=1e-15)
    common = model.store.read_parameters()["global/entity"]
    np.testing.assert_array_equal(common, other.store.read_parameters()["global/entity"])
    sums = "and their Adagrad sums" if optimizer else "without Adagrad sums"
    shares = f"16 of 20 entities, 2 of 3 relations from {other.path}"
    assert Notice(f"begins with {shares}, {sums}") in events
    assert model.summary["resumed_from"] is None


def test_init__sums_come_along_or_begin_at_nothing(other: daskgraph.Model, tmp_path: Path) -> None:
    begun = {}
    for optimizer in (True, False):
        path = tmp_path / f"{optimizer}.model.zarr"
        begun[optimizer] = died_before_training(path, init=other, init_optimizer=optimizer)
    theirs = other.store.read_rows("entity", 0, 16)[1]
    rows = [other.names().index(name) for name in daskgraph.open_model(begun[True].path).names()]
    np.testing.assert_array_equal(begun[True].read_rows("entity", 0, 16)[1], theirs[rows])
    assert not begun[False].read_rows("entity", 0, 16)[1].any()
    name = "optimizer/relations/translation"
    np.testing.assert_array_equal(begun[True].read_parameters()[name], other.store.read_parameters()[name])
    assert not begun[False].read_parameters()[name].any()


def died_before_training(path: Path, **options: Any) -> ModelStore:
    """A model whose process died before its first batch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "train_anywhere", die)
        patch.setattr("shutil.rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            daskgraph.train(rings(16), path, config=CONFIG, **options)
    return ModelStore.open(path)


def die(*_: Any) -> None:
    raise KeyboardInterrupt


def test_init__goes_on_by_the_same_command(other: daskgraph.Model, tmp_path: Path) -> None:
    path = tmp_path / "m.model.zarr"
    whole = daskgraph.train(rings(16), tmp_path / "w.model.zarr", config=CONFIG, init=other)
    died_before_training(path, init=other)
    events: list[Event] = []
    model = daskgraph.train(rings(16), path, config=CONFIG, init=other, callback=events.append)
    np.testing.assert_array_equal(model.embeddings()[:], whole.embeddings()[:])
    assert not any("begins with" in event.text for event in events if isinstance(event, Notice))
    assert daskgraph.train(rings(16), path, init=other).summary["edges"] == 0


def test_init__died_while_beginning(other: daskgraph.Model, tmp_path: Path) -> None:
    path = tmp_path / "m.model.zarr"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ModelStore, "commit", die)
        patch.setattr("shutil.rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            daskgraph.train(rings(16), path, config=CONFIG, init=other)
    model = daskgraph.train(rings(16), path, config=STILL, init=other)
    np.testing.assert_array_equal(model["n3"], other["n3"])


def test_init__of_a_model_that_exists_is_refused(other: daskgraph.Model, tmp_path: Path) -> None:
    model = daskgraph.train(rings(16), tmp_path / "m.model.zarr", config=CONFIG)
    with pytest.raises(InitError, match="exists, and did not begin so; leave --init out"):
        daskgraph.train(rings(16), model.path, init=other)
    begun = daskgraph.train(rings(16), tmp_path / "b.model.zarr", config=CONFIG, init=other)
    with pytest.raises(InitError):
        daskgraph.train(rings(16), begun.path, init=model)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dimension": 6}, "its 'entity' has dimension 8, here it is 6"),
        ({"operator": "diagonal"}, "its relation '.*' has the operator translation, here it is diagonal"),
    ],
)
def test_init__what_does_not_fit_is_refused(
    other: daskgraph.Model, change: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    config = {**CONFIG, "model": {**CONFIG["model"], **change}}
    with pytest.raises(InitError, match=reason):
        daskgraph.train(rings(16), tmp_path / "m.model.zarr", config=config, init=other)
    assert not (tmp_path / "m.model.zarr").exists()


def test_init__dimension_of_a_relation(other: daskgraph.Model, tmp_path: Path) -> None:
    typed = {
        "entities": {"node": {"dimension": 6}},
        "relations": [{"name": name, "head": "node", "tail": "node"} for name in ("next", "after_next")],
    }
    edges = rings(16).query("relation != 'opposite'")
    with pytest.raises(InitError, match="its relation 'next' has dimension 8, here it is 6"):
        daskgraph.train(edges, tmp_path / "m.model.zarr", config={**CONFIG, **typed}, init=other)


def test_init__no_model(other: daskgraph.Model, tmp_path: Path) -> None:
    for wrong in (tmp_path / "missing.zarr", other.graph.path):
        with pytest.raises(NotAStoreError, match="is no model store"):
            daskgraph.train(rings(16), tmp_path / "m.model.zarr", config=CONFIG, init=wrong)
    assert not list(tmp_path.iterdir())


def test_init__untrained_or_without_its_graph(tmp_path: Path) -> None:
    source = daskgraph.train(rings(16), tmp_path / "o.model.zarr", config=CONFIG)
    (tmp_path / "o.graph.zarr").rename(tmp_path / "gone.zarr")
    with pytest.raises(GraphNotFoundError):
        daskgraph.train(rings(16), tmp_path / "m.model.zarr", config=CONFIG, init=source)
    untrained = died_before_training(tmp_path / "u.model.zarr").path
    with pytest.raises(UntrainedModelError):
        daskgraph.train(rings(16), tmp_path / "m.model.zarr", config=CONFIG, init=untrained)
    assert not (tmp_path / "m.model.zarr").exists()


def test_init__types_that_the_other_lacks_begin_as_usual(other: daskgraph.Model, tmp_path: Path) -> None:
    keys = {"entities": {"entity": {}, "thing": {}}, "relations": [{"name": "has", "tail": "thing"}]}
    edges = pd.DataFrame({"head": ["n1", "n2", "m"], "relation": "has", "tail": ["n1", "b", "c"]})
    config = {**CONFIG, **STILL, **keys}
    model = daskgraph.train(edges, tmp_path / "m.model.zarr", config=config, init=other)
    names = model.names("entity")
    vectors = model.embeddings("entity")[:]
    np.testing.assert_array_equal(vectors[names.index("n1")], other["n1"])
    assert (model.embeddings("thing")[:][model.names("thing").index("n1")] != other["n1"]).any()
