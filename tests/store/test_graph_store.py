from __future__ import annotations

import errno
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import zarr
from graph_examples import write_graph

from daskgraph.errors import (
    AlreadyExistsError,
    AmbiguousEntityError,
    DamagedStoreError,
    DiskFullError,
    NotAStoreError,
    NotWritableError,
    StoreVersionError,
    UnknownEntityError,
    UnknownSplitError,
)
from daskgraph.graph import GraphSchema
from daskgraph.store import GraphStore, GraphWriter, chunks, open_store
from daskgraph.store.zarr_arrays import write_array


def test_round_trip(graph: GraphStore) -> None:
    assert graph.splits == {"train": 50}
    assert graph.relation_names == ("likes", "buys")
    assert [entity_type.count for entity_type in graph.schema.entity_types] == [10, 3]
    assert graph.schema.weighted
    assert graph.bucket_offsets("train").tolist() == [0, 5, 5, 20, 50]
    assert graph.partition_bounds("user").tolist() == [0, 5, 10]
    assert graph.partition_bounds("item").tolist() == [0, 3]
    assert graph.degrees("item").tolist() == [0, 1, 2]
    assert graph.sources == [{"split": "train", "name": "edges.tsv"}]
    assert graph.disk_bytes > 1000
    edges = graph.read_edges("train", 10, 30)
    everything = graph.read_edges("train", 0, 50)
    assert edges.weight is not None
    assert everything.weight is not None
    assert [column.dtype for column in edges[:3]] == [np.int64] * 3
    assert edges.weight.dtype == np.float32
    for part, whole in zip(edges, everything, strict=True):
        np.testing.assert_array_equal(part, whole[10:30])  # type: ignore[index]
    assert len(graph.read_edges("train", 7, 7).head) == 0


def test_names(graph: GraphStore) -> None:
    users = graph.names("user")
    assert len(users) == 10
    assert users.name(3) == "u3é"
    assert users.names([9, 0, 9]) == ["u9é", "u0é", "u9é"]
    assert users.row("u7é") == 7
    assert users.rows(["u1é", "u0é"]).tolist() == [1, 0]
    assert list(graph.names("item")) == ["c", "a", "b"]
    with pytest.raises(UnknownEntityError, match=r"'u7e'; did you mean 'u\dé'"):
        users.row("u7e")
    with pytest.raises(UnknownEntityError):
        users.row("")
    with pytest.raises(IndexError):
        users.name(10)


def test_labels(graph: GraphStore) -> None:
    labels = graph.labels("item")
    assert labels is not None
    assert labels.names(range(3)) == ["tea", "", "tea"]
    assert labels.matches("tea") == [0, 2]
    with pytest.raises(AmbiguousEntityError):
        labels.row("tea")
    assert labels.matches("") == []
    descriptions = graph.descriptions("item")
    assert descriptions is not None
    assert descriptions.name(2) == "black"
    assert graph.labels("user") is None
    assert graph.descriptions("user") is None


def test_fingerprint__depends_on_content(tmp_path: Path, graph: GraphStore) -> None:
    assert write_graph(tmp_path / "same.zarr").fingerprint == graph.fingerprint
    assert write_graph(tmp_path / "other.zarr", seed=1).fingerprint != graph.fingerprint
    assert write_graph(tmp_path / "more.zarr", users=11).fingerprint != graph.fingerprint


def test_only_groups_and_arrays(graph: GraphStore) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        members = dict(zarr.open_group(graph.path, mode="r").members(max_depth=None))
    assert {"edges/train/head", "names/user/order", "names/relations/bytes", "features"} <= set(members)
    for file in graph.path.rglob("*"):
        assert file.is_dir() or file.name == "zarr.json" or file.name.startswith("c.")


def test_unknown_split(graph: GraphStore) -> None:
    with pytest.raises(UnknownSplitError, match="it has: train"):
        graph.read_edges("valid", 0, 0)
    with pytest.raises(UnknownSplitError):
        graph.bucket_offsets("test")
    with pytest.raises(IndexError):
        graph.read_edges("train", 0, 51)


