"""Chunks whose files hold their numbers as memory does: read and written without a copy.

Such a file is the chunk's rows, little-endian, and their CRC-32C: what Zarr's codecs `bytes` and `crc32c`
make. Zarr itself copies every chunk twice on its way, ten chunks at a time.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt
import zarr
from zarr.codecs import BytesCodec, Crc32cCodec

Bytes = npt.NDArray[np.uint8]

_CHECKSUM_BYTES = 4
_PIECE = 1 << 20


def are_plain(array: zarr.Array[Any]) -> bool:
    """Tell whether the chunks of an array are such files: whole rows, uncompressed, with a checksum."""
    return (
        sys.byteorder == "little"
        and array.chunks[1:] == array.shape[1:]
        and not array.filters
        and array.compressors == (Crc32cCodec(),)
        and array.serializer == BytesCodec()
    )


def write_chunk(path: Path, rows: npt.NDArray[Any], chunk_rows: int, fill: Any) -> None:
    """Write the file of a chunk; rows that the array's last chunk lacks are filled up.

    Parameters
    ----------
    path
        The file.
    rows
        The rows of the chunk that the array has, C-contiguous.
    chunk_rows
        Rows of a whole chunk.
    fill
        What stands for missing numbers.
    """
    checksum = 0
    with path.open("wb") as file:
        for piece in (_bytes(rows), *_padding(rows, chunk_rows, fill)):
            checksum = google_crc32c.extend(checksum, piece)
            file.write(piece.data)
        file.write(checksum.to_bytes(_CHECKSUM_BYTES, "little"))


def read_chunk(path: Path, out: npt.NDArray[Any]) -> None:
    """Read the rows of a chunk into `out`, C-contiguous, which may lack the last ones.

    Raises
    ------
    ValueError
        The file is too short, or does not match its checksum.
    """
    with path.open("rb", buffering=0) as file:
        left = path.stat().st_size - out.nbytes - _CHECKSUM_BYTES
        if left < 0 or _fill(file, _bytes(out).data) < out.nbytes:
            raise ValueError("it is too short")
        checksum = google_crc32c.value(_bytes(out))
        while left > 0 and (piece := file.read(min(left, _PIECE))):
            checksum = google_crc32c.extend(checksum, piece)
            left -= len(piece)
        if file.read() != checksum.to_bytes(_CHECKSUM_BYTES, "little"):
            raise ValueError("its checksum does not match")


def _bytes(rows: npt.NDArray[Any]) -> Bytes:
    return rows.reshape(-1).view(np.uint8)


def _padding(rows: npt.NDArray[Any], chunk_rows: int, fill: Any) -> Iterator[Bytes]:
    left = (chunk_rows - len(rows)) * int(np.prod(rows.shape[1:], dtype=np.int64))
    step = _PIECE // rows.itemsize
    if left:
        piece = _bytes(np.full(min(left, step), fill, rows.dtype))
        for done in range(0, left, step):
            yield piece[: min(step, left - done) * rows.itemsize]


def _fill(file: Any, space: memoryview) -> int:
    done = 0
    while done < len(space) and (count := file.readinto(space[done:])):
        done += count
    return done
