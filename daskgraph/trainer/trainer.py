"""Threads that train batches: each takes the next run, and changes the shared tables without locks (HOGWILD).

Niu et al., NIPS 2011: where updates are sparse, lost ones cost less than locks.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cached_property
from threading import Event, Lock

import numpy as np
import numpy.typing as npt

from daskgraph.buffer import TypeTable
from daskgraph.model import Group, Model, Parameters
from daskgraph.trainer.batches import GroupBatches, Run, runs
from daskgraph_kernels.batch import reciprocal, standard
from daskgraph_kernels.rng import derive_key
from daskgraph_kernels.rows import NO_FEATURES, FeatureLists
from daskgraph_kernels.sgd import train_batches
from daskgraph_kernels.workspace import (
    Batches,
    Functions,
    Settings,
    Sizes,
    Tables,
    Workspace,
    addresses,
    allocate,
    links_for,
)

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

_RUNS = 0x0D4
_CANDIDATES = 0xCA4D

_NEWS = 0.1
"""Seconds between two reports."""

Report = Callable[[int, float], None]
"""Told now and then how many edges were trained since the last time, and their summed loss."""


@dataclass(frozen=True)
class _Kernels:
    """A group's compiled functions and settings."""

    functions: Functions
    forward_backward: object
    settings: Settings


class _Shared:
    """What the threads of one slice have in common: the runs left, and what is done."""

    def __init__(self, todo: list[Run]) -> None:
        self._todo: Iterator[Run] = iter(todo)
        self._lock = Lock()
        self._edges, self._loss = 0, 0.0
        self.stop = Event()

    def next(self) -> Run | None:
        """Take the next run, if there is one."""
        with self._lock:
            return None if self.stop.is_set() else next(self._todo, None)

    def add(self, edges: int, loss: float) -> None:
        """Count a run that is done."""
        with self._lock:
            self._edges += edges
            self._loss += loss

    def take(self) -> tuple[int, float]:
        """Return what was counted since the last time."""
        with self._lock:
            counted = self._edges, self._loss
            self._edges, self._loss = 0, 0.0
            return counted


