"""Comparators: how alike two rows are (docs/mathematics.md, equations 10 to 14, 16).

Rows are prepared once (`norms` keeps what the backward pass needs), then compared: every query with its own
positive (`pairs`), and every query with every candidate (`scores`, one matrix product where it is one).
"""

from typing import NamedTuple

import numpy as np
from numba.core import types

from .distances import (
    add_all_gradients,
    add_l1_gradient,
    add_modulus_gradient,
    add_pair_gradients,
    l1_distance,
    modulus_distance,
    score_all,
    score_pairs,
)
from .elementary import maximum
from .jit import Matrix, Variant, Vector, allocating_kernel, inner_kernel, variant
from .products import rows_by_rows
from .sparse import carry_back

# prepare(rows (n, d), norms (n,)), in place
PREPARE = types.void(Matrix, Vector)
# prepare_backward(prepared (n, d), norms (n,), gradient (n, d)), in place
PREPARE_BACKWARD = types.void(Matrix, Vector, Matrix)
# pairs(query (b, d), positive (b, d), out (b,))
PAIRS = types.void(Matrix, Matrix, Vector)
# pairs_backward(query, positive, scores (b,), gradient (b,), d_query (b, d), d_positive (b, d)), added
PAIRS_BACKWARD = types.void(Matrix, Matrix, Vector, Vector, Matrix, Matrix)
# scores(query (b, d), candidates (n, d), query_norms (b,), candidate_norms (n,), out (b, m), column):
#   columns column to column + n
SCORES = types.void(Matrix, Matrix, Vector, Vector, Matrix, types.int64)
# scores_backward(query, candidates, scores (b, m), gradient (b, m), column, d_query (b, d), d_candidates
#   (n, d)), added;
# `gradient` may be overwritten
SCORES_BACKWARD = types.void(Matrix, Matrix, Matrix, Matrix, types.int64, Matrix, Matrix)
# write_gradients(query, candidates, gradient (b, m), column, add, d_query (b, d), d_candidates (n, d))
WRITE_GRADIENTS = types.void(Matrix, Matrix, Matrix, types.int64, types.boolean, Matrix, Matrix)

_TINY = np.float32(1e-30)
# The square of the shortest row that is told from zero.
_SHORTEST = np.finfo(np.float32).tiny


class Comparator(NamedTuple):
    """A comparator: its kernels, and what they need kept."""

    prepare: Variant
    prepare_backward: Variant
    pairs: Variant
    pairs_backward: Variant
    scores: Variant
    scores_backward: Variant
    rescales: bool = False  # prepare changes the rows
    keeps_scores: bool = False  # the backward pass needs the scores
    distance: bool = False  # a score is a distance, negative
    complex: bool = False  # rows are complex numbers
    product: bool = False  # a score is a dot product, as exact in a block as by itself


@variant(PREPARE)
def keep_rows(rows, norms):
    """Nothing to prepare: rows (n, d) stay."""


@variant(PREPARE_BACKWARD)
def keep_gradient(prepared, norms, gradient):
    """Nothing was prepared: gradient (n, d) stays."""


@variant(PAIRS)
def dot_pairs(query, positive, out):
    """Out (b,) = query (b, d) · positive (b, d), row by row. Equation 10."""
    for i in range(len(query)):
        total = np.float32(0)
        for j in range(query.shape[1]):
            total += query[i, j] * positive[i, j]
        out[i] = total


@variant(PAIRS_BACKWARD)
def dot_pairs_backward(query, positive, scores, gradient, d_query, d_positive):
    """d_query (b, d) += gradient * positive; d_positive += gradient * query. Equation 10."""
    for i in range(len(query)):
        g = gradient[i]
        for j in range(query.shape[1]):
            d_query[i, j] += g * positive[i, j]
            d_positive[i, j] += g * query[i, j]


@variant(SCORES)
def dot_scores(query, candidates, query_norms, candidate_norms, out, column):
    """out[:, column:] (b, n) = query (b, d) · candidates (n, d)ᵀ. Equation 10."""
    rows_by_rows(query, candidates, out, column)


@variant(SCORES_BACKWARD)
def dot_scores_backward(query, candidates, scores, gradient, column, d_query, d_candidates):
    """d_query (b, d) += gradient (b, n) · candidates; d_candidates (n, d) += gradientᵀ · query. Equation
    10.
    """
    carry_back(gradient, column, query, candidates, d_query, d_candidates, True, True)


@variant(WRITE_GRADIENTS)
def write_gradients(query, candidates, gradient, column, add, d_query, d_candidates):
    """As `dot_scores_backward`, but written; added to d_query if `add`. Equation 10."""
    carry_back(gradient, column, query, candidates, d_query, d_candidates, add, False)


