"""What all workers share: a server that adds up their changes, and each worker's side of the exchange.

Every worker trains on its own copy. Now and then it hands in how its copy has changed since the last time,
and takes home the sum of everybody's changes. Adagrad sums are shared like the parameters themselves.
"""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields
from typing import Protocol

import numpy as np
import numpy.typing as npt

from daskgraph.model import Parameters

Arrays = dict[str, npt.NDArray[np.float32]]

PAUSE = 10.0
"""An exchange is followed by a pause of so many times its own length."""


def shared_arrays(parameters: Parameters, whole: Arrays) -> Arrays:
    """Return all arrays that workers share, by a name: not copies.

    Parameters
    ----------
    parameters
        Operators and common vectors.
    whole
        Rows and Adagrad sums of entity types that are not partitioned, by a name.
    """
    arrays: Arrays = {}
    for part in fields(parameters):
        value = getattr(parameters, part.name)
        named = value if isinstance(value, dict) else {"": value}
        arrays |= {f"{part.name}/{name}": array for name, array in named.items() if array.size}
    return arrays | whole


class ParameterServer:
    """Adds up changes; lives as a Dask actor on one worker, which runs one call at a time."""

    def __init__(self) -> None:
        self._values: Arrays = {}

    def join(self, values: Arrays) -> Arrays:
        """Return all values as they are now: those of the first worker that joined, and all changes since."""
        if not self._values:
            self._values = {name: np.array(array) for name, array in values.items()}
        return dict(self._values)

    def exchange(self, changes: Arrays) -> Arrays:
        """Add a worker's changes, and return all values."""
        for name, change in changes.items():
            # Never in place: values that were given out may still be on their way.
            self._values[name] = self._values[name] + change
        return dict(self._values)


class Server(Protocol):
    """Whatever reaches a `ParameterServer`."""

    def join(self, values: Arrays) -> Arrays:
        """Return its values."""
        ...

    def exchange(self, changes: Arrays) -> Arrays:
        """Add changes, and return its values."""
        ...


class ParameterClient:
    """A worker's side: none of its own changes is lost, however long an exchange takes.

    Changes are taken, and values brought in, by the thread that trains, between slices; only the way to the
    server and back is gone meanwhile.

    Parameters
    ----------
    arrays
        The worker's own arrays, changed in place: to the server's values at once.
    server
        The server.
    """

    def __init__(self, arrays: Arrays, server: Server) -> None:
        self._arrays, self._server = arrays, server
        self._base = server.join(arrays)
        for name, array in arrays.items():
            np.copyto(array, self._base[name])
        self._sent: Arrays = {}
        self._coming: Future[Arrays] | None = None
        self._pool = ThreadPoolExecutor(1, "daskgraph-parameters")
        self._began = self._next = time.perf_counter()

    def between_slices(self) -> None:
        """Bring in what has come, and begin another exchange when it is time."""
        now = time.perf_counter()
        if self._coming is not None and self._coming.done():
            self._bring_in()
            self._next = now + PAUSE * (now - self._began)
        if self._coming is None and now >= self._next:
            self._hand_in()

    def settle(self) -> None:
        """Return once the server has all changes made here, and these arrays its values."""
        if self._coming is not None:
            self._bring_in()
        self._hand_in()
        self._bring_in()

    def close(self) -> None:
        """End the thread that exchanges."""
        self._pool.shutdown(cancel_futures=True)

    def _hand_in(self) -> None:
        self._began = time.perf_counter()
        self._sent = {name: array.copy() for name, array in self._arrays.items()}
        changes = {name: sent - self._base[name] for name, sent in self._sent.items()}
        self._coming = self._pool.submit(self._server.exchange, changes)

    def _bring_in(self) -> None:
        assert self._coming is not None
        values, self._coming = self._coming.result(), None
        for name, array in self._arrays.items():
            # What was changed here since it was handed in stays a change.
            array += values[name] - self._sent[name]
        self._base = values
