from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_examples import TYPED, random_edges, random_model, store_model, write_random_graph
from naive_ranking import Naive, entity

from daskgraph import rendering
from daskgraph.errors import AlreadyExistsError, ExportError, NotWritableError, OtherGraphError
from daskgraph.export import export
from daskgraph.graph import EntityType, GraphSchema, RelationType
from daskgraph.store import GraphStore, ModelStore

SCHEMA = GraphSchema((EntityType("entity", 5),), (RelationType("edge", "entity", "entity"),))
NAMES = {"entity": ["a b", "ü", "c\td", "e", "f"]}
LABELS = {"entity": ["one", "", "three", "four", "five"]}
KEYS: dict[str, Any] = {"model": {"dimension": 4, "operator": "translation", "global_embedding": True}}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "BLOCK_BYTES", 32)


@pytest.fixture
def graph(tmp_path: Path) -> GraphStore:
    return write_random_graph(tmp_path / "g.zarr", SCHEMA, {"train": [(0, 0, 1)]}, LABELS, NAMES)


@pytest.fixture
def naive() -> Naive:
    return random_model(SCHEMA, KEYS, np.random.default_rng(0))


@pytest.fixture
def model(tmp_path: Path, graph: GraphStore, naive: Naive) -> ModelStore:
    return store_model(tmp_path / "m.zarr", graph, naive)


def test_export__into_a_folder_that_takes_none(model: ModelStore, graph: GraphStore) -> None:
    with pytest.raises(
        NotWritableError, match=r"/proc/out.tsv can not be written: nothing can be put into /proc"
    ):
        export(model, graph, "/proc/out.tsv")


@pytest.fixture
def vectors(naive: Naive) -> np.ndarray:
    return np.array([entity(naive, "entity", row) for row in range(5)], np.float32)


def typed(folder: Path, **keys: Any) -> tuple[GraphStore, ModelStore, Naive]:
    graph = write_random_graph(
        folder / "g.zarr", TYPED, {"train": random_edges(TYPED, 9, np.random.default_rng(0))}
    )
    relations = [
        {"name": relation.name, "head": relation.head, "tail": relation.tail} for relation in TYPED.relations
    ]
    config = {"model": {"dimension": 4}, "entities": {"user": {}, "item": keys}, "relations": relations}
    naive = random_model(TYPED, config, np.random.default_rng(0))
    return graph, store_model(folder / "m.zarr", graph, naive), naive


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")


def test_tsv(model: ModelStore, graph: GraphStore, vectors: np.ndarray, tmp_path: Path) -> None:
    export(model, graph, tmp_path / "out.tsv")
    rows = [line.split("\t") for line in lines_of(tmp_path / "out.tsv")]
    assert [row[0] for row in rows] == ["a b", "ü", "c_d", "e", "f"]
    np.testing.assert_array_equal(np.array([row[1:] for row in rows]).astype(np.float32), vectors)


def test_tsv__typed(tmp_path: Path) -> None:
    graph, model, naive = typed(tmp_path)
    export(model, graph, tmp_path / "out.tsv")
    rows = [line.split("\t") for line in lines_of(tmp_path / "out.tsv")]
    assert [row[:2] for row in rows] == [["user", f"user {row}"] for row in range(11)] + [
        ["item", f"item {row}"] for row in range(6)
    ]
    numbers = np.array([row[2:] for row in rows]).astype(np.float32)
    np.testing.assert_array_equal(numbers, np.concatenate([naive.tables["user"], naive.tables["item"]]))


def read_as_gensim_does(path: Path) -> dict[str, np.ndarray]:
    """A twin of gensim.models.KeyedVectors.load_word2vec_format for text."""
    header, *lines = lines_of(path)
    count, dimension = map(int, header.split())
    found = {}
    for line in lines:
        parts = line.rstrip().split(" ")
        assert len(parts) == dimension + 1
        found[parts[0]] = np.array(parts[1:]).astype(np.float32)
    assert len(found) == count
    return found


def test_kv(model: ModelStore, graph: GraphStore, vectors: np.ndarray, tmp_path: Path) -> None:
    export(model, graph, tmp_path / "out.kv")
    found = read_as_gensim_does(tmp_path / "out.kv")
    assert list(found) == ["a_b", "ü", "c_d", "e", "f"]
    np.testing.assert_array_equal(np.array(list(found.values())), vectors)


