"""Scores that are exact where it matters: near a positive. Others come from products of 16-bit integers, in
half the time, and are on the right side of it (docs/mathematics.md, equations 61, 62).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .elementary import maximum
from .jit import inner_kernel, kernel
from .products import pair_products, rows_by_rows
from .workspace import Floats

# The length of a rounded row: sums of products of two stay below 2**31, whatever their dimension.
_LENGTH = np.float32(32000)

# Of shorter rows a float32 can not hold the squares.
_SHORTEST = np.float32(1e-12)

# Candidates that are looked at together for those near a positive.
_GROUP = 32

# At most one in so many scores is made exact: beyond that a product of all costs less.
_FEW = 16

# Scores that are made exact together.
_TOGETHER = 64


class Rounded(NamedTuple):
    """Rows as integers of 16 bits, each row in its own unit."""

    pairs: NDArray[np.int32]  # (n, k): two integers each, 0 after the last of an odd dimension
    unit: Floats  # (n,): what 1 stands for
    reach: Floats  # (n,): how far a score may be off for it, in units of both rows; infinite: it does not fit


class Near(NamedTuple):
    """Room for what is near: scores made exact by the product that made the positives'."""

    places: NDArray[np.int64]  # (n,): which candidates
    rows: Floats  # (n, d): theirs
    scores: Floats  # (1, n)


def room_for_near(dimension: int) -> Near:
    """Return room for rows of a dimension, for one thread."""
    floats = np.empty((_TOGETHER, dimension), np.float32), np.empty((1, _TOGETHER), np.float32)
    return Near(np.empty(_TOGETHER, np.int64), *floats)


def rounded(rows: Floats) -> Rounded:
    """Return rows (n, d) rounded to integers. Equation 61."""
    count, d = rows.shape
    numbers = np.zeros((count, d + d % 2), np.int16)
    unit, reach = np.empty(count, np.float32), np.empty(count, np.float32)
    _round_rows(rows, numbers, unit, reach)
    return Rounded(numbers.view(np.int32), unit, reach)


@kernel
def _round_rows(rows, numbers, unit, reach):
    """Numbers (n, d or d + 1) = rows (n, d) / unit (n,), off by reach (n,). Equation 61."""
    d = rows.shape[1]
    # What float32 cuts off in sums of d products.
    least = _LENGTH * np.float32(2.0**-25) * np.float32(d + 16)
    for i in range(len(rows)):
        square, largest = np.float32(0), np.float32(0)
        for j in range(d):
            square += rows[i, j] * rows[i, j]
            largest = maximum(largest, abs(rows[i, j]))
        length = np.sqrt(square)
        fits = _SHORTEST < length < np.float32(np.inf)
        scale = _LENGTH / length if fits else np.float32(0)
        cut = np.float32(0)
        for j in range(d):
            exact = (rows[i, j] if fits else np.float32(0)) * scale
            whole = np.floor(exact + np.float32(0.5))
            cut += (exact - whole) * (exact - whole)
            numbers[i, j] = np.int16(np.int32(whole))
        unit[i] = length / _LENGTH if fits else np.float32(0)
        reach[i] = np.float32(1.002) * np.sqrt(cut) + least
        # Squares of small numbers are 0 before they are.
        if not (fits or largest == 0):
            reach[i] = np.float32(np.inf)


@kernel
def screen_scores(
    queries, candidates, rounded_queries, rounded_candidates, questions, first_query, near, scores
):
    """Scores (m, n) of queries (m, d), the first of them `first_query`, with candidates (n, d), as far as the
    questions need them. Equation 62.

    False where more than few would have to be exact: scores then mean nothing.
    """
    pair_products(rounded_queries.pairs, rounded_candidates.pairs, scores)
    for i in range(len(scores)):
        row, unit = scores[i], rounded_queries.unit[i]
        for j in range(len(row)):
            row[j] = row[j] * unit * rounded_candidates.unit[j]
    left, count = len(questions.query) * scores.shape[1] // _FEW, 0
    for asked in range(len(questions.query)):
        i = questions.query[asked] - first_query
        length = rounded_queries.unit[i] * _LENGTH
        band = questions.positive[asked], length, length * rounded_queries.reach[i]
        for start in range(0, scores.shape[1], _GROUP):
            part = slice(start, min(start + _GROUP, scores.shape[1]))
            row, unit, reach = scores[i, part], rounded_candidates.unit[part], rounded_candidates.reach[part]
            if _count_near(row, band, unit, reach) == 0:
                continue
            if count > _TOGETHER - _GROUP:
                left -= count
                count = _make_exact(queries.rows, i, near, count, scores)
            count = _note_near(row, band, unit, reach, candidates.rows[part], start, near, count)
        if asked + 1 == len(questions.query) or questions.query[asked + 1] != questions.query[asked]:
            left -= count
            count = _make_exact(queries.rows, i, near, count, scores)
        if left < 0:
            return False
    return True


@inner_kernel
def _is_near(score, band, unit, reach):
    """Whether a candidate's score may be on the other side of the positive. NaN always may."""
    positive, length, own_reach = band
    return not abs(score - positive) > unit * (own_reach + length * reach)


@inner_kernel
def _count_near(row, band, unit, reach):
    """How many of the scores (n,) are near, of candidates with these units and reaches (n,)."""
    count = np.float32(0)
    for j in range(len(row)):
        count += np.float32(1) if _is_near(row[j], band, unit[j], reach[j]) else np.float32(0)
    return count


@inner_kernel
def _note_near(row, band, unit, reach, candidates, start, near, count):
    """Note which of the candidates (n, d) from `start` on are near, after `count` others; how many in all."""
    for j in range(len(row)):
        if _is_near(row[j], band, unit[j], reach[j]):
            near.places[count] = start + j
            for k in range(candidates.shape[1]):
                near.rows[count, k] = candidates[j, k]
            count += 1
    return count


@inner_kernel
def _make_exact(queries, i, near, count, scores):
    """Scores of query i with the `count` candidates that were noted; 0, for none is left.

    A sum in another order than the positive's would tear ties apart.
    """
    rows_by_rows(queries[i : i + 1], near.rows[:count], near.scores, 0)
    for place in range(count):
        scores[i, near.places[place]] = near.scores[0, place]
    return 0
