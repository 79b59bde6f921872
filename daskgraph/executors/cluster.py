"""Train on a Dask cluster: the schedule decides here, workers train, and only this process commits.

A worker that was removed is an event like any other.
"""

from __future__ import annotations

import time
import traceback
import uuid
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any

from daskgraph.errors import LeaseFailedError, NoProgressError
from daskgraph.events import Callback, EdgesTrained, Notice, TrainingFinished
from daskgraph.executors.connection import LOOK, Connection, Future, returned
from daskgraph.executors.interrupts import uninterrupted
from daskgraph.executors.members import Known, Limits
from daskgraph.executors.recording import Evaluate, Recorder, Spending, stored_progress
from daskgraph.executors.session import Training, stage_lease, train_lease
from daskgraph.executors.spreading import ClusterSpread
from daskgraph.model import Model
from daskgraph.registration import registered
from daskgraph.schedule import (
    Abort,
    Commit,
    Committed,
    Dismiss,
    EndEpoch,
    Event,
    Failed,
    Finish,
    Instruction,
    Joined,
    Leaving,
    Left,
    Schedule,
    Stopping,
    Train,
    Trained,
)
from daskgraph.store import GraphStore, ModelStore

if TYPE_CHECKING:
    from distributed import Client

GRACE = 60.0
"""Seconds that a worker has to end its slice, or to stage, after Ctrl-C."""


def train_on_cluster(
    client: Client,
    store: ModelStore,
    graph: GraphStore,
    model: Model,
    limits: Limits,
    callback: Callback,
    evaluate: Evaluate | None = None,
) -> dict[str, Any]:
    """Train a model with all workers of a Dask cluster, those included that join on the way.

    Parameters
    ----------
    client
        Connected to the cluster; its workers reach the paths of model and graph.
    store
        The model store; its lock is held by the caller.
    graph
        The graph it is trained on.
    model
        Config and schema.
    limits
        How the cluster is used.
    callback
        Told what happens.
    evaluate
        Called every `evaluation.every` epochs, and at the end.

    Returns
    -------
    The summary that `daskgraph train --json` prints.

    Raises
    ------
    LeaseFailedError
        The same bucket has failed three times.
    NoProgressError
        Nothing has happened for `limits.patience`.
    SchedulerLostError
        The cluster is gone.
    KeyboardInterrupt
        As it came, after what was trained is committed.
    """
    run = _Run(client, store, graph, model, limits, callback, evaluate)
    try:
        summary = run.train()
    finally:
        run.close()
    return run.record.judge(summary, run.spread)


