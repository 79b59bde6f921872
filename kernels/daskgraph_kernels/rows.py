"""Entity rows out of their table, or out of the table of their features."""

from typing import NamedTuple

import numpy as np
from numba.core import types
from numpy.typing import NDArray

from .ahead import DISTANCE, fetch_row
from .jit import Ids, Matrix, Vector, inner_kernel, record, variant


class FeatureLists(NamedTuple):
    """Which features every entity of a type has: those of entity i are ids[offsets[i]:offsets[i + 1]]."""

    offsets: NDArray[np.int64]  # (entities + 1,); (0,) where the type is not featurised
    ids: NDArray[np.int64]


NO_FEATURES = FeatureLists(np.zeros(0, np.int64), np.zeros(0, np.int64))

FEATURE_LISTS = record(FeatureLists, Ids, Ids)

# gather(table (m, d), features, ids, first, last, common (d,) or (0,), max_norm, out (n, d))
GATHER = types.void(Matrix, FEATURE_LISTS, Ids, types.int64, types.int64, Vector, types.float32, Matrix)


@inner_kernel
def _shorten(table, row, max_norm):
    """Make one row of the table (m, d) no longer than max_norm. Equation 9."""
    square = np.float32(0)
    for j in range(table.shape[1]):
        square += table[row, j] * table[row, j]
    norm = np.sqrt(square)
    if norm > max_norm:
        scale = max_norm / (norm + np.float32(1e-7))
        for j in range(table.shape[1]):
            table[row, j] *= scale


@inner_kernel
def clear(matrix):
    """Set matrix (n, d) to zero."""
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            matrix[i, j] = 0


@variant(GATHER)
def gather(table, features, ids, first, last, common, max_norm, out):
    """out[first:last] (·, d) = table[ids[first:last]] + common (d,). Equation 9.

    A row longer than max_norm > 0 is shortened in the table first.
    """
    d = table.shape[1]
    for i in range(first, min(first + DISTANCE, last)):
        fetch_row(table, ids[i])
    for i in range(first, last):
        row = ids[i]
        # Not to `last`: what follows is gathered next.
        if i + DISTANCE < len(ids):
            fetch_row(table, ids[i + DISTANCE])
        if max_norm > 0:
            _shorten(table, row, max_norm)
        for j in range(d):
            out[i, j] = table[row, j]
        if len(common) > 0:
            for j in range(d):
                out[i, j] += common[j]


@variant(GATHER)
def gather_means(table, features, ids, first, last, common, max_norm, out):
    """out[first:last] (·, d) = means of the entities' rows of the features' table + common. Equations 8, 9.

    A feature's row longer than max_norm > 0 is shortened in the table first.
    """
    d = table.shape[1]
    for i in range(first, last):
        start, stop = features.offsets[ids[i]], features.offsets[ids[i] + 1]
        for j in range(d):
            out[i, j] = 0
        for k in range(start, stop):
            row = features.ids[k]
            if max_norm > 0:
                _shorten(table, row, max_norm)
            for j in range(d):
                out[i, j] += table[row, j]
        share = np.float32(1) / np.float32(max(1, stop - start))
        for j in range(d):
            out[i, j] *= share
        if len(common) > 0:
            for j in range(d):
                out[i, j] += common[j]