def test_kv__typed(tmp_path: Path) -> None:
    graph, model, naive = typed(tmp_path)
    export(model, graph, tmp_path / "out.KV")
    found = read_as_gensim_does(tmp_path / "out.KV")
    assert len(found) == 17
    np.testing.assert_array_equal(found["item:item_3"], naive.tables["item"][3])


def test_kv__types_of_different_dimensions(tmp_path: Path) -> None:
    graph, model, _ = typed_apart(tmp_path)
    with pytest.raises(ExportError, match=r"different lengths; use \.npz"):
        export(model, graph, tmp_path / "out.kv")
    assert not (tmp_path / "out.kv").exists()


def typed_apart(folder: Path) -> tuple[GraphStore, ModelStore, Naive]:
    """Two types with vectors of their own lengths: only edges within a type."""
    within = (RelationType("follows", "user", "user"), RelationType("contains", "item", "item"))
    schema = GraphSchema(TYPED.entity_types, within)
    graph = write_random_graph(folder / "g.zarr", schema, {"train": [(0, 0, 1)]})
    config = {
        "model": {"dimension": 4},
        "entities": {"user": {}, "item": {"dimension": 3}},
        "relations": [
            {"name": relation.name, "head": relation.head, "tail": relation.tail} for relation in within
        ],
    }
    naive = random_model(schema, config, np.random.default_rng(0))
    return graph, store_model(folder / "m.zarr", graph, naive), naive


def test_parquet(model: ModelStore, graph: GraphStore, vectors: np.ndarray, tmp_path: Path) -> None:
    from pyarrow import parquet

    export(model, graph, tmp_path / "out.parquet")
    table = parquet.read_table(tmp_path / "out.parquet")
    assert table.column_names == ["entity", "label", "vector"]
    assert table["entity"].to_pylist() == NAMES["entity"]
    assert table["label"].to_pylist() == ["one", None, "three", "four", "five"]
    np.testing.assert_array_equal(np.array(table["vector"].to_pylist(), np.float32), vectors)


def test_parquet__types_of_different_dimensions(tmp_path: Path) -> None:
    from pyarrow import parquet

    graph, model, naive = typed_apart(tmp_path)
    export(model, graph, tmp_path / "out.parquet")
    rows = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert [row["type"] for row in rows] == ["user"] * 11 + ["item"] * 6
    for place, kind, row in ((2, "user", 2), (13, "item", 2)):
        assert rows[place]["entity"] == f"{kind} {row}"
        np.testing.assert_array_equal(np.array(rows[place]["vector"], np.float32), naive.tables[kind][row])


def test_npz(model: ModelStore, graph: GraphStore, naive: Naive, vectors: np.ndarray, tmp_path: Path) -> None:
    export(model, graph, tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz", allow_pickle=False) as found:
        assert set(found) == {"names/entity", "embeddings/entity", "names/relations", "relations/translation"}
        assert found["names/entity"].tolist() == NAMES["entity"]
        assert found["names/relations"].tolist() == ["edge"]
        np.testing.assert_array_equal(found["embeddings/entity"], vectors)
        np.testing.assert_array_equal(found["relations/translation"], naive.parameters.tail)


@pytest.mark.parametrize("name", ["out.csv", "out", "kv"])
def test_unknown_format(model: ModelStore, graph: GraphStore, tmp_path: Path, name: str) -> None:
    with pytest.raises(ExportError, match=r"\.tsv, \.parquet, \.npz, \.kv"):
        export(model, graph, tmp_path / name)


def test_refusals(model: ModelStore, graph: GraphStore, tmp_path: Path) -> None:
    (tmp_path / "out.tsv").write_text("mine")
    with pytest.raises(AlreadyExistsError):
        export(model, graph, tmp_path / "out.tsv")
    assert (tmp_path / "out.tsv").read_text() == "mine"
    with pytest.raises(NotWritableError):
        export(model, graph, tmp_path / "nowhere" / "out.tsv")
    other = write_random_graph(tmp_path / "other.zarr", SCHEMA, {"train": [(2, 0, 1)]}, names=NAMES)
    with pytest.raises(OtherGraphError):
        export(model, other, tmp_path / "other.tsv")


def test_nothing_half_written_stays(
    model: ModelStore, graph: GraphStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rendering, "_lines", fail)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        export(model, graph, tmp_path / "out.tsv")
    assert sorted(tmp_path.iterdir()) == before
