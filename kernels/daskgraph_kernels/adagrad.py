"""Adagrad: one step for each row after all its gradients in a batch are summed (docs/mathematics.md,
equations 40, 41).
"""

import numpy as np
from numba.core import types

from .jit import Flags, Ids, Matrix, Ranges, Vector, inner_kernel, variant

MERGE_REPEATS = types.void(Ids, Matrix, Ranges, types.int64, types.int64, Flags)
STEP_ROWS = types.void(Matrix, Vector, Ids, Matrix, types.int64, types.int64, Flags, types.float32)
STEP_PARAMETERS = types.void(Matrix, Matrix, Ids, Matrix, types.int64, types.float32)
STEP_COMMON = types.void(Vector, Vector, Matrix, types.int64, types.int64, types.float32)

_EPSILON = np.float32(1e-10)


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


@variant(STEP_ROWS)
def step_rows(rows, sums, ids, gradient, first, last, shared, rate):
    """Row-wise Adagrad on rows (n, d), sums (n,), for the uses [first, last) that stand for their id.
    Equation 40.
    """
    d = gradient.shape[1]
    for use in range(first, last):
        if shared[use]:
            continue
        square = np.float32(0)
        for j in range(d):
            square += gradient[use, j] * gradient[use, j]
        if square == 0:
            continue
        row = ids[use]
        total = sums[row] + square / np.float32(d)
        sums[row] = total
        step = rate / (np.sqrt(total) + _EPSILON)
        for j in range(d):
            rows[row, j] -= step * gradient[use, j]


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
