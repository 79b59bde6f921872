"""Trainings on Dask clusters: the same models, whoever dies, and nobody else gets in."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pandas as pd
import pytest
from distributed import Client, Scheduler, SpecCluster, Worker
from known_graphs import clans, clique_purity, cliques

import daskgraph
from daskgraph.errors import ConfigValueError, LeaseFailedError, NoProgressError
from daskgraph.events import Committed, EdgesTrained, EpochFinished, Event, Notice
from daskgraph.executors.connection import Connection, returned
from daskgraph.executors.local_cluster import local_client
from daskgraph.executors.session import Result, Session, Training
from daskgraph.registration import registered
from daskgraph.schedule import Train
from daskgraph.store import ModelStore
from daskgraph_kernels import losses, names

pytestmark = [pytest.mark.faults, pytest.mark.compiled]

HOST = "127.0.0.1"
CLIQUES, SIZE, EPOCHS = 40, 6, 12
EDGES = CLIQUES * SIZE * (SIZE - 1)
EDGE_LIST = cliques(CLIQUES, SIZE)


def config(**changes: dict[str, Any]) -> dict[str, Any]:
    tables: dict[str, dict[str, Any]] = {
        "graph": {"partitions": 4},
        "model": {"dimension": 16, "comparator": "cos"},
        "negatives": {"uniform": 20},
        "training": {"epochs": EPOCHS, "batch_size": 20, "threads": 1, "checkpoint": "1s"},
    }
    return {name: tables.get(name, {}) | changes.get(name, {}) for name in tables.keys() | changes.keys()}


def check(path: Path, epochs: int = EPOCHS) -> None:
    """Every epoch has trained every edge once, nothing is left staged, cliques lie together."""
    store = ModelStore.open(path)
    assert [entry["epoch"] for entry in store.history] == list(range(1, epochs + 1))
    assert {entry["edges"] for entry in store.history} == {EDGES}
    assert sorted(place.name for place in (path / "staging").iterdir()) == ["zarr.json"]
    rows = store.read_embeddings("entity", 0, CLIQUES * SIZE)
    assert clique_purity(rows, list(store.open_graph().names("entity"))) > 0.95


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Two workers that are threads of this process: quick to start."""
    worker = {"host": HOST, "nthreads": 1, "dashboard_address": f"{HOST}:0", "memory_limit": 0}
    with (
        SpecCluster(
            scheduler={"cls": Scheduler, "options": {"host": HOST, "dashboard_address": f"{HOST}:0"}},
            workers={number: {"cls": Worker, "options": worker} for number in range(2)},
        ) as cluster,
        Client(cluster) as connected,
    ):
        yield connected


