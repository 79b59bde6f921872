"""Pieces of a question on the workers of a Dask cluster: where one dies, others do what it had."""

from __future__ import annotations

import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any

from daskgraph.errors import NoWorkersError, PieceFailedError
from daskgraph.executors.connection import LOOK, Future, returned, workers_of
from daskgraph.registration import Registered, adopt, registered

if TYPE_CHECKING:
    from distributed import Client

ATTEMPTS = 3
"""So often a piece may fail."""


def nobody() -> bool:
    """Expect no workers but those that come by themselves."""
    return False


class ClusterSpread:
    """Spreads pieces over all workers, those included that join on the way; one at a time on each.

    Parameters
    ----------
    client
        Connected to the cluster.
    patience
        Seconds to wait for a worker where there is none.
    threads
        How many threads each worker has; 0: as many as its process may use.
    expects
        Tells whether workers are still to come: there is no need for patience then.
    most
        How many there will be, if that is known.
    """

    def __init__(
        self,
        client: Client,
        patience: float,
        threads: int,
        expects: Callable[[], bool] = nobody,
        most: int = 1,
    ) -> None:
        self._client, self._patience, self.threads, self._expects = client, patience, threads, expects
        self._most = most

    @property
    def workers(self) -> int:
        """How many there are, or will be."""
        return max(self._most, len(workers_of(self._client)))

    def __call__(self, task: Callable[..., Any], pieces: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
        """Call a function with the arguments of every piece, and give the answers in that order.

        Raises
        ------
        PieceFailedError
            Workers died three times over the same piece.
        NoWorkersError
            There was none for as long as patience lasts.
        SchedulerLostError
            The cluster is gone.
        Exception
            What the function raised, when it has failed three times.
        """
        return _Round(self._client, self._patience, self._expects, task, pieces).answers()


def answer(known: Registered, task: Callable[..., Any], piece: tuple[Any, ...]) -> Any:
    """Call a function on a worker, which knows the user's own operators then."""
    adopt(known)
    return task(*piece)


class _Round:
    """One call of a `ClusterSpread`."""

    def __init__(
        self,
        client: Client,
        patience: float,
        expects: Callable[[], bool],
        task: Callable[..., Any],
        pieces: Sequence[tuple[Any, ...]],
    ) -> None:
        self.client, self.patience, self.expects = client, patience, expects
        self.task, self.pieces = task, pieces
        self.name = f"daskgraph-{task.__name__}-{uuid.uuid4().hex[:8]}"
        self.known = registered()
        self.left = deque(range(len(pieces)))
        self.running: dict[str, tuple[int, Future]] = {}
        self.idle: set[str] = set()
        self.failed: set[str] = set()
        self.found: dict[int, Any] = {}
        self.failures: Counter[int] = Counter()
        self.done: Queue[tuple[str, Future]] = Queue()
        self.looked, self.met = 0.0, time.perf_counter()

    def answers(self) -> Iterator[Any]:
        try:
            for number in range(len(self.pieces)):
                while number not in self.found:
                    self._look()
                    self._hand_out()
                    self._take()
                yield self.found.pop(number)
        finally:
            for _, future in self.running.values():
                future.cancel()

    def _look(self) -> None:
        """See who has joined and who has left."""
        now = time.perf_counter()
        if now - self.looked < LOOK:
            return
        there = workers_of(self.client).keys()
        self.looked = time.perf_counter()
        # One that has failed is asked again where nobody else is left.
        self.idle = (there - self.failed or there) - self.running.keys()
        if self.expects() or there:
            self.met = self.looked
        elif now - self.met > self.patience:
            raise NoWorkersError(self.patience)
        for address in self.running.keys() - there:
            number, future = self.running.pop(address)
            future.cancel()
            self._again(number, PieceFailedError(ATTEMPTS))

    def _hand_out(self) -> None:
        while self.left and self.idle:
            number, address = self.left.popleft(), self.idle.pop()
            future = self.client.submit(
                answer,
                self.known,
                self.task,
                self.pieces[number],
                workers=[address],
                allow_other_workers=False,
                retries=0,
                pure=False,
                key=f"{self.name}-{number}-{self.failures[number]}",
            )
            self.running[address] = number, future
            future.add_done_callback(lambda done, address=address: self.done.put((address, done)))

    def _take(self) -> None:
        """Wait a little for an answer."""
        try:
            address, future = self.done.get(timeout=LOOK)
        except Empty:
            return
        number, expected = self.running.get(address, (-1, None))
        if future is not expected or future.cancelled():
            return
        if future.status == "error":
            del self.running[address]
            self.failed.add(address)
            self._again(number, future.exception())
            return
        found = returned(future)
        # Otherwise the worker is gone with it, and will be missed.
        if found is not None:
            del self.running[address]
            self.idle.add(address)
            self.found[number] = found

    def _again(self, number: int, failure: BaseException) -> None:
        self.failures[number] += 1
        if self.failures[number] >= ATTEMPTS:
            raise failure
        self.left.appendleft(number)
