"""Train in this process: one worker, no sockets, no scheduler."""

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from daskgraph.buffer import Buffer
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
from daskgraph.executors.keeping import Keeper
from daskgraph.model import Model
from daskgraph.schedule import (
    Abort,
    Commit,
    EndEpoch,
    EpochEnded,
    Event,
    Finish,
    Instruction,
    Joined,
    Progress,
    Schedule,
    Stopping,
    Train,
    Trained,
)
from daskgraph.schedule import Committed as WorkCommitted
from daskgraph.sizes import block_edges, choose_held
from daskgraph.stopping import evaluation_due
from daskgraph.store import GraphStore, ModelStore
from daskgraph.threads import available_threads, single_threaded_products
from daskgraph.trainer import Worker
from daskgraph.vectors import StoredVectors, TableVectors, Vectors

NAME = "inline"
"""What the schedule calls the only worker."""

Evaluate = Callable[[Vectors], dict[str, Any]]
"""Evaluates the model in training on the valid split; its figures go into the history."""


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

    Raises
    ------
    KeyboardInterrupt
        As it came, after what was trained is committed.
    """
    run = _Run(store, graph, model, callback, evaluate)
    try:
        with single_threaded_products():
            return run.train()
    finally:
        run.worker.close()


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
        self.store, self.model = store, model
        self.callback, self.evaluate = callback, evaluate
        self.config = model.config
        self.threads = available_threads(self.config.training.threads)
        self.edges = int(graph.bucket_offsets("train")[-1])
        progress = Progress.from_dict(store.progress, model.schema.partitions)
        if not progress.partial:
            progress = replace(progress, block=block_edges(model, graph.edge_chunk("train")))
        self.first = progress.epoch
        stored = store.read_parameters()
        self.parameters = model.pack(stored) if stored else model.initial()
        capacity = choose_held(model, self.edges, self.threads)
        buffer = Buffer(store, graph, model, capacity)
        self.worker = Worker(graph, model, self.parameters, buffer, self.threads, progress.block)
        self.keeper = Keeper(store, self.config, callback)
        training = self.config.training
        self.schedule = Schedule(
            progress,
            progress.epoch if self.keeper.is_over(store.history) else training.epochs,
            buffer=capacity,
            order="beta" if training.bucket_order == "auto" else training.bucket_order,
            checkpoint=training.checkpoint_seconds,
            seed=training.seed,
            every_epoch=not buffer.holds_all,
        )
        self.started = time.perf_counter()
        self.trained = 0
        self.loss: float | None = None
        self.entries: list[dict[str, Any]] = []

    def train(self) -> dict[str, Any]:
        self.keeper.keep()
        resumed_from = self.first if self.store.progress else None
        if self.first < self.config.training.epochs and not self.keeper.is_over(self.store.history):
            self.callback(self._started())
        todo = self._tell(Joined(NAME))
        try:
            while todo:
                event = self._carry_out(todo.pop(0))
                todo += self._tell(event) if event is not None else []
        except KeyboardInterrupt:
            self._stop()
            raise
        summary = self._summary(resumed_from) | self.keeper.finish()
        self.callback(TrainingFinished(summary))
        return summary

    def _tell(self, event: Event) -> list[Instruction]:
        return self.schedule.handle(event, time.perf_counter())

    def _carry_out(self, instruction: Instruction) -> Event | None:
        match instruction:
            case Train():
                return self._train(instruction)
            case Commit(_, progress):
                return self._commit(progress)
            case EndEpoch(progress):
                return self._end_epoch(progress)
            case Finish() | Abort():
                return None

    def _started(self) -> TrainingStarted:
        schema = self.model.schema
        return TrainingStarted(
            entities=sum(kind.count for kind in schema.entity_types),
            relations=len(schema.relations),
            edges=self.edges,
            epochs=self.config.training.epochs,
            first_epoch=self.first + 1,
            threads=self.threads,
        )

    def _train(self, instruction: Train) -> Trained:
        if not self.trained and not self.worker.spent.compute:
            self.callback(CompileStarted())
            started = time.perf_counter()
            self.worker.compile()
            self.callback(CompileFinished(time.perf_counter() - started))
        epoch = instruction.lease.epoch + 1
        work = self.worker.train(
            instruction, lambda edges, loss: self.callback(EdgesTrained(epoch, edges, loss))
        )
        self.trained += work.edges
        return Trained(NAME, instruction.lease.number, work)

    def _end_epoch(self, progress: Progress) -> EpochEnded:
        epoch, edges, seconds = progress.epoch + 1, progress.edges, progress.seconds
        self.loss = progress.loss / max(edges, 1)
        entry: dict[str, Any] = {"epoch": epoch, "edges": edges, "loss": self.loss, "seconds": seconds}
        self.callback(EpochFinished(epoch, edges, self.loss, seconds, edges / max(seconds, 1e-9)))
        due = evaluation_due(epoch, self.config.training.epochs, self.config.evaluation)
        if self.evaluate is not None and due:
            entry["evaluation"] = self.evaluate(self._vectors(progress))
        self.entries.append(entry)
        history = [*self.store.history, *self.entries]
        return EpochEnded(self.keeper.is_over(history), self.keeper.needs_commit(history))

    def _vectors(self, progress: Progress) -> Vectors:
        """Return the vectors as they are now: in memory if all are, else committed first."""
        if self.worker.buffer.holds_all:
            tables = {name: table.rows for name, table in self.worker.buffer.tables.items()}
            return TableVectors(self.model, self.parameters, tables)
        self._commit(progress)
        return StoredVectors(self.store)

    def _commit(self, progress: Progress) -> WorkCommitted:
        """Make all that was trained part of the model on disk."""
        started = time.perf_counter()
        self.store.commit(self.worker.stage(), progress.to_dict(), self.entries)
        self.worker.buffer.committed()
        self.entries = []
        self.keeper.keep()
        seconds = time.perf_counter() - started
        self.worker.spent.waiting += seconds
        self.callback(Committed(progress.epoch, seconds))
        return WorkCommitted(NAME, seconds)

    def _stop(self) -> None:
        """Commit what was trained before an interrupt."""
        lease = self.worker.lease
        if lease is not None:
            self._tell(Trained(NAME, lease.number, self.worker.work))
        for instruction in self._tell(Stopping()):
            self._carry_out(instruction)

    def _summary(self, resumed_from: int | None) -> dict[str, Any]:
        seconds = time.perf_counter() - self.started
        epochs = self.schedule.progress.epoch - self.first
        return {
            "edges": self.trained,
            "epochs": epochs,
            "seconds": seconds,
            "compute_seconds": self.worker.spent.compute,
            "io_wait_seconds": self.worker.spent.waiting,
            "edges_per_second": self.trained / seconds,
            "loss": self.loss,
            "peak_memory_bytes": peak_memory(),
            "workers": 1,
            "threads": self.threads,
            "swaps": self.worker.buffer.reads / max(epochs, 1),
            "resumed_from": resumed_from,
        }


def peak_memory() -> int:
    """Return the most memory this process has held, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
