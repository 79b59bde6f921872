"""The scripts in examples/slurm/, submitted as they stand."""

import sys
from pathlib import Path

import pytest
from known_graphs import cliques

import daskgraph
from daskgraph.store import ModelStore
from slurm.local_slurm import LocalSlurm, wait_until

pytestmark = [pytest.mark.slurm, pytest.mark.compiled, pytest.mark.slow]

SCRIPTS = Path(__file__).parents[2] / "examples" / "slurm"

CONFIG = """
[cluster]
workers = 2
cores = 1
memory = "1GiB"
walltime = "10min"
interface = "lo"
[model]
dimension = 16
comparator = "cos"
[training]
threads = 1
checkpoint = "1s"
"""


@pytest.fixture
def folder(slurm: LocalSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a graph and a config, in which `daskgraph` is this one."""
    daskgraph.import_edges(cliques(20, 6), tmp_path / "g.graph.zarr", config={"graph": {"partitions": 8}})
    (tmp_path / "slurm.toml").write_text(CONFIG)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "daskgraph").write_text(f'#!/bin/sh\nexec {sys.executable} -m daskgraph.cli "$@"\n')
    (programs / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{slurm.environment['PATH']}")
    monkeypatch.setitem(slurm.environment, "PATH", f"{programs}:{slurm.environment['PATH']}")
    monkeypatch.setenv("DASKGRAPH_INTERFACE", "lo")
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("SLURM_TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def submit(slurm: LocalSlurm, script: str, epochs: int, *options: str) -> None:
    given = ["g.graph.zarr", "-o", "m.model.zarr", "-c", "slurm.toml", "-s", f"training.epochs={epochs}"]
    own = ["--cpus-per-task=1", "--mem=1500M", "--time=20", "-o", "job-%j.log"]
    slurm.output("sbatch", *own, *options, str(SCRIPTS / script), *given)


def epoch(folder: Path) -> int:
    path = folder / "m.model.zarr"
    return int(ModelStore.open(path).progress.get("epoch", 0)) if (path / "zarr.json").exists() else 0


def test_one_allocation__trains_and_leaves_nothing(slurm: LocalSlurm, folder: Path) -> None:
    submit(slurm, "one_allocation.sh", 3, "--nodes=2")
    wait_until(lambda: epoch(folder) == 3, 240, "nothing was trained")
    wait_until(lambda: not slurm.jobs(), 60, "the allocation does not end")
    assert "workers\t2" in "".join(log.read_text() for log in folder.glob("job-*.log"))
    assert list(folder.glob("daskgraph-run-*")) == []
    assert list(folder.glob("scratch/*")) == []


def test_driver_in_a_job__follows_itself_at_its_walltime(slurm: LocalSlurm, folder: Path) -> None:
    submit(slurm, "driver.sh", 100_000)
    wait_until(lambda: epoch(folder) > 1, 240, "nothing was trained")
    [job] = slurm.output("squeue", "-h", "-n", "daskgraph-driver", "-o", "%i").split()
    # The signal is sent two minutes before.
    slurm.output("scontrol", "update", f"JobId={job}", "EndTime=now+125")
    wait_until(
        lambda: "Restarts=1" in slurm.output("scontrol", "show", "job", job), 120, "it does not follow"
    )
    reached = epoch(folder)
    wait_until(lambda: epoch(folder) > reached, 240, "the run does not go on")
    slurm.output("scancel", job)
    # Who cancels it does not want it again, and no worker outlives its driver.
    wait_until(lambda: not slurm.jobs(), 120, "jobs are left")
    assert (folder / f"job-{job}.log").read_text().count("ended by SIGTERM") == 2
