"""Snapshots as a user meets them: kept while training, asked like any model, gone back to."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from known_graphs import rings

import daskgraph
from daskgraph import api
from daskgraph.errors import DamagedStoreError, NoWholeSnapshotError, UnknownSnapshotError
from daskgraph.events import Committed, Event, Notice
from daskgraph.store.snapshots import Snapshots

KEPT: dict[str, Any] = {
    "model": {"dimension": 8, "operator": "translation"},
    "negatives": {"uniform": 5},
    "training": {"epochs": 4, "batch_size": 16, "threads": 1, "keep": 2, "checkpoint": "1h"},
}


class Died(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "source"
    folder.mkdir()
    rings(16).to_csv(folder / "train.csv", index=False)
    rings(16)[:6].to_csv(folder / "test.csv", index=False)
    return daskgraph.train(folder, folder.parent / "m.model.zarr", config=KEPT).path


@pytest.fixture
def model(trained: Path, tmp_path: Path) -> daskgraph.Model:
    """A model of four epochs with snapshots of the last two; its files are its own."""
    return daskgraph.open_model(shutil.copytree(trained, tmp_path / "m.model.zarr"))


def vectors(model: daskgraph.Model) -> np.ndarray:
    return np.asarray(model.embeddings()[:])


def damage(chunk: Path) -> None:
    chunk.write_bytes(chunk.read_bytes()[:-4])


def test_keep__the_last_epochs(model: daskgraph.Model) -> None:
    snapshots = model.info()["snapshots"]
    assert {name: outline["epoch"] for name, outline in snapshots.items()} == {"3": 3, "4": 4}
    assert snapshots["4"]["loss"] == model.history[-1]["loss"]
    last = daskgraph.open_model(snapshots["4"]["path"])
    np.testing.assert_array_equal(vectors(last), vectors(model))


def test_keep__every_epoch_is_committed(tmp_path: Path) -> None:
    events: list[Event] = []
    daskgraph.train(rings(16), tmp_path / "m.model.zarr", config=KEPT, callback=events.append)
    assert [event.epoch for event in events if isinstance(event, Committed)] == [1, 2, 3, 4]


def test_snapshot__is_asked_like_any_model(model: daskgraph.Model, tmp_path: Path) -> None:
    third = daskgraph.open_model(model.path / "snapshots" / "3")
    assert third.epochs == 3
    assert (vectors(third) != vectors(model)).any()
    assert third.evaluate().to_dict()["edges"] == 6
    assert len(third.neighbors("n3", 4)) == 4
    assert len(third.predict(head="n3", relation="next", k=2)) == 2
    third.export(tmp_path / "out.tsv")
    assert (tmp_path / "out.tsv").exists()
    assert api.info(third.path)["epochs"] == 3


def test_restore__then_training_goes_on(model: daskgraph.Model, trained: Path) -> None:
    before = vectors(model)
    restored = daskgraph.restore(model.path, 3)
    assert restored.epochs == 3
    assert [entry["epoch"] for entry in restored.history] == [1, 2, 3]
    again = daskgraph.train(trained.parent / "source", model.path)
    assert again.summary["resumed_from"] == 3
    np.testing.assert_array_equal(vectors(again), before)
    assert list(again.info()["snapshots"]) == ["3", "4"]


def test_restore__the_latest_without_damage(model: daskgraph.Model, trained: Path) -> None:
    for place in (model.path, model.path / "snapshots" / "4"):
        damage(place / "embeddings" / "entity" / "c.0.0")
    with pytest.raises(DamagedStoreError, match=r"c\.0\.0 is damaged.*`daskgraph restore .*` goes back"):
        daskgraph.evaluate(model.path)
    assert "3" in model.info()["snapshots"]
    with pytest.raises(DamagedStoreError, match="snapshots/4"):
        daskgraph.restore(model.path, 4)
    notices: list[Event] = []
    assert daskgraph.restore(model.path, callback=notices.append).epochs == 3
    assert "snapshot 4 is left out" in str(notices[0])
    assert daskgraph.train(trained.parent / "source", model.path).epochs == 4


def test_restore__nothing_to_go_back_to(model: daskgraph.Model, tmp_path: Path) -> None:
    with pytest.raises(UnknownSnapshotError, match="has no snapshot '7'; it has: 3, 4"):
        daskgraph.restore(model.path, 7)
    for epoch in ("3", "4"):
        damage(model.path / "snapshots" / epoch / "optimizer" / "entity" / "c.0")
    with pytest.raises(NoWholeSnapshotError, match="all are damaged: 3, 4; train it anew"):
        daskgraph.restore(model.path)
    (model.path / "snapshots" / "3" / "progress" / "zarr.json").unlink()
    assert "damage" in model.info()["snapshots"]["3"]
    shutil.rmtree(model.path / "snapshots")
    with pytest.raises(NoWholeSnapshotError, match="none was kept"):
        daskgraph.restore(model.path)


def test_keep__died_between_commit_and_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, taken = Snapshots.take, []

    def die(*_: object) -> None:
        raise Died

    def take(snapshots: Snapshots, name: str) -> None:
        taken.append(name)
        real(snapshots, name)

    monkeypatch.setattr(Snapshots, "take", die)
    with pytest.raises(Died):
        daskgraph.train(rings(16), tmp_path / "m.model.zarr", config=KEPT)
    assert daskgraph.open_model(tmp_path / "m.model.zarr").epochs == 1
    monkeypatch.setattr(Snapshots, "take", take)
    daskgraph.train(rings(16), tmp_path / "m.model.zarr")
    assert taken == ["1", "2", "3", "4"]


def test_restore__tells_what_was_done(model: daskgraph.Model) -> None:
    events: list[Event] = []
    daskgraph.restore(str(model.path), "4", callback=events.append)
    told = f"{model.path} is as it was after epoch 4, of its snapshot 4"
    assert events == [Notice(told)]
