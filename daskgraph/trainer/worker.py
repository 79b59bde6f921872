"""What trains leases on one machine, in this process or as a worker of a cluster."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from daskgraph.buffer import Buffer
from daskgraph.model import Model, Parameters
from daskgraph.schedule import Lease, Train, Work
from daskgraph.store import GraphStore
from daskgraph.store.staging import Staging
from daskgraph.trainer.feed import Feed, Slice
from daskgraph.trainer.trainer import Report, Trainer
from daskgraph.vectors import FeatureMeans

Begun = tuple[Iterator[Slice], "Future[Slice | None]"]
"""The slices of a lease, and the next of them, which is being read."""


@dataclass
class Spent:
    """Where the time of a worker went, in seconds."""

    compute: float = 0.0
    """Kernels ran."""

    waiting: float = 0.0
    """They waited for partitions or edges to be read or written."""


class Worker:
    """Trains leases: partitions in a buffer, edges read ahead, batches on all threads.

    Parameters
    ----------
    graph
        Where edges are read.
    model
        What is trained.
    parameters
        Operators and common vectors, changed in place.
    buffer
        The partitions in memory.
    threads
        How many threads train.
    block
        Edges of a block.
    between_slices
        Called by the thread that trains, when no kernel runs.
    """

    def __init__(
        self,
        graph: GraphStore,
        model: Model,
        parameters: Parameters,
        buffer: Buffer,
        threads: int,
        block: int,
        between_slices: Callable[[], None] = lambda: None,
    ) -> None:
        self.buffer, self.spent = buffer, Spent()
        self.lease: Lease | None = None
        """The running lease."""
        self.work = Work()
        """What is trained of it: whole slices only."""
        self._model, self._parameters, self._block = model, parameters, block
        self._trainer = Trainer(model, parameters, threads)
        self._feed = Feed(graph, model, buffer)
        self._between_slices = between_slices
        self._reader = ThreadPoolExecutor(1, "daskgraph-slices")
        self._begun: dict[int, Begun] = {}
        self._stopped = False

    def compile(self) -> None:
        """Compile the kernels, or load them from the cache."""
        self._trainer.compile(self.buffer.tables)

    def train(self, instruction: Train, report: Report) -> Work:
        """Train a lease, until it is done or its time is up; return what that came to.

        Raises
        ------
        KeyboardInterrupt
            As it came: `work` is what was whole by then.
        """
        lease, ahead = instruction.lease, instruction.ahead
        began = started = time.perf_counter()
        self.lease, self.work = lease, Work()
        self._trainer.rate = instruction.rate
        self.buffer.hold(lease.partitions, lease.kept)
        if ahead is not None:
            self.buffer.read_ahead(ahead.partitions)
        begun = self._begun.pop(lease.number, None)
        slices, following = self._begin(lease) if begun is None else begun
        while (found := following.result()) is not None:
            following = self._reader.submit(self._read_on, slices, ahead)
            training = time.perf_counter()
            self.spent.waiting += training - started
            edges, loss = self._trainer.train(self.buffer.tables, found.parts, found.place, report)
            ended = time.perf_counter()
            self.spent.compute += ended - training
            stretches = {stretch.bucket: stretch for stretch in found.stretches}
            self.work += Work(stretches, edges, loss, ended - started)
            self._between_slices()
            started = ended
            if self._stopped or ended - began >= instruction.seconds:
                break
        self.lease = None
        return self.work

    def stop(self) -> None:
        """Let a lease end at the next slice, from any thread."""
        self._stopped = True

    def _begin(self, lease: Lease) -> Begun:
        slices = self._feed.slices(lease, self._block)
        return slices, self._reader.submit(next, slices, None)

    def _read_on(self, slices: Iterator[Slice], ahead: Lease | None) -> Slice | None:
        """Read the next slice of a lease; after its last one, the first of the lease that follows."""
        found = next(slices, None)
        if found is None and ahead is not None and self.buffer.has(ahead.partitions):
            self._begun = {ahead.number: self._begin(ahead)}
        return found

    def stage(self) -> Staging:
        """Write what changed since the last commit, and return where."""
        staging = self.buffer.stage()
        staging.write_parameters(self._model.unpack(self._parameters))
        for name, means in self.means().items():
            staging.write_means(name, len(means), means.rows)
        staging.sync()
        return staging

    def means(self) -> dict[str, FeatureMeans]:
        """Return the rows of all featurised types."""
        return {
            name: FeatureMeans(self._model, self._parameters, name, table.features)
            for name, table in self.buffer.tables.items()
            if table.features is not None
        }

    def close(self) -> None:
        """End all threads."""
        self._reader.shutdown(cancel_futures=True)
        self._feed.close()
        self._trainer.close()
        self.buffer.close()
