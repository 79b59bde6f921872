"""Measured figures, kept as JSON for docs/benchmarks.md."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from daskgraph_kernels.lanes import LANES

FOLDER = Path(__file__).parent / "measured"
WRITTEN = ("tests/benchmarks/measured", "docs/benchmarks.md")
"""What is written by measuring, from the repository's root."""


def machine() -> dict[str, Any]:
    """Return what figures depend on beside the code."""
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[1],
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "scipy", "numba")},
        "measured": f"{date.today()}, commit {commit()}",
    }


def record(name: str, result: dict[str, Any]) -> None:
    """Keep a result under a name, in the place of what was measured before."""
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps(result, indent=1, default=float)
    (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def recorded(name: str) -> dict[str, Any]:
    """Return the result kept under a name."""
    return dict(json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))


def processor() -> str:
    """The processor's name, as far as the system tells it, and how long the vectors are that kernels use."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {32 * LANES}-bit vectors"


def commit(folder: Path = FOLDER) -> str:
    """The commit that is checked out, shortened, and "-dirty" where more differs than measuring writes."""
    exceptions = (f":(exclude,top){written}" for written in WRITTEN)
    try:
        name = _git(folder, "describe", "--always")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ":/", *exceptions)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{name}-dirty" if changed else name


def _git(folder: Path, *asked: str) -> str:
    told = subprocess.run(["git", *asked], cwd=folder, capture_output=True, text=True, check=True)
    return told.stdout.strip()
