"""Train in this process: one worker, no sockets, no scheduler."""

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from daskgraph.buffer import Buffer, partitions_held
from daskgraph.events import (
    Callback,
    Committed,
    CompileFinished,
    CompileStarted,
    EdgesTrained,
    EpochFinished,
    TrainingFinished,
    TrainingStarted,
)
from daskgraph.executors.progress_record import ProgressRecord
from daskgraph.graph import Edges
from daskgraph.model import Model
from daskgraph.schedule import Bucket, Lease, leases
from daskgraph.store import GraphStore, ModelStore
from daskgraph.threads import available_threads, single_threaded_products
from daskgraph.trainer import Trained, Trainer
from daskgraph.vectors import StoredVectors, TableVectors, Vectors
from daskgraph_kernels.rng import derive_key

SLICE_BYTES = 64 << 20
"""Edges are read in slices of at most this size."""

_LEASES = 0x1EA5E

Evaluate = Callable[[Vectors], dict[str, Any]]
"""Evaluates the model in training on the valid split; its figures go into the history."""


def commit_due(now: float, last: float, cost: float, patience: float) -> bool:
    """Tell whether an epoch's end is worth a commit: one costs less than a tenth of what it saves, or it
    is late.

    Parameters
    ----------
    now, last
        The time, and that of the last commit, in seconds.
    cost
        Seconds that the last commit took.
    patience
        `training.checkpoint` in seconds.
    """
    return now - last >= min(10 * cost, patience)


@dataclass
class _Clock:
    """Where the time of a training goes, in seconds."""

    started: float = field(default_factory=time.perf_counter)
    compute: float = 0.0
    waiting: float = 0.0
    committed: float = field(default_factory=time.perf_counter)
    commit_cost: float = 0.0


def train_inline(
    store: ModelStore,
    graph: GraphStore,
    model: Model,
    callback: Callback,
    evaluate: Evaluate | None = None,
) -> dict[str, Any]:
    """Train a model from where its progress is to the last epoch of its config.

    Parameters
    ----------
    store
        The model store; its lock is held by the caller.
    graph
        The graph it is trained on.
    model
        Config and schema.
    callback
        Told what happens.
    evaluate
        Called every `evaluation.every` epochs.

    Returns
    -------
    The summary that `daskgraph train --json` prints, but for `evaluation`.
    """
    run = _Run(store, graph, model, callback, evaluate)
    try:
        with single_threaded_products():
            return run.train()
    finally:
        run.trainer.close()


