"""Trainings in jobs of a real SLURM: the same models, and whatever happens to the jobs, the run goes on."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from known_graphs import clique_purity, cliques

import daskgraph
from daskgraph.errors import JobsFailedError, SubmissionRefusedError
from daskgraph.events import EpochFinished, Event, Notice
from daskgraph.executors.slurm import Run
from daskgraph.store import ModelStore
from slurm.local_slurm import LocalSlurm, wait_until

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.compiled,
    # On a machine that is busy, Dask takes any disk for a slow one.
    pytest.mark.filterwarnings("ignore:Creating scratch directories"),
]

CLIQUES, SIZE, EPOCHS = 40, 6, 24
EDGES = CLIQUES * SIZE * (SIZE - 1)


def config(**cluster: Any) -> dict[str, Any]:
    lent = {"workers": 2, "minimum": 2, "cores": 1, "memory": "1GiB", "walltime": "10min", "interface": "lo"}
    return {
        "graph": {"partitions": 8},
        "model": {"dimension": 16, "comparator": "cos"},
        "negatives": {"uniform": 20},
        "training": {"epochs": EPOCHS, "batch_size": 20, "threads": 1, "checkpoint": "1s"},
        "cluster": {"kind": "slurm", **lent, **cluster},
    }


class Story:
    """Does something when an epoch ends, and lets the training wait for what must follow.

    Parameters
    ----------
    happening
        Done once, at the end of the second epoch.
    followed
        Tells, given all notices, whether what must follow has happened.
    """

    def __init__(self, happening: Callable[[], object], followed: Callable[[list[str]], bool]) -> None:
        self.happening, self.followed = happening, followed
        self.notices: list[str] = []
        self.happened = False
        self.waits = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, Notice):
            self.notices.append(event.text)
        elif isinstance(event, EpochFinished) and event.epoch >= 2:
            if not self.happened:
                self.happened = True
                self.happening()
            elif event.epoch < EPOCHS - 3 and not self.followed(self.notices):
                # A busy machine may need minutes, and no more epochs than are to be trained anyway.
                time.sleep(1.3**self.waits)
                self.waits += 1

    @property
    def joined(self) -> int:
        return joined(self.notices)

    def says(self, text: str) -> bool:
        return any(text in notice for notice in self.notices)


def joined(notices: list[str]) -> int:
    return sum(notice.endswith("trains") for notice in notices)


def check(path: Path, epochs: int = EPOCHS) -> None:
    """Every epoch has trained every edge, nothing is left staged, cliques lie together."""
    store = ModelStore.open(path)
    assert [entry["epoch"] for entry in store.history] == list(range(1, epochs + 1))
    assert {entry["edges"] for entry in store.history} == {EDGES}
    assert sorted(place.name for place in (path / "staging").iterdir()) == ["zarr.json"]
    rows = store.read_embeddings("entity", 0, CLIQUES * SIZE)
    assert clique_purity(rows, list(store.open_graph().names("entity"))) > 0.95


def train(path: Path, story: Callable[[Event], None], **cluster: Any) -> daskgraph.Model:
    own = config(scratch=str(path.parent / "scratch"), **cluster)
    return daskgraph.train(cliques(CLIQUES, SIZE), path, config=own, callback=story)


def first_job(slurm: LocalSlurm) -> tuple[str, str]:
    """Return a job that runs, and its node."""
    job, node = sorted(line for line in slurm.jobs("%i %N") if len(line.split()) == 2)[0].split()
    return job, node


def scratch(path: Path) -> list[Path]:
    """Return what jobs have left on their nodes."""
    return list(path.parent.glob("scratch/*"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.model.zarr"


def test_scancel__another_job_takes_the_place(slurm: LocalSlurm, path: Path) -> None:
    story = Story(lambda: slurm.output("scancel", first_job(slurm)[0]), lambda said: joined(said) > 2)
    model = train(path, story)
    check(path)
    assert story.joined == 3, story.notices
    assert story.says("is over: it was cancelled")
    assert model.summary["workers"] == 3
    # Nothing is left: no job, no certificate, no scratch.
    wait_until(lambda: not slurm.jobs(), 60, "jobs are left")
    run = Run.of(path)
    assert not run.certificate.exists()
    assert len(run.jobs.read_text().split()) == 3
    wait_until(lambda: not scratch(path), 30, "scratch is left")


def test_all_workers_gone_at_once__the_run_waits_and_goes_on(slurm: LocalSlurm, path: Path) -> None:
    story = Story(lambda: slurm.output("scancel", *slurm.jobs()), lambda said: joined(said) > 3)
    train(path, story)
    check(path)
    assert story.joined == 4, story.notices


def test_walltime_near__leases_are_handed_back(slurm: LocalSlurm, path: Path) -> None:
    def shorten() -> None:
        slurm.output("scontrol", "update", f"JobId={first_job(slurm)[0]}", "EndTime=now+100")

    story = Story(shorten, lambda said: joined(said) > 2)
    train(path, story)
    check(path)
    assert story.says("ends soon and has handed back its lease")
    assert not story.says("is gone")


def test_walltime_reached__another_job_takes_the_place(
    slurm: LocalSlurm, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As when SLURM does not answer in the minutes before.
    monkeypatch.setattr("daskgraph.executors.slurm.keeper.Keeper.handing_back", lambda *_: set())

    def shorten() -> None:
        slurm.output("scontrol", "update", f"JobId={first_job(slurm)[0]}", "EndTime=now+1")

    story = Story(shorten, lambda said: joined(said) > 2)
    train(path, story)
    check(path)
    assert story.says("is over: it reached its walltime (cluster.walltime)")
    assert story.says("is gone")


# Jobs of eight CPUs have a node each.


def test_node_drained__its_job_goes_on_and_the_next_goes_elsewhere(slurm: LocalSlurm, path: Path) -> None:
    drained: list[str] = []

    def drain() -> None:
        job, node = first_job(slurm)
        drained.append(node)
        slurm.output("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test")
        time.sleep(3)
        assert job in slurm.jobs()
        slurm.output("scancel", job)

    nodes: set[str] = set()

    def followed(said: list[str]) -> bool:
        nodes.update(slurm.jobs("%N") if joined(said) > 2 else ())
        return joined(said) > 2

    story = Story(drain, followed)
    train(path, story, cores=8)
    check(path)
    assert nodes
    assert not nodes & set(drained)


def test_node_lost__another_job_takes_the_place(slurm: LocalSlurm, path: Path) -> None:
    story = Story(lambda: slurm.kill_node(first_job(slurm)[1]), lambda said: joined(said) > 2)
    train(path, story, cores=8)
    check(path)
    assert story.says("is gone")
    assert story.says("is over: its node failed") or story.says("runs without its worker")


def test_preemption__the_run_waits_for_its_turn(slurm: LocalSlurm, path: Path) -> None:
    def preempt() -> None:
        whole = ["-N", "4", "--ntasks-per-node=8", "--mem=1000", "--time=1", "-o", "/dev/null"]
        slurm.output("sbatch", "-p", "debug", *whole, "--wrap", "sleep 12")

    story = Story(preempt, lambda said: joined(said) > 3)
    train(path, story, queue="low", cores=8)
    check(path)
    assert story.says("is over: a job that comes first took its place")
    assert story.joined == 4, story.notices


HOG = """
[ -e {flag} ] || { touch {flag}; {python} -c "import time; held = bytearray(1200 << 20); time.sleep(60)" & }
"""


def test_memory__a_job_over_its_memory_is_named_and_replaced(
    slurm: LocalSlurm, path: Path, tmp_path: Path
) -> None:
    flag, hog = tmp_path / "flag", HOG.strip()
    for name, value in (("{flag}", str(flag)), ("{python}", sys.executable)):
        hog = hog.replace(name, value)
    story = Story(lambda: None, lambda said: any("is over: it used more" in notice for notice in said))
    train(path, story, prologue=[hog], workers=1, minimum=1)
    check(path)
    assert story.says("is over: it used more than cluster.memory")
    # SLURM kills such a job outright: what it leaves, the next one removes.
    wait_until(lambda: not scratch(path), 60, "scratch is left")


GLUTTON = """
import threading
held = []
def dask_setup(worker):
    threading.Timer(3, lambda: held.append(bytearray(400 << 20))).start()
