"""A Dask cluster of processes that may be killed.

python cluster_processes.py scheduler FILE ADDRESS
python cluster_processes.py worker FILE ADDRESS [POINT CALLS END]
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import dying
from distributed import Client, Scheduler, Worker

LOOPBACK = "127.0.0.1"

SETTINGS = {
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "8s",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
}
"""Frozen workers are missed soon."""


class Processes:
    """A scheduler and workers, each a process.

    Parameters
    ----------
    folder
        Where the scheduler's file is, and what they say.
    host
        Where the scheduler listens.
    """

    def __init__(self, folder: Path, host: str = LOOPBACK) -> None:
        self.file, self._host, self._folder = folder / "scheduler.json", host, folder
        self._running: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start("scheduler", host)

    def worker(
        self, *end: object, host: str = LOOPBACK, prefix: Sequence[str] = ()
    ) -> "subprocess.Popen[bytes]":
        """Start a worker that comes to an end, if one is given: a point, calls and what `dying.ENDS` has."""
        return self._start("worker", host, *end, prefix=prefix)

    def client(self, workers: int) -> Client:
        """Return a client, once there are so many workers."""
        while not self.file.exists():
            assert self.scheduler.poll() is None, self.said(self.scheduler)
            time.sleep(0.02)
        client: Client = Client(scheduler_file=str(self.file))  # type: ignore[no-untyped-call]
        client.wait_for_workers(workers, timeout=120)
        return client

    def said(self, process: "subprocess.Popen[bytes]") -> str:
        """Return what a process has written."""
        return self._log(self._running.index(process)).read_text()

    def kill(self) -> None:
        """End all of them."""
        for process in self._running:
            process.send_signal(signal.SIGKILL)
            process.wait()
        self.file.unlink(missing_ok=True)

    def _start(
        self, role: str, host: str, *end: object, prefix: Sequence[str] = ()
    ) -> "subprocess.Popen[bytes]":
        program = [*prefix, sys.executable, __file__, role, str(self.file), host, *map(str, end)]
        with self._log(len(self._running)).open("wb") as log:
            process = subprocess.Popen(program, stdout=log, stderr=log, env=os.environ | SETTINGS)
        self._running.append(process)
        return process

    def _log(self, number: int) -> Path:
        return self._folder / f"process-{number}.log"


async def _serve(role: str, file: str, host: str) -> None:
    if role == "scheduler":
        async with Scheduler(host=host, port=0, dashboard=False, scheduler_file=file) as scheduler:
            await scheduler.finished()
    else:
        while not Path(file).exists():
            await asyncio.sleep(0.02)
        async with Worker(
            scheduler_file=file, host=host, nthreads=1, memory_limit=0, dashboard=False
        ) as worker:
            await worker.finished()


if __name__ == "__main__":
    if len(sys.argv) > 4:
        dying.die_at(sys.argv[4], int(sys.argv[5]), sys.argv[6])
    asyncio.run(_serve(*sys.argv[1:4]))
