"""Questions that jobs answer: the same to the last bit, also where a job is taken away meanwhile."""

from pathlib import Path

import pytest
from known_graphs import cliques

import daskgraph
from daskgraph.events import EvaluationProgress, Event, Notice
from daskgraph.executors.slurm import Run
from slurm.local_slurm import LocalSlurm, wait_until

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.compiled,
    pytest.mark.filterwarnings("ignore:Creating scratch directories"),
]


def test_questions__are_answered_by_jobs(slurm: LocalSlurm, tmp_path: Path) -> None:
    small = {"model": {"dimension": 16}, "training": {"epochs": 2, "threads": 1}}
    model = daskgraph.train(cliques(40, 6), tmp_path / "m.model.zarr", config=small)
    lent = {"workers": 2, "cores": 1, "memory": "1GiB", "walltime": "10min", "interface": "lo"}
    jobs = {"cluster": {"kind": "slurm", "scratch": str(tmp_path / "scratch"), **lent}}
    notices: list[str] = []
    taken = False

    def watch(event: Event) -> None:
        nonlocal taken
        if isinstance(event, Notice):
            notices.append(event.text)
        if isinstance(event, EvaluationProgress) and not taken:
            taken = True
            slurm.output("scancel", slurm.jobs()[0])

    here = model.evaluate("train").to_dict()
    there = model.evaluate("train", config=jobs, callback=watch).to_dict()
    assert {**there, "seconds": 0} == {**here, "seconds": 0}
    assert taken
    assert any("dg-ask-m-" in notice for notice in notices)
    model.export(tmp_path / "here.tsv")
    model.export(tmp_path / "there.tsv", config=jobs, callback=watch)
    assert (tmp_path / "here.tsv").read_bytes() == (tmp_path / "there.tsv").read_bytes()
    wait_until(lambda: not slurm.jobs(), 60, "jobs are left")
    assert list(Run.of(model.path).folder.glob("asked-*")) == []
