"""A bias: coordinate 0 of a row is added to its scores and takes no part in the comparison.

docs/mathematics.md, equation 15.

It is put aside before rows are compared and 0 stands in its place, so that every comparator serves unchanged.
"""

from numba.core import types

from .jit import Matrix, Vector, variant

TAKE_BIAS = COPY_BIAS = types.void(Matrix, Vector)
ADD_BIAS = types.void(Vector, Vector, types.int64, types.float32, Matrix)
ADD_BIAS_GRADIENT = types.void(Matrix, types.int64, Matrix, Matrix)


@variant(TAKE_BIAS)
def take_bias(rows, bias):
    """Coordinate 0 of rows (n, d) goes to bias (n,), and 0 in its place."""
    for i in range(len(rows)):
        bias[i] = rows[i, 0]
        rows[i, 0] = 0


@variant(COPY_BIAS)
def save_bias(rows, bias):
    """Bias (n,) = coordinate 0 of rows (n, d)."""
    for i in range(len(rows)):
        bias[i] = rows[i, 0]


@variant(COPY_BIAS)
def restore_bias(rows, bias):
    """Coordinate 0 of rows (n, d) = bias (n,)."""
    for i in range(len(rows)):
        rows[i, 0] = bias[i]


@variant(ADD_BIAS)
def add_bias(query, candidates, column, sign, scores):
    """scores[:, column:] (b, n) += sign (bias of the query (b,) + bias of the candidate (n,)). Equation
    15.
    """
    for i in range(scores.shape[0]):
        for j in range(len(candidates)):
            scores[i, column + j] += sign * (query[i] + candidates[j])


@variant(ADD_BIAS_GRADIENT)
def add_bias_gradient(gradient, column, d_query, d_candidates):
    """Coordinate 0 of d_query (b, d) and d_candidates (n, d) += sums of gradient[:, column:]. Equation 15."""
    for i in range(len(d_query)):
        for j in range(len(d_candidates)):
            d_query[i, 0] += gradient[i, column + j]
            d_candidates[j, 0] += gradient[i, column + j]
