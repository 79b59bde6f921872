"""Edges that are held out at random: which they are, what goes with them, and what stays."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from edge_files import Row, named_edges, write_edges
from hypothesis import given, settings
from hypothesis import strategies as st

from daskgraph.config import Config
from daskgraph.errors import ShareError, SourceError
from daskgraph.events import Event, Notice
from daskgraph.store import GraphStore
from ingest.test_formats import imported
from ingest.test_numbering import TYPED, typed_rows


def random_rows(count: int, entities: int, relations: int = 3, seed: int = 0) -> list[Row]:
    rng = np.random.default_rng(seed)
    columns = (
        rng.integers(0, entities, count),
        rng.integers(0, relations, count),
        rng.integers(0, entities, count),
    )
    return [(f"e{head}", f"r{relation}", f"e{tail}") for head, relation, tail in zip(*columns, strict=True)]


def splits_of(rows: list[Row], folder: Path, **options: object) -> dict[str, Counter[Row]]:
    with TemporaryDirectory(dir=folder) as own:
        graph = imported(write_edges(Path(own) / "edges.tsv", rows), own, **options)
        return {split: named_edges(graph, split) for split in graph.splits}


def check_coverage(graph: GraphStore) -> None:
    edges = graph.read_edges("train", 0, graph.splits["train"])
    assert np.unique(edges.relation).tolist() == list(range(len(graph.schema.relations)))
    for kind in graph.schema.entity_types:
        assert graph.degrees(kind.name).min() > 0


@settings(max_examples=30)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("rs"), st.sampled_from("abcdefgh")),
        min_size=20,
        max_size=80,
    ),
    seed=st.integers(0, 3),
    shares=st.sampled_from([{"valid": 0.3, "test": 0.3}, {"test": 0.5}, {"valid": 0.4}]),
)
def test_every_edge_has_one_split(rows: list[Row], seed: int, shares: dict[str, float]) -> None:
    config = Config.from_dict({"training": {"seed": seed}})
    with TemporaryDirectory() as folder:
        try:
            graph = imported(write_edges(Path(folder) / "e.tsv", rows), folder, config=config, **shares)
        except ShareError:
            # Which of so few edges are drawn is chance: perhaps none.
            return
        splits = {split: named_edges(graph, split) for split in graph.splits}
        assert splits.keys() == {"train", *shares}
        assert sum(splits.values(), Counter()) == Counter(rows)
        check_coverage(graph)
    seen: dict[tuple[frozenset[str], str], str] = {}
    for split, edges in splits.items():
        for head, relation, tail in edges:
            assert seen.setdefault((frozenset((head, tail)), relation), split) == split


def test_shares(tmp_path: Path) -> None:
    rows = random_rows(20_000, 500)
    splits = splits_of(rows, tmp_path, valid=0.05, test=0.1)
    total = {split: sum(edges.values()) for split, edges in splits.items()}
    assert sum(total.values()) == 20_000
    # Binomial: six standard deviations.
    assert abs(total["valid"] - 1000) < 6 * np.sqrt(20_000 * 0.05 * 0.95)
    assert abs(total["test"] - 2000) < 6 * np.sqrt(20_000 * 0.1 * 0.9)


def test_neither_order_nor_other_edges_matter(tmp_path: Path) -> None:
    rows = random_rows(3000, 100)
    splits = splits_of(rows, tmp_path, valid=0.2, test=0.2)
    assert splits_of(rows[::-1], tmp_path, valid=0.2, test=0.2) == splits
    more = splits_of(random_rows(500, 40, seed=1) + rows, tmp_path, valid=0.2, test=0.2)
    for split, edges in splits.items():
        assert edges.keys() <= more[split].keys()


def test_seed(tmp_path: Path) -> None:
    rows = random_rows(3000, 100)
    first, second = (
        splits_of(rows, tmp_path, test=0.2, config=Config.from_dict({"training": {"seed": seed}}))["test"]
        for seed in (0, 1)
    )
    shared = len(first.keys() & second.keys()) / len(first)
    assert 0.1 < shared < 0.3


def test_runs_of_edges_are_drawn_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = random_rows(1000, 50)
    splits = splits_of(rows, tmp_path, valid=0.3)
    monkeypatch.setattr("daskgraph.ingest.holding_out.RUN", 7)
    assert splits_of(rows, tmp_path, valid=0.3) == splits


def test_types(tmp_path: Path) -> None:
    """Users and items share ids here: an edge from one type to another is not the one the other way round."""
    file = write_edges(tmp_path / "edges.tsv", typed_rows())
    graph = imported(file, tmp_path, config=Config.from_dict(TYPED), valid=0.4, test=0.4)
    check_coverage(graph)
    splits = {split: named_edges(graph, split) for split in graph.splits}
    total = Counter((str(head), name, str(tail)) for head, name, tail in typed_rows())
    assert sum(splits.values(), Counter()) == total
    bought = {
        split: {(head, tail) for head, name, tail in edges if name == "buys"}
        for split, edges in splits.items()
    }
    mirrored = {(tail, head) for head, tail in bought["test"]}
    assert mirrored & bought["train"]
    assert mirrored & bought["valid"]


def test_weights_go_along(tmp_path: Path) -> None:
    rows = [(*row, float(place)) for place, row in enumerate(random_rows(400, 30))]
    splits = splits_of(rows, tmp_path, test=0.3)
    assert sum(splits.values(), Counter()) == Counter(rows)
    assert splits["test"]


def test_share_beside_a_file(tmp_path: Path) -> None:
    """What stands in a file stays there; the folder's own valid edges are replaced by the share."""
    rows, test = random_rows(1000, 50), random_rows(100, 50, seed=1)
    graph = imported(
        write_edges(tmp_path / "edges.tsv", rows),
        tmp_path,
        valid=0.2,
        test=write_edges(tmp_path / "test.tsv", test),
    )
    assert list(graph.splits) == ["train", "valid", "test"]
    assert named_edges(graph, "test") == Counter(test)
    assert named_edges(graph, "train") + named_edges(graph, "valid") == Counter(rows)


