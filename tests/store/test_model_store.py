from __future__ import annotations

import json
import operator
import os
import pickle
import shutil
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from graph_examples import CONFIG, PARAMETERS, write_graph

from daskgraph.errors import (
    AlreadyExistsError,
    DamagedStoreError,
    DiskFullError,
    GraphNotFoundError,
    NotAStoreError,
    NotWritableError,
    OtherGraphError,
    StaleLeaseError,
)
from daskgraph.store import GraphStore, ModelStore, Staging, open_store
from daskgraph.store import staging as stage
from daskgraph.store.zarr_arrays import StoredArray, chunk_rows


def rows_of(value: float, start: int = 0, stop: int = 10) -> tuple[np.ndarray, np.ndarray]:
    embeddings = np.full((stop - start, 6), value, np.float32)
    embeddings[:, 0] = np.arange(start, stop)
    return embeddings, np.full(stop - start, value, np.float32)


def stage_all(model: ModelStore, value: float, lease: str = "0") -> Staging:
    staging = model.staging(lease)
    for start, stop in ((0, 5), (5, 10)):
        staging.write_rows("user", start, *rows_of(value, start, stop))
    staging.write_parameters({name: np.full(shape, value, "f4") for name, shape in PARAMETERS.items()})
    return staging


def test_create(graph: GraphStore, model: ModelStore) -> None:
    assert model.config == CONFIG
    assert model.schema == graph.schema
    assert model.progress == {}
    assert model.history == []
    assert model.read_parameters() == {}
    assert not model.has_rows("user", 0, 10)
    assert model.graph_fingerprint == graph.fingerprint
    assert model.array("embeddings/user").shape == (10, 6)
    assert model.array("embeddings/item").shape == (3, 4)
    assert model.array("optimizer/user").chunks == (model.chunk_rows("user"),) == (5,)
    model.check_graph(graph)
    with pytest.raises(AlreadyExistsError):
        ModelStore.create(model.path, CONFIG, graph, {})
    with pytest.raises(NotAStoreError):
        GraphStore.open(model.path)
    with pytest.raises(NotAStoreError):
        ModelStore.open(graph.path)
    assert isinstance(open_store(model.path), ModelStore)
    assert isinstance(open_store(graph.path), GraphStore)


def test_commit(model: ModelStore) -> None:
    model.commit(stage_all(model, 1.5), {"epoch": 1}, [{"loss": 3.0}])
    model.commit(model.staging("1"), {"epoch": 2})
    model = ModelStore.open(model.path)
    assert model.progress == {"epoch": 2}
    assert model.history == [{"loss": 3.0}]
    assert model.has_rows("user", 0, 10)
    assert not model.has_rows("item", 0, 3)
    embeddings, sums = model.read_rows("user", 3, 8)
    np.testing.assert_array_equal(embeddings, rows_of(1.5)[0][3:8])
    assert sums.tolist() == [1.5] * 5
    out = np.zeros((10, 6), np.float32), np.zeros(10, np.float32)
    assert model.read_rows("user", 0, 10, out) == out
    np.testing.assert_array_equal(out[0], rows_of(1.5)[0])
    np.testing.assert_array_equal(out[0], model.read_embeddings("user", 0, 10))
    np.testing.assert_array_equal(out[0], zarr.open_group(model.path, mode="r")["embeddings/user"][:])  # type: ignore[index]
    assert {name: array.shape for name, array in model.read_parameters().items()} == PARAMETERS
    assert [path.name for path in (model.path / "staging").iterdir()] == ["zarr.json"]


def test_staged_is_not_committed(model: ModelStore) -> None:
    model.commit(stage_all(model, 1), {"epoch": 1})
    stage_all(model, 2, "frozen")
    assert model.read_rows("user", 0, 1)[1] == [1]
    model.sweep()
    assert model.read_rows("user", 0, 1)[1] == [1]
    assert model.progress == {"epoch": 1}
    assert not (model.path / "staging" / "frozen").exists()


