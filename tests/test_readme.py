"""What the README tells people to type does what it says, on a small piece of its graph."""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_clone import ROOT, small_clone

from daskgraph_kernels.jit import COMPILED

README = (ROOT / "README.md").read_text(encoding="utf-8")

__all__ = ["small_clone"]

pytestmark = pytest.mark.slow


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def commands() -> Iterator[list[str]]:
    for line in "".join(blocks("sh")).splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["daskgraph"]:
            yield words[1:]


@pytest.mark.skipif(not COMPILED, reason="it would train for hours")
def test_python(small_clone: Path) -> None:
    [code] = blocks("python")
    values: dict[str, Any] = {}
    with contextlib.redirect_stderr(io.StringIO()) as progress:
        exec(compile(code, "README.md", "exec"), values)
    model = values["model"]
    assert "epoch 10" in progress.getvalue()
    assert model["/m/03r0g9"].shape == (100,)
    assert model.neighbors("/m/03r0g9", k=5)[0].label
    assert (small_clone / "films.model.zarr").is_dir()


def test_command_line(small_clone: Path) -> None:
    given = list(commands())
    assert {words[0] for words in given} == {
        "train",
        "eval",
        "neighbors",
        "predict",
        "export",
        "import",
        "info",
        "plan",
    }
    compiled = {name: value for name, value in os.environ.items() if name != "NUMBA_DISABLE_JIT"}
    for words in given:
        command = [sys.executable, "-m", "daskgraph.cli", *words]
        run = subprocess.run(command, capture_output=True, text=True, check=False, env=compiled)
        assert run.returncode == 0, f"{words}: {run.stderr}"
        assert run.stdout or words[0] == "export"
    assert (small_clone / "vectors.parquet").exists()


def test_make_knows_the_two_commands() -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"^make ([\w-]+)", README, re.MULTILINE)
    assert named == ["demo", "test"]
    assert set(named) <= set(targets)
