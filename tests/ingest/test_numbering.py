from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edge_files import named_edges, write_edges

from daskgraph.config import Config
from daskgraph.errors import MemoryTooSmallError
from daskgraph.events import Event, Notice
from daskgraph.ingest.numbering import random_order
from daskgraph.store import GraphStore
from ingest.test_formats import check_buckets, imported

TYPED = {
    "graph": {"partitions": 3},
    "entities": {"user": {}, "item": {}, "country": {"partitioned": False}},
    "relations": [
        {"name": "follows", "head": "user", "tail": "user"},
        {"name": "buys", "head": "user", "tail": "item"},
        {"name": "lives", "head": "user", "tail": "country"},
        {"name": "borders", "head": "country", "tail": "country"},
    ],
}


def typed_rows() -> list[tuple[int, str, int]]:
    rng = np.random.default_rng(0)
    sizes = {"follows": (60, 60), "buys": (60, 30), "lives": (60, 4), "borders": (4, 4)}
    rows = []
    for relation, (heads, tails) in sizes.items():
        pairs = zip(rng.integers(0, heads, 300).tolist(), rng.integers(0, tails, 300).tolist(), strict=True)
        rows += [(head, relation, tail) for head, tail in pairs]
    return rows


def test_types(tmp_path: Path) -> None:
    """The same id in two types is two entities; edges of unpartitioned types are in every bucket."""
    file = write_edges(tmp_path / "edges.tsv", typed_rows())
    graph = imported(file, tmp_path, config=Config.from_dict(TYPED))
    schema = graph.schema
    assert {kind.name: kind.count for kind in schema.entity_types} == {"user": 60, "item": 30, "country": 4}
    assert [kind.partitioned for kind in schema.entity_types] == [True, True, False]
    assert graph.relation_names == ("follows", "buys", "lives", "borders")
    assert sum(named_edges(graph).values()) == 1200
    assert named_edges(graph).keys() == {(str(head), name, str(tail)) for head, name, tail in typed_rows()}
    check_buckets(graph)
    edges = graph.read_edges("train", 0, 1200)
    bucket = np.repeat(np.arange(9), np.diff(graph.bucket_offsets("train")))
    for relation, share in (("borders", 300 / 9), ("lives", 300 / 9)):
        counts = np.bincount(bucket[edges.relation == schema.relation_index(relation)], minlength=9)
        assert counts.min() > 0.5 * share
        assert counts.max() < 1.6 * share
    for kind in schema.entity_types:
        expected = np.zeros(kind.count, np.int64)
        for relation_type, index in zip(schema.relations, range(4), strict=True):
            chosen = edges.relation == index
            for side, rows in ((relation_type.head, edges.head), (relation_type.tail, edges.tail)):
                if side == kind.name:
                    np.add.at(expected, rows[chosen], 1)
        np.testing.assert_array_equal(graph.degrees(kind.name), expected)


def test_types__partitions_are_balanced(tmp_path: Path) -> None:
    """Entities are numbered at random: ranges of rows are fair samples, whatever the order of the file."""
    rows = [(number // 10, number % 1000) for number in range(10_000)]
    file = write_edges(tmp_path / "edges.tsv", rows)
    graph = imported(file, tmp_path, config=Config.from_dict({"graph": {"partitions": 4}}))
    assert np.diff(graph.partition_bounds("entity")).tolist() == [250] * 4
    buckets = np.diff(graph.bucket_offsets("train"))
    assert buckets.min() > 0.7 * 10_000 / 16
    assert buckets.max() < 1.3 * 10_000 / 16


def test_one_configured_relation(tmp_path: Path) -> None:
    file = write_edges(tmp_path / "edges.tsv", [("a", "b")])
    config = Config.from_dict({"relations": [{"name": "knows", "operator": "translation"}]})
    assert named_edges(imported(file, tmp_path, config=config)) == {("a", "knows", "b"): 1}


def same(first: GraphStore, second: GraphStore) -> bool:
    edges = [graph.read_edges("train", 0, graph.splits["train"]) for graph in (first, second)]
    return all(np.array_equal(a, b) for a, b in zip(*(e[:3] for e in edges), strict=True))


def test_reproducible(tmp_path: Path) -> None:
    rows = [(number, (number * 7919) % 500) for number in range(500)]
    file = write_edges(tmp_path / "edges.tsv", rows)
    graphs = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        config = Config.from_dict({"graph": {"partitions": 2}, "training": {"seed": seed}})
        graphs.append(imported(file, tmp_path / name, config=config))
    assert graphs[0].fingerprint == graphs[1].fingerprint != graphs[2].fingerprint
    assert same(graphs[0], graphs[1])
    assert not same(graphs[0], graphs[2])
    assert list(graphs[0].names("entity")) != sorted(graphs[0].names("entity"))


def test_shuffled_inside_buckets(tmp_path: Path) -> None:
    file = write_edges(tmp_path / "edges.tsv", [(number, f"r{number // 100}", 0) for number in range(1000)])
    relation = imported(file, tmp_path).read_edges("train", 0, 1000).relation
    assert len(np.unique(relation[:100])) > 5


def test_random_order() -> None:
    order = random_order(1000, 3, 1, 0)
    assert sorted(order.tolist()) == list(range(1000))
    assert order.tolist() != random_order(1000, 3, 1, 1).tolist()
    assert order.dtype == np.int32


@pytest.mark.parametrize(("memory", "partitions"), [("auto", 1), ("1GiB", 1), ("600MiB", 8), ("400MiB", 32)])
def test_auto_partitions(memory: str, partitions: int, tmp_path: Path) -> None:
    # Vectors would take 382 MiB.
    file = write_edges(tmp_path / "edges.tsv", [(number, number + 1) for number in range(9_999)])
    config = Config.from_dict({"model": {"dimension": 10_000}, "training": {"memory": memory, "threads": 1}})
    events: list[Event] = []
    assert imported(file, tmp_path, config=config, callback=events.append).schema.partitions == partitions
    notices = [event.text for event in events if isinstance(event, Notice)]
    chosen = (
        f"graph.partitions = {partitions}: all vectors take 381.6MiB, training.memory is {memory[:3]}.0MiB"
    )
    assert notices == ([] if partitions == 1 else [chosen])


def test_auto_partitions__that_can_not_fit(tmp_path: Path) -> None:
    file = write_edges(tmp_path / "edges.tsv", [(number, number + 1) for number in range(9)])
    config = Config.from_dict({"training": {"memory": "100MiB"}})
    with pytest.raises(MemoryTooSmallError, match=r"training.memory of 100.0MiB is too small"):
        imported(file, tmp_path, config=config)
    assert [path.name for path in tmp_path.iterdir()] == ["edges.tsv"]


def test_entities_without_train_edges_are_told(tmp_path: Path) -> None:
    train = write_edges(tmp_path / "train.tsv", [("a", "b"), ("b", "c")])
    test = write_edges(tmp_path / "test.tsv", [("a", "new"), ("newer", "newest"), ("c", "new")])
    events: list[Event] = []
    graph = imported(train, tmp_path, test=test, callback=events.append)
    assert int((graph.degrees("entity") == 0).sum()) == 3
    [notice] = [event.text for event in events if isinstance(event, Notice)]
    assert notice.startswith("3 entities are in valid or test edges only, and will not be trained")


def test_auto_partitions__for_several_workers(tmp_path: Path) -> None:
    file = write_edges(tmp_path / "edges.tsv", [(number, number + 1) for number in range(999)])
    config = Config.from_dict({"cluster": {"workers": 3}})
    assert imported(file, tmp_path, config=config).schema.partitions == 32