def test_client__trains_with_all_its_workers(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: set[str] = set()
    real = Session.train

    def train(self: Session, instruction: Train) -> Result:
        trained.add(instruction.worker)
        return real(self, instruction)

    monkeypatch.setattr(Session, "train", train)
    events: list[Event] = []
    model = daskgraph.train(
        cliques(CLIQUES, SIZE),
        tmp_path / "m.model.zarr",
        config=config(),
        client=client,
        callback=events.append,
    )
    check(tmp_path / "m.model.zarr")
    assert len(trained) == 2
    assert (model.summary["workers"], model.summary["threads"]) == (2, 1)
    assert model.summary["edges"] == EDGES * EPOCHS
    spent = [model.summary[f"{what}_seconds"] for what in ("compute", "io_wait", "commit", "idle")]
    assert all(0 < seconds < 2 * model.summary["seconds"] for seconds in spent)
    assert sum(spent) < 2 * model.summary["seconds"]
    assert sum(event.edges for event in events if isinstance(event, EdgesTrained)) == EDGES * EPOCHS
    assert sum(isinstance(event, EpochFinished) for event in events) == EPOCHS
    assert any(isinstance(event, Committed) for event in events)
    # A profile that is taken while a thread begins can lock a worker for good.
    callbacks = client.run(lambda dask_worker: list(dask_worker.periodic_callbacks))
    assert not any("profile" in names for names in callbacks.values())


def test_client__goes_on_with_a_model_that_was_trained_here(client: Client, tmp_path: Path) -> None:
    path, edges = tmp_path / "m.model.zarr", cliques(CLIQUES, SIZE)
    daskgraph.train(edges, path, config=config(training={"epochs": 2, "buffer": 2}))
    model = daskgraph.train(edges, path, config={"training": {"epochs": EPOCHS}}, client=client)
    assert model.summary["resumed_from"] == 2
    check(path)
    again = daskgraph.train(edges, path, config={"training": {"epochs": EPOCHS + 1}})
    assert again.summary["epochs"] == 1


def test_client__whole_types_and_operators_are_shared(client: Client, tmp_path: Path) -> None:
    edges = cliques(CLIQUES, SIZE).assign(relation="knows")[["head", "relation", "tail"]]
    typed = config(model={"operator": "translation", "reciprocal": True})
    model = daskgraph.train(edges, tmp_path / "m.model.zarr", config=typed, client=client)
    check(tmp_path / "m.model.zarr")
    stored = model.store.read_parameters()
    assert np.abs(stored["relations/translation"]).max() > 0
    assert np.abs(stored["relations/reciprocal_translation"]).max() > 0
    assert stored["optimizer/relations/translation"].min() >= 0


def test_client__features_are_shared(client: Client, tmp_path: Path) -> None:
    """Newcomers are known by features that all workers have trained; what is stored belongs together."""
    train, test, pairs = clans(8, 12, 4, 3)
    typed = config(model={"operator": "translation"}, training={"epochs": 25}) | {
        "entities": {"user": {"featurized": True}, "item": {}},
        "relations": [{"name": "buys", "head": "user", "tail": "item"}],
    }
    graph = tmp_path / "g.graph.zarr"
    features = {"user": pd.DataFrame(pairs)}
    daskgraph.import_edges(train, graph, config=typed, test=test, features=features)
    model = daskgraph.train(graph, tmp_path / "m.model.zarr", config=typed, client=client)
    assert model.summary["workers"] == 2
    lists, table = model.graph.store.features("user"), model.store.array("features/user")[:]
    assert lists is not None
    means = [table[own].mean(axis=0) for own in np.split(lists.ids, lists.offsets[1:-1])]
    np.testing.assert_allclose(model.embeddings("user")[:], means, rtol=1e-5, atol=1e-6)
    assert model.evaluate("test").sides["tail"].mrr > 0.9


def test_client__workers_evaluate_on_the_way_and_at_the_end(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    edges = cliques(CLIQUES, SIZE)
    edges.to_csv(folder / "train.csv", index=False)
    edges[::7].to_csv(folder / "valid.csv", index=False)
    with monkeypatch.context() as patch:
        patch.setattr("daskgraph.evaluation.evaluating.rank_here", None)
        model = daskgraph.train(
            folder, tmp_path / "m.model.zarr", config=config(evaluation={"every": 3}), client=client
        )
    assert model.summary["evaluation"]["mrr"] == model.evaluate("valid").mrr
    with_figures = [entry["epoch"] for entry in model.history if "evaluation" in entry]
    assert with_figures[:2] == [3, 6]


def test_failure__three_times_stops_with_the_reason(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise FloatingPointError("the sky fell down")

    monkeypatch.setattr("daskgraph.trainer.trainer.Trainer.train", broken)
    with pytest.raises(LeaseFailedError, match="the sky fell down"):
        daskgraph.train(EDGE_LIST, tmp_path / "m.model.zarr", config=config(), client=client)


def test_patience__says_who_holds_what(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken = threading.Event()
    monkeypatch.setattr("daskgraph.trainer.trainer.Trainer.train", lambda *_: woken.wait(60) and (0, 0.0))
    impatient = config(cluster={"patience": "2s"})
    try:
        with pytest.raises(NoProgressError, match="holds partitions"):
            daskgraph.train(EDGE_LIST, tmp_path / "m.model.zarr", config=impatient, client=client)
    finally:
        woken.set()


def test_workers__need_partitions_to_share(tmp_path: Path) -> None:
    few = config(graph={"partitions": 2}, cluster={"workers": 2})
    with pytest.raises(ConfigValueError, match=r"graph\.partitions=8"):
        daskgraph.train(EDGE_LIST, tmp_path / "m.model.zarr", config=few)


def test_address__that_nobody_answers(tmp_path: Path) -> None:
    gone = config(cluster={"kind": "address", "address": "tcp://127.0.0.1:1"})
    hasty = dask.config.set({"distributed.comm.timeouts.connect": "1s"})
    with hasty, pytest.raises(ConfigValueError, match=r"cluster\.address"):
        daskgraph.train(EDGE_LIST, tmp_path / "m.model.zarr", config=gone)


def test_scheduler_file__of_a_running_cluster(client: Client, tmp_path: Path) -> None:
    client.write_scheduler_file(str(tmp_path / "scheduler.json"))
    there = config(cluster={"kind": "address", "address": str(tmp_path / "scheduler.json")})
    model = daskgraph.train(EDGE_LIST, tmp_path / "m.model.zarr", config=there)
    assert model.summary["workers"] == 2
    # A scheduler that ends takes its file along, and Dask would wait for the next one.
    (tmp_path / "scheduler.json").unlink()
    with pytest.raises(ConfigValueError, match=r"no such file; --cluster local trains here"):
        daskgraph.train(EDGE_LIST, tmp_path / "m.model.zarr", config={"training": {"epochs": 99}})


def test_interrupt__commits_what_was_trained(client: Client, tmp_path: Path) -> None:
    """Nothing is committed in the middle of an epoch but by Ctrl-C: all that was trained is in the store."""
    trained, pressed = 0, False

    def press(event: Event) -> None:
        nonlocal trained, pressed
        trained += event.edges if isinstance(event, EdgesTrained) else 0
        if isinstance(event, EdgesTrained) and event.epoch == 2 and not pressed:
            pressed = True
            os.kill(os.getpid(), signal.SIGINT)

    path, patient = tmp_path / "m.model.zarr", config(training={"checkpoint": "1h"})
    with pytest.raises(KeyboardInterrupt):
        daskgraph.train(EDGE_LIST, path, config=patient, client=client, callback=press)
    progress = ModelStore.open(path).progress
    assert progress["epoch"] == 1
    assert EDGES + progress["edges"] == trained
    daskgraph.train(EDGE_LIST, path, client=client)
    check(path)


def test_local_workers__one_is_killed_and_its_lease_is_done_by_another(tmp_path: Path) -> None:
    events: list[Event] = []
    children: list[int] = []

    def kill_one(event: Event) -> None:
        events.append(event)
        if isinstance(event, EpochFinished) and event.epoch == 2:
            children.extend(trainers())
            os.kill(children[0], signal.SIGKILL)

    model = daskgraph.train(
        cliques(CLIQUES, SIZE),
        tmp_path / "m.model.zarr",
        config=config(cluster={"workers": 2}),
        callback=kill_one,
    )
    assert model.summary["workers"] >= 2
    assert any(isinstance(event, Notice) and "is gone" in event.text for event in events)
    check(tmp_path / "m.model.zarr")


OWN_LOSS = """
def quadratic(positive, scores, weights, margin, temperature, d_positive):
    loss = 0.0
    for i in range(len(positive)):
        loss += (positive[i] - 1) ** 2
        d_positive[i] = 2 * (positive[i] - 1)
        for j in range(scores.shape[1]):
            score = scores[i, j] if scores[i, j] > -1e8 else 0
            loss += score * score
            scores[i, j] = 2 * score
    return loss
"""


def test_local_workers__know_what_was_registered_here(
    tmp_path: Path,
) -> None:
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(OWN_LOSS, space)
    daskgraph.register_loss("quadratic", space["quadratic"])
    own = config(loss={"function": "quadratic"}, training={"epochs": 1}, cluster={"workers": 2})
    try:
        model = daskgraph.train(EDGE_LIST, tmp_path / "m.model.zarr", config=own)
    finally:
        names.LOSSES.remove("quadratic")
        del losses.LOSSES["quadratic"]
    assert model.summary["edges"] == EDGES
    assert model.summary["loss"] > 0


def trainers() -> list[int]:
    """Processes that descend from this one and hold a connection of Dask's worker."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
                command = (folder / "cmdline").read_text()
            except (OSError, ValueError):
                continue
            if parent == os.getpid() and "spawn_main" in command:
                found.append(int(folder.name))
    return found


def test_local_client__is_closed_to_all_others() -> None:
    with local_client(1) as client:
        assert {address.split(":")[0] for address in listening()} <= {"127.0.0.1"}
        with pytest.raises((OSError, ValueError)):
            Client(client.scheduler_info()["address"].replace("tls", "tcp"), timeout="3s")
        from distributed.security import Security

        with pytest.raises(OSError, match=r".*"):
            Client(client.scheduler_info()["address"], security=Security.temporary(), timeout="3s")


def test_connection__opens_but_one_port_to_others(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the scheduler is elsewhere, what is brought is reached from there: by Dask's protocol alone."""
    monkeypatch.setattr("daskgraph.executors.connection._own_host", lambda _: None)
    before = listening()
    training = Training("films", str(tmp_path / "m"), str(tmp_path / "g"), {}, 2, 1, registered())
    connection = Connection(client, training)
    try:
        opened = listening() - before
    finally:
        connection.close()
    hosts = {port: host for host, port in (address.rsplit(":", 1) for address in opened)}
    assert sorted(host == "127.0.0.1" for host in hosts.values()) == [False, True]


def listening() -> set[str]:
    """Addresses on which this process or a child of it listens."""
    inodes = set()
    for process in (os.getpid(), *trainers()):
        for link in Path(f"/proc/{process}/fd").iterdir():
            try:
                target = os.readlink(link)
            except OSError:
                continue
            if target.startswith("socket:"):
                inodes.add(target[8:-1])
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                address, port = fields[1].split(":")
                numbers = bytes.fromhex(address)[::-1] if len(address) == 8 else bytes.fromhex(address)
                name = ".".join(map(str, numbers)) if len(numbers) == 4 else address
                found.add(f"{name}:{int(port, 16)}")
    assert found
    return found


class LostFuture:
    """Ends well, but what it returned goes with its worker."""

    status = "finished"

    def __init__(self) -> None:
        self.failures: list[type[Exception]] = [UnboundLocalError, TimeoutError]

    def result(self, timeout: float) -> None:
        failure = self.failures.pop()
        self.status = "finished" if self.failures else "lost"
        raise failure


def test_returned__what_went_with_a_worker_is_not_waited_for() -> None:
    assert returned(LostFuture()) is None
