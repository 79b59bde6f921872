from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from edge_files import write_edges, write_packed

from daskgraph.config import Config
from daskgraph.errors import AmbiguousEntityError, EdgeFileError, SourceError
from daskgraph.ingest import find_files, import_edges
from ingest.test_formats import imported

EDGES = [("/m/1", "r", "/m/2"), ("/m/2", "r", "/m/3"), ("/m/3", "r", "/m/4")]


@pytest.mark.parametrize("columns", [["id", "label"], ["id", "label", "description"]])
def test_labels_of_a_table(tmp_path: Path, columns: list[str]) -> None:
    table = pd.DataFrame([("/m/2", "Casino Royale", "a film"), ("/m/9", "nowhere", "")]).iloc[
        :, : len(columns)
    ]
    graph = imported(
        write_edges(tmp_path / "edges.tsv", EDGES), tmp_path, labels=table.set_axis(columns, axis=1)
    )
    found, descriptions = graph.labels("entity"), graph.descriptions("entity")
    assert found is not None
    assert graph.names("entity").name(found.row("Casino Royale")) == "/m/2"
    if descriptions is not None:
        assert descriptions.name(found.row("Casino Royale")) == "a film"
    assert (descriptions is not None) == (len(columns) == 3)
    with pytest.raises(SourceError, match="DataFrame: two or three columns are expected"):
        import_edges(tmp_path / "edges.tsv", tmp_path / "other.zarr", labels=table[[0]])


@pytest.mark.parametrize("name", ["names.tsv", "names.tsv.gz", "names.csv"])
@pytest.mark.parametrize("header", [None, ("id", "label", "description")])
def test_labels(tmp_path: Path, name: str, header: tuple[str, ...] | None) -> None:
    labels = [
        ("/m/2", "Casino Royale", "a film"),
        ("/m/1", "Málaga", "a city"),
        ("/m/999", "nowhere", "not in the graph"),
        ("/m/3", "Casino Royale", "another film"),
        ("/m/1", "a second label", "is not used"),
    ]
    edges = write_edges(tmp_path / "edges.tsv", EDGES)
    graph = imported(edges, tmp_path, labels=write_edges(tmp_path / name, labels, header))
    names, found, descriptions = graph.names("entity"), graph.labels("entity"), graph.descriptions("entity")
    assert found is not None
    assert descriptions is not None
    by_id = {names.name(row): (found.name(row), descriptions.name(row)) for row in range(4)}
    assert by_id == {
        "/m/1": ("Málaga", "a city"),
        "/m/2": ("Casino Royale", "a film"),
        "/m/3": ("Casino Royale", "another film"),
        "/m/4": ("", ""),
    }
    assert names.name(found.row("Málaga")) == "/m/1"
    assert sorted(names.names(found.matches("Casino Royale"))) == ["/m/2", "/m/3"]
    with pytest.raises(AmbiguousEntityError):
        found.row("Casino Royale")


def test_labels__without_descriptions(tmp_path: Path) -> None:
    edges = write_edges(tmp_path / "edges.tsv", EDGES)
    graph = imported(edges, tmp_path, labels={"/m/2": "two"})
    found = graph.labels("entity")
    assert found is not None
    assert graph.names("entity").name(found.row("two")) == "/m/2"
    assert graph.descriptions("entity") is None


def test_labels__by_type(tmp_path: Path) -> None:
    edges = write_edges(tmp_path / "edges.tsv", [("1", "2"), ("2", "1")])
    relations = [{"head": "user", "tail": "item"}]
    config = Config.from_dict({"entities": {"user": {}, "item": {}}, "relations": relations})
    graph = imported(edges, tmp_path, labels={"1": "one"}, config=config)
    for kind in ("user", "item"):
        found = graph.labels(kind)
        assert found is not None
        assert graph.names(kind).name(found.row("one")) == "1"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a\tb\n/m/1\n", "line 2: an id and a label are expected: '/m/1'"),
        (b"\tb\n", "line 1: an id and a label are expected"),
        (b"a\tb\n\xff\tx\n", "line 2: it is not UTF-8"),
    ],
)
def test_labels__bad_line(tmp_path: Path, content: bytes, reason: str) -> None:
    edges = write_edges(tmp_path / "edges.tsv", EDGES)
    labels = write_packed(tmp_path / "names.tsv", content)
    with pytest.raises(EdgeFileError, match=reason):
        imported(edges, tmp_path, labels=labels)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["edges.tsv", "names.tsv"]


def test_labels__parquet(tmp_path: Path) -> None:
    edges = write_edges(tmp_path / "edges.parquet", EDGES)
    with pytest.raises(SourceError, match="labels are expected as lines of text"):
        imported(edges, tmp_path, labels=edges)


def test_find_files(tmp_path: Path) -> None:
    for name in ("train.tsv.gz", "valid.csv", "test.parquet", "names.tsv", "README.md", "labels.tsv"):
        (tmp_path / name).touch()
    found = find_files(tmp_path)
    assert [path and path.name for path in (found.train, found.valid, found.test, found.labels)] == [
        "train.tsv.gz",
        "valid.csv",
        "test.parquet",
        "names.tsv",
    ]
    (tmp_path / "train.csv").touch()
    with pytest.raises(SourceError, match=r"train\.csv and train\.tsv\.gz serve one purpose"):
        find_files(tmp_path)


def test_find_files__edges_alone(tmp_path: Path) -> None:
    (tmp_path / "edges.txt").touch()
    assert find_files(tmp_path).train.name == "edges.txt"
    assert find_files(tmp_path).valid is None


def test_find_files__none(tmp_path: Path) -> None:
    (tmp_path / "valid.tsv").touch()
    with pytest.raises(SourceError, match=r"it has no train edges: train\.tsv"):
        find_files(tmp_path)
