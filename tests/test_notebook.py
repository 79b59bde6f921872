"""The notebook of examples/ runs as it is."""

import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from known_graphs import cliques

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


WITH_CLIENT = """
import daskgraph
from distributed import Client

client = Client(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0")
config = {
    "graph": {"partitions": 8},
    "model": {"dimension": 16, "comparator": "cos"},
    "training": {"epochs": 3, "threads": 1},
}
model = daskgraph.train("edges.tsv", "m.model.zarr", config=config, client=client)
again = daskgraph.train("edges.tsv", "m.model.zarr", config={"training": {"epochs": 4}}, client=client)
near = model.neighbors("c0m0", k=3, client=client)
client.close()
model.summary["workers"], again.summary["resumed_from"], again.epochs, len(near)
"""


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


@pytest.mark.slow
@pytest.mark.compiled
def test_client__trains_from_a_notebook(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    cliques(20, 6).to_csv(tmp_path / "edges.tsv", sep="\t", index=False, header=False)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(WITH_CLIENT.strip())])
    nbformat.write(notebook, tmp_path / "client.ipynb")
    assert texts(execute(tmp_path / "client.ipynb", tmp_path)) == "(2, 3, 4, 3)"