class _Run:
    """One call of `train_on_cluster`."""

    def __init__(
        self,
        client: Client,
        store: ModelStore,
        graph: GraphStore,
        model: Model,
        limits: Limits,
        callback: Callback,
        evaluate: Evaluate | None,
    ) -> None:
        self.store, self.callback, self.limits = store, callback, limits
        self.record = Recorder(store, model, graph.splits["train"], callback, evaluate)
        training = model.config.training
        progress = stored_progress(store, graph, model)
        self.schedule = Schedule(
            progress,
            self.record.epochs,
            buffer=limits.buffer,
            order=training.order,
            ahead=limits.ahead,
            sweeps=limits.sweeps,
            checkpoint=training.checkpoint_seconds,
            seed=training.seed,
            every_epoch=True,
            settle=True,
            rate=self.record.rate,
        )
        paths = str(store.path.absolute()), str(graph.path.absolute())
        described = Training(
            f"daskgraph-{uuid.uuid4().hex[:8]}",
            *paths,
            limits.config,
            limits.buffer,
            progress.block,
            registered(),
        )
        self.connection = Connection(client, described)
        threads = int(limits.config["training"]["threads"])
        self.spread = ClusterSpread(client, limits.patience, threads, self._expects)
        self.workers: dict[str, Known] = {}
        self.dismissed: set[str] = set()
        self.left: list[Known] = []
        self.done: Queue[tuple[str, Future]] = Queue()
        self.looked = self.moved = time.perf_counter()
        self.finished = self.stopping = False

    def train(self) -> dict[str, Any]:
        self.record.begin(0, self.limits.shared, self.limits.sweeps)
        try:
            while not self.finished:
                self._look()
                try:
                    self._report(*self.done.get(timeout=LOOK))
                except Empty:
                    self._check_patience()
        except KeyboardInterrupt:
            self._stop()
            raise
        everybody = [*self.left, *self.workers.values()]
        summary = self.record.summary(self.schedule.progress, [known.spent for known in everybody])
        summary["commit_seconds"] = sum(known.committing for known in everybody)
        summary["idle_seconds"] = sum(known.waited for known in everybody)
        summary["threads"] = max((known.threads for known in self.workers.values()), default=1)
        self.callback(TrainingFinished(summary))
        return summary

    def close(self) -> None:
        """Leave the cluster as it was."""
        for known in self.workers.values():
            if known.future is not None:
                known.future.cancel()
        self.connection.close(remains=self.limits.crew is None)

    def _look(self) -> None:
        """See who has joined and who has left."""
        now = time.perf_counter()
        if now - self.looked < LOOK:
            return
        self.looked = now
        there = self.connection.workers()
        for address in self.workers.keys() - there.keys():
            self._lose(address)
        self._ask_crew(now)
        new = sorted(there.keys() - self.workers.keys() - self.dismissed)
        for address in new:
            self.workers[address] = Known(f"worker-{uuid.uuid4().hex[:8]}", called=there[address])
            self.callback(Notice(f"worker {address} trains"))
            self._tell(Joined(address, others=address != new[-1]))

    def _ask_crew(self, now: float) -> None:
        """Hear which workers are to leave, and be patient while none can come."""
        crew = self.limits.crew
        if crew is None:
            return
        if self._expects() and not self.workers:
            self.moved = now
        for known in self.workers.values():
            known.idle = 0.0 if known.future is not None else known.idle + LOOK
        idle = {known.called: known.idle for known in self.workers.values()}
        leaving = crew.leaving(idle, self.schedule.progress.epoch)
        for address, known in list(self.workers.items()):
            if known.called in leaving and not known.leaving:
                known.leaving = True
                self._tell(Leaving(address))

    def _expects(self) -> bool:
        """Tell whether a crew is still to bring workers, after it has told what has happened."""
        return self.limits.crew is not None and self.limits.crew.awaits()

    def _dismiss(self, address: str) -> Event:
        known = self.workers.pop(address)
        self.left.append(known)
        self.dismissed.add(address)
        if not known.leaving:
            self.callback(Notice(f"worker {address} failed too often and gets no more leases"))
        if self.limits.crew is not None:
            self.limits.crew.dismiss(known.called)
        return Left(address, lost=False)

    def _lose(self, address: str) -> None:
        known = self.workers.pop(address)
        self.left.append(known)
        if known.future is not None:
            known.future.cancel()
        # Should it only be frozen, it finds nothing to write to when it wakes.
        self.store.remove_staging(known.name)
        self.callback(Notice(f"worker {address} is gone; what it had not committed is trained again"))
        self.moved = time.perf_counter()
        self._tell(Left(address, lost=self.limits.crew is None))

    def _tell(self, event: Event) -> None:
        self._follow(self.schedule.handle(event, time.perf_counter()))

    def _follow(self, todo: list[Instruction]) -> None:
        while todo and not (self.finished or self.stopping):
            answer = self._carry_out(todo.pop(0))
            todo += self.schedule.handle(answer, time.perf_counter()) if answer is not None else []

    def _carry_out(self, instruction: Instruction) -> Event | None:
        match instruction:
            case Train(address):
                known = self.workers[address]
                known.train = instruction
                arguments = (self.connection.server, known.name, instruction, known.committed)
                known.committed = False
                self._submit(address, train_lease, *arguments)
            case Commit(None, progress):
                started = time.perf_counter()
                return Committed(None, self.record.commit(self.store.staging("driver"), progress, started))
            case Commit(str(address)):
                self.workers[address].began = time.perf_counter()
                self._submit(address, stage_lease)
            case EndEpoch(progress):
                return self.record.end_epoch(progress, lambda: self.store, self.spread)
            case Dismiss(address):
                return self._dismiss(address)
            case Abort(lease, reason):
                failure = LeaseFailedError(lease.number, lease.partitions, reason)
                failure.add_note(reason)
                raise failure
            case Finish():
                self.finished = True
        return None

    def _submit(self, address: str, task: Any, *arguments: Any) -> None:
        with uninterrupted():
            future = self.connection.submit(address, task, *arguments)
            known = self.workers[address]
            known.future, known.waited = future, known.waited + time.perf_counter() - known.since
        future.add_done_callback(lambda done: self.done.put((address, done)))

    def _report(self, address: str, future: Future) -> None:
        """Turn a task that is done into an event."""
        known = self.workers.get(address)
        if known is None or known.future is not future or future.cancelled():
            return
        self.moved = time.perf_counter()
        result = returned(future)
        if result is None and future.status != "error":
            # The worker is gone with it, and will be missed.
            return
        train, began, known.train, known.future = known.train, known.began, None, None
        known.since = time.perf_counter()
        if future.status == "error":
            self._fail(address, known, future)
        elif train is None:
            with uninterrupted():
                progress = self.schedule.after_commit_of(address)
                seconds = self.record.commit(self.store.staging(known.name, result), progress, began)
            known.committed = True
            known.committing, known.since = known.committing + seconds, time.perf_counter()
            self._tell(Committed(address, seconds))
        else:
            known.spent = Spending(result.compute, result.waiting, result.reads, result.peak)
            known.threads = result.threads
            self.record.trained += result.work.edges
            event = Trained(address, train.lease.number, result.work)
            # Ctrl-C may come in the middle of whatever is told: the schedule is to know by then.
            todo = self.schedule.handle(event, time.perf_counter())
            self.callback(EdgesTrained(train.lease.epoch + 1, result.work.edges, result.work.loss))
            self._follow(todo)

    def _fail(self, address: str, known: Known, future: Future) -> None:
        lease, failure = self.schedule.holders().get(address), future.exception()
        self.store.remove_staging(known.name)
        known.name, known.committed = f"worker-{uuid.uuid4().hex[:8]}", False
        if not self.stopping:
            self.callback(Notice(f"worker {address} failed: {failure or type(failure).__name__}"))
        reason = "".join(traceback.format_exception(failure, limit=-5))
        self._tell(Failed(address, lease.number if lease is not None else 0, reason))

    def _stop(self) -> None:
        """Commit what was trained before an interrupt."""
        self.stopping = True
        self.connection.stop_leases()
        self._await_tasks()
        for instruction in self.schedule.handle(Stopping(), time.perf_counter()):
            self._carry_out(instruction)
        self._await_tasks()

    def _await_tasks(self) -> None:
        """Wait until workers have ended what they were told to do, but not for those that are stuck."""
        last = time.perf_counter() + GRACE
        while any(known.future is not None for known in self.workers.values()):
            self._look()
            for address, known in list(self.workers.items()):
                if known.future is not None and known.future.done():
                    self._report(address, known.future)
            if time.perf_counter() > last:
                return
            time.sleep(LOOK / 10)

    def _check_patience(self) -> None:
        self.connection.check()
        if time.perf_counter() - self.moved > self.limits.patience:
            holders = {name: lease.partitions for name, lease in self.schedule.holders().items()}
            raise NoProgressError(self.limits.patience, holders)
