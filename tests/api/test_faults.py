"""Wherever a training is killed, the same command ends it: every edge trained, the same quality."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dying
import numpy as np
import pytest
from known_graphs import clique_purity, cliques

from daskgraph.errors import DaskgraphError
from daskgraph.store import ModelStore
from daskgraph.store.lock import LIFE

pytestmark = [pytest.mark.faults, pytest.mark.compiled]

CLIQUES, SIZE, EPOCHS = 40, 6, 15
EDGES = CLIQUES * SIZE * (SIZE - 1)
KEYS = {
    "graph.partitions": 4,
    "model.dimension": 16,
    "model.comparator": "cos",
    "negatives.uniform": 20,
    "training.batch_size": 20,
    "training.buffer": 2,
    "training.checkpoint": 0,
    "training.epochs": EPOCHS,
}


def arguments(folder: Path, **changes: object) -> list[str]:
    given = [part for key, value in (KEYS | changes).items() for part in ("-s", f"{key}={value}")]
    return ["train", str(folder / "edges.csv"), "-o", str(folder / "m.model.zarr"), "--json", *given]


def finish(folder: Path, **changes: object) -> dict[str, Any]:
    program = [sys.executable, "-m", "daskgraph.cli", *arguments(folder, **changes)]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def die(folder: Path, point: str, calls: int, **changes: object) -> None:
    script = dying.__file__
    program = [sys.executable, script, point, str(calls), *arguments(folder, **changes)]
    died = subprocess.run(program, capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr


def purity(model: Path) -> float:
    store = ModelStore.open(model)
    rows = store.read_embeddings("entity", 0, store.schema.entity_type("entity").count)
    assert np.isfinite(rows).all()
    return clique_purity(rows, list(store.open_graph().names("entity")))


def check_whole(model: Path, epochs: int = EPOCHS) -> None:
    """Every epoch has every edge, and members of a clique are neighbours."""
    store = ModelStore.open(model)
    assert [entry["epoch"] for entry in store.history] == list(range(1, epochs + 1))
    assert {entry["edges"] for entry in store.history} == {EDGES}
    assert store.progress["epoch"] == epochs
    assert purity(model) > 0.98


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cliques(CLIQUES, SIZE).to_csv(tmp_path / "edges.csv", index=False)
    return tmp_path


@pytest.mark.parametrize("calls", [1, 7])
@pytest.mark.parametrize("point", [point for point in dying.POINTS if point != "pushing"])
def test_killed__at_any_point_the_same_command_goes_on(point: str, calls: int, folder: Path) -> None:
    die(folder, point, calls)
    before = ModelStore.open(folder / "m.model.zarr").progress
    summary = finish(folder)
    # A commit that was sealed when its process died is finished by the next.
    reached = summary["resumed_from"]
    assert (reached or 0) - before.get("epoch", 0) in (0, 1)
    check_whole(folder / "m.model.zarr")
    assert sorted(path.name for path in (folder / "m.model.zarr" / "staging").iterdir()) == ["zarr.json"]


def test_killed__thirty_times_in_one_run(folder: Path) -> None:
    random = np.random.default_rng(0)
    model = folder / "m.model.zarr"
    program = [sys.executable, "-m", "daskgraph.cli", *arguments(folder, **{"training.epochs": 100_000})]
    for _ in range(30):
        before = progress_of(model)
        with subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            wait_for(lambda before=before: progress_of(model) != before)  # type: ignore[misc]
            time.sleep(float(random.uniform(0.0, 0.3)))
            process.kill()
    epochs = progress_of(model)["epoch"] + EPOCHS
    finish(folder, **{"training.epochs": epochs})
    check_whole(model, epochs)


def test_frozen__its_successor_commits_and_its_own_write_is_refused(folder: Path) -> None:
    program = [sys.executable, "-m", "daskgraph.cli", *arguments(folder, **{"training.epochs": 2000})]
    with subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as frozen:
        model = folder / "m.model.zarr"
        wait_for(lambda: bool(progress_of(model)))
        frozen.send_signal(signal.SIGSTOP)
        age_lock(model)
        finish(folder)
        committed = ModelStore.open(model).history
        frozen.send_signal(signal.SIGCONT)
        errors = frozen.communicate(timeout=60)[1]
    assert frozen.returncode == 1
    assert "Traceback" not in errors
    assert ModelStore.open(model).history == committed
    check_whole(model, len(committed))


def age_lock(model: Path) -> None:
    """Make the lock look as if its holder had been silent for longer than locks live."""
    path = model / "staging" / "lock" / "zarr.json"
    document = json.loads(path.read_text())
    document["attributes"]["heartbeat"] -= 10 * LIFE
    path.write_text(json.dumps(document))


def progress_of(model: Path) -> dict[str, Any]:
    """The progress of a model that may be about to be made."""
    try:
        return ModelStore.open(model).progress
    except (DaskgraphError, OSError, ValueError):
        return {}


def wait_for(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_killed_inside_a_long_bucket__what_was_committed_of_it_stays(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    edges = random.integers(0, 3_000, (80_000, 2))
    np.savetxt(tmp_path / "edges.csv", edges, "%d", ",", header="head,tail", comments="")
    changes = {
        "graph.partitions": 1,
        "model.dimension": 64,
        "negatives.uniform": 8_000,
        "training.batch_size": 500,
        "training.epochs": 1,
    }
    die(tmp_path, "sealing", 2, **changes)
    progress = ModelStore.open(tmp_path / "m.model.zarr").progress
    ((*bucket, blocks),) = progress["partial"]
    assert bucket == [0, 0]
    assert blocks > 0
    assert 0 < progress["edges"] < len(edges)
    summary = finish(tmp_path, **changes)
    assert summary["edges"] == len(edges) - progress["edges"]
    (entry,) = ModelStore.open(tmp_path / "m.model.zarr").history
    assert entry["edges"] == len(edges)
