"""Reads that the system fails: tried again, then named; never taken for damage."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graph_examples import PARAMETERS

from daskgraph.errors import NotReadableError
from daskgraph.store import GraphStore, ModelStore, files
from daskgraph.store.chunks import ChunkForm, read_plain, write_plain

FAILING = Path("/proc/self/mem")
"""A file that is there, and whose every read from its beginning is an input/output error."""


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between attempts, none of which takes time."""
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    return waited


@pytest.fixture
def failing() -> Path:
    try:
        FAILING.read_bytes()
    except OSError as error:
        if error.errno == 5:
            return FAILING
    pytest.skip("the system has no file whose reads fail")


def replaced(path: Path, by: Path) -> bytes:
    content = path.read_bytes()
    path.unlink()
    path.symlink_to(by)
    return content


@pytest.mark.parametrize("file", ["edges/train/head/c.0", "edges/train/head/zarr.json", "zarr.json"])
def test_named_when_all_attempts_fail(
    graph: GraphStore, waits: list[float], failing: Path, file: str
) -> None:
    replaced(graph.path / file, failing)
    with pytest.raises(NotReadableError, match="can not be read: input/output error") as caught:
        GraphStore.open(graph.path).read_edges("train", 0, 50)
    assert str(graph.path) in str(caught.value)
    assert waits == list(files.WAITS)


@pytest.mark.parametrize("file", ["edges/train/head/c.0", "edges/train/head/zarr.json", "zarr.json"])
def test_again_when_it_works_later(
    graph: GraphStore, failing: Path, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = graph.read_edges("train", 0, 50)
    path = graph.path / file
    content = replaced(path, failing)

    def recover(_: float) -> None:
        path.unlink()
        path.write_bytes(content)

    monkeypatch.setattr("time.sleep", recover)
    found = GraphStore.open(graph.path).read_edges("train", 0, 50)
    np.testing.assert_array_equal(found.head, expected.head)


@pytest.mark.parametrize("failures", [1, len(files.WAITS), len(files.WAITS) + 1])
def test_chunks_of_vectors(
    model: ModelStore, waits: list[float], failures: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging = model.staging("0")
    staging.write_rows("user", 0, np.ones((10, 6), np.float32), np.ones(10, np.float32))
    staging.write_parameters({name: np.ones(shape, "f4") for name, shape in PARAMETERS.items()})
    model.commit(staging, {"epoch": 1})
    left = failures

    def fail_first(*arguments: Any) -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            raise OSError(5, os.strerror(5))
        read_plain(*arguments)

    failing = ChunkForm(write_plain, fail_first)
    monkeypatch.setattr("daskgraph.store.zarr_arrays.chunk_form", lambda array: failing)
    if failures > len(files.WAITS):
        with pytest.raises(NotReadableError, match=r"embeddings/user/c\.0\.0 can not be read"):
            model.read_rows("user", 0, 10)
    else:
        assert model.read_rows("user", 0, 10)[0].min() == 1
    assert waits == list(files.WAITS[:failures])


def test_forbidden__is_named_at_once(waits: list[float], tmp_path: Path) -> None:
    def refuse() -> None:
        raise PermissionError(13, "Permission denied")

    with pytest.raises(NotReadableError, match="can not be read: permission denied"):
        files.reading(tmp_path, refuse)
    assert waits == []


def test_missing__is_not_tried_again(waits: list[float], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.reading(tmp_path / "missing", (tmp_path / "missing").read_bytes)
    assert waits == []
