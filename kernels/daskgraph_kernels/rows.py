"""Entity rows out of their table."""

import numpy as np
from numba.core import types

from .jit import Ids, Matrix, Vector, variant

# gather(table (m, d), ids, first, last, common (d,) or (0,), max_norm, out (n, d))
GATHER = types.void(Matrix, Ids, types.int64, types.int64, Vector, types.float32, Matrix)


@variant(GATHER)
def gather(table, ids, first, last, common, max_norm, out):
    """out[first:last] (·, d) = table[ids[first:last]] + common (d,). Equation 9.

    A row longer than max_norm > 0 is shortened in the table first.
    """
    d = table.shape[1]
    for i in range(first, last):
        row = ids[i]
        if max_norm > 0:
            square = np.float32(0)
            for j in range(d):
                square += table[row, j] * table[row, j]
            norm = np.sqrt(square)
            if norm > max_norm:
                scale = max_norm / (norm + np.float32(1e-7))
                for j in range(d):
                    table[row, j] *= scale
        for j in range(d):
            out[i, j] = table[row, j]
        if len(common) > 0:
            for j in range(d):
                out[i, j] += common[j]
