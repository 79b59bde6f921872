from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from edge_files import Row, named_edges, write_edges, write_packed
from hypothesis import given, settings
from hypothesis import strategies as st

from daskgraph.config import Config
from daskgraph.events import Event, Notice
from daskgraph.ingest import blocks as blocks_module
from daskgraph.ingest import import_edges
from daskgraph.ingest import text as text_module
from daskgraph.store import GraphStore

IN_TEXT = st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\t\ufeff")
NAMES = st.text(IN_TEXT, min_size=1, max_size=6).filter(lambda name: not name.startswith("#"))
WORDS = st.text("abcäß漢0123456789_/.-", min_size=1, max_size=5)
NUMBERS = st.integers(-(1 << 62), 1 << 62)
WEIGHTS = st.floats(0, 2.0**100, width=32)

FORMATS = st.sampled_from(["tsv", "csv", "txt", "parquet", "tsv.gz", "csv.zst", "tsv.zst"])


@st.composite
def edge_tables(
    draw: st.DrawFn, ids: st.SearchStrategy[object], relations: st.SearchStrategy[str]
) -> list[Row]:
    columns = draw(st.sampled_from([(ids, ids), (ids, relations, ids), (ids, relations, ids, WEIGHTS)]))
    return draw(st.lists(st.tuples(*columns), min_size=1, max_size=30))


def expected(rows: list[Row]) -> Counter[Row]:
    def named(row: Row) -> Row:
        relation = row[1] if len(row) > 2 else "edge"
        return str(row[0]), relation, str(row[2 if len(row) > 2 else 1]), *(float(w) for w in row[3:])

    return Counter(named(row) for row in rows)


def imported(sources: object, folder: str | Path, **options: object) -> GraphStore:
    path = Path(folder) / "g.graph.zarr"
    import_edges(sources, path, **options)  # type: ignore[arg-type]
    return GraphStore.open(path)


@settings(max_examples=40)
@given(data=st.data(), suffix=FORMATS, headed=st.booleans(), end=st.sampled_from(["\n", "\r\n"]))
def test_round_trip(data: st.DataObject, suffix: str, headed: bool, end: str) -> None:
    names = WORDS if suffix == "txt" else NAMES
    rows = data.draw(
        edge_tables(st.one_of(names), names) if data.draw(st.booleans()) else edge_tables(NUMBERS, names)
    )
    header = (
        ("head", "relation", "tail", "weight")[: len(rows[0])] if len(rows[0]) > 2 else ("source", "target")
    )
    last_end = data.draw(st.booleans())
    with tempfile.TemporaryDirectory() as folder:
        style = {"end": end, "last_end": last_end}
        file = write_edges(Path(folder) / f"edges.{suffix}", rows, header if headed else None, **style)
        graph = imported(file, folder)
        assert named_edges(graph) == expected(rows)
        uses: Counter[str] = Counter()
        for row in rows:
            uses.update([str(row[0]), str(row[1 if len(row) == 2 else 2])])
        names_found = list(graph.names("entity"))
        assert dict(zip(names_found, graph.degrees("entity").tolist(), strict=True)) == uses
        assert [graph.names("entity").row(name) for name in names_found] == list(range(len(names_found)))
        assert graph.relation_names == tuple(sorted({edge[1] for edge in expected(rows)}))


