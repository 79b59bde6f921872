"""An environment of its own for PyTorch-BigGraph, whose releases need old packages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# setuptools 80 took away pkg_resources, which torchbiggraph's own set-up needs.
REQUIREMENTS = ("torch==2.13.0", "torchbiggraph==1.0.0", "setuptools<80")


def default_folder() -> Path:
    """Return where the environment is kept: in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "daskgraph-benchmarks" / "pbg"


def python_of_pbg(folder: Path) -> Path:
    """Return the Python of PBG's environment, which is made from the package index if it is not there."""
    python = folder / "bin" / "python"
    made = folder / "requirements.txt"
    wanted = "\n".join(REQUIREMENTS)
    if made.exists() and made.read_text() == wanted:
        return python
    sys.stderr.write(f"installing {', '.join(REQUIREMENTS)} into {folder}\n")
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
    made.write_text(wanted)
    return python
