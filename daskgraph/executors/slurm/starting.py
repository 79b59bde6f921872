"""A Dask scheduler in this process, workers in jobs of SLURM, and a client; all end together."""

from __future__ import annotations

import logging
import os
import resource
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daskgraph.config import Config
from daskgraph.errors import ConfigValueError, JobsFailedError, NotAStoreError, SlurmCommandError
from daskgraph.events import Callback, Notice
from daskgraph.executors.slurm import commands
from daskgraph.executors.slurm.crew import Crew
from daskgraph.executors.slurm.ending import last_will, stopped_by_signals
from daskgraph.executors.slurm.run import Run
from daskgraph.executors.slurm.script import certificate_files, job_script

if TYPE_CHECKING:
    from distributed import Client
    from distributed.security import Security

LOOPBACK = "127.0.0.1"

ASK_AGAIN = 10.0
"""Seconds after which a controller that does not answer is asked again."""


def check(
    config: Config,
    model: str | Path,
    callback: Callback,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Refuse, before anything is done, what SLURM would refuse when jobs are submitted.

    A controller that does not answer is asked again for as long as `cluster.patience`: a driver that comes
    back into the queue in the middle of a restart would end a run of days.

    Raises
    ------
    SlurmMissingError
        A program or package is missing.
    SlurmCommandError
        SLURM does not answer.
    SubmissionRefusedError
        SLURM would not take such a job; the error has its own line.
    ConfigValueError
        The interface does not exist here.
    """
    script = job_script(config, Run.of(model))
    _check_interface(config.cluster.interface)
    cluster = config.cluster
    asked = f"{cluster.cores} CPUs, {cluster.memory} of memory and {cluster.walltime}"
    end, said = clock() + config.cluster.patience_seconds, ""
    while True:
        try:
            unsure = commands.check_submission(script, asked)
            break
        except SlurmCommandError as error:
            if clock() >= end:
                raise
            if error.reason != said:
                callback(Notice(f"{error}; it is asked again, for {config.cluster.patience} at most"))
            said = error.reason
            sleep(ASK_AGAIN)
    if unsure:
        callback(Notice(f"nodes are away, and SLURM says: {unsure}; jobs are submitted all the same"))


def cancel(model: str | Path) -> list[str]:
    """Cancel all jobs of a model, and let drivers that live stop; return the jobs' ids.

    Raises
    ------
    NotAStoreError
        There is no such model, and no jobs of it.
    """
    run = Run.of(model)
    asked = (folder.name.removeprefix("asked-") for folder in run.folder.glob("asked-*"))
    begun = [run, *(Run.asking(model, token) for token in asked)]
    for one in begun:
        if one.folder.is_dir():
            one.cancelled.touch()
    jobs = sorted({**commands.queue(run.family), **commands.queue(Run.asking(model).family)})
    if not (jobs or run.folder.is_dir() or run.model.exists()):
        raise NotAStoreError(str(model), "model store", exists=False)
    commands.cancel(jobs)
    for one in begun:
        # Of a driver that was killed; one that lives needs it no more.
        shutil.rmtree(one.certificate, ignore_errors=True)
    return jobs


@contextmanager
def training_client(config: Config, model: Path, callback: Callback) -> Iterator[tuple[Client, Crew]]:
    """Begin a training: give a client whose workers are jobs, and the crew that keeps their number.

    Parameters
    ----------
    config
        Its `[cluster]` says what is asked of SLURM.
    model
        The model store; its lock is held, so that no other run of it lives.
    callback
        Told what happens.

    Raises
    ------
    JobsFailedError
        Jobs end by themselves as soon as they begin.
    TerminatedError
        This process was told to end; its jobs are cancelled.
    """
    run = Run.of(model, uuid.uuid4().hex[:4])
    _cancel_former(run, callback)
    with _jobs(config, run, callback) as begun:
        yield begun


@contextmanager
def asking_client(config: Config, model: Path, callback: Callback) -> Iterator[tuple[Client, Crew]]:
    """Begin a question, as `training_client` does a training; it leaves its folder only where jobs fail."""
    run = Run.asking(model, uuid.uuid4().hex[:4])
    read = False
    try:
        with _jobs(config, run, callback) as begun:
            yield begun
    except JobsFailedError:
        # It names a log.
        read = True
        raise
    finally:
        if not read:
            shutil.rmtree(run.folder, ignore_errors=True)


@contextmanager
def _jobs(config: Config, run: Run, callback: Callback) -> Iterator[tuple[Client, Crew]]:
    run.prepare()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, run.certificate, ignore_errors=True)
        stack.enter_context(last_will(run.name))
        stack.enter_context(stopped_by_signals(lambda: _cancel_soon(run)))
        security = make_certificate(run.certificate)
        cluster = stack.enter_context(_scheduler(config.cluster.interface, security))
        client = stack.enter_context(_client(cluster))
        run.script.write_text(job_script(config, run, cluster.scheduler_address), encoding="utf-8")
        callback(Notice(f"jobs are called {run.name}, their logs are in {run.logs}"))
        callback(Notice(place_hint(os.environ, resource.getrlimit(resource.RLIMIT_CPU)[0])))
        callback(Notice(dashboard_hint(cluster.scheduler_info["services"]["dashboard"])))
        reach = reaching_hint(cluster.scheduler_address)
        crew = stack.enter_context(Crew(config, run, lambda: connected(cluster.scheduler), callback, reach))
        crew.wait()
        yield client, crew


def make_certificate(folder: Path) -> Security:
    """Write a certificate and its key that open the connections of one run, for this user alone."""
    from distributed.security import Security

    made = Security.temporary()
    certificate, key = certificate_files(folder)
    for path, text in ((certificate, made.tls_client_cert), (key, made.tls_client_key)):
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
    paths = {"cert": str(certificate), "key": str(key)}
    roles = ("client", "scheduler", "worker")
    files = {f"tls_{role}_{part}": path for role in roles for part, path in paths.items()}
    return Security(require_encryption=True, tls_ca_file=paths["cert"], **files)


def dashboard_hint(port: int) -> str:
    """Return how to see Dask's dashboard from elsewhere; it is open to this machine alone."""
    host = socket.gethostname()
    return f"dashboard: ssh -N -L 8787:{LOOPBACK}:{port} {host}, then http://localhost:8787"


def reaching_hint(address: str) -> str:
    """Return what to do where jobs can not reach the driver at an address."""
    listed = ", ".join(f"{name} ({own})" for name, own in _interfaces().items())
    shared = f"give the cluster.interface that they share with {socket.gethostname()}, which has {listed}"
    return f"nodes can not reach the driver at {address}: {shared}"


def place_hint(environment: Mapping[str, str], processor_seconds: int) -> str:
    """Return where the driver runs, and what may end it.

    Parameters
    ----------
    environment
        That of this process.
    processor_seconds
        How long it may compute, -1 for ever.

    >>> place_hint({"SLURM_JOB_ID": "17"}, -1)
    'the driver runs in job 17 and ends with it'
    """
    job = environment.get("SLURM_JOB_ID")
    if job is not None:
        return f"the driver runs in job {job} and ends with it"
    place = f"the driver runs on {socket.gethostname()} and has to live as long as the run"
    if processor_seconds < 0:
        return place
    limit = f"this machine ends what computes for {processor_seconds / 60:.0f} min (ulimit -t)"
    return f"{place}; {limit}: a long run is better driven from a job"


def connected(scheduler: Any) -> dict[str, str]:
    """Return where a scheduler's workers listen, by the ids of their jobs."""
    workers = list(scheduler.workers.values())
    return {str(worker.name): worker.address for worker in workers if str(worker.name).isdigit()}


@contextmanager
def _scheduler(interface: str, security: Security) -> Iterator[Any]:
    from distributed import Scheduler, SpecCluster

    options = {
        "protocol": "tls://",
        "security": security,
        "interface": interface or None,
        "dashboard_address": f"{LOOPBACK}:0",
    }
    spec = {"cls": Scheduler, "options": options}
    with SpecCluster(scheduler=spec, workers={}, security=security, silence_logs=logging.CRITICAL) as cluster:
        yield cluster


@contextmanager
def _client(cluster: Any) -> Iterator[Client]:
    from distributed import Client

    with Client(cluster) as client:
        yield client


def _interfaces() -> dict[str, str]:
    """Return this machine's addresses by the names of their interfaces."""
    import psutil

    return {
        name: given.address
        for name, addresses in sorted(psutil.net_if_addrs().items())
        for given in addresses
        if given.family == socket.AF_INET
    }


def _check_interface(name: str) -> None:
    known = _interfaces()
    if name and name not in known:
        allowed = f"is no interface of {socket.gethostname()}; it has {', '.join(known)}"
        raise ConfigValueError("cluster.interface", name, allowed)


def _cancel_former(run: Run, callback: Callback) -> None:
    """Cancel what a run that was killed with its whole machine has left."""
    with suppress(SlurmCommandError):
        left = commands.queue(run.family)
        if left:
            callback(Notice(f"jobs that a former run has left are cancelled: {', '.join(sorted(left))}"))
            commands.cancel(left)


def _cancel_soon(run: Run) -> None:
    # Not waited for: signals come while anything else is being done.
    subprocess.Popen(
        ["scancel", f"--user={os.getuid()}", f"--name={run.name}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=commands.outside(os.environ),
    )
