"""Distances that are sums over coordinates, not matrix products: of pairs, and of all rows with all
(docs/mathematics.md, equations 14 and 16).

The loops take the distance of two rows, or its gradient, as an argument, and are written anew into each
comparator that names one.
"""

import numpy as np

from .jit import inlined_kernel, inner_kernel

_TINY = np.float32(1e-30)

# Candidates that stay in the first cache while all queries meet them.
_BLOCK = 32


@inner_kernel
def l1_distance(left, right):
    """Σ |left (d,) - right (d,)|. Equation 14."""
    total = np.float32(0)
    for k in range(len(left)):
        total += abs(left[k] - right[k])
    return total


@inner_kernel
def add_l1_gradient(left, right, gradient, d_left, d_right):
    """Added gradients (d,) of -Σ |left - right|; none where they are equal. Equation 14."""
    for k in range(len(left)):
        difference = left[k] - right[k]
        change = gradient if difference > 0 else (-gradient if difference < 0 else np.float32(0))
        d_left[k] -= change
        d_right[k] += change


@inner_kernel
def modulus_distance(left, right):
    """Σ |left - right| of rows (d,) that hold d/2 complex numbers, real parts first. Equation 16."""
    half = len(left) // 2
    total = np.float32(0)
    for k in range(half):
        real, imaginary = left[k] - right[k], left[half + k] - right[half + k]
        total += np.sqrt(real * real + imaginary * imaginary)
    return total


@inner_kernel
def add_modulus_gradient(left, right, gradient, d_left, d_right):
    """Added gradients (d,) of -`modulus_distance`; none where two numbers are equal. Equation 16."""
    half = len(left) // 2
    for k in range(half):
        real, imaginary = left[k] - right[k], left[half + k] - right[half + k]
        square = real * real + imaginary * imaginary
        share = gradient / np.sqrt(max(square, _TINY)) if square > _TINY else np.float32(0)
        d_left[k] -= share * real
        d_right[k] += share * real
        d_left[half + k] -= share * imaginary
        d_right[half + k] += share * imaginary


@inlined_kernel
def score_pairs(distance, query, positive, out):
    """Out (b,) = -distance of query (b, d) and positive (b, d), row by row."""
    for i in range(len(query)):
        out[i] = -distance(query[i], positive[i])


@inlined_kernel
def add_pair_gradients(add_gradient, query, positive, gradient, d_query, d_positive):
    """Added gradients of `score_pairs` for gradient (b,)."""
    for i in range(len(query)):
        add_gradient(query[i], positive[i], gradient[i], d_query[i], d_positive[i])


@inlined_kernel
def score_all(distance, query, candidates, out, column):
    """out[:, column:] (b, n) = -distance of every query (b, d) and candidate (n, d)."""
    for start in range(0, len(candidates), _BLOCK):
        stop = min(start + _BLOCK, len(candidates))
        for i in range(len(query)):
            for j in range(start, stop):
                out[i, column + j] = -distance(query[i], candidates[j])


@inlined_kernel
def add_all_gradients(add_gradient, query, candidates, gradient, column, d_query, d_candidates):
    """Added gradients of `score_all` for gradient[:, column:] (b, n)."""
    for start in range(0, len(candidates), _BLOCK):
        stop = min(start + _BLOCK, len(candidates))
        for i in range(len(query)):
            for j in range(start, stop):
                g = gradient[i, column + j]
                if g != 0:
                    add_gradient(query[i], candidates[j], g, d_query[i], d_candidates[j])