@settings(max_examples=20)
@given(rows=edge_tables(WORDS, WORDS), block=st.integers(30, 200))
def test_round_trip__many_blocks(rows: list[Row], block: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        read = blocks_module.read_blocks
        patch.setattr(text_module, "read_blocks", lambda path, packing: read(path, packing, block))
        file = write_edges(Path(folder) / "edges.tsv", rows * 5)
        assert named_edges(imported(file, folder)) == expected(rows * 5)


@pytest.mark.parametrize("header", [("user", "item", "rating"), ("userId", "movieId", "rating")])
def test_columns__of_who_rates_what_are_known_by_their_names(tmp_path: Path, header: Row) -> None:
    graph = imported(write_edges(tmp_path / "ratings.csv", [("a", "b", 4), ("a", "c", 2)], header), tmp_path)
    assert graph.relation_names == ("edge",)
    assert len(graph.names("entity")) == 3
    weights = graph.read_edges("train", 0, 2).weight
    assert weights is not None
    assert sorted(weights.tolist()) == [2, 4]


@pytest.mark.parametrize(
    ("columns", "header"),
    [
        (["tail", "_", "head", "relation"], None),
        (["head=2", "tail=0", "relation=3"], None),
        (["2", "3", "0"], None),
        (["a", "r", "b"], ("b", "x", "a", "r")),
        (["head=a", "tail=0", "relation=r"], ("b", "x", "a", "r")),
        (["head", "relation", "tail"], ("tail", "x", "head", "relation")),
    ],
)
@pytest.mark.parametrize("suffix", ["tsv", "csv", "parquet"])
def test_columns(tmp_path: Path, columns: list[str], header: Row | None, suffix: str) -> None:
    rows = [("b", 7, "a", "likes"), ("c", 8, "b", "likes")]
    file = write_edges(tmp_path / f"edges.{suffix}", rows, header)
    graph = imported(file, tmp_path, columns=columns)
    assert named_edges(graph) == {("a", "likes", "b"): 1, ("b", "likes", "c"): 1}


def test_columns__named_by_their_order_are_told(tmp_path: Path) -> None:
    file = write_edges(tmp_path / "e.tsv", [("a", "r", "b")], ("out of", "by", "into"))

    def told(columns: list[str]) -> list[str]:
        events: list[Event] = []
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.graph.zarr"
        import_edges(file, path, columns=columns, callback=events.append)
        return [event.text for event in events if isinstance(event, Notice)]

    assert told(["into", "by", "out of"]) == ["columns are taken as head=into, relation=by, tail=out of"]
    assert told(["0", "2"]) == ["columns are taken as head=0, tail=2"]
    assert told(["head=out of", "tail=into"]) == []
    assert told(["head", "relation", "tail"]) == []


def test_columns__weight(tmp_path: Path) -> None:
    file = write_edges(tmp_path / "edges.tsv", [("p1", "a1", 2.5), ("p2", "a1", 0)])
    graph = imported(file, tmp_path, columns=["head", "tail", "weight"])
    assert named_edges(graph) == {("p1", "edge", "a1", 2.5): 1, ("p2", "edge", "a1", 0.0): 1}


@pytest.mark.parametrize(
    "comments",
    ["# Directed graph\n# FromNodeId\tToNodeId\n", "#\n", "#source\ttarget\n", "## x\n#y\n", "# a\n\n"],
)
def test_comments(tmp_path: Path, comments: str) -> None:
    file = write_packed(tmp_path / "web.txt.gz", (comments + "0\t1\n1\t2\n").encode())
    assert named_edges(imported(file, tmp_path)) == {("0", "edge", "1"): 1, ("1", "edge", "2"): 1}


def test_comments__hashtags_are_edges(tmp_path: Path) -> None:
    file = write_edges(tmp_path / "edges.tsv", [("#a", "#b"), ("#b", "c"), ("c", "#a")])
    assert sum(named_edges(imported(file, tmp_path)).values()) == 3


def test_spaces(tmp_path: Path) -> None:
    file = write_packed(tmp_path / "edges.txt", b"  1   2\n2 \t 3 \n\n3 1\r\n")
    edges = {("1", "edge", "2"): 1, ("2", "edge", "3"): 1, ("3", "edge", "1"): 1}
    assert named_edges(imported(file, tmp_path)) == edges


def test_byte_order_mark_and_blank_lines(tmp_path: Path) -> None:
    file = write_packed(tmp_path / "edges.csv", "\ufeffsource,target\r\na,b\r\n\r\nb,c\r\n\r\n".encode())
    assert named_edges(imported(file, tmp_path)) == {("a", "edge", "b"): 1, ("b", "edge", "c"): 1}


def test_semicolons_and_quotes(tmp_path: Path) -> None:
    file = write_packed(tmp_path / "edges.csv", b'"a;1";"says ""hi""";b\n')
    assert named_edges(imported(file, tmp_path)) == {("a;1", 'says "hi"', "b"): 1}


def test_numbers_keep_their_spelling(tmp_path: Path) -> None:
    file = write_edges(tmp_path / "edges.tsv", [("007", "7"), ("7", "7.0")])
    assert imported(file, tmp_path).schema.entity_types[0].count == 3


def test_several_files_of_several_formats(tmp_path: Path) -> None:
    first = write_edges(tmp_path / "a.tsv", [("a", "r", "b")])
    second = write_edges(tmp_path / "b.parquet", [(1, "r", 2, 0.5)], ("head", "relation", "tail", "weight"))
    third = write_edges(tmp_path / "c.csv.gz", [("a", "b")])
    graph = imported([first, second, third], tmp_path)
    assert named_edges(graph) == {("a", "r", "b", 1): 1, ("1", "r", "2", 0.5): 1, ("a", "edge", "b", 1): 1}
    assert [source["name"] for source in graph.sources] == [str(first), str(second), str(third)]
    assert all(source["bytes"] > 0 and source["split"] == "train" for source in graph.sources)


@settings(max_examples=20)
@given(data=st.data(), partitions=st.integers(1, 4), seed=st.integers(0, 3))
def test_splits_share_the_numbering(data: st.DataObject, partitions: int, seed: int) -> None:
    edge = st.tuples(st.integers(0, 20), st.sampled_from("rs"), st.integers(0, 20))
    splits = {
        split: data.draw(st.lists(edge, min_size=1, max_size=20)) for split in ("train", "valid", "test")
    }
    entities = {str(entity) for rows in splits.values() for row in rows for entity in (row[0], row[2])}
    partitions = min(partitions, len(entities))
    config = Config.from_dict({"graph": {"partitions": partitions}, "training": {"seed": seed}})
    with tempfile.TemporaryDirectory() as folder:
        files = {split: write_edges(Path(folder) / f"{split}.tsv", rows) for split, rows in splits.items()}
        graph = imported(files["train"], folder, valid=files["valid"], test=[files["test"]], config=config)
        assert graph.splits == {split: len(rows) for split, rows in splits.items()}
        for split, rows in splits.items():
            assert named_edges(graph, split) == expected(rows)
        assert set(graph.names("entity")) == entities
        assert graph.degrees("entity").sum() == 2 * len(splits["train"])
        assert graph.config == config.to_dict()
        check_buckets(graph)


def check_buckets(graph: GraphStore) -> None:
    partitions = graph.schema.partitions
    all_bounds = {kind.name: graph.partition_bounds(kind.name) for kind in graph.schema.entity_types}
    for split, count in graph.splits.items():
        offsets = graph.bucket_offsets(split)
        assert len(offsets) == partitions**2 + 1
        assert offsets[0] == 0
        assert offsets[-1] == count
        edges = graph.read_edges(split, 0, count)
        bucket = np.repeat(np.arange(partitions**2), np.diff(offsets))
        for place in range(count):
            relation = graph.schema.relations[edges.relation[place]]
            for side, row, part in (
                (relation.head, edges.head[place], bucket[place] // partitions),
                (relation.tail, edges.tail[place], bucket[place] % partitions),
            ):
                bounds = all_bounds[side]
                if graph.schema.entity_type(side).partitioned:
                    assert bounds[part] <= row < bounds[part + 1]
                else:
                    assert bounds.tolist() == [0, graph.schema.entity_type(side).count]


def test_ratings_without_a_header__are_noticed(tmp_path: Path) -> None:
    """User, item and rating look like head, relation and tail."""
    told: list[Event] = []
    rows = [(f"u{number % 90}", f"i{number % 70}", number % 5) for number in range(1200)]
    imported(write_edges(tmp_path / "ratings.tsv", rows), tmp_path, callback=told.append)
    [text] = [event.text for event in told if isinstance(event, Notice)]
    assert text.startswith("70 relations in 1,200 edges: ")
    assert text.endswith("--columns head,tail,weight")
