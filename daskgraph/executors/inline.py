"""Train in this process: one worker, no sockets, no scheduler."""

import time
from typing import Any

from daskgraph.buffer import Buffer
from daskgraph.events import Callback, CompileFinished, CompileStarted, EdgesTrained, TrainingFinished
from daskgraph.executors.interrupts import uninterrupted
from daskgraph.executors.recording import Evaluate, Recorder, Spending, peak_memory, stored_progress
from daskgraph.model import Model
from daskgraph.schedule import (
    Abort,
    Commit,
    Committed,
    Dismiss,
    EndEpoch,
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
from daskgraph.sizes import choose_held, choose_sweeps
from daskgraph.store import GraphStore, ModelStore
from daskgraph.threads import available_threads
from daskgraph.trainer import Worker
from daskgraph.vectors import StoredVectors, TableVectors, Vectors

NAME = "inline"
"""What the schedule calls the only worker."""


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
        Called every `evaluation.every` epochs, and at the end.

    Returns
    -------
    The summary that `daskgraph train --json` prints.

    Raises
    ------
    KeyboardInterrupt
        As it came, after what was trained is committed.
    """
    run = _Run(store, graph, model, callback, evaluate)
    try:
        summary = run.train()
    finally:
        run.worker.close()
    return run.record.judge(summary)


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
        training, edges = model.config.training, graph.splits["train"]
        self.callback, self.model = callback, model
        self.threads = available_threads(training.threads)
        self.record = Recorder(store, model, edges, callback, evaluate)
        capacity = choose_held(model, edges, self.threads)
        progress = stored_progress(store, graph, model)
        self.capacity = capacity
        self.sweeps = choose_sweeps(model, edges, self.threads, capacity, model.schema.partitions)
        stored = store.read_parameters()
        self.parameters = model.pack(stored) if stored else model.initial()
        self.buffer = Buffer(store, graph, model, capacity)
        self.worker = Worker(graph, model, self.parameters, self.buffer, self.threads, progress.block)
        self.schedule = Schedule(
            progress,
            self.record.epochs,
            buffer=capacity,
            order=training.order,
            sweeps=self.sweeps,
            checkpoint=training.checkpoint_seconds,
            seed=training.seed,
            every_epoch=not self.buffer.holds_all,
            rate=self.record.rate,
        )

    def train(self) -> dict[str, Any]:
        self.record.begin(self.threads, self.capacity, self.sweeps)
        todo = self._tell(Joined(NAME))
        try:
            while todo:
                event = self._carry_out(todo.pop(0))
                todo += self._tell(event) if event is not None else []
        except KeyboardInterrupt:
            self._stop()
            raise
        spent = self.worker.spent
        own = Spending(spent.compute, spent.waiting, self.buffer.reads, peak_memory())
        summary = self.record.summary(self.schedule.progress, [own]) | {"threads": self.threads}
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
                return self.record.end_epoch(progress, lambda: self._vectors(progress))
            case Finish() | Abort() | Dismiss():
                return None

    def _train(self, instruction: Train) -> Trained:
        if not self.record.trained and not self.worker.spent.compute:
            self.callback(CompileStarted())
            started = time.perf_counter()
            self.worker.compile()
            self.callback(CompileFinished(time.perf_counter() - started))
        epoch = instruction.lease.epoch + 1
        work = self.worker.train(
            instruction, lambda edges, loss: self.callback(EdgesTrained(epoch, edges, loss))
        )
        self.record.trained += work.edges
        return Trained(NAME, instruction.lease.number, work)

    def _vectors(self, progress: Progress) -> Vectors:
        """Return the vectors as they are now: in memory if all are, else committed first."""
        if self.buffer.holds_all:
            rows = {name: table.rows for name, table in self.buffer.tables.items()}
            return TableVectors(self.model, self.parameters, {**rows, **self.worker.means()})
        self._commit(progress)
        return StoredVectors(self.record.store)

    def _commit(self, progress: Progress) -> Committed:
        """Make all that was trained part of the model on disk."""
        started = time.perf_counter()
        with uninterrupted():
            seconds = self.record.commit(self.worker.stage(), progress, started)
            self.buffer.committed()
        self.worker.spent.waiting += seconds
        return Committed(NAME, seconds)

    def _stop(self) -> None:
        """Commit what was trained before an interrupt."""
        lease = self.worker.lease
        if lease is not None:
            self._tell(Trained(NAME, lease.number, self.worker.work))
        for instruction in self._tell(Stopping()):
            self._carry_out(instruction)
