"""A Dask cluster of processes on this machine that nobody else can reach."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client

LOOPBACK = "127.0.0.1"


@contextmanager
def local_client(workers: int) -> Iterator[Client]:
    """Start workers as processes, and give a client; all end with the block.

    Everything listens on the loopback interface alone, and speaks TLS with credentials that are made for
    this cluster and never leave memory. Without them, other users of the machine could run code as this one.
    """
    from distributed import Client, LocalCluster
    from distributed.security import Security

    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host=LOOPBACK,
            protocol="tls://",
            security=Security.temporary(),
            dashboard_address=f"{LOOPBACK}:0",
            worker_dashboard_address=f"{LOOPBACK}:0",
            memory_limit=0,
            preload=[__name__],
            # What goes wrong with a worker is told as an event.
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def dask_setup(_: Any) -> None:
    """Leave Ctrl-C to the driver: a terminal sends it to every process; Dask calls this in each worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
