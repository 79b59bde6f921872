"""Run daskgraph as a command that kills itself at some point: `python dying.py POINT CALLS ARGUMENT...`."""

import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from daskgraph import buffer, cli, parameters
from daskgraph.executors import recording
from daskgraph.store import staging
from daskgraph.trainer import feed, trainer

RECORD = staging.RECORD


def is_chunk(_: Any, target: Any) -> bool:
    return Path(target).name.startswith("c.") and ".model.zarr" in str(target)


def is_record(_: Any, target: Any) -> bool:
    return Path(target).parent.name == RECORD and "staging" not in Path(target).parts


def always(*_: Any) -> bool:
    return True


POINTS: dict[str, tuple[Any, str, Callable[..., bool]]] = {
    "reading partitions": (buffer.Buffer, "_read", always),
    "reading edges": (feed.Feed, "_read", always),
    "training": (trainer.Trainer, "_train_run", always),
    "staging": (staging.Staging, "_write", always),
    "sealing": (staging.Staging, "seal", always),
    "moving": (os, "replace", is_chunk),
    "writing progress": (os, "replace", is_record),
    "at an epoch's end": (recording.Recorder, "end_epoch", always),
    "pushing": (parameters.ParameterClient, "_hand_in", always),
}
"""Where it dies: an attribute, and which of its calls count."""


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def freeze() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)
    # Another thread may take the signal first: this one is not to run on meanwhile.
    time.sleep(0.5)


def fill_disk() -> None:
    """Let the system refuse every larger write from now on, as a full disk does."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))


ENDS = {"kill": kill, "freeze": freeze, "fill disk": fill_disk}


def die_at(point: str, calls: int, end: str = "kill") -> None:
    """Bring this process to an end at that call, before it does anything; if it lives, it says what fails."""
    owner, name, counts = POINTS[point]
    original = getattr(owner, name)
    left = calls

    def deadly(*arguments: Any, **named: Any) -> Any:
        nonlocal left
        left -= counts(*arguments)
        if left > 0 or not counts(*arguments):
            return original(*arguments, **named)
        if left == 0:
            ENDS[end]()
        try:
            return original(*arguments, **named)
        except Exception as error:
            # On a disk that is full nothing can be said.
            with suppress(OSError):
                sys.stderr.write(f"after {end}: {type(error).__name__}\n")
                sys.stderr.flush()
            raise

    setattr(owner, name, deadly)


if __name__ == "__main__":
    die_at(sys.argv[1], int(sys.argv[2]))
    cli.main(sys.argv[3:])
