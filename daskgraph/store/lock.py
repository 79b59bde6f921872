"""A lock with host, process and heartbeat: a second training of the same model is kept out.

The lock is a Zarr group named `lock`, so that walking the store meets nothing odd. It comes to be by
renaming a folder that is already filled, which succeeds for one process only. Its heartbeat is
renewed in place by a thread. A holder that is gone loses the lock at once, one that shows no sign of
life (another host, or a stopped process) after `LIFE` seconds.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from daskgraph.errors import StoreLockedError
from daskgraph.store.files import METADATA, process_exists, process_state, read_group, write_group, writing

LIFE = 60.0
"""Seconds after which a lock without heartbeat is void."""

BEAT = 5.0
"""Seconds between heartbeats."""

NAME = "lock"


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, and when it was last known to live."""

    host: str
    """Name of its machine."""
    pid: int
    """Its process."""
    started: str
    """When the system says that process began: ids of processes are used again."""
    namespace: str
    """Where the process id counts: containers of one host may share its name."""
    token: str
    """Unlike any other lock's."""
    heartbeat: float
    """Seconds since the epoch."""

    @classmethod
    def here(cls, now: float) -> Holder:
        """Return this process as a new holder."""
        pid = os.getpid()
        return cls(socket.gethostname(), pid, process_state(pid)[1], _namespace(), uuid.uuid4().hex, now)


def is_void(holder: Holder, here: Holder, now: float, exists: Callable[[int], bool] = process_exists) -> bool:
    """Tell whether a lock may be taken over: its process is gone, or silent for too long."""
    if now - holder.heartbeat > LIFE:
        return True
    if (holder.host, holder.namespace) != (here.host, here.namespace):
        return False
    return not exists(holder.pid) or process_state(holder.pid)[1] != holder.started


class Lock:
    """The lock of one store: a context manager, held by at most one process.

    Parameters
    ----------
    path
        The store, for messages.
    staging
        The store's staging folder.
    clock
        Seconds since the epoch.
    beat
        Seconds between heartbeats.
    """

    def __init__(
        self, path: Path, staging: Path, clock: Callable[[], float] = time.time, beat: float = BEAT
    ) -> None:
        self._path = path
        self._staging = staging
        self._clock = clock
        self._beat = beat
        self._mine: Holder | None = None
        self._released = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Lock:
        with writing(self._path):
            self._mine = self._acquire()
        self._released.clear()
        self._thread = threading.Thread(target=self._keep, name="daskgraph-lock", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        if self._thread is not None:
            self._thread.join()
        mine, self._mine = self._mine, None
        if mine is not None:
            self._remove(mine, "released")

    @property
    def held(self) -> bool:
        """Whether this process took the lock and has not released it."""
        return self._mine is not None

    def holder(self) -> str | None:
        """Return in words who holds it; None where nobody does who lives."""
        holder, now = self._read(), self._clock()
        return None if holder is None or is_void(holder, Holder.here(now), now) else self._name(holder)

    def check(self) -> None:
        """Raise StoreLockedError if another process has taken the lock over meanwhile."""
        holder = self._read()
        if self._mine is None or holder is None or holder.token != self._mine.token:
            raise StoreLockedError(str(self._path), self._name(holder))

    def _acquire(self) -> Holder:
        mine = Holder.here(self._clock())
        prepared = self._staging / f"{NAME}-{mine.token}"
        write_group(prepared, asdict(mine))
        try:
            for _ in range(3):
                holder = self._read()
                if holder is not None:
                    if not is_void(holder, mine, self._clock()):
                        raise StoreLockedError(str(self._path), self._name(holder))
                    self._remove(holder, "void")
                # Fails where another process was faster: a filled folder is not replaced.
                with suppress(FileExistsError, OSError):
                    prepared.rename(self._staging / NAME)
                    return mine
            raise StoreLockedError(str(self._path), self._name(self._read()))
        finally:
            shutil.rmtree(prepared, ignore_errors=True)

    def _remove(self, holder: Holder, why: str) -> None:
        removed = self._staging / f"{why}-{uuid.uuid4().hex}"
        with suppress(OSError):
            (self._staging / NAME).rename(removed)
            # Between looking and renaming, another process may have taken it: give it back.
            found = _holder(removed)
            if found is not None and found.token != holder.token:
                removed.rename(self._staging / NAME)
        shutil.rmtree(removed, ignore_errors=True)

    def _read(self) -> Holder | None:
        for _ in range(3):
            holder = _holder(self._staging / NAME)
            if holder is not None or not (self._staging / NAME).exists():
                return holder
            time.sleep(0.01)
        # Nobody leaves a lock like this, unless the disk was full: its age is all that is known.
        with suppress(OSError):
            modified = (self._staging / NAME).stat().st_mtime
            return Holder("an unknown host", 0, "", "", "", modified)
        return None

    def _name(self, holder: Holder | None) -> str:
        if holder is None:
            return "another process"
        silent = max(0, round(self._clock() - holder.heartbeat))
        return f"process {holder.pid} on {holder.host} (last sign of life {silent} s ago)"

    def _keep(self) -> None:
        while not self._released.wait(self._beat):
            with suppress(OSError, ValueError):
                self._renew()

    def _renew(self) -> None:
        # In place, through one open file: a lock that was taken over is then never written by its old holder.
        with (self._staging / NAME / METADATA).open("r+b", buffering=0) as file:
            document = json.loads(file.read())
            if self._mine is None or document["attributes"].get("token") != self._mine.token:
                return
            document["attributes"]["heartbeat"] = self._clock()
            file.seek(0)
            file.write(json.dumps(document, indent=1).encode())
            file.truncate()


def _holder(folder: Path) -> Holder | None:
    try:
        return Holder(**read_group(folder))
    except (OSError, ValueError, TypeError):
        return None


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
