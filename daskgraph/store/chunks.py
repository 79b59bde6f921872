"""Files of chunks in the two forms that stores have, read and written as Zarr would, but faster.

A plain chunk is its rows, little-endian, and their CRC-32C: what Zarr's codecs `bytes` and `crc32c` make.
A packed one is its rows compressed, with a checksum: what `bytes` and `zstd` make. Zarr itself copies every
plain chunk twice on its way, and takes a millisecond to find any chunk: as long as decoding 200,000 edges.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import google_crc32c
import numpy as np
import numpy.typing as npt
import zarr
from numcodecs import zstd
from zarr.codecs import BytesCodec, Crc32cCodec, ZstdCodec

Bytes = npt.NDArray[np.uint8]

_CHECKSUM_BYTES = 4
_PIECE = 1 << 20

PACKER = ZstdCodec(level=1, checksum=True)
"""What packs chunks."""


def write_plain(path: Path, rows: npt.NDArray[Any], chunk_rows: int, fill: Any) -> None:
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
    # A file that is there keeps its pages: to free them and to ask for others takes longer than to copy.
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666), "wb", buffering=0) as file:
        for piece in (_bytes(rows), *_padding(rows, chunk_rows, fill)):
            checksum = google_crc32c.extend(checksum, piece)
            _put(file, piece.data)
        _put(file, memoryview(checksum.to_bytes(_CHECKSUM_BYTES, "little")))
        file.truncate()


def read_plain(path: Path, out: npt.NDArray[Any]) -> None:
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


def write_packed(path: Path, rows: npt.NDArray[Any], chunk_rows: int, fill: Any) -> None:
    """Write the file of a packed chunk; as `write_plain`."""
    content = np.concatenate((_bytes(rows), *_padding(rows, chunk_rows, fill)))
    path.write_bytes(zstd.compress(content, PACKER.level, PACKER.checksum))


def read_packed(path: Path, out: npt.NDArray[Any]) -> None:
    """Read the rows of a packed chunk; as `read_plain`."""
    packed = path.read_bytes()
    try:
        content = np.frombuffer(zstd.decompress(packed), np.uint8)
    except (RuntimeError, ValueError) as error:
        raise ValueError(why_undecodable(error)) from error
    if len(content) < out.nbytes:
        raise ValueError("it is too short")
    _bytes(out)[:] = content[: out.nbytes]


def why_undecodable(error: Exception) -> str:
    """Return what a decoder's error says of a chunk."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return "its checksum does not match" if "checksum" in text.lower() else f"it can not be decoded ({text})"


class ChunkForm(NamedTuple):
    """How the files of an array's chunks are written and read."""

    write: Callable[[Path, npt.NDArray[Any], int, Any], None]
    read: Callable[[Path, npt.NDArray[Any]], None]


_FORMS: dict[tuple[Any, ...], ChunkForm] = {
    (Crc32cCodec(),): ChunkForm(write_plain, read_plain),
    (PACKER,): ChunkForm(write_packed, read_packed),
}


def chunk_form(array: zarr.Array[Any]) -> ChunkForm | None:
    """Return the form of an array's chunks; None where only Zarr knows it."""
    whole_rows = array.chunks[1:] == array.shape[1:] and not array.filters
    if sys.byteorder == "little" and whole_rows and array.serializer == BytesCodec():
        return _FORMS.get(array.compressors)
    return None


def _bytes(rows: npt.NDArray[Any]) -> Bytes:
    return rows.reshape(-1).view(np.uint8)


def _padding(rows: npt.NDArray[Any], chunk_rows: int, fill: Any) -> Iterator[Bytes]:
    left = (chunk_rows - len(rows)) * int(np.prod(rows.shape[1:], dtype=np.int64))
    step = _PIECE // rows.itemsize
    if left:
        piece = _bytes(np.full(min(left, step), fill, rows.dtype))
        for done in range(0, left, step):
            yield piece[: min(step, left - done) * rows.itemsize]


def _put(file: Any, content: memoryview) -> None:
    done = 0
    while done < len(content):
        done += file.write(content[done:])


def _fill(file: Any, space: memoryview) -> int:
    done = 0
    while done < len(space) and (count := file.readinto(space[done:])):
        done += count
    return done
