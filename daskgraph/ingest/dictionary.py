"""A dictionary of names that grows block by block: strings in, codes out, in several threads."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from daskgraph.ingest.strings import Bytes, Codes, Strings, arrow_indices, arrow_strings, strings_of
from daskgraph_kernels.dictionary import SHARD_SHIFT, SHARDS, encode, hash_strings, refill

FIRST_ROWS, FIRST_BYTES = 1 << 8, 1 << 12


@dataclass
class _Shard:
    slots: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(2 * FIRST_ROWS, np.uint64))
    arena: Bytes = field(default_factory=lambda: np.empty(FIRST_BYTES, np.uint8))
    ends: Codes = field(default_factory=lambda: np.zeros(FIRST_ROWS + 1, np.int64))
    owners: npt.NDArray[np.uint64] = field(default_factory=lambda: np.empty(FIRST_ROWS, np.uint64))
    count: Codes = field(default_factory=lambda: np.zeros(1, np.int64))

    def grow(self, length: int) -> None:
        """Make room for more strings, the next of them `length` bytes long."""
        used, rows = int(self.count[0]), len(self.owners)
        if used == rows:
            self.ends = _longer(self.ends, 2 * rows + 1)
            self.owners = _longer(self.owners, 2 * rows)
            self.slots = np.zeros(2 * len(self.slots), np.uint64)
            refill(self.slots, self.owners, used)
        if self.ends[used] + length > len(self.arena):
            self.arena = _longer(self.arena, 2 * len(self.arena) + length)


@dataclass(frozen=True)
class _Piece:
    """Some strings of a block, dealt out to their shards, so that each shard reads its own in one run."""

    order: npt.NDArray[np.int64]
    shards: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]
    bounds: Codes
    text: Bytes
    codes: Codes

    def gather(self, codes: Codes) -> None:
        """Bring the codes back into the order of the strings."""
        codes[: len(self.order)][self.order] = self.codes


def _deal(strings: Strings) -> _Piece:
    bounds, text = strings
    text = text.view()
    # One type of array, one compiled kernel.
    text.flags.writeable = False
    hashes = np.empty(len(bounds) - 1, np.uint64)
    hash_strings(text, bounds, hashes)
    shard = (hashes >> SHARD_SHIFT).astype(np.uint8)
    # NumPy sorts numbers of 8 bits by counting.
    order = np.argsort(shard, kind="stable")
    firsts = np.concatenate([[0], np.cumsum(np.bincount(shard, minlength=SHARDS))])
    dealt_bounds, dealt_text = strings_of(arrow_strings(strings).take(arrow_indices(order)))
    return _Piece(order, firsts, hashes[order], dealt_bounds, dealt_text, np.empty(len(order), np.int64))


class Dictionary:
    """Gives every distinct string a code, the same for any number of threads.

    Parameters
    ----------
    pool
        Where the work of a block is spread.
    """

    def __init__(self, pool: Executor) -> None:
        self._pool = pool
        self._shards = [_Shard() for _ in range(SHARDS)]

    def __len__(self) -> int:
        return sum(int(shard.count[0]) for shard in self._shards)

    def encode(self, parts: Sequence[Strings]) -> Codes:
        """Return the codes of strings, int64, shape (n,); new ones get new codes, which may have gaps.

        Parameters
        ----------
        parts
            The strings, in parts that are dealt with at the same time.
        """
        pieces = list(self._pool.map(_deal, parts))
        list(self._pool.map(lambda shard: self._fill(shard, pieces), range(SHARDS)))
        firsts = np.cumsum([0, *(len(piece.order) for piece in pieces)])
        codes = np.empty(firsts[-1], np.int64)
        list(self._pool.map(lambda piece, first: piece.gather(codes[first:]), pieces, firsts[:-1]))
        return codes

    def _fill(self, number: int, pieces: list[_Piece]) -> None:
        shard = self._shards[number]
        for piece in pieces:
            start, stop = piece.shards[number : number + 2]
            bounds, hashes, codes = (
                piece.bounds[start : stop + 1],
                piece.hashes[start:stop],
                piece.codes[start:stop],
            )
            done, count = 0, stop - start
            while done < count:
                arrays = shard.slots, shard.arena, shard.ends, shard.owners, shard.count
                done = encode(piece.text, bounds, hashes, number, done, *arrays, codes)
                if done < count:
                    shard.grow(int(bounds[done + 1] - bounds[done]))

    def codes(self) -> Codes:
        """Return all codes that were given, int64, shape (len(self),), in the order of `strings`."""
        counts = [int(shard.count[0]) for shard in self._shards]
        numbers = [np.arange(count, dtype=np.int64) * SHARDS + shard for shard, count in enumerate(counts)]
        return np.concatenate(numbers)

    def hashes(self) -> npt.NDArray[np.uint64]:
        """Return a hash of the string of each code, uint64, indexed by code; gaps are 0."""
        counts = [int(shard.count[0]) for shard in self._shards]
        found = np.zeros(SHARDS * max(counts), np.uint64)
        for number, (shard, count) in enumerate(zip(self._shards, counts, strict=True)):
            found[number : number + SHARDS * count : SHARDS] = shard.owners[:count]
        return found

    def positions(self) -> npt.NDArray[np.int64]:
        """Return the position of each code in `strings`, int64, indexed by code; gaps are 0."""
        codes = self.codes()
        found = np.zeros(int(codes.max(initial=-1)) + 1, np.int64)
        found[codes] = np.arange(len(codes))
        return found

    def strings(self) -> tuple[Codes, Bytes]:
        """Return all distinct strings as bounds and text."""
        counts = [int(shard.count[0]) for shard in self._shards]
        pairs = list(zip(self._shards, counts, strict=True))
        lengths = [np.diff(shard.ends[: count + 1]) for shard, count in pairs]
        text = np.concatenate([shard.arena[: shard.ends[count]] for shard, count in pairs])
        return np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64), text


def _longer(array: npt.NDArray[Any], length: int) -> npt.NDArray[Any]:
    longer = np.empty(length, array.dtype)
    longer[: len(array)] = array
    return longer
