"""What memory a process may use, out of files and variables such as systems have."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from daskgraph.memory import available_memory

GROUP = "system.slice/job_7/step_0"
HERE = available_memory({}, Path("/nowhere"))


def written(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_available_memory__is_at_most_that_of_the_machine() -> None:
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    assert 0 < available_memory() <= HERE <= int(lines["MemTotal"].split()[0]) << 10


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, HERE),
        ({f"{GROUP}/memory.max": "4096000\n"}, 4096000),
        ({f"{GROUP}/memory.max": "max\n", "system.slice/job_7/memory.max": "8192000\n"}, 8192000),
        ({f"{GROUP}/memory.max": "8192000\n", "system.slice/job_7/memory.max": "4096000\n"}, 4096000),
        ({"memory.max": "4096000\n"}, 4096000),
        ({"memory.max": "max\n"}, HERE),
        ({"../memory.max": "4096000\n"}, HERE),
    ],
)
def test_available_memory__of_groups_of_version_2(
    tmp_path: Path, files: dict[str, str], expected: int
) -> None:
    placed = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    root = written(tmp_path, {"proc/self/cgroup": f"0::/{GROUP}\n", "sys/fs/cgroup/here": "", **placed})
    assert available_memory({}, root) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"docker/abc/memory.limit_in_bytes": "4096000\n"}, 4096000),
        ({"memory.limit_in_bytes": "4096000\n"}, 4096000),
        ({"memory.limit_in_bytes": "9223372036854771712\n"}, HERE),
    ],
)
def test_available_memory__of_groups_of_version_1(
    tmp_path: Path, files: dict[str, str], expected: int
) -> None:
    groups = "12:cpu,cpuacct:/docker/abc\n5:memory:/docker/abc\n0::/\n"
    placed = {f"sys/fs/cgroup/memory/{name}": text for name, text in files.items()}
    assert available_memory({}, written(tmp_path, {"proc/self/cgroup": groups, **placed})) == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"SLURM_MEM_PER_NODE": "100"}, 100 << 20),
        ({"SLURM_MEM_PER_NODE": "0"}, HERE),
        ({"SLURM_MEM_PER_CPU": "50", "SLURM_CPUS_ON_NODE": "3"}, 150 << 20),
        ({"SLURM_MEM_PER_CPU": "50"}, HERE),
        ({"SLURM_MEM_PER_NODE": "999999999"}, HERE),
    ],
)
def test_available_memory__of_a_job(tmp_path: Path, variables: dict[str, str], expected: int) -> None:
    assert available_memory(variables, tmp_path) == expected


def test_available_memory__of_resident_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (4096000, resource.RLIM_INFINITY))
    assert available_memory({}, tmp_path) == 4096000
