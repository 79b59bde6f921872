"""Adagrad: one step for each row after all its gradients in a batch are summed (docs/mathematics.md,
equations 40, 41).
"""

from typing import NamedTuple

import numpy as np
from numba.core import types
from numpy.typing import NDArray

from .ahead import DISTANCE, fetch_number, fetch_row
from .jit import Flags, Ids, Matrix, Ranges, Vector, inner_kernel, record, variant
from .rows import FEATURE_LISTS, FeatureLists


class Links(NamedTuple):
    """Room to go through the uses of a batch feature by feature; none where no type is featurised."""

    pairs: NDArray[np.int64]  # (pairs, 2): a use with this feature, and the next such pair, -1 at the end
    table: NDArray[np.int64]  # (m, 2): hash of the features, -1 where free, and the first pair of each
    places: NDArray[np.int64]  # (features,): which of its places are taken
    total: NDArray[np.float32]  # (d,)


LINKS = record(Links, Ranges, Ranges, Ids, Vector)

MERGE_REPEATS = types.void(Ids, Matrix, Ranges, types.int64, types.int64, Flags)
# step_rows(rows (m, d), sums (m,), features, links, ids, gradient (uses, d), first, last, shared, rate,
#   lengths (uses,))
STEP_ROWS = types.void(
    *[Matrix, Vector, FEATURE_LISTS, LINKS, Ids, Matrix],
    *[types.int64, types.int64, Flags, types.float32, Vector],
)
STEP_PARAMETERS = types.void(Matrix, Matrix, Ids, Matrix, types.int64, types.float32)
STEP_COMMON = types.void(Vector, Vector, Matrix, types.int64, types.int64, types.float32)

_EPSILON = np.float32(1e-10)

# Lengths of steps are never negative.
_NO_STEP = np.float32(-1)

# Rows that are stepped together: their gradients stay in the first cache.
_TOGETHER = 8


@variant(MERGE_REPEATS)
def merge_repeats(ids, gradient, table, first, last, shared):
    """Sum the gradient rows [first, last) of equal ids into the first of them.

    `table` (m, 2), m a power of two above twice the ids, is the hash of ids already met, -1 where free;
    `shared` (n,) is set to False where a row stands for its id, True where it was added to another.
    """
    mask = table.shape[0] - 1
    for place in range(table.shape[0]):
        table[place, 0] = -1
    for use in range(first, last):
        row = ids[use]
        place = _hash(row) & mask
        while table[place, 0] != -1 and table[place, 0] != row:
            place = (place + 1) & mask
        if table[place, 0] == row:
            target = table[place, 1]
            for j in range(gradient.shape[1]):
                gradient[target, j] += gradient[use, j]
            shared[use] = True
        else:
            table[place, 0] = row
            table[place, 1] = use
            shared[use] = False


@inner_kernel
def _hash(row):
    """A multiplicative hash that never leaves int64."""
    return ((row ^ (row >> 31)) & 0x7FFFFFFF) * 2654435761 >> 15


@inner_kernel
def _square(gradient):
    """|gradient (d,)|²."""
    square = np.float32(0)
    for j in range(len(gradient)):
        square += gradient[j] * gradient[j]
    return square


@inner_kernel
def _step_length(sums, row, square, d, rate):
    """What a gradient of this square is multiplied by after it was added to sums (m,), or _NO_STEP. Equation
    40.
    """
    if square == 0:
        return _NO_STEP
    total = sums[row] + square / np.float32(d)
    sums[row] = total
    return rate / (np.sqrt(total) + _EPSILON)


@variant(STEP_ROWS)
def step_rows(rows, sums, features, links, ids, gradient, first, last, shared, rate, lengths):
    """A step of every row (m, d) for the use of [first, last) that stands for its id; `lengths` (uses,) are
    overwritten. Equation 40.
    """
    d = gradient.shape[1]
    for start in range(first, last, _TOGETHER):
        stop = min(start + _TOGETHER, last)
        for use in range(start, stop):
            if use + DISTANCE < last:
                fetch_number(sums, ids[use + DISTANCE])
                fetch_row(rows, ids[use + DISTANCE])
            lengths[use] = np.float32(0) if shared[use] else _square(gradient[use])
        # All roots of some rows together: row by row, each would wait for the sum before it.
        for use in range(start, stop):
            lengths[use] = _step_length(sums, ids[use], lengths[use], d, rate)
        for use in range(start, stop):
            step, row = lengths[use], ids[use]
            # Whatever is no number, or infinite, comes out in the row.
            if step != _NO_STEP:
                for j in range(d):
                    rows[row, j] -= step * gradient[use, j]


