"""A training's side of a Dask cluster: who is there, what runs where, and the parameter server it brings.

Dask runs a dead worker's task again by itself, elsewhere: every task is therefore pinned to its worker, and
one whose worker has left is released.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from daskgraph.errors import SchedulerLostError
from daskgraph.executors.session import SessionPlugin, Training, stop_lease
from daskgraph.parameters import ParameterServer

if TYPE_CHECKING:
    from distributed import Client

Future: TypeAlias = Any

SERVER = "daskgraph-parameters"
"""Begins the name of the worker that shared parameters live on; it trains nothing."""

LOOPBACK = "127.0.0.1"

PATIENCE = 10.0
"""Seconds that a cluster has to say goodbye."""

LOOK = 0.25
"""Seconds between two looks at which workers there are."""

REPLY = 2.0
"""Seconds after which a worker that should tell what it has done may be gone."""

TRIES = 5
"""How often a plugin is offered to all workers: one that dies meanwhile makes Dask give up on all."""


def register(client: Client, plugin: SessionPlugin, name: str, pause: float = 1.0) -> None:
    """Give all workers, and those that come, a plugin; which workers there are may change meanwhile.

    Raises
    ------
    OSError
        No try came to its end.
    """
    for left in reversed(range(TRIES)):
        try:
            client.register_plugin(plugin, name=name)
        except OSError:
            if not left:
                raise
            time.sleep(pause)
        else:
            return


def workers_of(client: Client) -> dict[str, str]:
    """Return by address what a cluster calls each of its workers, but for those that hold parameters.

    Raises
    ------
    SchedulerLostError
        The scheduler does not answer.
    """
    scheduler: Any = client.scheduler
    try:
        # The client's own list may be one that it was about to fetch for somebody else.
        found = client.sync(scheduler.identity)["workers"]
    except OSError as error:
        raise SchedulerLostError(str(scheduler.address)) from error
    named = {address: str(info["name"]) for address, info in found.items()}
    return {address: name for address, name in named.items() if not name.startswith(SERVER)}


def returned(future: Future) -> Any:
    """Return what a task that has ended returned; None if that failed, or its worker is gone with it.

    Dask would wait for the worker to come back: the task is pinned to it, and nobody else can run it again.
    """
    while future.status == "finished":
        try:
            return future.result(timeout=REPLY)
        except (TimeoutError, UnboundLocalError):
            # The second is what Dask makes of a call that was cancelled while it waited.
            continue
        except Exception:
            if future.status == "finished":
                raise
    return None


class Connection:
    """A training on a Dask cluster, until it is closed.

    Parameters
    ----------
    client
        Connected to the cluster.
    training
        What all workers have to know.
    """

    def __init__(self, client: Client, training: Training) -> None:
        from distributed import Worker

        self._client, self._training = client, training
        scheduler: Any = client.scheduler
        self._address = str(scheduler.address)
        security, host = client.security, _own_host(self._address)

        async def bring() -> Any:
            name = f"{SERVER}-{training.name}"
            return await Worker(
                self._address,
                nthreads=1,
                name=name,
                security=security,
                host=host,
                dashboard=False,
                # Otherwise its HTTP server listens wherever it does, and is open to all.
                dashboard_address=f"{LOOPBACK}:0",
            )

        self._host: Any = client.sync(bring)
        register(client, SessionPlugin(training), training.name)
        place = {"workers": [self._host.address], "allow_other_workers": False}
        self._server = client.submit(ParameterServer, actor=True, **place).result()

    def workers(self) -> dict[str, str]:
        """Return by address what the cluster calls each worker that can train; as of `workers_of`."""
        return workers_of(self._client)

    def check(self) -> None:
        """Raise SchedulerLostError if the scheduler has hung up."""
        if self._client.status != "running":
            raise SchedulerLostError(self._address)

    def submit(self, address: str, task: Callable[..., Any], *arguments: Any) -> Future:
        """Run a task of this training on one worker."""
        return self._client.submit(
            task,
            self._training.name,
            *arguments,
            workers=[address],
            allow_other_workers=False,
            retries=0,
            pure=False,
            key=f"{self._training.name}-{task.__name__}-{uuid.uuid4().hex[:8]}",
        )

    @property
    def server(self) -> Any:
        """The parameter server, an actor."""
        return self._server

    def stop_leases(self) -> None:
        """Let all workers end their leases at the next slice."""
        with suppress(OSError):
            self._client.run(stop_lease, self._training.name, on_error="ignore", workers=list(self.workers()))

    def close(self, remains: bool = True) -> None:
        """Leave the cluster as it was; where it ends with the training, its workers need no farewell."""
        if remains and self._client.status == "running":
            with suppress(OSError, TimeoutError):
                self._client.unregister_worker_plugin(self._training.name)
        with suppress(OSError, TimeoutError):
            self._client.sync(self._host.close, timeout=PATIENCE, callback_timeout=PATIENCE)


def _own_host(address: str) -> str | None:
    """Return the host of a scheduler if it is this machine, by the same address; else None.

    Where a scheduler of ours listens, so does what we bring, and nowhere else.
    """
    import psutil

    host = address.rpartition("://")[2].rpartition(":")[0]
    own = {given.address for addresses in psutil.net_if_addrs().values() for given in addresses}
    return host if host in own else None
