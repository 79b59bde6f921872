"""No job outlives its driver, however that dies."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from daskgraph.errors import TerminatedError
from daskgraph.executors.slurm.commands import outside

AGAIN = 10
"""Seconds after which jobs are cancelled once more: one might have been on its way to SLURM."""


@contextmanager
def last_will(name: str) -> Iterator[None]:
    """Have all jobs of a name cancelled when this process dies, even by SIGKILL.

    A shell waits for the end of a pipe, which the system closes with this process.
    """
    cancel = f"scancel --user={os.getuid()} --name={shlex.quote(name)}"
    # After a good end nothing is left to cancel; `read` succeeds only then.
    will = f"trap '' HUP INT TERM; read -r _ && exit; {cancel}; sleep {AGAIN}; {cancel}"
    executor = subprocess.Popen(
        ["/bin/sh", "-c", will],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=outside(os.environ),
    )
    assert executor.stdin is not None
    try:
        yield
    finally:
        try:
            executor.stdin.write(b"done\n")
            executor.stdin.close()
        except OSError:
            pass
        executor.wait()


@contextmanager
def stopped_by_signals(first: Callable[[], None]) -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block in order, as Ctrl-C does; Python itself would run no clean-up.

    Parameters
    ----------
    first
        Called at once: little time may be left.
    """
    came = ""

    def stop(number: int, _: FrameType | None) -> None:
        nonlocal came
        if came:
            return
        came = signal.Signals(number).name
        first()
        raise TerminatedError(came)

    numbers = (signal.SIGTERM, signal.SIGHUP)
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        # Whoever starts a driver with nohup wants it to outlive its terminal.
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        yield
    except Exception as error:
        # What is torn down in a hurry may fail as well; why it was is what counts.
        if came and not isinstance(error, TerminatedError):
            raise TerminatedError(came) from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