@variant(STEP_ROWS)
def step_features(rows, sums, features, links, ids, gradient, first, last, shared, rate, lengths):
    """A step of every feature's row (m, d) that an entity of the uses [first, last) has. Equations 8, 40.

    The gradient of a use that stands for its entity is divided by the number of its features, in place.
    """
    taken = _link_features(features, links, ids, gradient, first, last, shared)
    for i in range(taken):
        place = links.places[i]
        for j in range(len(links.total)):
            links.total[j] = 0
        pair = links.table[place, 1]
        while pair != -1:
            use = links.pairs[pair, 0]
            for j in range(len(links.total)):
                links.total[j] += gradient[use, j]
            pair = links.pairs[pair, 1]
        feature, d = links.table[place, 0], len(links.total)
        step = _step_length(sums, feature, _square(links.total), d, rate)
        if step != _NO_STEP:
            for j in range(d):
                rows[feature, j] -= step * links.total[j]
        links.table[place, 0] = -1


@inner_kernel
def _link_features(features, links, ids, gradient, first, last, shared):
    """Chain the uses that have a feature in common; how many features there are."""
    mask = links.table.shape[0] - 1
    pairs, taken = 0, 0
    for use in range(first, last):
        if shared[use]:
            continue
        start, stop = features.offsets[ids[use]], features.offsets[ids[use] + 1]
        share = np.float32(1) / np.float32(max(1, stop - start))
        for j in range(gradient.shape[1]):
            gradient[use, j] *= share
        for k in range(start, stop):
            feature = features.ids[k]
            place = _hash(feature) & mask
            while links.table[place, 0] != -1 and links.table[place, 0] != feature:
                place = (place + 1) & mask
            if links.table[place, 0] == -1:
                links.table[place, 0] = feature
                links.table[place, 1] = -1
                links.places[taken] = place
                taken += 1
            links.pairs[pairs, 0] = use
            links.pairs[pairs, 1] = links.table[place, 1]
            links.table[place, 1] = pairs
            pairs += 1
    return taken


@variant(STEP_PARAMETERS)
def step_parameters(values, sums, ids, gradient, count, rate):
    """Element-wise Adagrad on rows ids[:count] of values (r, s), sums (r, s), with gradient (count, s).
    Equation 41.
    """
    for i in range(count):
        row = ids[i]
        for j in range(values.shape[1]):
            total = sums[row, j] + gradient[i, j] * gradient[i, j]
            sums[row, j] = total
            values[row, j] -= rate * gradient[i, j] / (np.sqrt(total) + _EPSILON)


@variant(STEP_COMMON)
def step_common(common, sums, gradient, first, last, rate):
    """Element-wise Adagrad on a vector (d,) that was added to the rows [first, last). Equation 41."""
    for j in range(len(common)):
        total = np.float32(0)
        for i in range(first, last):
            total += gradient[i, j]
        sums[j] += total * total
        common[j] -= rate * total / (np.sqrt(sums[j]) + _EPSILON)


def allocate_links(pairs: int, features: int, dimension: int) -> Links:
    """Room for so many pairs of an entity and a feature, of so many features at most."""
    distinct = min(pairs, features)
    return Links(
        np.zeros((pairs, 2), np.int64),
        np.full((1 << (2 * distinct).bit_length(), 2), -1, np.int64),
        np.zeros(distinct, np.int64),
        np.zeros(dimension, np.float32),
    )


def most_pairs(features: FeatureLists, entities: int) -> int:
    """Return how many features so many distinct entities may have together."""
    counts = np.sort(np.diff(features.offsets))
    return int(counts[max(0, len(counts) - entities) :].sum())
