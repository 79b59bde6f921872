"""Pairs of walks: a store of their own, the same however it is cut, and what is trained on them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from known_graphs import clique_purity, cliques, rings

import daskgraph
from daskgraph import walks
from daskgraph.config import Config
from daskgraph.errors import AlreadyExistsError, ConfigValueError, FixedKeyError, NeighborsTooBigError
from daskgraph.events import Event, WalksFinished, WalksProgress, WalksStarted, ignore
from daskgraph.planning import expected_pairs
from daskgraph.store import GraphStore

KEYS: dict[str, Any] = {"walks": {"per_node": 3, "length": 6, "window": 2}}


def graph_of(folder: Path, edges: Any, **config: Any) -> GraphStore:
    daskgraph.import_edges(edges, folder / "g.zarr", config=config)
    return GraphStore.open(folder / "g.zarr")


def pairs_of(graph: GraphStore) -> Counter[tuple[int, int]]:
    edges = graph.read_edges("train", 0, graph.splits["train"])
    return Counter(zip(edges.head.tolist(), edges.tail.tolist(), strict=True))


def test_walked__pairs_lie_in_their_buckets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walks, "BLOCK", 50)
    graph = graph_of(tmp_path, cliques(4, 6), graph={"partitions": 3})
    told: list[Event] = []
    config = Config.from_dict(KEYS)
    found = walks.walked(graph, tmp_path / "w.zarr", config, told.append)
    bounds, offsets = graph.partition_bounds("entity"), found.bucket_offsets("train")
    for bucket in range(9):
        part = found.read_edges("train", int(offsets[bucket]), int(offsets[bucket + 1]))
        assert len(part.head)
        assert (np.searchsorted(bounds, part.head, "right") - 1 == bucket // 3).all()
        assert (np.searchsorted(bounds, part.tail, "right") - 1 == bucket % 3).all()
    names = list(graph.names("entity"))
    assert all(names[head][:2] == names[tail][:2] for head, tail in pairs_of(found))
    assert told[0] == WalksStarted(72)
    assert sum(event.walks for event in told if isinstance(event, WalksProgress)) == 72
    assert isinstance(told[-1], WalksFinished)
    assert told[-1].pairs == found.splits["train"]
    assert not list(tmp_path.glob("*.spool"))
    np.testing.assert_array_equal(found.degrees("entity"), graph.degrees("entity"))


def test_walked__the_same_pairs_however_they_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = graph_of(tmp_path, cliques(3, 5))
    config = Config.from_dict(KEYS | {"training": {"threads": 1}})
    whole = pairs_of(walks.walked(graph, tmp_path / "one.zarr", config, ignore))
    monkeypatch.setattr(walks, "BLOCK", 24)
    monkeypatch.setattr(walks, "SLICE", 7)
    several = config.override(["training.threads=3"])
    assert pairs_of(walks.walked(graph, tmp_path / "other.zarr", several, ignore)) == whole
    other = config.override(["training.seed=1"])
    assert pairs_of(walks.walked(graph, tmp_path / "third.zarr", other, ignore)) != whole


def test_neighbors__without_loops_in_both_directions(tmp_path: Path) -> None:
    edges = pd.DataFrame(
        [("a", "b", 2.0), ("b", "b", 9.0), ("c", "a", 1.0)], columns=["head", "tail", "weight"]
    )
    graph = graph_of(tmp_path, edges)
    found = walks.read_neighbors(graph, 1 << 20)
    row = {name: place for place, name in enumerate(graph.names("entity"))}
    lists = [found.ids[found.offsets[row[name]] : found.offsets[row[name] + 1]].tolist() for name in "abc"]
    assert lists == [sorted([row["b"], row["c"]]), [row["a"]], [row["a"]]]
    last = found.offsets[1:] - 1
    assert found.weights[last][[row["a"], row["b"], row["c"]]].tolist() == [3, 2, 1]
    assert len(walks.kept_shares(found, 0.0)) == 0
    # The median of 3, 2 and 1 is 2.
    shares = walks.kept_shares(found, 0.5)[[row["a"], row["b"], row["c"]]]
    np.testing.assert_allclose(shares, [np.sqrt(2 / 3), 1, 1])


def test_kept_shares__by_degree_and_all_of_who_is_alone(tmp_path: Path) -> None:
    edges = pd.DataFrame(
        [("a", "b"), ("a", "c"), ("a", "d"), ("a", "f"), ("e", "e")], columns=["head", "tail"]
    )
    graph = graph_of(tmp_path, edges)
    found = walks.kept_shares(walks.read_neighbors(graph, 1 << 20), 1.0)
    by_name = dict(zip(graph.names("entity"), found.tolist(), strict=True))
    assert by_name == {"a": 0.25, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1}


def test_neighbors__that_do_not_fit_are_refused(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, pd.DataFrame([("a", "b"), ("c", "a")], columns=["head", "tail"]))
    with pytest.raises(NeighborsTooBigError, match="per_node=0"):
        walks.read_neighbors(graph, 10)


@pytest.mark.compiled
def test_train__walks_bring_communities_together_and_are_made_once(tmp_path: Path) -> None:
    config = KEYS | {"model": {"dimension": 16, "init_scale": 0.1}, "graph": {"partitions": 2}}
    told: list[Event] = []
    training = {"epochs": 4, "batch_size": 20, "threads": 1}
    model = daskgraph.train(
        cliques(8, 8), tmp_path / "m.model.zarr", config=config | {"training": training}, callback=told.append
    )
    pairs = next(event.pairs for event in told if isinstance(event, WalksFinished))
    assert model.summary["edges"] == 4 * pairs
    assert clique_purity(np.asarray(model.embeddings()[:]), model.names()) > 0.9
    told.clear()
    again = daskgraph.train(
        cliques(8, 8), tmp_path / "m.model.zarr", config={"training": {"epochs": 5}}, callback=told.append
    )
    assert (again.epochs, again.summary["edges"]) == (5, pairs)
    assert not any(isinstance(event, WalksStarted) for event in told)
    with pytest.raises(FixedKeyError, match=r"walks\.window"):
        daskgraph.train(cliques(8, 8), tmp_path / "m.model.zarr", config={"walks": {"window": 5}})


@pytest.mark.compiled
def test_plan__knows_how_many_pairs_there_will_be(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, cliques(20, 10))
    keys = KEYS | {"walks": {"per_node": 4, "length": 12, "window": 5}}
    pairs = walks.walked(graph, tmp_path / "w.zarr", Config.from_dict(keys), ignore).splits["train"]
    planned = expected_pairs(200, 4, 12, 5)
    # Of two steps, one in nine leads back.
    assert 0.85 * planned < pairs < planned
    plan = daskgraph.plan(graph, config=keys)
    assert plan.edges == planned
    assert plan.disk_bytes > daskgraph.plan(graph).disk_bytes + 16 * planned
    assert any(f"{planned:,} pairs" in note for note in plan.notes)


@pytest.mark.compiled
def test_plan__knows_how_many_pairs_thinning_leaves(tmp_path: Path) -> None:
    spokes = [(hub, f"n{other}") for hub in ("a", "b") for other in range(300)]
    rim = [(f"n{i}", f"n{(i + step) % 300}") for i in range(300) for step in (1, 2)]
    graph = graph_of(tmp_path, pd.DataFrame(spokes + rim, columns=["head", "tail"]))
    keys = {"walks": {"per_node": 20, "length": 40, "window": 10, "thinning": 0.5}}
    pairs = walks.walked(graph, tmp_path / "w.zarr", Config.from_dict(keys), ignore).splits["train"]
    plan = daskgraph.plan(graph, config=keys)
    assert plan.edges < 0.7 * expected_pairs(302, 20, 40, 10)
    assert pairs == pytest.approx(plan.edges, rel=0.1)


def test_train__refuses_walks_on_typed_graphs(tmp_path: Path) -> None:
    with pytest.raises(ConfigValueError, match="untyped graphs"):
        daskgraph.train(rings(12), tmp_path / "m.model.zarr", config=KEYS)


def test_walked__spares_what_is_not_its_own(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, cliques(2, 4))
    with pytest.raises(AlreadyExistsError):
        walks.walked(graph, tmp_path / "g.zarr", Config.from_dict(KEYS), ignore)
    first = walks.walked(graph, tmp_path / "w.zarr", Config.from_dict(KEYS), ignore)
    other = Config.from_dict(KEYS).override(["walks.p=0.5"])
    assert walks.walked(graph, tmp_path / "w.zarr", other, ignore).fingerprint != first.fingerprint
