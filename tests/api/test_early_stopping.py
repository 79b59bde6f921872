"""Early stopping: the best epoch by valid MRR is what the model holds in the end, whatever dies."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from known_graphs import rings

import daskgraph
from daskgraph import api
from daskgraph.api import training
from daskgraph.errors import ConfigValueError
from daskgraph.events import Event, Notice
from daskgraph.store import ModelStore
from daskgraph.store.snapshots import Snapshots

CONFIG: dict[str, Any] = {
    "graph": {"partitions": 1},
    "model": {"dimension": 8, "operator": "translation"},
    "negatives": {"uniform": 5},
    "training": {"epochs": 9, "batch_size": 16, "threads": 1},
    "evaluation": {"every": 1, "patience": 2},
}


class Judge:
    """Stands for the evaluation: gives prepared figures, one after the other, and remembers the vectors."""

    def __init__(self, figures: Sequence[float]) -> None:
        self.figures = list(figures)
        self.seen: list[np.ndarray] = []

    def __call__(self, source: Any, *_: Any) -> dict[str, Any]:
        if isinstance(source, ModelStore):
            rows = source.read_embeddings("entity", 0, 24)
        else:
            rows = source.rows("entity", 0, 24)
        self.seen.append(rows.copy())
        return {"mrr": self.figures.pop(0)}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    rings(24).to_csv(folder / "train.csv", index=False)
    rings(24)[:10].to_csv(folder / "valid.csv", index=False)
    return folder


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Any:
    def set_up(*figures: float) -> Judge:
        judge = Judge(figures)
        monkeypatch.setattr(training, "_evaluate", judge)
        return judge

    return set_up


def vectors(model: daskgraph.Model) -> np.ndarray:
    return np.asarray(model.embeddings()[:])


def train(source: Path, **keys: Any) -> tuple[daskgraph.Model, list[str]]:
    events: list[Event] = []
    config = {**CONFIG, **keys}
    model = daskgraph.train(source, source.parent / "m.model.zarr", config=config, callback=events.append)
    return model, [event.text for event in events if isinstance(event, Notice)]


@pytest.mark.parametrize("partitions", [1, 3])
def test_stops_and_holds_the_best(source: Path, judged: Any, partitions: int) -> None:
    judge = judged(0.1, 0.3, 0.2, 0.3)
    training = {**CONFIG["training"], "buffer": 2}
    model, told = train(source, graph={"partitions": partitions}, training=training)
    assert model.summary["best_epoch"] == 2
    assert model.summary["epochs"] == 4
    assert model.summary["evaluation"] == {"mrr": 0.3}
    np.testing.assert_array_equal(vectors(model), judge.seen[1])
    assert told[-1] == (
        "training stops after epoch 4: the model holds epoch 2, the best on the valid split (MRR 0.3000)"
    )
    assert model.history[-1]["restored"] == {"epoch": 2, "epochs": 9, "patience": 2}
    assert model.epochs == 4
    info = model.info()
    assert (info["epochs"], info["holds_epoch"]) == (4, 2)
    assert {name: outline["epoch"] for name, outline in info["snapshots"].items()} == {"best": 2}


def test_one_side_is_trained__its_figures_decide(source: Path) -> None:
    model, told = train(source, negatives={"uniform": 5, "corrupt": "tail"})
    entries = [entry for entry in model.history if "evaluation" in entry]
    assert {entry["judged"] for entry in entries} == {"tail"}
    figures = {entry["epoch"]: entry["evaluation"]["sides"]["tail"]["mrr"] for entry in entries}
    best = model.summary["best_epoch"]
    assert figures[best] == max(figures.values())
    assert f"(MRR {figures[best]:.4f} of tails)" in told[-1] or best == model.epochs


def test_finished__says_so_and_goes_on_when_asked(source: Path, judged: Any) -> None:
    judge = judged(0.3, 0.2, 0.1)
    first, _ = train(source)
    again, told = train(source)
    assert again.summary["edges"] == 0
    assert again.summary["best_epoch"] == 1
    assert "it stopped after epoch 3, for epoch 1 was the best; give more training.epochs" in told[0]
    np.testing.assert_array_equal(vectors(again), vectors(first))
    judge.figures = [0.2, 0.4, 0.3, 0.3]
    more, _ = train(source, training={**CONFIG["training"], "epochs": 20})
    assert more.summary["resumed_from"] == 3
    assert [entry["epoch"] for entry in more.history] == list(range(1, 8))
    assert more.summary["best_epoch"] == 5
    np.testing.assert_array_equal(vectors(more), judge.seen[4])


def test_more_patience_goes_on(source: Path, judged: Any) -> None:
    judge = judged(0.3, 0.2, 0.1)
    train(source)
    judge.figures = [0.1] * 6
    model, told = train(source, evaluation={"every": 1, "patience": 7})
    assert model.epochs == 9
    assert model.summary["best_epoch"] == 1
    assert told == ["the model holds epoch 1, the best on the valid split (MRR 0.3000)"]


def test_last_epoch__is_judged_too(source: Path, judged: Any) -> None:
    judge = judged(0.1, 0.2, 0.3)
    model, told = train(
        source, training={**CONFIG["training"], "epochs": 5}, evaluation={"every": 2, "patience": 3}
    )
    assert [entry["epoch"] for entry in model.history if "evaluation" in entry] == [2, 4, 5]
    assert (model.summary["best_epoch"], told) == (5, [])
    np.testing.assert_array_equal(vectors(model), judge.seen[2])


@pytest.mark.parametrize("keep", [0, 2])
def test_keep__goes_beside(source: Path, judged: Any, keep: int) -> None:
    judged(0.1, 0.3, 0.2, 0.2)
    model, _ = train(source, training={**CONFIG["training"], "keep": keep})
    assert list(model.info()["snapshots"]) == [*("3", "4")[:keep], "best"]


class Died(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("moment", ["judge 3", "take 1", "take 2", "restore"])
def test_killed__ends_the_same(
    source: Path, judged: Any, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = [0.1, 0.3, 0.2, 0.1]
    expected = Judge(figures)
    judged(*figures)
    reference = vectors(daskgraph.train(source, source.parent / "whole.model.zarr", config=CONFIG))
    with monkeypatch.context() as patch:
        dies_at(moment, expected, patch)
        with pytest.raises(Died):
            train(source)
    reached = len(ModelStore.open(source.parent / "m.model.zarr").history)
    monkeypatch.setattr(training, "_evaluate", Judge(figures[reached:]))
    model, told = train(source)
    assert model.summary["best_epoch"] == 2
    np.testing.assert_array_equal(vectors(model), reference)
    assert model.history[-1]["restored"]["epoch"] == 2
    assert "the model holds epoch 2" in told[-1]


def dies_at(moment: str, judge: Judge, patch: pytest.MonkeyPatch) -> None:
    """Let the process end in the middle of a judgement, a snapshot or the last step."""
    what, _, number = moment.partition(" ")
    calls = 0

    def count(real: Any) -> Any:
        def call(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == int(number or 1):
                raise Died
            return real(*arguments)

        return call

    patch.setattr(training, "_evaluate", count(judge) if what == "judge" else judge)
    if what == "take":
        patch.setattr(Snapshots, "take", count(Snapshots.take))
    if what == "restore":
        patch.setattr(ModelStore, "restore", count(ModelStore.restore))


def test_damaged_best__leaves_the_last(source: Path, judged: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = judged(0.3, 0.2, 0.1)
    chunk = source.parent / "m.model.zarr" / "snapshots" / "best" / "embeddings" / "entity" / "c.0.0"

    def judge_and_harm(*arguments: Any) -> dict[str, Any]:
        if chunk.exists():
            content = chunk.read_bytes()
            chunk.unlink()
            chunk.write_bytes(content[:-1])
        found: dict[str, Any] = judge(*arguments)
        return found

    monkeypatch.setattr(training, "_evaluate", judge_and_harm)
    model, told = train(source)
    assert "epoch 1 was the best, but the model holds the last: " in told[-1]
    assert "c.0.0 is damaged" in told[-1]
    assert "best_epoch" not in model.summary
    np.testing.assert_array_equal(vectors(model), judge.seen[2])


def test_real_figures(source: Path) -> None:
    """With next to no learning nothing gets better: the first epoch stays the best."""
    config = {**CONFIG, "training": {**CONFIG["training"], "learning_rate": 1e-12}}
    model = daskgraph.train(source, source.parent / "m.model.zarr", config=config)
    assert model.summary["best_epoch"] == 1
    assert model.epochs == 3
    assert model.summary["evaluation"]["mrr"] == pytest.approx(model.evaluate("valid").mrr)
    assert api.info(model.path)["snapshots"]["best"]["mrr"] == model.summary["evaluation"]["mrr"]


def test_refused__without_evaluations_or_valid_edges(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigValueError, match=r"evaluation\.patience.*while evaluation\.every is 0"):
        train(source, evaluation={"patience": 2})
    with pytest.raises(ConfigValueError, match=r"evaluation\.patience.*goes by valid edges.*has none"):
        daskgraph.train(rings(24), tmp_path / "n.model.zarr", config=CONFIG)
    assert not (tmp_path / "n.model.zarr").exists()
