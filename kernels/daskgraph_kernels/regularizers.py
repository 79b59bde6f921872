"""Penalties on the rows and parameters of the positives (docs/mathematics.md, equations 30, 31)."""

import numpy as np
from numba.core import types

from .jit import Ids, Matrix, Variant, variant

# penalty(rows, ids, count, width, pairs, coefficient, gradient, slots) -> penalty
PENALTY = types.float64(Matrix, Ids, types.int64, types.int64, types.boolean, types.float32, Matrix, Ids)


@variant(PENALTY)
def add_n3(rows, ids, count, width, pairs, coefficient, gradient, slots):
    """Coefficient times Σ |row|³ over rows[ids[:count], :width], of moduli if `pairs`. Equation 30.

    Its gradient is added to gradient[slots[:count]].
    """
    penalty = 0.0
    triple = np.float32(3) * coefficient
    for i in range(count):
        row, out = rows[ids[i]], gradient[slots[i]]
        total = np.float32(0)
        if pairs:
            half = width // 2
            for j in range(half):
                real, imaginary = row[j], row[half + j]
                square = real * real + imaginary * imaginary
                modulus = np.sqrt(square)
                total += square * modulus
                out[j] += triple * modulus * real
                out[half + j] += triple * modulus * imaginary
        else:
            for j in range(width):
                size = abs(row[j])
                total += size * size * size
                out[j] += triple * size * row[j]
        penalty += np.float64(coefficient) * total
    return penalty


@variant(PENALTY)
def add_l2(rows, ids, count, width, pairs, coefficient, gradient, slots):
    """Coefficient times Σ row² over rows[ids[:count], :width]; pairs or not, it is the same. Equation 31.

    Its gradient is added to gradient[slots[:count]].
    """
    penalty = 0.0
    double = np.float32(2) * coefficient
    for i in range(count):
        row, out = rows[ids[i]], gradient[slots[i]]
        total = np.float32(0)
        for j in range(width):
            total += row[j] * row[j]
            out[j] += double * row[j]
        penalty += np.float64(coefficient) * total
    return penalty


REGULARIZERS: dict[str, Variant] = {"n3": add_n3, "l2": add_l2}
