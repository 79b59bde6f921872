"""The same from a notebook: a kernel trains in jobs, is interrupted, and goes on in the next cell."""

from pathlib import Path

import pytest
from known_graphs import cliques

from daskgraph.store import ModelStore
from slurm.local_slurm import LocalSlurm, wait_until

pytestmark = [pytest.mark.slurm, pytest.mark.compiled, pytest.mark.slow]

TRAIN = """
import os, signal, daskgraph
from daskgraph.events import EpochFinished

config = {
    "graph": {"partitions": 8},
    "model": {"dimension": 16, "comparator": "cos"},
    "training": {"epochs": 100_000, "threads": 1},
    "cluster": {"kind": "slurm", "workers": 2, "minimum": 2, "cores": 1, "memory": "1GiB", "interface": "lo"},
}

def interrupt(event):  # as the button does
    if isinstance(event, EpochFinished) and event.epoch == 2:
        os.kill(os.getpid(), signal.SIGINT)

try:
    daskgraph.train("edges.tsv", "m.model.zarr", config=config, callback=interrupt)
except KeyboardInterrupt:
    reached = daskgraph.open_model("m.model.zarr").epochs
"""

GO_ON = """
config = {"training": {"epochs": reached + 2}}
model = daskgraph.train("edges.tsv", "m.model.zarr", config=config)
model.summary["resumed_from"] == reached, model.epochs == reached + 2, model.summary["workers"] >= 1
"""


def test_notebook__an_interrupted_run_goes_on(slurm: LocalSlurm, tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    cliques(20, 6).to_csv(tmp_path / "edges.tsv", sep="\t", index=False, header=False)
    cells = [nbformat.v4.new_code_cell(text.strip()) for text in (TRAIN, GO_ON)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    place = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=300, resources=place).execute()
    [answer] = [output["data"]["text/plain"] for output in cells[1].outputs if "data" in output]
    assert answer == "(True, True, True)"
    assert ModelStore.open(tmp_path / "m.model.zarr").history
    wait_until(lambda: not slurm.jobs(), 60, "jobs are left")