"""


def test_memory__a_worker_that_always_takes_too_much_stops_the_run(
    slurm: LocalSlurm, path: Path, tmp_path: Path
) -> None:
    glutton = tmp_path / "glutton.py"
    glutton.write_text(GLUTTON)
    half = [
        f"export DASK_DISTRIBUTED__WORKER__{line}" for line in (f"PRELOAD={glutton}", "MEMORY__TERMINATE=0.5")
    ]
    story = Story(lambda: None, lambda said: False)
    with pytest.raises(
        JobsFailedError, match=r"(the worker of job \d+ used more than cluster.memory allows.*){3}"
    ):
        train(path, story, prologue=half, workers=1, minimum=1)
    # They were started again where they were, without another wait in the queue.
    assert len(Run.of(path).jobs.read_text().split()) == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"prologue": ["module load python || exit 4"]}, "exit status 4; .*module: command not found"),
        # As it is where the model's folder is not shared.
        ({"directives": ["-o /nowhere/%j.log"]}, "its log could not be written"),
    ],
)
def test_jobs_that_fail__stop_the_run_and_say_why(
    slurm: LocalSlurm, path: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], said: str
) -> None:
    monkeypatch.setattr("daskgraph.executors.slurm.keeper.BACK_OFF", 0.1)
    with pytest.raises(JobsFailedError, match=said):
        train(path, lambda event: None, **wrong)
    assert slurm.jobs("%T") in ([], ["COMPLETING"])
    assert not path.exists()


def test_sbatch_refuses__before_anything_is_done(slurm: LocalSlurm, path: Path) -> None:
    for wrong, reason in (
        ({"queue": "short"}, "Requested time limit is invalid"),
        ({"queue": "none"}, "invalid partition"),
        ({"memory": "1TiB"}, "node configuration is not available"),
        ({"directives": ["--constraint=gold"]}, "Invalid feature"),
    ):
        with pytest.raises(SubmissionRefusedError, match=reason):
            train(path, lambda event: None, **wrong)
    assert list(path.parent.glob("m.*")) == []
