"""A training of daskgraph's that waits after every epoch.

    python own_worker.py JOB.json < commands

The job holds graph, model and config. Each line of standard input is a command, answered by one line of JSON:

- `epoch`: train one; its edges, seconds of reading, shuffling and training, and processor seconds;
- `save`: commit the model; the most memory that the process held, in bytes.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import daskgraph
from daskgraph.events import EpochFinished, Event, TrainingFinished, TrainingStarted


def answer(**values: Any) -> None:
    """Write one line of JSON."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def wait_for(command: str) -> None:
    """Block until the next line, which must be this command."""
    line = sys.stdin.readline().strip()
    if line != command:
        raise RuntimeError(f"told to {line!r}, where only {command!r} can follow")


class Paced:
    """Lets a training begin its next epoch only when it is told to."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.used = 0.0

    def __call__(self, event: Event) -> None:
        if isinstance(event, TrainingStarted):
            wait_for("epoch")
        if isinstance(event, EpochFinished):
            used = time.process_time()
            answer(edges=event.edges, seconds=event.seconds, processor_seconds=used - self.used)
            self.used = used
            wait_for("save" if event.epoch == self.epochs else "epoch")
        if isinstance(event, TrainingFinished):
            answer(peak_memory=event.summary["peak_memory_bytes"])
            # What a training does afterwards, to evaluate the valid split, is not wanted here.
            raise SystemExit


def main() -> None:
    """Train the job."""
    job = json.loads(Path(sys.argv[1]).read_text())
    callback = Paced(job["config"]["training"]["epochs"])
    daskgraph.train(job["graph"], job["model"], config=job["config"], callback=callback)


if __name__ == "__main__":
    main()
