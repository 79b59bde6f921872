from __future__ import annotations

import operator
import os
import shutil
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from graph_examples import CONFIG, PARAMETERS, write_graph

from daskgraph import store
from daskgraph.errors import (
    DamagedStoreError,
    DiskFullError,
    NotWritableError,
    StaleLeaseError,
    StoreLockedError,
    UnknownSnapshotError,
)
from daskgraph.store import GraphStore, ModelStore


def commit(model: ModelStore, epoch: int, rows: slice = slice(0, 10)) -> None:
    """Commit an epoch whose every number, of the rows that it changes, is the epoch's."""
    staging = model.staging("0")
    for kind, width, start, stop in (("user", 6, rows.start, rows.stop), ("item", 4, 0, 3)):
        values = np.full((stop - start, width), epoch, np.float32)
        staging.write_rows(kind, start, values, values[:, 0].copy())
    staging.write_parameters({name: np.full(shape, epoch, "f4") for name, shape in PARAMETERS.items()})
    model.commit(staging, {"epoch": epoch, "edges": 0}, [{"epoch": epoch, "loss": 1.0 / epoch}])


def contents(store: ModelStore) -> dict[str, list[float]]:
    users, sums = store.read_rows("user", 0, 10)
    found = {"users": users[:, 0].tolist(), "sums": sums.tolist()}
    return found | {name: array.ravel().tolist() for name, array in store.read_parameters().items()}


