"""Who trains on a cluster: what its driver knows of a worker, who brings workers, and how they are used."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from daskgraph.executors.connection import Future
from daskgraph.executors.recording import Spending
from daskgraph.schedule import Train


@dataclass
class Known:
    """A worker of the cluster."""

    name: str
    """Under which it stages; never used again."""

    called: str = ""
    """What the cluster calls it."""

    leaving: bool = False
    """Whether it has been told to hand back its lease."""

    idle: float = 0.0
    """Seconds that it has been without work."""

    future: Future = None
    train: Train | None = None
    """What it is training; None while it stages."""

    began: float = 0.0
    """When it was told to stage."""

    committed: bool = False
    """Whether its last staging was committed, and it has not been told."""

    spent: Spending = field(default_factory=Spending)
    threads: int = 1

    since: float = field(default_factory=time.perf_counter)
    """From when on it has nothing to do, if it has not."""

    waited: float = 0.0
    """Seconds without anything to do, before."""

    committing: float = 0.0
    """Seconds in which it staged, and that was committed."""


class Crew(Protocol):
    """Whoever brings workers to a training, and has to send some of them away again."""

    def leaving(self, idle: Mapping[str, float], epoch: int) -> Collection[str]:
        """Return the names of workers that are to hand back their leases; told for how long each is idle."""

    def dismiss(self, worker: str) -> None:
        """Send a worker away that has handed back its lease."""

    def awaits(self) -> bool:
        """Tell what has happened, and whether workers are still to come; raise where nothing can go on."""


@dataclass
class Limits:
    """How a cluster is used."""

    buffer: int
    """Partitions that a worker can hold."""

    shared: int
    """Partitions that it holds when all workers have come."""

    ahead: bool
    """Whether partitions are left free, to be read ahead."""

    sweeps: int
    """So often all partitions meet in an epoch."""

    patience: float
    """Seconds without any progress after which the training is given up."""

    config: dict[str, Any]
    """The config that workers train by."""

    crew: Crew | None = None
    """Who brings the workers, where they do not come by themselves; it judges those that go, too."""
