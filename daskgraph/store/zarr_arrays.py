"""The Zarr arrays of a store: how they are made, written durably and read with their damage named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import zarr
from zarr.codecs import Crc32cCodec
from zarr.core.buffer.cpu import NDBuffer

from daskgraph.errors import DamagedStoreError
from daskgraph.store.chunks import PACKER, ChunkForm, chunk_form, why_undecodable
from daskgraph.store.files import reading, sync, sync_all

Array: TypeAlias = "zarr.Array[Any]"

MEBIBYTE = 1 << 20
SMALL_CHUNK, WISHED_CHUNK, BIG_CHUNK = 16 * MEBIBYTE, 32 * MEBIBYTE, 64 * MEBIBYTE
"""Least, wished and greatest bytes of an embedding chunk."""


def create_array(
    folder: Path, shape: Sequence[int], chunk_rows: int, dtype: npt.DTypeLike, *, compressed: bool = True
) -> Array:
    """Create an array chunked along its first axis; nothing is written but its metadata.

    Compressed arrays hold integers. Uncompressed ones hold floats, and NaN where nothing was written,
    so that forgotten rows can not pass for embeddings.
    """
    kind = np.dtype(dtype)
    return zarr.create_array(
        folder,
        shape=tuple(shape),
        chunks=(max(1, chunk_rows), *shape[1:]),
        dtype=kind,
        fill_value=np.nan if kind.kind == "f" else 0,
        compressors=PACKER if compressed else Crc32cCodec(),
        # One flat folder of chunks an array: fsync and moves then meet one folder.
        chunk_key_encoding={"name": "default", "separator": "."},
        config={"write_empty_chunks": True},
    )


def write_array(folder: Path, values: npt.NDArray[Any], chunk_rows: int = MEBIBYTE) -> None:
    """Write a whole array in one go, durably."""
    create_array(folder, values.shape, min(chunk_rows, max(1, len(values))), values.dtype)
    # Not by Zarr: where it fails at one chunk, its threads go on with the others, and make folders anew.
    StoredArray(folder, mode="r+").write(0, values)
    sync_array(folder)


def sync_array(folder: Path) -> None:
    """Return once every file of an array is on the disk."""
    sync_all(folder.iterdir())
    sync(folder)


_MISSING = "it is missing"


class StoredArray:
    """An array of a store, read by ranges of rows, written by whole chunks.

    Parameters
    ----------
    folder
        The array's folder.
    mode
        "r+" where it is to be written.
    remedy
        Asked, when the array is damaged, what to do.

    Raises
    ------
    DamagedStoreError
        The folder is missing or no array.
    """

    def __init__(self, folder: Path, mode: Literal["r", "r+"] = "r", remedy: Callable[[], str] = str) -> None:
        self.folder = folder
        self._remedy = remedy
        try:
            self.zarr: Array = reading(folder, lambda: _opened(folder, mode))
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = "its metadata is missing or no Zarr"
            raise DamagedStoreError(str(folder.parent), folder.name, reason, remedy()) from error

    def __len__(self) -> int:
        return int(self.zarr.shape[0])

    @property
    def shape(self) -> tuple[int, ...]:
        """Its extents."""
        return self.zarr.shape

    @property
    def chunk_rows(self) -> int:
        """Rows of a chunk."""
        return int(self.zarr.chunks[0])

    def chunk_paths(self, start: int, stop: int) -> list[Path]:
        """Return the files of all chunks that hold rows start to stop."""
        if start >= stop:
            return []
        tail = ".0" * (self.zarr.ndim - 1)
        indices = range(start // self.chunk_rows, -(-stop // self.chunk_rows))
        return [self.folder / f"c.{index}{tail}" for index in indices]

    def read(self, start: int, stop: int, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """Read rows start to stop, into `out` where given (C-contiguous, of the array's dtype).

        Raises
        ------
        DamagedStoreError
            A chunk is missing, truncated or does not match its checksum; it is named.
        NotReadableError
            The system fails to read, and fails again.
        """
        if out is None:
            out = np.empty((stop - start, *self.shape[1:]), self.zarr.dtype)
        if start == stop:
            return out
        if self._form is None:
            self._read_by_zarr(start, stop, out)
            return out
        for path in self.chunk_paths(start, stop):
            self._read_chunk(self._form, path, start, out)
        return out

    def write(self, start: int, values: npt.NDArray[Any]) -> None:
        """Write rows from `start` on: whole chunks, but for the array's last."""
        if self._form is None:
            self.zarr[start : start + len(values)] = values
            return
        for path, rows in self._chunks_of(start, np.ascontiguousarray(values, self.zarr.dtype)):
            self._form.write(path, rows, self.chunk_rows, self.zarr.fill_value)

    @cached_property
    def _form(self) -> ChunkForm | None:
        return chunk_form(self.zarr)

    def _read_chunk(self, form: ChunkForm, path: Path, start: int, out: npt.NDArray[Any]) -> None:
        """Read what `out`, whose first row is the array's row `start`, lacks of one chunk."""
        step = self.chunk_rows
        first = int(path.name.split(".")[1]) * step
        last, stop = min(first + step, len(self)), start + len(out)
        wanted = out[max(first - start, 0) : last - start]
        whole = len(wanted) == last - first
        rows = wanted if whole else np.empty((last - first, *self.shape[1:]), self.zarr.dtype)
        try:
            reading(path, partial(form.read, path, rows))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise self._damaged(path.name, _MISSING) from error
        except ValueError as error:
            raise self._damaged(path.name, str(error)) from error
        if not whole:
            wanted[:] = rows[max(start - first, 0) : stop - first]

    def _chunks_of(self, start: int, rows: npt.NDArray[Any]) -> Iterator[tuple[Path, npt.NDArray[Any]]]:
        """Give the file of each chunk from row `start` on, and its rows."""
        step = self.chunk_rows
        paths = self.chunk_paths(start, start + len(rows))
        return zip(paths, (rows[first : first + step] for first in range(0, len(rows), step)), strict=True)

    def _read_by_zarr(self, start: int, stop: int, out: npt.NDArray[Any]) -> None:
        for path in self.chunk_paths(start, stop):
            # Zarr reads a missing chunk as fill values.
            if not path.exists():
                raise self._damaged(path.name, _MISSING)
        try:
            reading(self.folder, lambda: self._select(start, stop, out))
        except (ValueError, RuntimeError) as error:
            raise self._damaged(self._bad_chunk(start, stop), why_undecodable(error)) from error

    def _damaged(self, chunk: str, reason: str) -> DamagedStoreError:
        return DamagedStoreError(str(self.folder), chunk, reason, self._remedy())

    def _select(self, start: int, stop: int, out: npt.NDArray[Any]) -> None:
        selection = (slice(start, stop), *(slice(None) for _ in self.shape[1:]))
        self.zarr.get_basic_selection(selection, out=NDBuffer.from_numpy_array(out))

    def _bad_chunk(self, start: int, stop: int) -> str:
        for first in range(start - start % self.chunk_rows, stop, self.chunk_rows):
            try:
                self._select(first, first + 1, np.empty((1, *self.shape[1:]), self.zarr.dtype))
            except (ValueError, RuntimeError):
                return self.chunk_paths(first, first + 1)[0].name
        return self.folder.name


def _opened(folder: Path, mode: Literal["r", "r+"]) -> Array:
    return zarr.open_array(folder, mode=mode, config={"write_empty_chunks": True})


def chunk_rows(bounds: npt.NDArray[np.int64], row_bytes: int) -> int:
    """Choose the rows of a chunk: a whole number of equal chunks a partition, of 16 to 64 MB each.

    A partition smaller than that is one chunk. Where the partition's size has no fitting divisor,
    chunks become smaller rather than uneven.
    """
    size = int(bounds[1] - bounds[0])
    if len(bounds) == 2:
        return max(1, min(size, WISHED_CHUNK // row_bytes))
    pieces = -(-size * row_bytes // BIG_CHUNK)
    while pieces > 1 and size % pieces:
        pieces += 1
    return max(1, size // max(1, pieces))
