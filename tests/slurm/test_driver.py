"""Drivers on a real SLURM: who may talk to them, and what is left when they are stopped or killed."""

import json
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from known_graphs import cliques

import daskgraph
from daskgraph import cli
from daskgraph.errors import RunCancelledError, TerminatedError
from daskgraph.executors.slurm import Run
from daskgraph.executors.slurm.script import certificate_files
from daskgraph.executors.slurm.starting import make_certificate
from daskgraph.store import ModelStore
from slurm.local_slurm import LocalSlurm, wait_until

pytestmark = [pytest.mark.slurm, pytest.mark.compiled, pytest.mark.slow]

CONFIG = """
[graph]
partitions = 8
[model]
dimension = 16
comparator = "cos"
[training]
epochs = 100_000
threads = 1
checkpoint = "1s"
[cluster]
kind = "slurm"
workers = 3
cores = 8  # as many as a node has
memory = "1GiB"
interface = "lo"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.model.zarr"


@pytest.fixture
def driver(slurm: LocalSlurm, path: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """The driver of a training that has one job more than there are nodes, and has committed."""
    source, config = path.with_name("edges.tsv"), path.with_name("slurm.toml")
    cliques(40, 6).to_csv(source, sep="\t", index=False, header=False)
    config.write_text(CONFIG)
    for node in slurm.nodes[2:]:
        slurm.output("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test")
    command = [
        sys.executable,
        "-m",
        "daskgraph.cli",
        "train",
        str(source),
        "-o",
        str(path),
        "-c",
        str(config),
    ]
    with path.with_name("driver.log").open("wb") as log:
        started = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def committed() -> bool:
        assert started.poll() is None, said(path)
        return path.exists() and int(ModelStore.open(path).progress.get("epoch", 0)) > 1

    try:
        wait_until(committed, 300, "nothing was committed")
        wait_until(lambda: len(slurm.jobs()) == 3, 60, "jobs are missing")
        assert sorted(slurm.jobs("%T")) == ["PENDING", "RUNNING", "RUNNING"]
        yield started
    finally:
        started.kill()
        started.wait()


def said(path: Path) -> str:
    """Return what the driver of a model has printed."""
    return path.with_name("driver.log").read_text()


def identity(folder: Path | None) -> ssl.SSLContext:
    """Return how a client calls that has a certificate, or none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if folder is not None:
        context.load_cert_chain(*certificate_files(folder))
    return context


def answer(address: str, context: ssl.SSLContext | None) -> bytes:
    """Return the first byte that a server of Dask says to who calls, nothing if it hangs up."""
    host, port = address.removeprefix("tls://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as plain:
        try:
            if context is None:
                plain.sendall(b"hello\n")
                return plain.recv(1)
            with context.wrap_socket(plain) as closed:
                return closed.recv(1)
        except (ssl.SSLError, ConnectionError):
            return b""


def refuses_strangers(run: Run, folder: Path) -> None:
    """Only who has the run's certificate, which its user alone can read, reaches driver and workers."""
    assert run.certificate.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in run.certificate.iterdir()} == {0o600}
    make_certificate(folder)
    said = "".join(log.read_text() for log in run.logs.iterdir())
    addresses = set(re.findall(r"(?:Start \w+ at|Registered to): +'?(tls://[\d.:]+)", said))
    # The scheduler, and a worker and its nanny in each of two jobs.
    assert len(addresses) == 5
    for address in addresses:
        assert answer(address, identity(run.certificate))
        for stranger in (None, identity(None), identity(folder)):
            assert not answer(address, stranger)


def goes_on(path: Path) -> None:
    """The same training goes on with what was committed."""
    epochs = int(ModelStore.open(path).progress["epoch"]) + 2
    here = {"cluster": {"kind": "local", "workers": 1}, "training": {"epochs": epochs}}
    model = daskgraph.train(path.with_name("edges.tsv"), path, config=here)
    assert model.summary["resumed_from"] == epochs - 2
    assert model.epochs == epochs


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_killed__the_queue_is_empty_and_the_run_goes_on(
    slurm: LocalSlurm, driver: "subprocess.Popen[bytes]", path: Path, number: signal.Signals
) -> None:
    driver.send_signal(number)
    status = driver.wait(timeout=120)
    wait_until(lambda: not slurm.jobs(), 60, "jobs are left")
    if number == signal.SIGTERM:
        assert status == TerminatedError.exit_status
        assert said(path).splitlines()[-1].startswith("Error: ended by SIGTERM; the same command goes on")
        assert "Traceback" not in said(path)
        assert not Run.of(path).certificate.exists()
    goes_on(path)


def test_cancel__ends_jobs_and_driver(
    slurm: LocalSlurm, driver: "subprocess.Popen[bytes]", path: Path, tmp_path: Path
) -> None:
    refuses_strangers(Run.of(path), tmp_path)
    answer = CliRunner().invoke(cli.main, ["cancel", str(path), "--json"])
    assert len(json.loads(answer.output)["jobs"]) == 3
    assert driver.wait(timeout=120) == RunCancelledError.exit_status
    assert "were cancelled (daskgraph cancel)" in said(path)
    wait_until(lambda: not slurm.jobs(), 60, "jobs are left")
    goes_on(path)
