"""Strings on disk, one a row, with a permutation that sorts them: look-up without loading all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from daskgraph.errors import AmbiguousEntityError, UnknownEntityError, nearest_name
from daskgraph.store.zarr_arrays import StoredArray, write_array

SMALL_BYTES = 1 << 26
"""Names that take less than this are loaded whole at the first question."""

BLOCK = 1 << 16
"""Rows that are read together when many are asked for."""

MANY = 1000
"""From so many names on, a dictionary is made before they are looked up."""


def write_names(
    folder: Path, offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8], order: Any
) -> None:
    """Write strings as Arrow has them: `data` between two `offsets` is one row, as UTF-8.

    `order` is the permutation that sorts them by their bytes; None where nobody looks them up.
    """
    write_array(folder / "offsets", offsets, BLOCK)
    write_array(folder / "bytes", data)
    if order is not None:
        write_array(folder / "order", order, BLOCK)


class Names:
    """The strings of one entity type, or of the relations: row → name and name → row.

    Parameters
    ----------
    folder
        Where the arrays offsets, bytes and order are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._offsets = StoredArray(folder / "offsets")

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def name(self, row: int) -> str:
        """Return the string of a row; empty where a row has no label."""
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} is not among the {len(self)} rows")
        return self._encoded(int(row)).decode()

    def names(self, rows: Sequence[int] | npt.NDArray[np.integer[Any]]) -> list[str]:
        """Return the strings of many rows."""
        wanted = np.asarray(rows, np.int64)
        if len(wanted) and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise IndexError(f"rows {wanted.min()} to {wanted.max()} are not among the {len(self)} rows")
        if self._loaded is not None:
            return _cut(*self._loaded, wanted)
        if len(wanted) < 100:
            return [self.name(int(row)) for row in wanted]
        found = np.empty(len(wanted), np.object_)
        order = np.argsort(wanted, kind="stable")
        starts = np.flatnonzero(np.diff(wanted[order] // BLOCK, prepend=-1))
        for places in np.split(order, starts[1:]):
            first = int(wanted[places[0]]) // BLOCK * BLOCK
            found[places] = _cut(*self._block(first, min(first + BLOCK, len(self))), wanted[places] - first)
        return list(found)

    def __iter__(self) -> Iterator[str]:
        for first in range(0, len(self), BLOCK):
            offsets, data = self._block(first, min(first + BLOCK, len(self)))
            yield from _cut(offsets, data, np.arange(len(offsets) - 1))

    def sorted_rows(self, start: int, stop: int) -> npt.NDArray[np.int64]:
        """Return the rows at the places start to stop of the order of names, int64."""
        return self._order.read(start, stop).astype(np.int64, copy=False)

    def row(self, name: str) -> int:
        """Return the one row of that name.

        Raises
        ------
        UnknownEntityError
            No row has that name; a near one is named.
        AmbiguousEntityError
            Several rows have it, as labels may.
        """
        matches = self.matches(name)
        if not matches:
            raise UnknownEntityError(name, self.nearest(name))
        if len(matches) > 1:
            raise AmbiguousEntityError(name, tuple(f"row {row}" for row in matches))
        return matches[0]

    def matches(self, name: str, limit: int = 10) -> list[int]:
        """Return the rows of that name, at most `limit` of them; none for the empty name."""
        if not name:
            return []
        encoded = name.encode("utf-8", "surrogatepass")
        place = self._lower_bound(encoded)
        found: list[int] = []
        while place < len(self) and len(found) < limit:
            row = self._sorted(place)
            if self._encoded(row) != encoded:
                break
            found.append(row)
            place += 1
        return found

    def rows(self, names: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the rows of many names; errors as of `row`."""
        if len(names) < MANY:
            return np.array([self.row(name) for name in names], np.int64)
        return np.array([self._row_of(name) for name in names], np.int64)

    def nearest(self, name: str, *, unique: bool = False) -> str | None:
        """Return a name that was probably meant, looking at all of few names or at those sorted nearby.

        `unique` leaves out those that several rows have.
        """
        if len(self) <= 20_000:
            counts = Counter(self)
            known = [known for known, count in counts.items() if known and (count == 1 or not unique)]
            return nearest_name(name, known)
        place = self._lower_bound(name.encode("utf-8", "surrogatepass"))
        places = range(max(0, place - 20), min(len(self), place + 20))
        near = [self.name(self._sorted(place)) for place in places]
        return nearest_name(name, [known for known in near if not unique or len(self.matches(known, 2)) == 1])

    @cached_property
    def _index(self) -> dict[str, int]:
        index: dict[str, int] = {}
        for row, name in enumerate(self):
            index[name] = -1 if name in index or not name else row
        return index

    def _row_of(self, name: str) -> int:
        row = self._index.get(name, -1)
        return self.row(name) if row < 0 else row

    @cached_property
    def _bytes(self) -> StoredArray:
        return StoredArray(self._folder / "bytes")

    @cached_property
    def _order(self) -> StoredArray:
        return StoredArray(self._folder / "order")

    @cached_property
    def _loaded(self) -> tuple[npt.NDArray[np.int64], bytes] | None:
        if len(self) * 8 + len(self._bytes) > SMALL_BYTES:
            return None
        return self._offsets.read(0, len(self) + 1), self._bytes.read(0, len(self._bytes)).tobytes()

    @cached_property
    def _loaded_order(self) -> npt.NDArray[np.integer[Any]] | None:
        return None if self._loaded is None else self._order.read(0, len(self))

    def _encoded(self, row: int) -> bytes:
        if self._loaded is not None:
            offsets, data = self._loaded
            return data[offsets[row] : offsets[row + 1]]
        start, stop = self._offsets.read(row, row + 2)
        return self._bytes.read(int(start), int(stop)).tobytes()

    def _block(self, start: int, stop: int) -> tuple[npt.NDArray[np.int64], bytes]:
        """Return strings as Arrow has them."""
        if self._loaded is not None:
            return self._loaded[0][start : stop + 1], self._loaded[1]
        offsets = self._offsets.read(start, stop + 1)
        data = self._bytes.read(int(offsets[0]), int(offsets[-1])).tobytes()
        return offsets - offsets[0], data

    def _sorted(self, place: int) -> int:
        if self._loaded_order is not None:
            return int(self._loaded_order[place])
        return int(self._order.read(place, place + 1)[0])

    def _lower_bound(self, encoded: bytes) -> int:
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self._encoded(self._sorted(middle)) < encoded:
                low = middle + 1
            else:
                high = middle
        return low


def _cut(offsets: npt.NDArray[np.int64], data: bytes, rows: npt.NDArray[np.int64]) -> list[str]:
    """Return the strings of some rows, as Arrow has them."""
    bounds = zip(offsets[rows].tolist(), offsets[rows + 1].tolist(), strict=True)
    return [data[start:stop].decode() for start, stop in bounds]
