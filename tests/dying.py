"""Run daskgraph as a command that kills itself at some point: `python dying.py POINT CALLS ARGUMENT...`."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from daskgraph import buffer, cli
from daskgraph.executors import recording
from daskgraph.store import graph_store, staging
from daskgraph.trainer import trainer

RECORD = staging.RECORD


def is_chunk(_: Any, target: Any) -> bool:
    return Path(target).name.startswith("c.") and ".model.zarr" in str(target)


def is_record(_: Any, target: Any) -> bool:
    return Path(target).parent.name == RECORD and "staging" not in Path(target).parts


def always(*_: Any) -> bool:
    return True


POINTS: dict[str, tuple[Any, str, Callable[..., bool]]] = {
    "reading partitions": (buffer.Buffer, "_read", always),
    "reading edges": (graph_store.GraphStore, "read_edges", always),
    "training": (trainer.Trainer, "_train_run", always),
    "staging": (staging.Staging, "_write", always),
    "sealing": (staging.Staging, "seal", always),
    "moving": (os, "replace", is_chunk),
    "writing progress": (os, "replace", is_record),
    "at an epoch's end": (recording.Recorder, "end_epoch", always),
}
"""Where it dies: an attribute, and which of its calls count."""


def die_at(point: str, calls: int) -> None:
    """Kill this process at that call, before it does anything."""
    owner, name, counts = POINTS[point]
    original = getattr(owner, name)
    left = calls

    def deadly(*arguments: Any, **named: Any) -> Any:
        nonlocal left
        left -= counts(*arguments)
        if left <= 0 and counts(*arguments):
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **named)

    setattr(owner, name, deadly)


if __name__ == "__main__":
    die_at(sys.argv[1], int(sys.argv[2]))
    cli.main(sys.argv[3:])
