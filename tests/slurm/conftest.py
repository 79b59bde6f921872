"""One SLURM for all tests of this folder; without its programs they are skipped."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from slurm.local_slurm import LocalSlurm, missing


@pytest.fixture(scope="session")
def started() -> Iterator[LocalSlurm]:
    absent = missing()
    if absent:
        pytest.skip(f"no SLURM here: {', '.join(absent)} (python tests/slurm/local_slurm.py install)")
    # Sockets have short paths, and those of pytest's own folders are long.
    with TemporaryDirectory(prefix="dg-slurm-") as folder:
        slurm = LocalSlurm(Path(folder))
        slurm.start()
        try:
            yield slurm
        finally:
            slurm.stop()


@pytest.fixture
def slurm(started: LocalSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalSlurm]:
    """SLURM with all its nodes, and no job in the queue."""
    for name, value in started.environment.items():
        monkeypatch.setenv(name, value)
    # Importing dask-jobqueue writes there.
    monkeypatch.setenv("DASK_CONFIG", str(tmp_path / "dask"))
    # While nothing changes, half a minute passes until SLURM is asked again; nobody else asks this one.
    monkeypatch.setattr("daskgraph.executors.slurm.crew.ASK", 2.0)
    started.start()
    yield started
    started.empty()