@variant(PREPARE)
def normalise(rows, norms):
    """Rows (n, d) /= |rows|; norms (n,) = 1 / |rows|; a zero row stays zero. Equation 11."""
    for i in range(len(rows)):
        square = np.float32(0)
        for j in range(rows.shape[1]):
            square += rows[i, j] * rows[i, j]
        norms[i] = square
    # All roots together: one by one, each would wait for the sum before it.
    for i in range(len(rows)):
        norms[i] = (np.float32(1) if norms[i] > 0 else np.float32(0)) / np.sqrt(maximum(norms[i], _SHORTEST))
    for i in range(len(rows)):
        inverse = norms[i]
        for j in range(rows.shape[1]):
            rows[i, j] *= inverse


@variant(PREPARE_BACKWARD)
def normalise_backward(prepared, norms, gradient):
    """Gradient (n, d) = (gradient - prepared (prepared · gradient)) / |row|. Equation 11."""
    for i in range(len(prepared)):
        along = np.float32(0)
        for j in range(prepared.shape[1]):
            along += prepared[i, j] * gradient[i, j]
        inverse = norms[i]
        for j in range(prepared.shape[1]):
            gradient[i, j] = (gradient[i, j] - prepared[i, j] * along) * inverse


@variant(PREPARE)
def square_norms(rows, norms):
    """Norms (n,) = |rows|² of rows (n, d). Equation 12."""
    for i in range(len(rows)):
        square = np.float32(0)
        for j in range(rows.shape[1]):
            square += rows[i, j] * rows[i, j]
        norms[i] = square


@inner_kernel
def _square_distances(query, candidates, query_norms, candidate_norms, out, column):
    """out[:, column:] (b, n) = |query|² + |candidate|² - 2 query · candidate, at least 0."""
    rows_by_rows(query, candidates, out, column)
    for i in range(len(query)):
        norm, row = query_norms[i], out[i, column : column + len(candidates)]
        for j in range(len(row)):
            row[j] = maximum(norm + candidate_norms[j] - np.float32(2) * row[j], np.float32(0))


@allocating_kernel
def _add_distance_gradient(query, candidates, weights, column, d_query, d_candidates):
    """Backward of Σ weights |query - candidate|²; weights (b, m) are overwritten."""
    totals = np.zeros(len(candidates), np.float32)
    for i in range(len(query)):
        total, row = np.float32(0), weights[i, column : column + len(candidates)]
        for j in range(len(row)):
            weight = np.float32(2) * row[j]
            total += weight
            totals[j] += weight
            row[j] = -weight
        for k in range(query.shape[1]):
            d_query[i, k] += total * query[i, k]
    for j in range(len(candidates)):
        for k in range(candidates.shape[1]):
            d_candidates[j, k] += totals[j] * candidates[j, k]
    carry_back(weights, column, query, candidates, d_query, d_candidates, True, True)


@variant(PAIRS)
def squared_l2_pairs(query, positive, out):
    """Out (b,) = -|query (b, d) - positive (b, d)|². Equation 12."""
    for i in range(len(query)):
        total = np.float32(0)
        for j in range(query.shape[1]):
            difference = query[i, j] - positive[i, j]
            total += difference * difference
        out[i] = -total


@variant(PAIRS_BACKWARD)
def squared_l2_pairs_backward(query, positive, scores, gradient, d_query, d_positive):
    """d_query (b, d) -= 2 gradient (query - positive), d_positive the opposite. Equation 12."""
    for i in range(len(query)):
        g = np.float32(2) * gradient[i]
        for j in range(query.shape[1]):
            change = g * (query[i, j] - positive[i, j])
            d_query[i, j] -= change
            d_positive[i, j] += change


@variant(SCORES)
def squared_l2_scores(query, candidates, query_norms, candidate_norms, out, column):
    """out[:, column:] (b, n) = -|query (b, d) - candidate (n, d)|². Equation 12."""
    _square_distances(query, candidates, query_norms, candidate_norms, out, column)
    for i in range(len(query)):
        row = out[i, column : column + len(candidates)]
        for j in range(len(row)):
            row[j] = -row[j]


@variant(SCORES_BACKWARD, allocates=True)
def squared_l2_scores_backward(query, candidates, scores, gradient, column, d_query, d_candidates):
    """Added gradients of -|query - candidate|² for gradient (b, n). Equation 12."""
    for i in range(len(query)):
        row = gradient[i, column : column + len(candidates)]
        for j in range(len(row)):
            row[j] = -row[j]
    _add_distance_gradient(query, candidates, gradient, column, d_query, d_candidates)


@variant(PAIRS)
def l2_pairs(query, positive, out):
    """Out (b,) = -|query (b, d) - positive (b, d)|. Equation 13."""
    for i in range(len(query)):
        total = np.float32(0)
        for j in range(query.shape[1]):
            difference = query[i, j] - positive[i, j]
            total += difference * difference
        out[i] = -np.sqrt(max(total, _TINY))


@variant(PAIRS_BACKWARD)
def l2_pairs_backward(query, positive, scores, gradient, d_query, d_positive):
    """d_query (b, d) -= gradient (query - positive) / |query - positive|, d_positive the opposite.
    Equation 13.
    """
    for i in range(len(query)):
        distance = -scores[i]
        g = gradient[i] / distance if distance * distance > _TINY else np.float32(0)
        for j in range(query.shape[1]):
            change = g * (query[i, j] - positive[i, j])
            d_query[i, j] -= change
            d_positive[i, j] += change


