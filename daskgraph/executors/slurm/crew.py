"""The workers of a run on SLURM: a thread keeps their number, the driver asks it what has happened."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue

from daskgraph.config import Config
from daskgraph.errors import DaskgraphError, JobsFailedError, RunCancelledError, SlurmCommandError
from daskgraph.events import Callback, Notice
from daskgraph.executors.slurm import commands
from daskgraph.executors.slurm.keeper import Keeper, Orders, margin, spare
from daskgraph.executors.slurm.run import Run
from daskgraph.executors.slurm.states import Queued, lacked_memory, overview, unreached, waits, with_log

BEAT = 0.5
"""Seconds between two looks at the workers, which cost nothing."""

ASK = 30.0
"""Seconds between two questions to SLURM while nothing changes."""

ASK_AGAIN = 2.0
"""Seconds between two questions at least."""

TAIL = 400
"""Characters of a log's end that are shown."""


class Crew:
    """Keeps the workers of a run.

    Parameters
    ----------
    config
        Its `[cluster]` says how many and for how long.
    run
        Script and folder, both ready.
    connected
        Returns where the workers listen that the scheduler knows, by the ids of their jobs.
    callback
        Told what happens, by the thread that asks.
    reach
        What to do where jobs can not reach the driver.
    """

    def __init__(
        self,
        config: Config,
        run: Run,
        connected: Callable[[], dict[str, str]],
        callback: Callback,
        reach: str = "",
    ) -> None:
        cluster = config.cluster
        self._run, self._connected, self._callback, self._reach = run, connected, callback, reach
        self._minimum, self._elastic, self._all = cluster.minimum, cluster.elastic, cluster.workers
        self._spare: set[str] = set()
        self._epoch = -1
        self._keeper = Keeper(
            cluster.workers, margin(cluster.walltime_seconds, config.training.checkpoint_seconds)
        )
        self._notices: SimpleQueue[str] = SimpleQueue()
        self._lock = threading.Lock()
        self._stop, self._thread = threading.Event(), threading.Thread(target=self._keep, daemon=True)
        self._failure: BaseException | None = None
        self._queue: dict[str, Queued] = {}
        self._workers: dict[str, str] = {}
        self._asked, self._said = 0.0, ""

    def __enter__(self) -> Crew:
        # The first jobs are submitted here, so that what SLURM says against them is heard at once.
        try:
            self._submit(min(self._keeper.wanted, 1))
            self._thread.start()
        except BaseException:
            self.cancel()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.cancel()

    def cancel(self) -> None:
        """Cancel all jobs of the run."""
        with suppress(SlurmCommandError):
            commands.cancel_named(self._run.name)

    def wait(self) -> None:
        """Return when `cluster.minimum` workers have come, however long SLURM takes for that."""
        while len(self._connected()) < self._minimum:
            self.report()
            time.sleep(BEAT)

    def report(self) -> None:
        """Tell the callback what has happened since.

        Raises
        ------
        JobsFailedError, RunCancelledError
            There is no use in going on.
        """
        with suppress(Empty):
            while True:
                self._callback(Notice(self._notices.get_nowait()))
        if self._failure is not None:
            raise self._failure

    def leaving(self, idle: Mapping[str, float], epoch: int) -> Collection[str]:
        """Return the names of workers that are to hand back their leases: their jobs end soon, or are idle.

        Parameters
        ----------
        idle
            Seconds that each worker has been without work.
        epoch
            What is being trained: each begins with all workers.
        """
        with self._lock:
            if epoch != self._epoch:
                self._epoch, self._keeper.wanted = epoch, self._all
            if self._elastic:
                self._spare.update(spare(idle, len(idle), self._minimum))
            return self._spare | self._keeper.handing_back(self._queue, time.time())

    def dismiss(self, worker: str) -> None:
        """End the job of a worker that has handed back its lease; unless it was idle, another one follows."""
        with self._lock:
            self._keeper.dismissed(worker)
            self._asked = 0.0
            idle = worker in self._spare
            self._spare.discard(worker)
            if idle:
                self._keeper.wanted = max(self._minimum, self._keeper.wanted - 1)
        why = "has no work and is given back" if idle else "ends soon and has handed back its lease"
        self._notices.put(f"job {worker} {why}")
        with suppress(SlurmCommandError):
            commands.cancel([worker])

    def expects(self) -> bool:
        """Tell whether workers are still to come: nobody need be impatient then."""
        with self._lock:
            return waits(self._queue) or len(self._workers) < self._keeper.wanted

    def awaits(self) -> bool:
        """Report, and tell whether workers are still to come."""
        self.report()
        return self.expects()

    def _keep(self) -> None:
        while not self._stop.wait(BEAT):
            try:
                self._look()
            except DaskgraphError as error:
                self._failure = error
                return
            except Exception as error:
                error.add_note("in the thread that keeps the jobs of SLURM")
                self._failure = error
                return

    def _look(self) -> None:
        now, workers = time.monotonic(), self._connected()
        since = now - self._asked
        if since < ASK_AGAIN or (since < ASK and workers == self._workers):
            return
        if self._run.cancelled.exists():
            raise RunCancelledError(str(self._run.model))
        try:
            queue = commands.queue(self._run.name)
        except SlurmCommandError as error:
            self._say(f"{error}; it is asked again")
            self._asked = now
            return
        with self._lock:
            self._asked, self._queue, self._workers = now, queue, workers
            orders = self._keeper.look(queue, workers, now)
        self._carry_out(orders, now)
        self._say(overview(queue.values(), workers.keys() & queue.keys(), self._keeper.wanted))

    def _carry_out(self, orders: Orders, now: float) -> None:
        for job in orders.ended:
            end = commands.ended(job)
            with self._lock:
                sentence = self._keeper.ended(with_log(end, self._tail(job)), now)
            if sentence is not None:
                self._notices.put(sentence)
        for job in orders.restarted:
            with self._lock:
                self._notices.put(self._keeper.restarted(job, lacked_memory(self._log(job)), now))
        failures = self._keeper.failures
        if failures:
            job = (*orders.ended, *orders.cancel, *orders.restarted)[-1]
            raise JobsFailedError(failures, str(self._run.log(job)), self._tail(job), self._advice(job))
        commands.cancel(orders.cancel)
        for job in orders.cancel:
            self._notices.put(f"job {job} runs without its worker: it is cancelled")
        try:
            self._submit(orders.submit)
        except SlurmCommandError as error:
            self._keeper.refused(now)
            self._say(f"{error}; it is tried again later")

    def _submit(self, count: int) -> None:
        for _ in range(count):
            job = commands.submit(self._run.script)
            with self._lock:
                self._keeper.submitted(job, time.monotonic())
                self._asked = min(self._asked, time.monotonic() - ASK + ASK_AGAIN)
            with self._run.jobs.open("a", encoding="utf-8") as file:
                file.write(f"{job}\n")

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._notices.put(text)

    def _log(self, job: str) -> str:
        try:
            return self._run.log(job).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def _tail(self, job: str) -> str:
        return " ".join(self._log(job)[-TAIL:].split())

    def _advice(self, job: str) -> str:
        return self._reach if unreached(self._log(job)) else ""
