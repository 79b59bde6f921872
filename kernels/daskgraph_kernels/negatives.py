"""Which entities a batch's positives are scored against."""

import numpy as np
from numba.core import types

from .jit import Chances, Ids, Matrix, Ranges, inner_kernel, variant
from .losses import IGNORED
from .rng import below, philox

# candidates(key, batch, side, ranges (k, 2), chances (rows,) or (0,), out (n,))
CANDIDATES = types.void(types.uint64, types.int64, types.int64, Ranges, Chances, Ids)
# ignore(in_batch, all_candidates, same, ranges (k, 2), ids (uses,), first, scores (b, n))
IGNORE = types.void(types.boolean, types.boolean, types.boolean, Ranges, Ids, types.int64, Matrix)

_UNIT = 1.0 / 4294967296.0

NO_CHANCES = np.zeros(0)
"""Where all rows are alike."""

HEAD_SIDE = 0
TAIL_SIDE = 1


@variant(CANDIDATES)
def draw_uniform(key, batch, side, ranges, chances, out):
    """Fill out (n,) with rows drawn uniformly, with replacement, from the row ranges (k, 2) [first, last)."""
    total = np.int64(0)
    for k in range(ranges.shape[0]):
        total += ranges[k, 1] - ranges[k, 0]
    limit = np.uint64(total)
    high = np.uint64(batch) >> np.uint64(32)
    low = np.uint64(batch) & np.uint64(0xFFFFFFFF)
    for i in range(0, len(out), 2):
        w0, w1, w2, w3 = philox(key, np.uint64(i >> 1), np.uint64(side), low, high)
        out[i] = _row(ranges, below(w0, w1, limit))
        if i + 1 < len(out):
            out[i + 1] = _row(ranges, below(w2, w3, limit))


@variant(CANDIDATES)
def draw_by_chance(key, batch, side, ranges, chances, out):
    """Fill out (n,) with rows of the ranges (k, 2) [first, last), laid end to end, each with its own chance.

    `chances` (rows,) are sums up to and with each of them. Equation 59.
    """
    high = np.uint64(batch) >> np.uint64(32)
    low = np.uint64(batch) & np.uint64(0xFFFFFFFF)
    for i in range(0, len(out), 2):
        w0, w1, w2, w3 = philox(key, np.uint64(i >> 1), np.uint64(side), low, high)
        out[i] = _row(ranges, _drawn(chances, w0, w1))
        if i + 1 < len(out):
            out[i + 1] = _row(ranges, _drawn(chances, w2, w3))


@variant(CANDIDATES)
def list_all(key, batch, side, ranges, chances, out):
    """Fill out (n,) with every row of the ranges (k, 2), in order, n of them at most."""
    position = 0
    for k in range(ranges.shape[0]):
        for row in range(ranges[k, 0], ranges[k, 1]):
            if position < len(out):
                out[position] = row
                position += 1


@inner_kernel
def _drawn(chances, high, low):
    """The first place whose sum of chances (rows,) is above a 64-bit fraction of them all."""
    share = (np.float64(high) + np.float64(low) * _UNIT) * _UNIT
    wanted = share * chances[len(chances) - 1]
    first, last = 0, len(chances) - 1
    while first < last:
        middle = (first + last) // 2
        if chances[middle] <= wanted:
            first = middle + 1
        else:
            last = middle
    return first


@inner_kernel
def _row(ranges, position):
    """The row at `position` when the ranges are laid end to end."""
    for k in range(ranges.shape[0]):
        count = ranges[k, 1] - ranges[k, 0]
        if position < count:
            return ranges[k, 0] + position
        position -= count
    return ranges[ranges.shape[0] - 1, 1] - 1


@inner_kernel
def row_position(ranges, row):
    """Where `row` stands when the ranges (k, 2) are laid end to end; their length, if it is in none."""
    before = np.int64(0)
    for k in range(ranges.shape[0]):
        if ranges[k, 0] <= row < ranges[k, 1]:
            return before + row - ranges[k, 0]
        before += ranges[k, 1] - ranges[k, 0]
    return before


@variant(IGNORE)
def ignore_positives(in_batch, all_candidates, same, ranges, ids, first, scores):
    """Give each row's own positive, ids[first + i], the score IGNORED where it stands among its candidates.

    Those follow in `ids`, after the b positives or, `in_batch`, from the first of these on. If `same`,
    every candidate that is the positive's entity is ignored. Equation 58.
    """
    candidates = first if in_batch else first + len(scores)
    for i in range(len(scores)):
        if all_candidates:
            position = row_position(ranges, ids[first + i])
            if position < scores.shape[1]:
                scores[i, position] = IGNORED
        elif same:
            for j in range(scores.shape[1]):
                if ids[candidates + j] == ids[first + i]:
                    scores[i, j] = IGNORED
        elif in_batch:
            scores[i, i] = IGNORED
