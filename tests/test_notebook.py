"""The notebook of examples/ runs as it is."""

import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
LIMIT = 180.0
BOND = {
    "A View to a Kill",
    "Diamonds Are Forever",
    "Die Another Day",
    "For Your Eyes Only",
    "From Russia with Love",
    "GoldenEye",
    "Licence to Kill",
    "Moonraker",
    "Never Say Never Again",
    "Quantum of Solace",
    "Skyfall",
    "The Living Daylights",
    "The Spy Who Loved Me",
    "The World Is Not Enough",
    "Thunderball",
    "Tomorrow Never Dies",
}


def execute(path: Path, temporary: Path) -> Any:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(path.parent)}}
    client = nbclient.NotebookClient(notebook, timeout=int(LIMIT), resources=place)
    compiled = {name: value for name, value in os.environ.items() if name != "NUMBA_DISABLE_JIT"}
    client.execute(env={**compiled, "TMPDIR": str(temporary)})
    return notebook


def texts(notebook: Any) -> str:
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    found = [output["data"] for cell in cells for output in cell.outputs if "data" in output]
    return "\n".join(data.get("text/plain", "") for data in found)


@pytest.mark.slow
@pytest.mark.compiled
def test_first_steps(tmp_path: Path) -> None:
    begin = time.perf_counter()
    shown = texts(execute(EXAMPLES / "first_steps.ipynb", tmp_path))
    assert time.perf_counter() - begin < LIMIT
    [mrr] = re.findall(r"^MRR +(\S+)$", shown, re.MULTILINE)
    assert float(mrr) > 0.22
    near = [title for title in BOND if title in shown]
    assert len(near) >= 3, near  # of the six films nearest to "Casino Royale"; threads decide which
    assert "<Figure size" in shown
