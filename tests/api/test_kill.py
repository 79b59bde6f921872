"""A training that is killed, as a process, at any moment: the same command goes on from the last commit."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from known_graphs import rings

from daskgraph.store import ModelStore

EPOCHS = 60


def command(folder: Path) -> list[str]:
    keys = {
        "model.dimension": 32,
        "negatives.uniform": 50,
        "training.batch_size": 8,
        "training.checkpoint": 0,
        "training.epochs": EPOCHS,
    }
    given = [part for key, value in keys.items() for part in ("-s", f"{key}={value}")]
    program = [sys.executable, "-m", "daskgraph.cli", "train", str(folder / "edges.csv")]
    return [*program, "-o", str(folder / "m.model.zarr"), "--json", *given]


def epochs_of(model: Path) -> int:
    try:
        return int(ModelStore.open(model).progress.get("epoch", 0))
    except Exception:
        return 0


def wait_for_epoch(model: Path, epoch: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 120
    while epochs_of(model) < epoch:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.compiled
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_killed__the_same_command_goes_on(kill: signal.Signals, tmp_path: Path) -> None:
    rings(400).to_csv(tmp_path / "edges.csv", index=False)
    model = tmp_path / "m.model.zarr"
    with subprocess.Popen(command(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        wait_for_epoch(model, 3, process)
        process.send_signal(kill)
        errors = process.communicate()[1].decode()
    assert process.returncode in (-signal.SIGKILL, 130)
    assert "Traceback" not in errors
    reached = epochs_of(model)
    assert 3 <= reached < EPOCHS

    done = subprocess.run(command(tmp_path), capture_output=True, text=True, check=True)
    summary: dict[str, Any] = json.loads(done.stdout)
    assert summary["resumed_from"] == reached
    assert summary["epochs"] == EPOCHS - reached
    store = ModelStore.open(model)
    assert [entry["epoch"] for entry in store.history] == list(range(1, EPOCHS + 1))
    assert sorted(path.name for path in (model / "staging").iterdir()) == ["zarr.json"]
