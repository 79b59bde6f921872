"""What docs/resume-and-snapshots.md tells people to type, typed on a small piece of its graph."""

import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_clone import ROOT, small_clone

from daskgraph.store import ModelStore

__all__ = ["small_clone"]

pytestmark = [pytest.mark.slow, pytest.mark.compiled]

PAGE = (ROOT / "docs" / "resume-and-snapshots.md").read_text(encoding="utf-8")
KILLED = ["timeout", "--signal=KILL", "90"]


def lines() -> list[list[str]]:
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return [shlex.split(line, comments=True) for line in "".join(blocks).splitlines()]


def command(words: list[str]) -> list[str]:
    return [sys.executable, "-m", "daskgraph.cli", *words[1:]] if words[0] == "daskgraph" else words


def run(words: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command(words), capture_output=True, text=True, check=False)


def kill_after_an_epoch(words: list[str], model: Path) -> None:
    """Kill a training as `timeout` would, but as soon as it has committed an epoch: this graph is small."""
    with subprocess.Popen(command(words), stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 300
        while not (model.exists() and ModelStore.open(model).progress.get("epoch")):
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def test_page(small_clone: Path) -> None:
    typed = lines()
    assert typed[0][:3] == KILLED
    # Small as it is, it would be finished before it is killed.
    longer = [*typed[0][3:], "-s", "training.checkpoint=0", "-s", "training.epochs=6"]
    kill_after_an_epoch(longer, small_clone / "films.model.zarr")
    told = ""
    for words in typed[1:]:
        done = run(words)
        if "eval" in words and "films.model.zarr" in words:
            assert done.returncode == 1
            assert "entity: c.0.0 is damaged" in done.stderr
            assert (
                "`daskgraph restore films.model.zarr` goes back to one of its snapshots 7, 8" in done.stderr
            )
        else:
            assert done.returncode == 0, f"{words}: {done.stderr}"
        told += done.stderr
    assert re.search(r"training goes on: .* epochs [2-6] to 6", told)
    assert "snapshot 8 is left out" in told
    assert "films.model.zarr is as it was after epoch 7, of its snapshot 7" in told
    films, enough = ModelStore.open("films.model.zarr"), ModelStore.open("enough.model.zarr")
    assert [entry["epoch"] for entry in films.history] == list(range(1, 9))
    assert films.snapshots.names() == ["7", "8"]
    assert "best" in enough.snapshots.names()
    assert "14,541 entities" not in told
    assert re.search(r"begins with ([\d,]+) of \1 entities, (\d+) of \2 relations", told)
