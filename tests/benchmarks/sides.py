"""Trainings that take turns: processes that train one epoch when told to, and wait in between."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent


class Epoch(NamedTuple):
    """What an epoch came to."""

    rate: float
    """Edges a second."""

    processor_seconds: float
    """Time of all threads and workers together."""


class Side:
    """A process that does what one line of text tells it, and answers with a line of JSON.

    Parameters
    ----------
    python
        The interpreter.
    script
        A file beside this one.
    job
        What it is given as its argument; what it complains of is kept beside it.
    """

    def __init__(self, python: str | Path, script: str, job: Path) -> None:
        self._log = job.with_suffix(".log")
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [str(python), str(HERE / script), str(job)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def __enter__(self) -> Side:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def do(self, command: str) -> dict[str, float]:
        """Have one command done; what it answers."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"no answer to {command!r}:\n{self._log.read_text()[-2000:]}")
        return dict(json.loads(line))

    def epoch(self) -> Epoch:
        """Train an epoch."""
        done = self.do("epoch")
        return Epoch(done["edges"] / done["seconds"], done["processor_seconds"])


def own_side(graph: Path, model: Path, config: dict[str, Any]) -> Side:
    """Begin a training of daskgraph's."""
    job = model.with_suffix(".json")
    job.write_text(json.dumps({"graph": str(graph), "model": str(model), "config": config}))
    return Side(sys.executable, "own_worker.py", job)


def say(text: str) -> None:
    """Tell how far it is."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
