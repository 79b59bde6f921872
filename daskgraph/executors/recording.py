"""The driver's side of a training: epochs end, work is committed, history and snapshots are kept."""

import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from daskgraph.events import Callback, Committed, EpochFinished, TrainingStarted
from daskgraph.executors.keeping import Keeper
from daskgraph.model import Model
from daskgraph.schedule import EpochEnded, Progress
from daskgraph.sizes import block_edges
from daskgraph.spreading import Spread
from daskgraph.stopping import cooldown_factor, evaluation_due, judged_by, rate_factor
from daskgraph.store import GraphStore, ModelStore
from daskgraph.store.staging import Staging
from daskgraph.vectors import Vectors

Evaluate = Callable[[ModelStore | Vectors, Spread | None], dict[str, Any]]
"""Evaluates the model in training on the valid split, by workers where there are any; its figures go into
the history.
"""


class Spending(NamedTuple):
    """Where the time of a worker went, and what it needed."""

    compute: float = 0.0
    """Seconds of kernels."""

    waiting: float = 0.0
    """Seconds that a lease waited for data."""

    reads: int = 0
    """Partitions read."""

    peak: int = 0
    """The most bytes held."""


class Recorder:
    """Writes down what was trained; one for each call of `train`.

    Parameters
    ----------
    store
        The model store; its lock is held.
    model
        Config and schema.
    edges
        Edges of an epoch.
    callback
        Told what happens.
    evaluate
        Called every `evaluation.every` epochs.
    """

    def __init__(
        self,
        store: ModelStore,
        model: Model,
        edges: int,
        callback: Callback,
        evaluate: Evaluate | None,
    ) -> None:
        self.store, self.model, self.edges = store, model, edges
        self.callback, self.evaluate = callback, evaluate
        self.keeper = Keeper(store, model.config, callback)
        self.started = time.perf_counter()
        self.trained = 0
        self.first = int(store.progress.get("epoch", 0))
        self._finished = self.first >= self.epochs
        self._resumed_from = self.first if store.progress else None
        self._loss: float | None = None
        self._sweeps = 1
        self._entries: list[dict[str, Any]] = []

    @property
    def epochs(self) -> int:
        """Epochs when all is done: no more where training has stopped early."""
        over = self.keeper.is_over(self.store.history)
        return self.first if over else self.model.config.training.epochs

    @property
    def rate(self) -> float:
        """Factor on the learning rates of the next epoch."""
        training, history = self.model.config.training, [*self.store.history, *self._entries]
        epoch = history[-1]["epoch"] + 1 if history else 1
        cooled = cooldown_factor(epoch, training.epochs, training.cooldown)
        return cooled * rate_factor(history, training.decay, training.plateau)

    def begin(self, threads: int, buffer: int, sweeps: int) -> None:
        """Say what is going to be trained.

        Parameters
        ----------
        threads
            Threads that train here.
        buffer
            Partitions that a worker holds.
        sweeps
            How often all partitions meet in an epoch after the first.
        """
        self.keeper.keep()
        self._sweeps = sweeps
        if self.first >= self.epochs:
            return
        schema = self.model.schema
        event = TrainingStarted(
            entities=sum(kind.count for kind in schema.entity_types),
            relations=len(schema.relations),
            edges=self.edges,
            epochs=self.epochs,
            first_epoch=self.first + 1,
            threads=threads,
            partitions=schema.partitions,
            buffer=buffer,
            sweeps=sweeps,
            done=self.store.progress.get("edges", 0) / max(self.edges, 1),
        )
        self.callback(event)

    def end_epoch(
        self, progress: Progress, source: Callable[[], ModelStore | Vectors], spread: Spread | None = None
    ) -> EpochEnded:
        """Evaluate where that is due, and decide whether to go on.

        Parameters
        ----------
        progress
            The progress, every bucket trained.
        source
            Gives the vectors as they are now.
        spread
            Who evaluates; None: this process.
        """
        config = self.model.config
        epoch, edges, seconds = progress.epoch + 1, progress.edges, progress.seconds
        self._loss = progress.loss / max(edges, 1)
        entry: dict[str, Any] = {"epoch": epoch, "edges": edges, "loss": self._loss, "seconds": seconds}
        self.callback(EpochFinished(epoch, edges, self._loss, seconds, edges / max(seconds, 1e-9)))
        due = evaluation_due(epoch, config.training.epochs, config.evaluation)
        if self.evaluate is not None and due:
            entry["evaluation"] = self.evaluate(source(), spread)
            entry |= judged_by(config.negatives.corrupt)
        if config.training.decay < 1 or config.training.cooldown:
            entry["learning_rate"] = config.training.learning_rate * self.rate
        self._entries.append(entry)
        history = [*self.store.history, *self._entries]
        return EpochEnded(self.keeper.is_over(history), self.keeper.needs_commit(history), self.rate)

    def commit(self, staging: Staging, progress: Progress, started: float) -> float:
        """Make what is staged part of the model; return the seconds since `started`."""
        self.store.commit(staging, progress.to_dict(), self._entries)
        self._entries = []
        self.keeper.keep()
        seconds = time.perf_counter() - started
        self.callback(Committed(progress.epoch, seconds))
        return seconds

    def summary(self, progress: Progress, workers: Sequence[Spending]) -> dict[str, Any]:
        """Return what `daskgraph train --json` prints.

        Parameters
        ----------
        progress
            How far the training is now.
        workers
            What every worker has spent.
        """
        seconds = time.perf_counter() - self.started
        epochs = progress.epoch - self.first
        spent = workers or [Spending()]
        return {
            "edges": self.trained,
            "epochs": epochs,
            "epochs_in_all": progress.epoch,
            "seconds": seconds,
            "compute_seconds": sum(worker.compute for worker in spent),
            "io_wait_seconds": sum(worker.waiting for worker in spent),
            "edges_per_second": self.trained / seconds,
            "loss": self._loss,
            "peak_memory_bytes": max(worker.peak for worker in spent),
            "workers": len(spent),
            "swaps": sum(worker.reads for worker in spent) / max(epochs, 1),
            "sweeps": self._sweeps,
            "resumed_from": self._resumed_from,
            **self.keeper.finish(),
        }

    def judge(self, summary: dict[str, Any], spread: Spread | None = None) -> dict[str, Any]:
        """Add to a summary the figures of the model as it is now, if anything was trained."""
        if self.evaluate is None or self._finished:
            return summary
        held = summary.get("best_epoch", self.store.progress["epoch"])
        known = {entry["epoch"]: entry.get("evaluation") for entry in self.store.history}
        if known.get(held):
            summary["evaluation"] = known[held]
        elif self.model.config.evaluation.at_end:
            summary["evaluation"] = self.evaluate(self.store, spread)
        return summary


def stored_progress(store: ModelStore, graph: GraphStore, model: Model) -> Progress:
    """Return how far a model is, with the size of the blocks that its edges are counted in."""
    progress = Progress.from_dict(store.progress, model.schema.partitions)
    # Blocks that are counted already keep their size, whatever the config says by now.
    if progress.partial:
        return progress
    return replace(progress, block=block_edges(model, graph.edge_chunk("train")))


def peak_memory() -> int:
    """Return the most memory this process has held, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
