"""What a worker of a Dask cluster does for a training: it holds partitions, trains leases and stages changes.

Tasks are short messages: what is trained stays on the worker, in the plugin that each of them finds there.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any

from distributed import Actor, WorkerPlugin, get_worker

from daskgraph.buffer import Buffer
from daskgraph.config import Config
from daskgraph.executors.recording import peak_memory
from daskgraph.model import Model
from daskgraph.parameters import Arrays, ParameterClient, shared_arrays
from daskgraph.registration import Registered, adopt
from daskgraph.schedule import Train, Work
from daskgraph.store import GraphStore, ModelStore
from daskgraph.threads import available_threads
from daskgraph.trainer import Worker

PATIENCE = 5.0
"""Seconds that a session has to end."""


@dataclass(frozen=True)
class Training:
    """What all workers of a training have to know."""

    name: str
    """Tells it from all others on the same cluster."""

    model: str
    """Path of the model store, which every worker reaches."""

    graph: str
    """Path of the graph store."""

    config: dict[str, Any]
    """The config that the workers train by."""

    buffer: int
    """Partitions that a worker holds."""

    block: int
    """Edges of a block."""

    registered: Registered
    """Operators, comparators and losses of the user's own."""


@dataclass(frozen=True)
class Result:
    """What a worker tells of a lease."""

    work: Work
    """What was trained."""

    compute: float
    waiting: float
    """Seconds of kernels, and of waiting for data, since the worker began."""

    reads: int
    """Partitions read since then."""

    peak: int
    """The most bytes the process has held."""

    threads: int
    """Threads that train."""


class Session:
    """One worker's part of a training.

    Parameters
    ----------
    training
        What is trained.
    name
        Under which its changes are staged.
    server
        The parameter server.
    """

    def __init__(self, training: Training, name: str, server: Actor) -> None:
        adopt(training.registered)
        graph, store = GraphStore.open(training.graph), ModelStore.open(training.model)
        model = Model(Config.from_dict(training.config), graph.schema)
        stored = store.read_parameters()
        parameters = model.pack(stored) if stored else model.initial()
        self.name = name
        self._working = Lock()
        self._buffer = Buffer(store, graph, model, training.buffer, name)
        # Whole tables are filled by that, and shared from then on.
        self._buffer.hold([])
        self._client = ParameterClient(shared_arrays(parameters, self._buffer.whole()), _ActorServer(server))
        self._threads = available_threads(model.config.training.threads)
        self._worker = Worker(
            graph,
            model,
            parameters,
            self._buffer,
            self._threads,
            training.block,
            self._client.between_slices,
        )

    def train(self, instruction: Train) -> Result:
        """Train a lease."""
        with self._working:
            work = self._worker.train(instruction, lambda edges, loss: None)
        spent = self._worker.spent
        return Result(work, spent.compute, spent.waiting, self._buffer.reads, peak_memory(), self._threads)

    def stage(self) -> str:
        """Stage all changes, with the parameters that workers share by now; return the staging's token."""
        with self._working:
            self._client.settle()
            return self._worker.stage().token

    def committed(self) -> None:
        """Know that what was staged is part of the model."""
        self._buffer.committed()

    def stop(self) -> None:
        """Let a lease end at the next slice, from any thread."""
        self._worker.stop()

    def close(self) -> None:
        """End what is running, soon, and all threads."""
        self.stop()
        with self._working:
            self._client.close()
            self._worker.close()


class SessionPlugin(WorkerPlugin):
    """Holds a worker's session from task to task.

    Parameters
    ----------
    training
        What is trained.
    """

    def __init__(self, training: Training) -> None:
        self.name = training.name
        self.training = training
        self.session: Session | None = None
        self.stopped = False

    async def setup(self, worker: Any) -> None:
        """End what a driver has left that died while it trained the same model: only one holds its lock.

        The worker's statistical profile ends too: taken while a thread begins, it can lock the process for
        good (CPython issue 106883; seen with 3.11.7).
        """
        for name in ("profile", "profile-cycle"):
            if name in worker.periodic_callbacks:
                worker.periodic_callbacks.pop(name).stop()
        for other in list(worker.plugins.values()):
            if isinstance(other, SessionPlugin) and other is not self and other.trains(self.training.model):
                await other.teardown(worker)

    async def teardown(self, worker: Any) -> None:
        """End the session when the training is over, or the worker goes; one that is stuck ends later."""
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(self.close), PATIENCE)

    def trains(self, model: str) -> bool:
        """Tell whether this is about a model."""
        return self.training.model == model

    def stop(self) -> None:
        """Let the lease that runs end at its next slice, and so all that follow."""
        self.stopped = True
        if self.session is not None:
            self.session.stop()

    def close(self) -> None:
        """End the session, and forget what it had not committed."""
        session, self.session = self.session, None
        if session is not None:
            session.close()


def train_lease(training: str, server: Actor, name: str, instruction: Train, committed: bool) -> Result:
    """Train a lease on this worker; `committed`: what it had staged before is part of the model."""
    plugin = _plugin(training)
    try:
        if plugin.session is None or plugin.session.name != name:
            plugin.close()
            plugin.session = Session(plugin.training, name, server)
        elif committed:
            plugin.session.committed()
        if plugin.stopped:
            plugin.session.stop()
        return plugin.session.train(instruction)
    except BaseException:
        plugin.close()
        raise


def stage_lease(training: str) -> str:
    """Stage what this worker has changed; return the token of the staging."""
    plugin = _plugin(training)
    assert plugin.session is not None
    try:
        return plugin.session.stage()
    except BaseException:
        plugin.close()
        raise


def stop_lease(training: str, dask_worker: Any) -> None:
    """Let the lease that runs on a worker end at its next slice."""
    dask_worker.plugins[training].stop()


def _plugin(training: str) -> SessionPlugin:
    plugin = get_worker().plugins[training]
    assert isinstance(plugin, SessionPlugin)
    return plugin


class _ActorServer:
    """Reaches a parameter server that is an actor."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def join(self, values: Arrays) -> Arrays:
        found: Arrays = self._actor.join(values).result()
        return found

    def exchange(self, changes: Arrays) -> Arrays:
        found: Arrays = self._actor.exchange(changes).result()
        return found
