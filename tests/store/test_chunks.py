"""Chunks that are read and written without Zarr are what Zarr reads and writes."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from daskgraph.errors import DamagedStoreError
from daskgraph.store.chunks import chunk_form, read_plain, write_plain
from daskgraph.store.zarr_arrays import StoredArray, create_array

ROWS, STEP = 23, 5


def rows_of(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def made(folder: Path, values: np.ndarray, packed: bool) -> Any:
    return create_array(folder, values.shape, STEP, values.dtype, compressed=packed)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("shape", [(ROWS,), (ROWS, 7), (ROWS, 3, 2)], ids=len)
def test_write__gives_the_files_that_zarr_gives(shape: tuple[int, ...], packed: bool, tmp_path: Path) -> None:
    values = rows_of(*shape)
    made(tmp_path / "zarr", values, packed)[:] = values
    made(tmp_path / "own", values, packed)
    StoredArray(tmp_path / "own", mode="r+").write(10, values[10:])
    StoredArray(tmp_path / "own", mode="r+").write(0, values[:10])
    files = {path.name: path.read_bytes() for path in (tmp_path / "zarr").iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "own").iterdir()}
    assert len(files) == 1 + -(-ROWS // STEP)


@pytest.fixture(scope="module", params=["plain", "packed", "of Zarr alone"])
def stored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> StoredArray:
    folder = tmp_path_factory.mktemp("stored") / "array"
    made(folder, rows_of(ROWS, 4), request.param == "packed")[:] = rows_of(ROWS, 4)
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "of Zarr alone":
            patch.setattr("daskgraph.store.zarr_arrays.chunk_form", lambda array: None)
        stored = StoredArray(folder)
        assert (stored._form is None) == (request.param == "of Zarr alone")
    return stored


@given(st.tuples(st.integers(0, ROWS), st.integers(0, ROWS)))
def test_read__gives_any_range(stored: StoredArray, span: tuple[int, int]) -> None:
    start, stop = sorted(span)
    np.testing.assert_array_equal(stored.read(start, stop), rows_of(ROWS, 4)[start:stop])


@pytest.mark.parametrize("packed", [False, True])
def test_read__by_zarr(packed: bool, tmp_path: Path) -> None:
    values = rows_of(ROWS, 4)
    array = made(tmp_path / "own", values, packed)
    StoredArray(tmp_path / "own", mode="r+").write(0, values)
    np.testing.assert_array_equal(array[:], values)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: content[:-4], "too short|checksum|decoded"),
        (lambda content: content[:8], "too short|decoded"),
        (lambda content: b"", "too short|decoded"),
        (lambda content: content + b"0", "checksum|decoded"),
        (lambda content: bytes([content[0] ^ 1]) + content[1:], "checksum|decoded"),
        (lambda content: content[:-5] + bytes([content[-5] ^ 1]) + content[-4:], "checksum|decoded"),
    ],
)
@pytest.mark.parametrize("chunk", [1, 4])
def test_read__damage(change: Any, reason: str, chunk: int, packed: bool, tmp_path: Path) -> None:
    made(tmp_path / "array", rows_of(ROWS, 4), packed)[:] = rows_of(ROWS, 4)
    path = tmp_path / "array" / f"c.{chunk}.0"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DamagedStoreError, match=rf"c\.{chunk}\.0 is damaged.*({reason})"):
        StoredArray(tmp_path / "array").read(0, ROWS)


def test_other_arrays_are_left_to_zarr(tmp_path: Path) -> None:
    values = np.arange(ROWS)
    array = zarr.create_array(tmp_path / "array", data=values, chunks=(STEP,))
    assert chunk_form(array) is None


def test_no_copies(tmp_path: Path) -> None:
    rows = rows_of(1 << 20)
    out = np.empty_like(rows)
    tracemalloc.start()
    write_plain(tmp_path / "chunk", rows[:-1], len(rows), np.nan)
    read_plain(tmp_path / "chunk", out[:-1])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(out[:-1], rows[:-1])
    assert peak < rows.nbytes / 2
