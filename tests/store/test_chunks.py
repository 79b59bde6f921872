"""Chunks that are read and written without Zarr are what Zarr reads and writes."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daskgraph.errors import DamagedStoreError
from daskgraph.store.chunks import are_plain, read_chunk, write_chunk
from daskgraph.store.zarr_arrays import StoredArray, create_array

ROWS, STEP = 23, 5


def rows_of(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def written_by_zarr(folder: Path, values: np.ndarray) -> Any:
    array = create_array(folder, values.shape, STEP, np.float32, compressed=False)
    array[:] = values
    return array


@pytest.mark.parametrize("shape", [(ROWS,), (ROWS, 7), (ROWS, 3, 2)], ids=len)
def test_write__gives_the_files_that_zarr_gives(shape: tuple[int, ...], tmp_path: Path) -> None:
    values = rows_of(*shape)
    written_by_zarr(tmp_path / "zarr", values)
    create_array(tmp_path / "own", shape, STEP, np.float32, compressed=False)
    StoredArray(tmp_path / "own", mode="r+").write(10, values[10:])
    StoredArray(tmp_path / "own", mode="r+").write(0, values[:10])
    files = {path.name: path.read_bytes() for path in (tmp_path / "zarr").iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "own").iterdir()}
    assert len(files) == 1 + -(-ROWS // STEP)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> StoredArray:
    folder = tmp_path_factory.mktemp("stored") / "array"
    written_by_zarr(folder, rows_of(ROWS, 4))
    return StoredArray(folder)


@given(st.tuples(st.integers(0, ROWS), st.integers(0, ROWS)))
def test_read__gives_any_range(stored: StoredArray, span: tuple[int, int]) -> None:
    start, stop = sorted(span)
    np.testing.assert_array_equal(stored.read(start, stop), rows_of(ROWS, 4)[start:stop])


def test_read__by_zarr(tmp_path: Path) -> None:
    values = rows_of(ROWS, 4)
    array = create_array(tmp_path / "own", values.shape, STEP, np.float32, compressed=False)
    StoredArray(tmp_path / "own", mode="r+").write(0, values)
    np.testing.assert_array_equal(array[:], values)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: content[:-4], "too short|checksum"),
        (lambda content: content[:8], "too short"),
        (lambda content: content + b"0", "checksum"),
        (lambda content: bytes([content[0] ^ 1]) + content[1:], "checksum"),
        (lambda content: content[:-5] + bytes([content[-5] ^ 1]) + content[-4:], "checksum"),
    ],
)
@pytest.mark.parametrize("chunk", [1, 4])
def test_read__damage(change: Any, reason: str, chunk: int, tmp_path: Path) -> None:
    written_by_zarr(tmp_path / "array", rows_of(ROWS, 4))
    path = tmp_path / "array" / f"c.{chunk}.0"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DamagedStoreError, match=rf"c\.{chunk}\.0 is damaged.*({reason})"):
        StoredArray(tmp_path / "array").read(0, ROWS)


def test_compressed_arrays_are_left_to_zarr(tmp_path: Path) -> None:
    values = np.arange(ROWS)
    assert not are_plain(create_array(tmp_path / "array", values.shape, STEP, values.dtype))
    StoredArray(tmp_path / "array", mode="r+").write(0, values)
    np.testing.assert_array_equal(StoredArray(tmp_path / "array").read(3, 12), values[3:12])


def test_no_copies(tmp_path: Path) -> None:
    rows = rows_of(1 << 20)
    out = np.empty_like(rows)
    tracemalloc.start()
    write_chunk(tmp_path / "chunk", rows[:-1], len(rows), np.nan)
    read_chunk(tmp_path / "chunk", out[:-1])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(out[:-1], rows[:-1])
    assert peak < rows.nbytes / 2