@variant(SCORES)
def l2_scores(query, candidates, query_norms, candidate_norms, out, column):
    """out[:, column:] (b, n) = -|query (b, d) - candidate (n, d)|. Equation 13."""
    _square_distances(query, candidates, query_norms, candidate_norms, out, column)
    for i in range(len(query)):
        row = out[i, column : column + len(candidates)]
        for j in range(len(row)):
            row[j] = -np.sqrt(maximum(row[j], _TINY))


@variant(SCORES_BACKWARD, allocates=True)
def l2_scores_backward(query, candidates, scores, gradient, column, d_query, d_candidates):
    """Added gradients of -|query - candidate| for gradient (b, n); none where the distance is clamped.
    Equation 13.
    """
    stop = column + len(candidates)
    for i in range(len(query)):
        distances, row = scores[i, column:stop], gradient[i, column:stop]
        for j in range(len(row)):
            clear = distances[j] * distances[j] > _TINY
            divisor = distances[j] if clear else np.float32(1)
            row[j] = (row[j] if clear else np.float32(0)) / (np.float32(2) * divisor)
    _add_distance_gradient(query, candidates, gradient, column, d_query, d_candidates)


@variant(PAIRS)
def l1_pairs(query, positive, out):
    """Out (b,) = -Σ |query (b, d) - positive (b, d)|. Equation 14."""
    score_pairs(l1_distance, query, positive, out)


@variant(PAIRS_BACKWARD)
def l1_pairs_backward(query, positive, scores, gradient, d_query, d_positive):
    """d_query (b, d) -= gradient sign(query - positive), d_positive the opposite. Equation 14."""
    add_pair_gradients(add_l1_gradient, query, positive, gradient, d_query, d_positive)


@variant(SCORES)
def l1_scores(query, candidates, query_norms, candidate_norms, out, column):
    """out[:, column:] (b, n) = -Σ |query (b, d) - candidate (n, d)|. Equation 14."""
    score_all(l1_distance, query, candidates, out, column)


@variant(SCORES_BACKWARD)
def l1_scores_backward(query, candidates, scores, gradient, column, d_query, d_candidates):
    """Added gradients of -Σ |query - candidate| for gradient (b, n). Equation 14."""
    add_all_gradients(add_l1_gradient, query, candidates, gradient, column, d_query, d_candidates)


@variant(PAIRS)
def complex_modulus_pairs(query, positive, out):
    """Out (b,) = -Σ |query - positive| of complex numbers, rows (b, d). Equation 16."""
    score_pairs(modulus_distance, query, positive, out)


@variant(PAIRS_BACKWARD)
def complex_modulus_pairs_backward(query, positive, scores, gradient, d_query, d_positive):
    """d_query (b, d) -= gradient (query - positive) / |query - positive|, d_positive the opposite.
    Equation 16.
    """
    add_pair_gradients(add_modulus_gradient, query, positive, gradient, d_query, d_positive)


@variant(SCORES)
def complex_modulus_scores(query, candidates, query_norms, candidate_norms, out, column):
    """out[:, column:] (b, n) = -Σ |query (b, d) - candidate (n, d)| of complex numbers. Equation 16."""
    score_all(modulus_distance, query, candidates, out, column)


@variant(SCORES_BACKWARD)
def complex_modulus_scores_backward(query, candidates, scores, gradient, column, d_query, d_candidates):
    """Added gradients of -Σ |query - candidate| of complex numbers for gradient (b, n). Equation 16."""
    add_all_gradients(add_modulus_gradient, query, candidates, gradient, column, d_query, d_candidates)


COMPARATORS: dict[str, Comparator] = {
    "dot": Comparator(
        keep_rows,
        keep_gradient,
        dot_pairs,
        dot_pairs_backward,
        dot_scores,
        dot_scores_backward,
        product=True,
    ),
    "cos": Comparator(
        normalise,
        normalise_backward,
        dot_pairs,
        dot_pairs_backward,
        dot_scores,
        dot_scores_backward,
        rescales=True,
        product=True,
    ),
    "l2": Comparator(
        square_norms,
        keep_gradient,
        l2_pairs,
        l2_pairs_backward,
        l2_scores,
        l2_scores_backward,
        keeps_scores=True,
        distance=True,
    ),
    "squared_l2": Comparator(
        square_norms,
        keep_gradient,
        squared_l2_pairs,
        squared_l2_pairs_backward,
        squared_l2_scores,
        squared_l2_scores_backward,
        distance=True,
    ),
    "l1": Comparator(
        keep_rows,
        keep_gradient,
        l1_pairs,
        l1_pairs_backward,
        l1_scores,
        l1_scores_backward,
        distance=True,
    ),
    "complex_modulus": Comparator(
        keep_rows,
        keep_gradient,
        complex_modulus_pairs,
        complex_modulus_pairs_backward,
        complex_modulus_scores,
        complex_modulus_scores_backward,
        distance=True,
        complex=True,
    ),
}
