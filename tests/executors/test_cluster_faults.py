"""Whatever happens to a cluster, its training ends or goes on: every edge trained, nothing stale, as good."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cluster_processes import Processes
from known_graphs import cliques

import daskgraph
from daskgraph.errors import SchedulerLostError
from daskgraph.events import Callback, Committed, EpochFinished, Event, Notice, ignore
from daskgraph.store import ModelStore

pytestmark = [pytest.mark.faults, pytest.mark.compiled]

EPOCHS = 10
CONFIG: dict[str, dict[str, Any]] = {
    "graph": {"partitions": 4},
    "model": {"dimension": 16, "operator": "diagonal", "comparator": "cos"},
    "negatives": {"uniform": 20},
    "training": {
        "epochs": EPOCHS,
        "batch_size": 8,
        "threads": 1,
        "checkpoint": "1s",
        "buffer": 2,
        "sweeps": 1,
    },
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
    """How good the same training is where nothing happens."""
    model = daskgraph.train(graph, tmp_path_factory.mktemp("unbroken") / "m.model.zarr", config=CONFIG)
    return quality(model)


def quality(model: daskgraph.Model) -> float:
    """Hits@3: every node is its own best neighbour here, so that the first place is chance."""
    return model.evaluate("test").hits["3"]


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
    assert quality(daskgraph.open_model(path)) > 0.98 * unbroken


def test_unbroken__can_be_fallen_short_of(graph: Path, unbroken: float, tmp_path: Path) -> None:
    few = CONFIG | {"training": CONFIG["training"] | {"epochs": 1}}
    short = quality(daskgraph.train(graph, tmp_path / "m.model.zarr", config=few))
    assert short < 0.8 * unbroken


@pytest.mark.parametrize(
    ("point", "calls"),
    [("reading partitions", 5), ("staging", 5), ("pushing", 3)],
)
def test_killed__while_it_is(
    point: str, calls: int, processes: Processes, graph: Path, unbroken: float, tmp_path: Path
) -> None:
    dead = processes.worker(point, calls, "kill")
    processes.worker()
    train(processes, graph, tmp_path / "m.model.zarr", 2)
    assert dead.wait(60) == -signal.SIGKILL
    check(tmp_path / "m.model.zarr", unbroken)


def test_killed__while_it_trains_who_joined_on_the_way(
    processes: Processes, graph: Path, unbroken: float, tmp_path: Path
) -> None:
    late: list[subprocess.Popen[bytes]] = []
    processes.worker()
    with processes.client(1) as client:

        def join(event: Event) -> None:
            if isinstance(event, EpochFinished) and event.epoch == 2:
                late.append(processes.worker("training", 3, "kill"))
                client.wait_for_workers(3, timeout=120)  # that with the parameters among them

        daskgraph.train(graph, tmp_path / "m.model.zarr", config=CONFIG, client=client, callback=join)
    assert late[0].wait(60) == -signal.SIGKILL
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


def test_disk__of_one_worker_is_full(
    processes: Processes, graph: Path, unbroken: float, tmp_path: Path
) -> None:
    events: list[Event] = []
    processes.worker("staging", 5, "fill disk")
    processes.worker()
    train(processes, graph, tmp_path / "m.model.zarr", 2, events.append)
    assert any(isinstance(event, Notice) and "no space left" in event.text for event in events)
    check(tmp_path / "m.model.zarr", unbroken)


def test_frozen__its_successor_commits_and_its_own_write_is_refused(
    processes: Processes, graph: Path, unbroken: float, tmp_path: Path
) -> None:
    frozen = processes.worker("staging", 5, "freeze")
    processes.worker()
    gone = False

    def wake(event: Event) -> None:
        nonlocal gone
        gone = gone or (isinstance(event, Notice) and "is gone" in event.text)
        if gone and isinstance(event, Committed):
            frozen.send_signal(signal.SIGCONT)

    train(processes, graph, tmp_path / "m.model.zarr", 2, wake)
    assert gone
    wait_for(lambda: "after freeze: " in processes.said(frozen))
    assert "after freeze: StaleLeaseError" in processes.said(frozen)
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


def test_driver__is_killed(processes: Processes, graph: Path, unbroken: float, tmp_path: Path) -> None:
    path = tmp_path / "m.model.zarr"
    processes.worker()
    processes.worker()
    with processes.client(2):
        pass
    keys = [part for key, value in flat(CONFIG).items() for part in ("-s", f"{key}={value}")]
    program = [sys.executable, "-m", "daskgraph.cli", "train", str(graph), "-o", str(path)]
    with (tmp_path / "driver.log").open("wb") as log:
        driver = subprocess.Popen([*program, "--cluster", str(processes.file), *keys], stdout=log, stderr=log)
    wait_for(lambda: path.exists() and bool(ModelStore.open(path).history))
    driver.kill()
    driver.wait()
    assert len(ModelStore.open(path).history) < EPOCHS
    train(processes, graph, path, 2)
    check(path, unbroken)


def test_network__is_cut(graph: Path, unbroken: float, tmp_path: Path) -> None:
    with (
        other_network() as (name, here, there),
        cluster(tmp_path / "cluster", here) as started,
    ):
        started.worker(host=there, prefix=["ip", "netns", "exec", name])
        started.worker(host=here)
        gone = False

        def cut(event: Event) -> None:
            """Cut it after two epochs, and mend it once what was lost is trained by the other."""
            nonlocal gone
            gone = gone or (isinstance(event, Notice) and "is gone" in event.text)
            if isinstance(event, EpochFinished) and event.epoch == 2:
                subprocess.run(["ip", "-n", name, "link", "set", "dg1", "down"], check=True)
            elif gone and isinstance(event, Committed):
                subprocess.run(["ip", "-n", name, "link", "set", "dg1", "up"], check=True)

        train(started, graph, tmp_path / "m.model.zarr", 2, cut)
    assert gone
    check(tmp_path / "m.model.zarr", unbroken)


@contextmanager
def other_network() -> Iterator[tuple[str, str, str]]:
    """Give a network namespace, this machine's address on its link and its own; skip where root is needed."""
    name, here, there = f"daskgraph-{os.getpid()}", "10.213.77.1", "10.213.77.2"
    link = f"dg{os.getpid()}"
    commands = [
        f"netns add {name}",
        f"link add {link} type veth peer name dg1 netns {name}",
        f"address add {here}/24 dev {link}",
        f"-n {name} address add {there}/24 dev dg1",
        f"link set {link} up",
        f"-n {name} link set dg1 up",
        f"-n {name} link set lo up",
        f"-n {name} route add default via {here}",
    ]
    try:
        for command in commands:
            try:
                done = subprocess.run(["ip", *command.split()], check=False, capture_output=True, text=True)
            except FileNotFoundError:
                pytest.skip("there is no `ip` here to make another network with")
            if done.returncode:
                pytest.skip(f"another network can not be made here: {done.stderr.strip()}")
        yield name, here, there
    finally:
        for command in (f"link delete {link}", f"netns delete {name}"):
            subprocess.run(["ip", *command.split()], check=False, capture_output=True)


def flat(tables: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {f"{table}.{key}": value for table, keys in tables.items() for key, value in keys.items()}


def wait_for(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.02)
