"""Whatever happens to a cluster, its training ends or goes on: every edge trained, nothing stale, as good."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cluster_processes import Processes
from known_graphs import cliques

import daskgraph
from daskgraph.errors import SchedulerLostError
from daskgraph.events import Callback, EpochFinished, Event, ignore
from daskgraph.store import ModelStore

pytestmark = [pytest.mark.faults, pytest.mark.compiled]

EPOCHS = 10
CONFIG: dict[str, dict[str, Any]] = {
    "graph": {"partitions": 4},
    "model": {"dimension": 16, "operator": "diagonal", "comparator": "cos"},
    "negatives": {"uniform": 20},
    "training": {"epochs": EPOCHS, "batch_size": 8, "threads": 1, "checkpoint": "1s", "buffer": 2},
    "cluster": {"patience": "60s"},
}
WHOLE = cliques(30, 6)
HELD_OUT = WHOLE.index % 10 == 3
EDGES = int((~HELD_OUT).sum())


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "cliques.graph.zarr"
    daskgraph.import_edges(WHOLE[~HELD_OUT], path, config=CONFIG, test=WHOLE[HELD_OUT])
    return path


@pytest.fixture(scope="module")
def unbroken(graph: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """The MRR of the same training where nothing happens."""
    model = daskgraph.train(graph, tmp_path_factory.mktemp("unbroken") / "m.model.zarr", config=CONFIG)
    return model.evaluate("test").mrr


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with cluster(tmp_path) as started:
        yield started


@contextmanager
def cluster(folder: Path, host: str = "127.0.0.1") -> Iterator[Processes]:
    folder.mkdir(exist_ok=True)
    started = Processes(folder, host)
    try:
        yield started
    finally:
        started.kill()


def train(processes: Processes, graph: Path, path: Path, workers: int, callback: Callback = ignore) -> None:
    with processes.client(workers) as client:
        daskgraph.train(graph, path, config=CONFIG, client=client, callback=callback)


def check(path: Path, unbroken: float) -> None:
    """Every epoch has every edge, nothing is left over, all can be read, and it is as good."""
    store = ModelStore.open(path)
    assert [entry["epoch"] for entry in store.history] == list(range(1, EPOCHS + 1))
    assert {entry["edges"] for entry in store.history} == {EDGES}
    assert sorted(place.name for place in (path / "staging").iterdir()) == ["zarr.json"]
    assert daskgraph.open_model(path).evaluate("test").mrr > 0.98 * unbroken


def test_unbroken__can_be_fallen_short_of(graph: Path, unbroken: float, tmp_path: Path) -> None:
    few = CONFIG | {"training": CONFIG["training"] | {"epochs": 1}}
    short = daskgraph.train(graph, tmp_path / "m.model.zarr", config=few).evaluate("test").mrr
    assert short < 0.8 * unbroken


@pytest.mark.parametrize(
    ("point", "calls"),
    [("reading partitions", 5), ("training", 7), ("staging", 5), ("pushing", 3)],
)
def test_killed__while_it_is(
    point: str, calls: int, processes: Processes, graph: Path, unbroken: float, tmp_path: Path
) -> None:
    dead = processes.worker(point, calls, "kill")
    processes.worker()
    train(processes, graph, tmp_path / "m.model.zarr", 2)
    assert dead.wait(60) == -signal.SIGKILL
    check(tmp_path / "m.model.zarr", unbroken)


def test_killed__two_at_once(processes: Processes, graph: Path, unbroken: float, tmp_path: Path) -> None:
    dead = [processes.worker() for _ in range(2)]
    processes.worker()
    trained = 0

    def kill(event: Event) -> None:
        nonlocal trained
        trained += isinstance(event, EpochFinished)
        if trained == 2:
            for process in dead:
                process.kill()

    train(processes, graph, tmp_path / "m.model.zarr", 3, kill)
    check(tmp_path / "m.model.zarr", unbroken)


def test_scheduler__is_killed(graph: Path, unbroken: float, tmp_path: Path) -> None:
    with cluster(tmp_path / "first") as first:
        first.worker()
        first.worker()

        def kill(event: Event) -> None:
            if isinstance(event, EpochFinished) and event.epoch == 2:
                first.scheduler.kill()

        with pytest.raises(SchedulerLostError, match="train again"):
            train(first, graph, tmp_path / "m.model.zarr", 2, kill)
    with cluster(tmp_path / "second") as second:
        second.worker()
        train(second, graph, tmp_path / "m.model.zarr", 1)
    check(tmp_path / "m.model.zarr", unbroken)