class Trainer:
    """Trains slices of edges on tables in memory.

    Parameters
    ----------
    model
        What is trained.
    parameters
        Operators and common vectors, changed in place.
    threads
        How many threads train. One gives the same model, bit for bit, every time.
    """

    def __init__(self, model: Model, parameters: Parameters, threads: int) -> None:
        self._model = model
        self._parameters = parameters
        self._threads = threads
        self.rate = 1.0
        """Factor on both learning rates."""
        self._spare: dict[tuple[Group, Sizes], list[Workspace]] = {}
        self._lock = Lock()

    def train(
        self,
        tables: dict[str, TypeTable],
        parts: list[GroupBatches],
        place: tuple[int, ...],
        report: Report,
    ) -> tuple[int, float]:
        """Train a slice once; return its edges and their summed loss.

        Parameters
        ----------
        tables
            The rows in memory of every entity type.
        parts
            The slice, cut into batches; heads and tails are places in those tables.
        place
            What tells this slice from all others: epoch, bucket, block. With the seed it decides the order of
            the batches and their candidates, whatever the number of threads.
        report
            Told how far it is.

        Raises
        ------
        KeyboardInterrupt
            As it came; the threads have stopped, some of the slice's batches are trained.
        """
        seed = self._model.config.training.seed
        random = np.random.Generator(np.random.Philox(int(derive_key(seed, _RUNS, *place))))
        shared = _Shared(runs(parts, self._threads, random))
        key = derive_key(seed, _CANDIDATES, *place)
        working = [self._pool.submit(self._work, tables, shared, key) for _ in range(self._threads)]
        edges, loss = 0, 0.0
        try:
            for more_edges, more_loss in _news(working, shared):
                edges, loss = edges + more_edges, loss + more_loss
                report(more_edges, more_loss)
        finally:
            shared.stop.set()
            wait(working)
        return edges, loss

    def compile(self, tables: dict[str, TypeTable]) -> None:
        """Compile the kernels, or load them from the cache: by a run of no batches for every group."""
        ids = np.empty(0, np.int64)
        nothing = Batches(ids, ids, ids, np.empty(0, np.float32), np.zeros(1, np.int64))
        for index in range(len(self._model.groups)):
            self._train_run(tables, Run(GroupBatches(index, nothing), 0, 0), np.uint64(0))

    def close(self) -> None:
        """End the threads."""
        if "_pool" in self.__dict__:
            self._pool.shutdown(cancel_futures=True)

    def _work(self, tables: dict[str, TypeTable], shared: _Shared, key: np.uint64) -> None:
        try:
            while (run := shared.next()) is not None:
                shared.add(*self._train_run(tables, run, key))
        except BaseException:
            shared.stop.set()
            raise

    def _train_run(self, tables: dict[str, TypeTable], run: Run, key: np.uint64) -> tuple[int, float]:
        part, first, last = run
        group = self._model.groups[part.group]
        kernels = self._kernels(group)
        shared = self._tables(group, tables)
        sizes = self._sizes(kernels.settings, shared)
        work = self._take_workspace(group, kernels.settings, sizes, shared)
        own_key = derive_key(int(key), part.group)
        loss, _ = train_batches(
            kernels.functions,
            kernels.forward_backward,
            self._at_rate(kernels.settings),
            shared,
            part.batches,
            work,
            own_key,
            first,
            last,
        )
        with self._lock:
            self._spare[group, sizes].append(work)
        return int(part.batches.starts[last] - part.batches.starts[first]), float(loss)

    def _at_rate(self, settings: Settings) -> Settings:
        return settings._replace(
            learning_rate=np.float32(self.rate * settings.learning_rate),
            relation_learning_rate=np.float32(self.rate * settings.relation_learning_rate),
        )

    def _kernels(self, group: Group) -> _Kernels:
        with self._lock:
            if group not in self._compiled:
                model = self._model
                step = reciprocal if model.config.model.reciprocal else standard
                self._compiled[group] = _Kernels(
                    addresses(model.functions(group)), step.address(), model.settings(group)
                )
            return self._compiled[group]

    def _tables(self, group: Group, tables: dict[str, TypeTable]) -> Tables:
        shared, sides = self._parameters, (tables[group.head], tables[group.tail])
        heads, tails = (
            NO_FEATURES if table.features is None else FeatureLists(*table.features) for table in sides
        )
        return Tables(
            *self._side(group.head, tables[group.head]),
            *self._side(group.tail, tables[group.tail]),
            shared.head,
            shared.head_sums,
            shared.tail,
            shared.tail_sums,
            self._model.relation_weights,
            heads,
            tails,
            *(table.chances for table in sides),
        )

    def _side(self, kind: str, table: TypeTable) -> tuple[Floats, Floats, Ids, Floats, Floats]:
        """The first fields of `Tables`, of one type."""
        shared, rows, sums = self._parameters, table.rows, table.sums
        if table.features is not None:
            rows, sums = shared.features[kind], shared.feature_sums[kind]
        return rows, sums, table.ranges, shared.common[kind], shared.common_sums[kind]

    def _sizes(self, settings: Settings, tables: Tables) -> Sizes:
        head, tail = (
            int(np.diff(ranges).sum()) if settings.all_candidates else settings.uniform
            for ranges in (tables.head_ranges, tables.tail_ranges)
        )
        batch = self._model.config.training.batch_size
        return Sizes(batch, head if settings.corrupt_head else 0, tail if settings.corrupt_tail else 0)

    def _take_workspace(self, group: Group, settings: Settings, sizes: Sizes, tables: Tables) -> Workspace:
        with self._lock:
            spare = self._spare.setdefault((group, sizes), [])
            if spare:
                return spare.pop()
        relations, size = tables.tail_parameters.shape
        mixed = self._model.config.model.reciprocal
        dimension, links = self._model.dimension(group.tail), links_for(settings, tables, sizes)
        return allocate(settings, mixed, sizes, dimension, size, relations, links)

    @cached_property
    def _compiled(self) -> dict[Group, _Kernels]:
        return {}

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, "daskgraph-train")


def _news(working: list[Future[None]], shared: _Shared) -> Iterator[tuple[int, float]]:
    """Give what the threads have done, now and then, until they are done; raise what stopped one of them."""
    left = set(working)
    while left:
        done, left = wait(left, timeout=_NEWS)
        counted = shared.take()
        if counted[0]:
            yield counted
        for future in done:
            future.result()