class _Run:
    """One call of `train_inline`."""

    def __init__(
        self,
        store: ModelStore,
        graph: GraphStore,
        model: Model,
        callback: Callback,
        evaluate: Evaluate | None,
    ) -> None:
        self.store, self.graph, self.model = store, graph, model
        self.callback, self.evaluate = callback, evaluate
        self.config = model.config
        self.threads = available_threads(self.config.training.threads)
        partitions = model.schema.partitions
        self.progress = ProgressRecord.from_dict(store.progress, partitions)
        self.capacity = partitions_held(model, graph)
        stored = store.read_parameters()
        self.parameters = model.pack(stored) if stored else model.initial()
        self.buffer = Buffer(store, graph, model, self.capacity)
        self.trainer = Trainer(model, self.parameters, self.threads)
        self.offsets = graph.bucket_offsets("train")
        self.trained = Trained()
        self.clock = _Clock()
        self.last_loss: float | None = None
        self.entries: list[dict[str, Any]] = []

    def train(self) -> dict[str, Any]:
        resumed_from = self.progress.epoch if self.store.progress else None
        first = self.progress.epoch
        if first < self.config.training.epochs:
            self.callback(self._started(first + 1))
        while self.progress.epoch < self.config.training.epochs:
            for lease in self._leases():
                self._train_lease(lease)
            self._finish_epoch()
        summary = self._summary(first, resumed_from)
        self.callback(TrainingFinished(summary))
        return summary

    def _started(self, epoch: int) -> TrainingStarted:
        schema = self.model.schema
        return TrainingStarted(
            entities=sum(kind.count for kind in schema.entity_types),
            relations=len(schema.relations),
            edges=int(self.offsets[-1]),
            epochs=self.config.training.epochs,
            first_epoch=epoch,
            threads=self.threads,
        )

    def _leases(self) -> list[Lease]:
        key = derive_key(self.config.training.seed, _LEASES, self.progress.epoch)
        random = np.random.Generator(np.random.Philox(int(key)))
        return leases(self.model.schema.partitions, self.capacity, self.progress.buckets, random)

    def _train_lease(self, lease: Lease) -> None:
        started = time.perf_counter()
        self.buffer.hold(lease.partitions)
        self.clock.waiting += time.perf_counter() - started
        if not self.trained.edges and not self.clock.compute:
            self._compile()
        for bucket in lease.buckets:
            self._train_bucket(bucket)
            self.progress.buckets[bucket] = True
        if self.capacity < self.model.schema.partitions:
            self._commit()

    def _compile(self) -> None:
        self.callback(CompileStarted())
        started = time.perf_counter()
        self.trainer.compile(self.buffer.tables)
        self.callback(CompileFinished(time.perf_counter() - started))

    def _train_bucket(self, bucket: Bucket) -> None:
        number = bucket[0] * self.model.schema.partitions + bucket[1]
        first, last = int(self.offsets[number]), int(self.offsets[number + 1])
        size = SLICE_BYTES // (28 if self.model.schema.weighted else 24)
        for part, start in enumerate(range(first, last, size)):
            reading = time.perf_counter()
            edges = self._placed(self.graph.read_edges("train", start, min(start + size, last)), bucket)
            self.clock.waiting += time.perf_counter() - reading
            place = (self.progress.epoch, number, part)
            trained = self.trainer.train(self.buffer.tables, edges, place, self._report)
            self.trained += trained
            self.clock.compute += trained.seconds
            self.progress.edges += trained.edges
            self.progress.loss += trained.loss
            self.progress.seconds += time.perf_counter() - reading

    def _placed(self, edges: Edges, bucket: Bucket) -> Edges:
        """Turn rows of types into places in memory."""
        relations, tables = self.model.schema.relations, self.buffer.tables
        head_shift, tail_shift = np.empty((2, len(relations)), np.int64)
        for index, relation in enumerate(relations):
            head, tail = tables[relation.head], tables[relation.tail]
            head_shift[index] = head.shift(bucket[0] if len(head.bounds) > 2 else 0)
            tail_shift[index] = tail.shift(bucket[1] if len(tail.bounds) > 2 else 0)
        return edges._replace(
            head=edges.head + head_shift[edges.relation], tail=edges.tail + tail_shift[edges.relation]
        )

    def _report(self, edges: int, loss: float) -> None:
        self.callback(EdgesTrained(self.progress.epoch + 1, edges, loss))

    def _finish_epoch(self) -> None:
        edges, loss, seconds = self.progress.edges, self.progress.loss, self.progress.seconds
        epoch = self.progress.epoch + 1
        mean, rate = loss / max(edges, 1), edges / max(seconds, 1e-9)
        entry: dict[str, Any] = {"epoch": epoch, "edges": edges, "loss": mean, "seconds": seconds}
        self.progress.finish_epoch()
        self.callback(EpochFinished(epoch, edges, mean, seconds, rate))
        self.last_loss = mean
        every, last = self.config.evaluation.every, epoch == self.config.training.epochs
        if self.evaluate is not None and every and epoch % every == 0 and not last:
            entry["evaluation"] = self.evaluate(self._vectors())
        checkpoint = self.config.training.checkpoint_seconds
        cost = self.clock.commit_cost
        self.entries.append(entry)
        if last or commit_due(time.perf_counter(), self.clock.committed, cost, checkpoint):
            self._commit()

    def _vectors(self) -> Vectors:
        """The vectors as they are now: in memory if all are, else as the last lease committed them."""
        if self.capacity < self.model.schema.partitions:
            return StoredVectors(self.store)
        tables = {name: table.rows for name, table in self.buffer.tables.items()}
        return TableVectors(self.model, self.parameters, tables)

    def _commit(self) -> None:
        """Make all that was trained part of the model on disk."""
        started = time.perf_counter()
        staging = self.store.staging("inline")
        self.buffer.stage(staging)
        staging.write_parameters(self.model.unpack(self.parameters))
        self.store.commit(staging, self.progress.to_dict(), self.entries)
        self.entries = []
        self.clock.committed = time.perf_counter()
        self.clock.commit_cost = self.clock.committed - started
        self.clock.waiting += self.clock.commit_cost
        self.callback(Committed(self.progress.epoch, self.clock.commit_cost))

    def _summary(self, first: int, resumed_from: int | None) -> dict[str, Any]:
        seconds = time.perf_counter() - self.clock.started
        epochs = self.progress.epoch - first
        return {
            "edges": self.trained.edges,
            "epochs": epochs,
            "seconds": seconds,
            "compute_seconds": self.clock.compute,
            "io_wait_seconds": self.clock.waiting,
            "edges_per_second": self.trained.edges / seconds,
            "loss": self.last_loss,
            "peak_memory_bytes": peak_memory(),
            "workers": 1,
            "threads": self.threads,
            "swaps": self.buffer.reads / max(epochs, 1),
            "resumed_from": resumed_from,
        }


def peak_memory() -> int:
    """Return the most memory this process has held, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