@pytest.mark.parametrize("moves", range(9))
def test_commit__interrupted(model: ModelStore, monkeypatch: pytest.MonkeyPatch, moves: int) -> None:
    """The process dies after so many moves of a commit: the next sweep finishes it."""
    model.commit(stage_all(model, 1), {"epoch": 1}, [{"loss": 1}])
    staging = stage_all(model, 2)
    done = 0
    real = os.replace

    def replace(source: Any, target: Any) -> None:
        nonlocal done
        if done == moves:
            raise KeyboardInterrupt
        done += 1
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    if moves < 8:
        with pytest.raises(KeyboardInterrupt):
            model.commit(staging, {"epoch": 2}, [{"loss": 2}])
    else:
        model.commit(staging, {"epoch": 2}, [{"loss": 2}])
    monkeypatch.undo()
    opened = ModelStore.open(model.path)
    assert opened.progress["epoch"] == (1 if moves < 8 else 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dict(zarr.open_group(model.path, mode="r").members(max_depth=None))
    opened.sweep()
    assert opened.progress == {"epoch": 2}
    assert opened.history == [{"loss": 1}, {"loss": 2}]
    assert opened.read_rows("user", 0, 10)[1].tolist() == [2] * 10
    assert opened.read_parameters()["global/item"].tolist() == [2] * 4
    assert [path.name for path in (model.path / "staging").iterdir()] == ["zarr.json"]


def test_commit__seal_interrupted(model: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    model.commit(stage_all(model, 1), {"epoch": 1})
    staging = stage_all(model, 2)
    monkeypatch.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        model.commit(staging, {"epoch": 2})
    monkeypatch.undo()
    model.sweep()
    assert model.progress == {"epoch": 1}
    assert model.read_rows("user", 0, 10)[1].tolist() == [1] * 10


def test_stale_writer__can_not_write(model: ModelStore) -> None:
    frozen = stage_all(model, 1, "frozen")
    model.sweep()
    model.commit(stage_all(model, 2, "next"), {"epoch": 1})
    with pytest.raises(StaleLeaseError, match="lease frozen was taken back"):
        model.commit(frozen, {"epoch": 7})
    with pytest.raises(StaleLeaseError):
        frozen.write_rows("user", 0, *rows_of(1))
    stage_all(model, 3, "frozen")
    with pytest.raises(StaleLeaseError):
        frozen.seal({})
    assert model.progress == {"epoch": 1}
    assert model.read_rows("user", 0, 1)[1] == [2]


def test_staging__taken_back_in_the_middle_of_a_write(
    model: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = stage_all(model, 1, "frozen")
    write = StoredArray.write

    def late(array: StoredArray, start: int, values: np.ndarray) -> None:
        model.remove_staging("frozen")
        write(array, start, values)

    monkeypatch.setattr(StoredArray, "write", late)
    with pytest.raises(StaleLeaseError, match="lease frozen was taken back"):
        frozen.write_rows("user", 0, *rows_of(2))


AWAKE = {
    "bringing chunks to the disk": "sync_all",
    "writing the record": "write_group",
    "sealing it": "sync",
    "moving a chunk": "os.replace",
    "removing what is moved": "remove_tree",
}


@pytest.mark.parametrize("step", AWAKE)
def test_commit__frozen_while_a_successor_moves_on(
    model: ModelStore, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At whatever step of a commit a process wakes: the model stays as its successor has made it."""
    frozen = stage_all(model, 1)
    original = operator.attrgetter(AWAKE[step])(stage)

    def late(*arguments: object) -> object:
        monkeypatch.undo()
        successor = ModelStore.open(model.path)
        successor.sweep()
        successor.commit(stage_all(successor, 2), {"epoch": 2})
        return original(*arguments)

    monkeypatch.setattr(f"daskgraph.store.staging.{AWAKE[step]}", late)
    with suppress(StaleLeaseError) if step == "removing what is moved" else pytest.raises(StaleLeaseError):
        model.commit(frozen, {"epoch": 1}, [{"loss": 3.0}])
    model = ModelStore.open(model.path)
    assert model.progress == {"epoch": 2}
    np.testing.assert_array_equal(model.read_rows("user", 0, 10)[1], np.full(10, 2))
    assert [path.name for path in (model.path / "staging").iterdir()] == ["zarr.json"]


def test_staging__whole_chunks_only(model: ModelStore) -> None:
    staging = model.staging("0")
    with pytest.raises(ValueError, match=r"no whole chunks of embeddings/user, .* in chunks of 5"):
        staging.write_rows("user", 0, *rows_of(1, 0, 7))
    with pytest.raises(ValueError, match="no whole chunks"):
        staging.write_rows("user", 3, *rows_of(1, 3, 5))
    with pytest.raises(ValueError, match="no whole chunks"):
        staging.write_rows("item", 0, *rows_of(1, 0, 3))
    staging.write_rows("user", 0, *rows_of(1, 0, 10))
    with pytest.raises(ValueError, match="a lease is named"):
        model.staging("../up")


@pytest.mark.parametrize("damage", ["deleted", "truncated", "flipped"])
def test_damaged_chunk(model: ModelStore, damage: str) -> None:
    model.commit(stage_all(model, 1), {"epoch": 1})
    chunk = model.path / "embeddings" / "user" / "c.1.0"
    content = bytearray(chunk.read_bytes())
    if damage == "deleted":
        chunk.unlink()
    elif damage == "truncated":
        chunk.write_bytes(content[:-4])
    else:
        content[3] ^= 1
        chunk.write_bytes(content)
    assert len(model.read_rows("user", 0, 5)[0]) == 5
    with pytest.raises(DamagedStoreError, match=r"embeddings/user: c\.1\.0 is damaged"):
        model.read_rows("user", 0, 10)


def test_open_graph(tmp_path: Path, graph: GraphStore, model: ModelStore) -> None:
    assert model.open_graph().path == graph.path
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    shutil.move(model.path, moved)
    shutil.move(graph.path, moved)
    moved_model = ModelStore.open(moved / model.path.name)
    assert moved_model.open_graph().path == moved / graph.path.name
    other = write_graph(graph.path, seed=1)
    assert moved_model.open_graph().path == moved / graph.path.name
    with pytest.raises(OtherGraphError, match="was trained on another graph"):
        moved_model.check_graph(other)
    shutil.rmtree(moved / graph.path.name)
    with pytest.raises(OtherGraphError):
        moved_model.open_graph()
    shutil.rmtree(graph.path)
    with pytest.raises(GraphNotFoundError, match="looked for"):
        moved_model.open_graph()


def test_set_config(model: ModelStore) -> None:
    model.set_config({"training": {"epochs": 3}})
    assert model.config == ModelStore.open(model.path).config == {"training": {"epochs": 3}}


def test_only_numbers_text_and_json(model: ModelStore) -> None:
    model.commit(stage_all(model, 1), {"epoch": 1})
    with model.lock(), warnings.catch_warnings():
        warnings.simplefilter("error")
        members = dict(zarr.open_group(model.path, mode="r").members(max_depth=None))
    groups = {
        "embeddings",
        "optimizer/relations",
        "optimizer/features",
        "features",
        "global",
        "staging/lock",
        "progress",
    }
    assert groups <= set(members)
    for file in model.path.rglob("*"):
        if not file.is_file():
            continue
        assert not os.access(file, os.X_OK)
        with pytest.raises((pickle.UnpicklingError, EOFError, ValueError, IndexError, KeyError)):
            pickle.loads(file.read_bytes())
        if not file.name.startswith("c."):
            codecs = json.loads(file.read_text()).get("codecs", [])
            assert {codec["name"] for codec in codecs} <= {"bytes", "crc32c", "zstd"}


def test_create__full_disk(small_disk: Path, graph: GraphStore) -> None:
    (small_disk / "ballast").write_bytes(bytes((1 << 20) - 8192))
    with pytest.raises(DiskFullError):
        ModelStore.create(small_disk / "m.zarr", CONFIG, graph, PARAMETERS)
    assert [path.name for path in small_disk.iterdir()] == ["ballast"]


def test_staging__full_disk(small_disk: Path, graph: GraphStore) -> None:
    model = ModelStore.create(small_disk / "m.zarr", CONFIG, graph, PARAMETERS)
    model.commit(stage_all(model, 1), {"epoch": 1})
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space"):
        ballast.write_bytes(bytes(1 << 20))
    with pytest.raises(DiskFullError, match="no space left on the disk while writing"):
        stage_all(model, 2)
    ballast.unlink()
    model = ModelStore.open(model.path)
    model.sweep()
    assert model.progress == {"epoch": 1}
    assert model.read_rows("user", 0, 10)[1].tolist() == [1] * 10


def test_read_only(small_disk: Path, graph: GraphStore, request: pytest.FixtureRequest) -> None:
    model = ModelStore.create(small_disk / "m.zarr", CONFIG, graph, PARAMETERS)
    request.getfixturevalue("read_only_disk")
    assert model.progress == {}
    with pytest.raises(NotWritableError), model.lock():
        pass
    with pytest.raises(NotWritableError):
        model.staging("0")


@pytest.mark.parametrize(
    ("bounds", "row_bytes", "rows"),
    [
        ([0, 100], 400, 100),
        ([0, 50, 100], 400, 50),
        ([0, 312_512, 600_000], 400, 156_256),
        ([0, 14_541], 800, 14_541),
        ([0, 0], 400, 1),
        ([0, 1_000_000], 400, 83_886),
    ],
)
def test_chunk_rows(bounds: list[int], row_bytes: int, rows: int) -> None:
    assert chunk_rows(np.array(bounds), row_bytes) == rows


@pytest.mark.parametrize("parts", [2, 16, 64])
@pytest.mark.parametrize("count", [1_000_000, 20_000_000, 123_456_789])
def test_chunk_rows__whole_per_partition(parts: int, count: int) -> None:
    from daskgraph.graph import partition_bounds

    bounds = partition_bounds(count, parts)
    rows = chunk_rows(bounds, 400)
    assert bounds[1] % rows == 0
    assert rows * 400 <= 64 << 20
    assert rows == bounds[1] or rows * 400 >= 16 << 20
