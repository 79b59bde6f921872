"""Small gradients of scores, rounded at random such that few are left to carry back and their mean stays
(docs/mathematics.md, equation 27).
"""

import numpy as np
from numba.core import types

from .jit import Counters, Matrix, Vector, inner_kernel, variant
from .rng import philox

# round_gradient(counters (2,): key and batch, side, first edge, count, weights (b,), gradient (b, n)),
#   in place
ROUND = types.void(Counters, types.int64, types.int64, types.float32, Vector, Matrix)

_MASK = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
# Sides are told from rows of dropout and from candidates' sides, which have this bit unset.
_OWN = np.uint64(0x80000000)

_STEP = np.uint32(0x9E3779B1)
_FIRST_FACTOR = np.uint32(0x21F0AAAD)
_SECOND_FACTOR = np.uint32(0x735A2D97)
_UNIT = np.float32(1 / 16777216)


@inner_kernel
def _chance(seed, j):
    """A whole number below 2**24, all as likely, for place j of a row with this seed."""
    # Philox does not vectorise, and would take longer than all else. What mixes the lowest bits is left out.
    word = np.uint32(seed + np.uint32(j) * _STEP)
    word = np.uint32(word ^ (word >> np.uint32(16)))
    word = np.uint32(word * _FIRST_FACTOR)
    word = np.uint32(word ^ (word >> np.uint32(15)))
    word = np.uint32(word * _SECOND_FACTOR)
    return np.float32(np.int32(word >> np.uint32(8)))


@variant(ROUND)
def round_gradient(counters, side, first, count, weights, gradient):
    """Gradient (b, n): what is smaller than weights (b,) / count becomes that, or 0. Equation 27.

    What it becomes depends on the counters, the side, the edge (`first` + i) and the place in its row alone.
    """
    batch = counters[1]
    own = _OWN + np.uint64(side)
    for i in range(len(gradient)):
        row = gradient[i]
        floor = weights[i] / count
        words = philox(counters[0], np.uint64(first + i), own, batch & _MASK, batch >> _HALF)
        seed, unit = np.uint32(words[0]), floor * _UNIT
        for j in range(len(row)):
            size = abs(row[j])
            rounded = floor if _chance(seed, j) * unit < size else np.float32(0)
            row[j] = (rounded if row[j] > 0 else -rounded) if size < floor else row[j]
