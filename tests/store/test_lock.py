from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from daskgraph.errors import StoreLockedError
from daskgraph.store import ModelStore
from daskgraph.store.files import read_group, write_group
from daskgraph.store.lock import LIFE, Holder, Lock, is_void

HOLD = """
import sys, time
from daskgraph.store import ModelStore
with ModelStore.open(sys.argv[1]).lock():
    print("held", flush=True)
    time.sleep(60)
"""


def hold(model: ModelStore) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", HOLD, str(model.path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def staged(model: ModelStore) -> list[str]:
    return sorted(path.name for path in (model.path / "staging").iterdir())


def test_lock(model: ModelStore) -> None:
    with model.lock() as lock:
        assert lock.held
        model.commit(model.staging("0"), {"epoch": 1})
        model.sweep()
        assert staged(model) == ["lock", "zarr.json"]
        with pytest.raises(StoreLockedError, match=rf"by process {os.getpid()} on .* \(last sign of life"):
            ModelStore.open(model.path).lock().__enter__()
    assert staged(model) == ["zarr.json"]
    with model.lock():
        pass
    model.commit(model.staging("0"), {"epoch": 2})


def test_lock__living_process_refused_then_killed(model: ModelStore) -> None:
    process = hold(model)
    try:
        with pytest.raises(StoreLockedError, match=f"process {process.pid} "):
            model.lock().__enter__()
        process.send_signal(signal.SIGKILL)
        # Not waited for yet: a process that ended but is still listed counts as gone.
        deadline = time.monotonic() + 10
        while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with model.lock():
            assert staged(model) == ["lock", "zarr.json"]
    finally:
        process.kill()
        process.communicate()


def foreign(model: ModelStore, heartbeat: float, **changes: object) -> None:
    holder = dataclasses.replace(Holder.here(heartbeat), **{"host": "elsewhere", **changes})  # type: ignore[arg-type]
    write_group(model.path / "staging" / "lock", dataclasses.asdict(holder))


def test_lock__foreign_host(model: ModelStore) -> None:
    foreign(model, time.time() - LIFE / 2)
    with pytest.raises(StoreLockedError, match="on elsewhere"):
        model.lock().__enter__()
    foreign(model, time.time() - LIFE - 1)
    with model.lock():
        assert read_group(model.path / "staging" / "lock")["host"] != "elsewhere"


def test_lock__taken_over(model: ModelStore) -> None:
    """A holder that was frozen and wakes commits nothing, and does not remove its successor's lock."""
    with model.lock() as lock:
        staging = model.staging("0")
        foreign(model, time.time(), token="successor")
        with pytest.raises(StoreLockedError, match="on elsewhere"):
            model.commit(staging, {"epoch": 7})
        lock._renew()
    assert read_group(model.path / "staging" / "lock")["token"] == "successor"
    assert model.progress == {}


def test_lock__heartbeat(model: ModelStore) -> None:
    now = 1000.0
    folder = model.path / "staging"
    with Lock(model.path, folder, clock=lambda: now, beat=0.01):
        first = read_group(folder / "lock")["heartbeat"]
        now = 2000.0
        deadline = time.monotonic() + 10
        while read_group(folder / "lock")["heartbeat"] == first:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_lock__unreadable(model: ModelStore) -> None:
    (model.path / "staging" / "lock").mkdir()
    with pytest.raises(StoreLockedError, match="an unknown host"):
        model.lock().__enter__()
    os.utime(model.path / "staging" / "lock", (1, 1))
    with model.lock():
        pass


def test_is_void() -> None:
    here = Holder.here(100.0)
    for holder, exists, void in (
        (here, True, False),
        (here, False, True),
        (dataclasses.replace(here, started="then"), True, True),
        (dataclasses.replace(here, host="elsewhere"), False, False),
        (dataclasses.replace(here, namespace="container"), False, False),
        (dataclasses.replace(here, heartbeat=100 - LIFE - 1), True, True),
    ):
        assert is_void(holder, here, 100.0, lambda pid, exists=exists: exists) is void  # type: ignore[misc]
