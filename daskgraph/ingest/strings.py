"""Strings as NumPy arrays, the way Arrow lays them out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Codes = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

Strings = tuple[Codes, Bytes]
"""Where each string begins in the bytes, and where the last ends; the UTF-8 bytes."""


def strings_of(array: pa.Array) -> Strings:
    """Return strings without nulls as bounds and bytes, without a copy."""
    _, bounds, text = array.buffers()
    if bounds is None or not len(array):
        return np.zeros(1, np.int64), np.zeros(0, np.uint8)
    return np.frombuffer(bounds, np.int64)[array.offset : array.offset + len(array) + 1], _bytes(text)


def parts_of(column: pa.ChunkedArray) -> list[Strings]:
    """Return the strings of a column without nulls, chunk by chunk; whole numbers as decimal strings."""
    if not pa.types.is_large_string(column.type):
        column = column.cast(pa.large_string())
    return [strings_of(chunk) for chunk in column.chunks]


def arrow_strings(strings: Strings) -> pa.Array:
    """Return strings as an Arrow array, without a copy."""
    bounds, text = strings
    buffers = [None, pa.py_buffer(np.ascontiguousarray(bounds)), pa.py_buffer(np.ascontiguousarray(text))]
    return pa.Array.from_buffers(pa.large_string(), len(bounds) - 1, buffers)


def listed_strings(names: Sequence[str]) -> pa.Array:
    """Return a list of strings as an Arrow array."""
    encoded = [name.encode() for name in names]
    bounds = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(name) for name in encoded], out=bounds[1:])
    return arrow_strings((bounds, np.frombuffer(b"".join(encoded), np.uint8)))


def arrow_indices(indices: Codes) -> pa.Array:
    """Return whole numbers as an Arrow array; `pyarrow.array` would first import pandas."""
    return pa.Array.from_buffers(
        pa.int64(), len(indices), [None, pa.py_buffer(np.ascontiguousarray(indices))]
    )


def numbers_of(array: pa.Array, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return an Arrow array of numbers of this type, without nulls, as it lies in memory."""
    values = np.frombuffer(array.buffers()[1], dtype) if len(array) else np.zeros(0, dtype)
    return values[array.offset : array.offset + len(array)]


def _bytes(buffer: Any) -> Bytes:
    return np.zeros(0, np.uint8) if buffer is None or not buffer.size else np.frombuffer(buffer, np.uint8)
