"""Workers answer as this process does, to the last bit, and whoever dies is missed by nobody."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from distributed import Client
from known_graphs import cliques

import daskgraph
from daskgraph import Model, cli
from daskgraph.errors import FixedKeyError, NoWorkersError, PieceFailedError, QuestionError
from daskgraph.events import ClassificationProgress, EvaluationProgress, Event
from daskgraph.executors.local_cluster import local_client
from daskgraph.executors.spreading import ClusterSpread
from executors.test_cluster import trainers

pytestmark = [pytest.mark.faults, pytest.mark.compiled]

TWO = {"cluster": {"workers": 2}}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Two workers, each a process."""
    with local_client(2) as connected:
        yield connected


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model in four chunks, with two relations and labels."""
    folder = tmp_path_factory.mktemp("answers")
    edges = cliques(30, 6).assign(relation=["likes", "knows"] * 450)[["head", "relation", "tail"]]
    held_out = edges.index % 10 == 3
    config: dict[str, Any] = {
        "graph": {"partitions": 4},
        "model": {"dimension": 16, "operator": "complex_diagonal", "reciprocal": True, "bias": True},
        "training": {"epochs": 3, "threads": 1, "batch_size": 20, "buffer": 2},
    }
    graph = folder / "cliques.graph.zarr"
    daskgraph.import_edges(edges[~held_out], graph, config=config, test=edges[held_out])
    return daskgraph.train(graph, folder / "cliques.model.zarr", config=config)


def plain(evaluation: daskgraph.Evaluation) -> dict[str, Any]:
    return {key: value for key, value in evaluation.to_dict().items() if key != "seconds"}


@pytest.mark.parametrize(
    "options",
    [
        {"per_relation": True},
        {"candidates": 40, "sampling": "frequency", "filtered": False},
        {"constrained": True, "split": "train"},
    ],
)
def test_evaluate(options: dict[str, Any], client: Client, model: Model) -> None:
    events: list[Event] = []
    found = model.evaluate(**options, client=client, callback=events.append)
    assert plain(found) == plain(model.evaluate(**options))
    assert sum(event.edges for event in events if isinstance(event, EvaluationProgress)) == found.edges


def test_evaluate__a_worker_is_killed(client: Client, model: Model) -> None:
    killed: list[int] = []

    def kill_one(event: Event) -> None:
        if isinstance(event, EvaluationProgress) and not killed:
            killed.append(trainers()[0])
            os.kill(killed[0], signal.SIGKILL)

    found = model.evaluate("train", client=client, callback=kill_one)
    assert killed
    assert plain(found) == plain(model.evaluate("train"))


def test_classify__a_worker_is_killed(client: Client, model: Model, tmp_path: Path) -> None:
    """Labels are the nodes' cliques; some nodes have two, and one is unknown."""
    labels = {
        name: [str(row % 5), "even"] if row % 2 else [str(row % 5)] for row, name in enumerate(model.names())
    }
    options: dict[str, Any] = {"fractions": [0.3, 0.7], "splits": 3, "normalized": True, "seed": 4}
    killed: list[int] = []
    told: list[int] = []

    def kill_one(event: Event) -> None:
        if isinstance(event, ClassificationProgress):
            told.append(event.trials)
            if not killed:
                killed.append(trainers()[0])
                os.kill(killed[0], signal.SIGKILL)

    there = daskgraph.classify(model, labels | {"x": "0"}, **options, client=client, callback=kill_one)
    assert killed
    assert told == [1] * 6
    here = daskgraph.classify(model, labels | {"x": "0"}, **options)
    for fraction, scores in here.fractions.items():
        assert vars(there.fractions[fraction]) == pytest.approx(vars(scores), abs=1e-3)
    assert (
        (there.nodes, there.labels, there.unknown) == (here.nodes, here.labels, here.unknown) == (180, 6, 1)
    )


def test_neighbors(client: Client, model: Model) -> None:
    entity = model.names()[7]
    assert model.neighbors(entity, 20, client=client) == model.neighbors(entity, 20)


@pytest.mark.parametrize("asked", ["head", "tail"])
def test_predict(asked: str, client: Client, model: Model) -> None:
    question: dict[str, Any] = {asked: model.names()[7], "relation": "likes", "skip_known": True}
    assert model.predict(**question, client=client) == model.predict(**question)


@pytest.mark.parametrize("ending", ["tsv", "kv", "parquet"])
def test_export(ending: str, client: Client, model: Model, tmp_path: Path) -> None:
    here, there = tmp_path / f"here.{ending}", tmp_path / f"there.{ending}"
    model.export(here)
    model.export(there, client=client)
    assert here.read_bytes() == there.read_bytes()
    assert sorted(tmp_path.iterdir()) == [here, there]


def test_export__npz(client: Client, model: Model, tmp_path: Path) -> None:
    model.export(tmp_path / "here.npz")
    model.export(tmp_path / "there.npz", client=client)
    with np.load(tmp_path / "here.npz") as here, np.load(tmp_path / "there.npz") as there:
        assert list(here) == list(there)
        for name in here:
            np.testing.assert_array_equal(here[name], there[name])


def test_commands__with_local_workers(model: Model) -> None:
    run = [sys.executable, "-m", "daskgraph.cli", "eval", str(model.path), "--json"]
    done = subprocess.run([*run, "-s", "cluster.workers=2"], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert {key: value for key, value in found.items() if key != "seconds"} == plain(model.evaluate())


def test_commands__say_who_works_and_nothing_else(model: Model) -> None:
    result = CliRunner().invoke(cli.main, ["neighbors", str(model.path), "x", "-s", "model.dimension=8"])
    assert result.exit_code == 2
    assert "model.dimension" in result.stderr
    # A file that trains asks, too, whatever its other keys were then.
    assert model.evaluate(config={"training": {"epochs": 9}}).mrr == model.evaluate().mrr
    with pytest.raises(FixedKeyError, match=r"model\.dimension"):
        model.export(model.path.with_name("x.tsv"), config={"model": {"dimension": 8}})


def fail(text: str) -> str:
    raise QuestionError(text)


def die(_: str) -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return ""


def test_spread__what_fails_three_times_is_raised(client: Client) -> None:
    with pytest.raises(QuestionError, match="what"):
        list(ClusterSpread(client, 10, 1)(fail, [("what",)]))


def test_spread__gives_up_on_what_kills_three_workers(client: Client) -> None:
    with pytest.raises(PieceFailedError, match="3 workers have died"):
        list(ClusterSpread(client, 60, 1)(die, [("",)]))


def test_spread__waits_for_workers_as_long_as_patience_lasts(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daskgraph.executors.spreading.workers_of", lambda _: {})
    with pytest.raises(NoWorkersError, match="no worker for 1 s"):
        list(ClusterSpread(client, 1, 1)(fail, [("what",)]))
    # Whoever brings workers may know better: that some are to come, and at last that none will.
    answers = [True, True, True, True]

    def expects() -> bool:
        if not answers:
            raise LookupError("no job will come")
        return answers.pop()

    with pytest.raises(LookupError, match="no job will come"):
        list(ClusterSpread(client, 0, 1, expects)(fail, [("what",)]))