@pytest.mark.parametrize("content", [None, "", "{}", "[1]", '{"zarr_format": 3}', '{"zarr_format": 2}'])
def test_not_a_store(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "thing"
    if content is not None:
        path.mkdir()
        (path / "README").write_text("hello")
        if content:
            (path / "zarr.json").write_text(content)
    with pytest.raises(NotAStoreError, match="is no graph or model store"):
        open_store(path)
    with pytest.raises(NotAStoreError, match="is no graph store"):
        GraphStore.open(path)


def test_not_a_store__file(tmp_path: Path) -> None:
    path = tmp_path / "edges.tsv"
    path.write_text("a\tb\n")
    with pytest.raises(NotAStoreError):
        open_store(path)


def test_damaged_metadata(graph: GraphStore) -> None:
    (graph.path / "zarr.json").write_text("{")
    with pytest.raises(DamagedStoreError, match=r"zarr\.json"):
        open_store(graph.path)


def test_other_version(graph: GraphStore) -> None:
    file = graph.path / "zarr.json"
    document = json.loads(file.read_text())
    document["attributes"]["daskgraph"]["format"] = 2
    file.write_text(json.dumps(document))
    with pytest.raises(StoreVersionError, match="has format version 2, this daskgraph reads version 1"):
        open_store(graph.path)


@pytest.mark.parametrize("damage", ["deleted", "truncated", "flipped"])
def test_damaged_chunk(graph: GraphStore, damage: str) -> None:
    chunk = graph.path / "edges" / "train" / "tail" / "c.0"
    content = bytearray(chunk.read_bytes())
    if damage == "deleted":
        chunk.unlink()
    elif damage == "truncated":
        chunk.write_bytes(content[:-7])
    else:
        content[-10] ^= 1
        chunk.write_bytes(content)
    with pytest.raises(DamagedStoreError, match=r"edges/train/tail: c\.0 is damaged"):
        graph.read_edges("train", 0, 50)


def test_damaged_array(graph: GraphStore) -> None:
    (graph.path / "partitions" / "user" / "zarr.json").unlink()
    with pytest.raises(DamagedStoreError, match="user is damaged: its metadata"):
        graph.partition_bounds("user")


def test_writer__nothing_half_written(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), GraphWriter.create(tmp_path / "g.zarr", GraphSchema((), ())):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_writer__leftovers_swept(tmp_path: Path, graph: GraphStore) -> None:
    import socket

    (tmp_path / f"h.zarr.partial-{socket.gethostname()}-999999999").mkdir()
    alive = tmp_path / f"h.zarr.partial-{socket.gethostname()}-1"
    alive.mkdir()
    write_graph(tmp_path / "h.zarr")
    assert sorted(tmp_path.iterdir()) == sorted([graph.path, tmp_path / "h.zarr", alive])


def test_writer__existing_path(graph: GraphStore) -> None:
    with pytest.raises(AlreadyExistsError):
        write_graph(graph.path)
    assert GraphStore.open(graph.path).splits == {"train": 50}


def test_writer__no_folder(tmp_path: Path) -> None:
    with pytest.raises(NotWritableError, match="there is no folder"):
        write_graph(tmp_path / "nowhere" / "g.zarr")


def test_writer__full_disk(small_disk: Path) -> None:
    with pytest.raises(DiskFullError, match=r"no space left .*g\.zarr"):
        write_graph(small_disk / "g.zarr", edges=200_000)
    assert list(small_disk.iterdir()) == []


def test_write_array__ends_at_the_first_chunk_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def fail(path: Path, *_: object) -> None:
        tried.append(path.name)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setitem(chunks._FORMS, (chunks.PACKER,), chunks.ChunkForm(fail, chunks.read_packed))
    with pytest.raises(OSError, match="No space left"):
        write_array(tmp_path / "a", np.arange(10), chunk_rows=2)
    assert tried == ["c.0"]


def test_writer__read_only(read_only_disk: Path) -> None:
    with pytest.raises(NotWritableError, match=r"g\.zarr can not be written: read-only file system"):
        write_graph(read_only_disk / "g.zarr")


def test_names__many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from graph_examples import encode, order_of

    from daskgraph.store import names as module
    from daskgraph.store.names import Names, write_names

    strings = [f"{number * 7919 % 3001:x}" for number in range(3000)] + ["x" * 300, "", "ü"]
    write_names(tmp_path / "n", *encode(strings), order_of(strings))
    monkeypatch.setattr(module, "BLOCK", 256)
    for small in (1 << 26, 0):
        monkeypatch.setattr(module, "SMALL_BYTES", small)
        names = Names(tmp_path / "n")
        with pytest.raises(IndexError):
            names.names([3, 3003])
        rows = np.random.default_rng(0).integers(0, 3000, 2000)
        assert names.names(rows) == [strings[row] for row in rows]
        assert names.rows([strings[row] for row in rows]).tolist() == rows.tolist()
        assert list(names) == strings
        assert names.row("ü") == 3002
        with pytest.raises(UnknownEntityError):
            names.rows(["nobody"] * 2000)
