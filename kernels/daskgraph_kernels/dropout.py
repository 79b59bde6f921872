"""Dropout: some coordinates of every gathered row are set to zero while training (docs/mathematics.md,
equation 17).
"""

import numpy as np
from numba.core import types

from .jit import Counters, Matrix, variant
from .rng import philox

# drop(counters (2,): key and batch, share, first, last, rows (n, d))
DROP = types.void(Counters, types.float32, types.int64, types.int64, Matrix)

# Counters of the sides' candidates come before.
_FIRST = 2


@variant(DROP)
def drop(counters, share, first, last, rows):
    """Zero a share of the coordinates of rows[first:last] (·, d), and scale up the others. Equation 17.

    Which ones they are depends on the counters, the row and the coordinate alone: called with the gradients
    of the rows, it carries them back.
    """
    batch = counters[1]
    low, high = batch & np.uint64(0xFFFFFFFF), batch >> np.uint64(32)
    limit = np.uint64(share * 4294967296.0)
    scale = np.float32(1) / (np.float32(1) - share)
    for i in range(first, last):
        for j in range(0, rows.shape[1], 4):
            words = philox(counters[0], np.uint64(j >> 2), np.uint64(i + _FIRST), low, high)
            for k in range(min(4, rows.shape[1] - j)):
                rows[i, j + k] *= scale if words[k] >= limit else np.float32(0)