def inode(path: Path) -> int:
    return path.stat().st_ino


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of three epochs, a snapshot of each; the third changed five users alone."""
    folder = tmp_path_factory.mktemp("example")
    graph = write_graph(folder / "g.graph.zarr")
    model = ModelStore.create(folder / "m.model.zarr", CONFIG, graph, PARAMETERS)
    for epoch, rows in ((1, slice(0, 10)), (2, slice(0, 10)), (3, slice(5, 10))):
        commit(model, epoch, rows)
        model.snapshots.take(str(epoch))
    return folder


@pytest.fixture
def kept(example: Path, tmp_path: Path) -> ModelStore:
    """A copy of it, whose files are shared as in the example."""
    subprocess.run(["cp", "-a", str(example / "m.model.zarr"), str(tmp_path)], check=True)
    return ModelStore.open(tmp_path / "m.model.zarr")


def test_take__is_a_model_of_its_own(kept: ModelStore, example: Path) -> None:
    assert kept.snapshots.names() == ["1", "2", "3"]
    second = ModelStore.open(kept.snapshots.path("2"))
    assert second.progress["epoch"] == 2
    assert [entry["epoch"] for entry in second.history] == [1, 2]
    assert contents(second)["users"] == [2] * 10
    assert contents(second)["global/item"] == [2] * 4
    assert contents(kept)["users"] == [2] * 5 + [3] * 5
    assert second.config == kept.config
    assert second.open_graph().path == example / "g.graph.zarr"
    assert second.snapshots.names() == []
    assert [path.name for path in (kept.path / "staging").iterdir()] == ["zarr.json"]


def test_take__shares_files_until_they_change(kept: ModelStore) -> None:
    first, second = (
        [inode(kept.path / place / "embeddings" / "user" / name) for name in ("c.0.0", "c.1.0")]
        for place in ("snapshots/2", "snapshots/3")
    )
    assert first[0] == second[0] == inode(kept.path / "embeddings" / "user" / "c.0.0")
    assert first[1] != second[1] == inode(kept.path / "embeddings" / "user" / "c.1.0")
    before = kept.disk_bytes
    kept.snapshots.take("again")
    assert kept.disk_bytes - before < 8192


def test_take__copies_where_there_are_no_links(model: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    commit(model, 1)
    model.snapshots.take("1")
    chunk = Path("embeddings") / "user" / "c.0.0"
    assert inode(model.path / chunk) != inode(model.snapshots.path("1") / chunk)
    commit(model, 2)
    model.restore("1")
    assert contents(model)["users"] == [1] * 10


@pytest.mark.parametrize("step", ["snapshots.link_or_copy", "staging.sync_all", "staging.os.replace"])
def test_restore__frozen_while_a_successor_moves_on(
    kept: ModelStore, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = operator.attrgetter(step)(store)

    def late(*arguments: object) -> object:
        monkeypatch.undo()
        successor = ModelStore.open(kept.path)
        successor.sweep()
        commit(successor, 4)
        return original(*arguments)

    monkeypatch.setattr(f"daskgraph.store.{step}", late)
    with pytest.raises(StaleLeaseError):
        kept.restore("1")
    assert ModelStore.open(kept.path).progress["epoch"] == 4
    assert contents(ModelStore.open(kept.path))["users"] == [4] * 10


def test_take__replaces_one_of_its_name(kept: ModelStore) -> None:
    kept.snapshots.take("1")
    assert contents(ModelStore.open(kept.snapshots.path("1"))) == contents(kept)
    assert kept.is_kept_as("1")
    assert not kept.is_kept_as("2")
    assert not kept.is_kept_as("7")


def test_graph__is_found_where_both_have_moved(model: ModelStore, graph: GraphStore, tmp_path: Path) -> None:
    commit(model, 1)
    model.snapshots.take("1")
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    shutil.move(model.path, moved)
    shutil.move(graph.path, moved)
    snapshot = ModelStore.open(moved / model.path.name / "snapshots" / "1")
    assert snapshot.open_graph().path == moved / graph.path.name


def test_keep_last(kept: ModelStore) -> None:
    kept.snapshots.take("best")
    kept.snapshots.keep_last(3, 2)
    assert kept.snapshots.names() == ["2", "3", "best"]
    # What came after an epoch that the model was restored to belongs to another future.
    kept.snapshots.keep_last(2, 2)
    assert kept.snapshots.names() == ["2", "best"]
    with pytest.raises(UnknownSnapshotError, match="has no snapshot '3'; it has: 2, best"):
        kept.snapshots.path("3")


class Died(BaseException):
    """Stands for the end of the process."""


def dying(after: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make functions that end the process at their call number `after`, counted together."""
    calls = 0

    def decorate(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            if calls == after:
                raise Died
            calls += 1
            return real(*arguments, **options)

        return call

    return decorate


@pytest.mark.parametrize(
    ("name", "after"), [("2", 10), ("4", 40), *(("2", after) for after in range(50, 54))]
)
def test_take__dies_at_any_moment(
    kept: ModelStore, name: str, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is the former snapshot, the new one or none, never a part; the model is untouched."""
    before = contents(kept)
    former = contents(ModelStore.open(kept.snapshots.path("2")))
    die = dying(after)
    monkeypatch.setattr(os, "link", die(os.link))
    monkeypatch.setattr(os, "fsync", die(os.fsync))
    monkeypatch.setattr(Path, "rename", die(Path.rename))
    monkeypatch.setattr(shutil, "rmtree", die(shutil.rmtree))
    with pytest.raises(Died):
        kept.snapshots.take(name)
    monkeypatch.undo()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert dict(zarr.open_group(kept.path / "snapshots", mode="r").members(max_depth=None))
    opened = ModelStore.open(kept.path)
    opened.sweep()
    assert [path.name for path in (opened.path / "staging").iterdir()] == ["zarr.json"]
    assert contents(opened) == before
    assert opened.progress["epoch"] == 3
    if name in opened.snapshots.names():
        assert contents(ModelStore.open(opened.snapshots.path(name))) in (former, before)


def test_take__full_disk(small_disk: Path, graph: GraphStore) -> None:
    model = ModelStore.create(small_disk / "m.zarr", CONFIG, graph, PARAMETERS)
    commit(model, 1)
    with pytest.raises(OSError, match="No space"):
        (small_disk / "ballast").write_bytes(bytes(1 << 20))
    with pytest.raises(DiskFullError, match=r"while writing .*snapshots/1"):
        model.snapshots.take("1")
    (small_disk / "ballast").unlink()
    model.sweep()
    assert model.snapshots.names() == []
    assert contents(model)["users"] == [1] * 10


def test_take__read_only(small_disk: Path, graph: GraphStore, request: pytest.FixtureRequest) -> None:
    model = ModelStore.create(small_disk / "m.zarr", CONFIG, graph, PARAMETERS)
    commit(model, 1)
    request.getfixturevalue("read_only_disk")
    with pytest.raises(NotWritableError):
        model.snapshots.take("1")


def test_restore(kept: ModelStore) -> None:
    expected = contents(ModelStore.open(kept.snapshots.path("1")))
    with kept.lock():
        kept.restore("1")
    opened = ModelStore.open(kept.path)
    assert contents(opened) == contents(kept) == expected
    assert opened.progress == {"epoch": 1, "edges": 0}
    assert [entry["epoch"] for entry in opened.history] == [1]
    # The snapshot is as it was, and what is trained on does not reach it.
    commit(opened, 9)
    assert contents(ModelStore.open(kept.snapshots.path("1"))) == expected


def test_restore__with_another_record(kept: ModelStore) -> None:
    kept.restore("2", {"epoch": 3, "edges": 0}, [*kept.history, {"epoch": 4}])
    assert contents(kept)["users"] == [2] * 10
    assert kept.progress["epoch"] == 3
    assert len(kept.history) == 4


@pytest.mark.parametrize("after", [0, 10, 30, 43, 45, 49, 61, 63])
def test_restore__dies_at_any_moment(kept: ModelStore, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(kept)
    wanted = contents(ModelStore.open(kept.snapshots.path("1")))
    die = dying(after)
    monkeypatch.setattr(os, "link", die(os.link))
    monkeypatch.setattr(os, "fsync", die(os.fsync))
    monkeypatch.setattr(os, "replace", die(os.replace))
    monkeypatch.setattr(Path, "rename", die(Path.rename))
    with pytest.raises(Died):
        kept.restore("1")
    monkeypatch.undo()
    opened = ModelStore.open(kept.path)
    opened.sweep()
    assert (contents(opened), opened.progress["epoch"]) in ((before, 3), (wanted, 1))
    assert contents(ModelStore.open(kept.snapshots.path("1"))) == wanted


def damage(path: Path, how: str) -> None:
    """Harm a file as a hand or a bad disk may."""
    content = bytearray(path.read_bytes())
    path.unlink()
    if how == "truncated":
        path.write_bytes(content[:-4])
    elif how == "flipped":
        content[3] ^= 1
        path.write_bytes(content)


@pytest.mark.parametrize("how", ["deleted", "truncated", "flipped"])
@pytest.mark.parametrize(
    "file", ["embeddings/user/c.0.0", "optimizer/user/c.1", "relations/translation/c.0.0"]
)
def test_damaged_chunk__is_named_and_restored(kept: ModelStore, how: str, file: str) -> None:
    damage(kept.path / file, how)
    array, _, chunk = file.rpartition("/")
    with pytest.raises(DamagedStoreError) as caught:
        contents(kept)
    message = str(caught.value)
    assert f"{array}: {chunk} is damaged" in message
    assert f"`daskgraph restore {kept.path}` goes back to one of its snapshots 1, 2, 3" in message
    kept.restore("3")
    assert contents(kept)["users"] == [2] * 5 + [3] * 5


@pytest.mark.parametrize(
    "file",
    ["embeddings/user/zarr.json", "progress/zarr.json", "relations/translation", "optimizer/user"],
)
def test_deleted_metadata__is_named_and_restored(kept: ModelStore, file: str) -> None:
    path = kept.path / file
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    opened = ModelStore.open(kept.path)
    with pytest.raises(DamagedStoreError, match="`daskgraph restore"):
        assert contents(opened) == opened.progress
    opened = ModelStore.open(kept.path)
    opened.restore("3")
    assert contents(opened)["users"] == [2] * 5 + [3] * 5
    assert opened.progress["epoch"] == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert dict(zarr.open_group(kept.path, mode="r").members(max_depth=None))


def test_restore__damaged_snapshot_is_refused(kept: ModelStore) -> None:
    damage(kept.snapshots.path("1") / "embeddings" / "user" / "c.1.0", "flipped")
    before = contents(kept)
    with pytest.raises(DamagedStoreError, match=r"snapshots/1/embeddings/user: c\.1\.0 is damaged"):
        kept.restore("1")
    assert contents(kept) == before


def test_damaged__without_snapshots(model: ModelStore) -> None:
    commit(model, 1)
    damage(model.path / "embeddings" / "user" / "c.0.0", "deleted")
    with pytest.raises(DamagedStoreError, match=r"no snapshot of it is kept \(training\.keep\)"):
        contents(model)


def test_restore__another_process_holds_the_lock(kept: ModelStore) -> None:
    from daskgraph.api.restoring import restore_model

    with kept.lock(), pytest.raises(StoreLockedError):
        restore_model(ModelStore.open(kept.path), None, lambda _: None)