def test_tree__every_entity_stays(tmp_path: Path) -> None:
    """No edge of a star can go without a leaf that would have none."""
    star = [("hub", f"leaf{number}") for number in range(300)]
    with pytest.raises(
        ShareError, match=r"valid = 0\.5 holds out none of 300 train edges: each of .* needed"
    ):
        imported(write_edges(tmp_path / "star.tsv", star), tmp_path, valid=0.5)
    assert not (tmp_path / "g.graph.zarr").exists()
    told: list[Event] = []
    ring = [(f"n{number}", f"n{(number + 1) % 300}") for number in range(300)]
    graph = imported(
        write_edges(tmp_path / "ring.tsv", ring), tmp_path, valid=0.4, test=0.4, callback=told.append
    )
    check_coverage(graph)
    # Which edge goes back has nothing to do with its split.
    assert 0.6 < graph.splits["valid"] / graph.splits["test"] < 1.6
    [text] = [event.text for event in told if isinstance(event, Notice)]
    assert text.endswith("more were drawn, but an entity or relation would have no train edge")


@pytest.mark.parametrize("seed", range(12))
def test_few_edges__all_may_be_drawn(tmp_path: Path, seed: int) -> None:
    """Two edges between the same two entities: both are drawn at times, and one of them has to stay."""
    rows = [("a", "r", "b"), ("b", "s", "a"), ("a", "s", "b"), ("c", "r", "d"), ("c", "s", "d")]
    config = Config.from_dict({"training": {"seed": seed}})
    file = write_edges(tmp_path / "edges.tsv", rows)
    try:
        graph = imported(file, tmp_path, config=config, valid=0.5, test=0.49)
    except ShareError:
        assert not (tmp_path / "g.graph.zarr").exists()
        return
    check_coverage(graph)
    assert graph.splits["train"] >= 2


def test_notice_and_sources(tmp_path: Path) -> None:
    told: list[Event] = []
    frame = pd.DataFrame(random_rows(1000, 50), columns=["head", "relation", "tail"])
    graph = imported(frame, tmp_path, valid=np.float64(0.1), test=0.2, callback=told.append)
    texts = [event.text for event in told if isinstance(event, Notice)]
    valid, test = (f"{graph.splits[key]} {key} ({graph.splits[key] / 1000:.1%})" for key in ("valid", "test"))
    assert texts == [f"held out at random: {valid} and {test} of 1,000 edges"]
    assert graph.sources == [
        {"split": "train", "name": "DataFrame"},
        {"split": "valid", "name": "train", "share": 0.1},
        {"split": "test", "name": "train", "share": 0.2},
    ]


@pytest.mark.parametrize("share", ["0.2", "20%", 0.2])
def test_shares_as_people_write_them(tmp_path: Path, share: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = random_rows(400, 30)
    splits = splits_of(rows, tmp_path, test=share)
    assert splits == splits_of(rows, tmp_path, test=0.2)
    if isinstance(share, str):
        write_edges(Path(share), rows[:3])
        assert sum(splits_of(rows, tmp_path, test=share)["test"].values()) == 3


def test_share_in_the_place_of_a_folders_file(tmp_path: Path) -> None:
    from daskgraph import api

    for split in ("train", "valid", "test"):
        write_edges(tmp_path / f"{split}.tsv", random_rows(400, 30))
    told: list[Event] = []
    found = api.import_edges(tmp_path, tmp_path / "g.zarr", test=0.1, callback=told.append)
    assert api.info(tmp_path / "g.zarr")["held_out"] == {"test": 0.1}
    assert found["edges"]["valid"] == 400
    assert found["edges"]["test"] < 100
    left_out = f"{tmp_path / 'test.tsv'} is left out, for other test edges are given"
    assert left_out in [event.text for event in told if isinstance(event, Notice)]


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 5, float("nan"), float("inf")])
def test_no_share(tmp_path: Path, share: float) -> None:
    with pytest.raises(ShareError, match="should be between 0 and 1, a share of the train edges, or a file"):
        imported(write_edges(tmp_path / "edges.tsv", random_rows(9, 3)), tmp_path, valid=share)


def test_no_train_edges_left(tmp_path: Path) -> None:
    with pytest.raises(ShareError, match=r"valid = 0\.6 leaves no train edges: together they are 1\.1"):
        imported(write_edges(tmp_path / "edges.tsv", random_rows(9, 3)), tmp_path, valid=0.6, test=0.5)


def test_trained_graph_is_not_the_file(tmp_path: Path) -> None:
    """Whoever trains the file later, at the place of a graph that lacks some of its edges, is told."""
    from daskgraph import api

    file = write_edges(tmp_path / "edges.tsv", random_rows(1000, 50))
    api.import_edges(file, tmp_path / "m.graph.zarr", test=0.1)
    with pytest.raises(SourceError, match="holds another graph"):
        api.train(file, tmp_path / "m.model.zarr")
