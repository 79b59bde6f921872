"""Matrix products of float32 rows, of the sizes that training has, written straight into a part of a matrix.

BLAS is made for large ones: at 50 × 100 × 100 it reaches half of what the core can do, these three quarters.
"""

from typing import Any

import numpy as np
from numba.core import types
from numba.extending import intrinsic, overload
from numba.np import arrayobj

from .jit import COMPILED, inlined_kernel, inner_kernel
from .lanes import LANES, fetch_ahead, moved, pointer_to
from .tiles import DEPTH, ROWS, copy_lanes, multiply_narrow, multiply_wide, stack_panel, transpose_lanes

# Rows of the result that are worked on at a time: of 400 columns they stay in the second cache.
_HEIGHT = 120
_WIDTH = 2 * LANES


def product(m, n, k, left, right, out, accumulate):
    """Out (m, n) = left (m, k) · right (k, n), added to what is there if `accumulate`.

    Operands are (array, first element, elements from row to row, elements from column to column); columns of
    `out` are neighbours.
    """
    result = _view(left, m, k) @ _view(right, k, n)
    place = _view(out, m, n)
    place[...] = result + (place if accumulate else 0)


def _view(operand: Any, rows: int, columns: int) -> Any:
    array, first, row, column = operand
    flat = array.reshape(-1)[first:]
    return np.lib.stride_tricks.as_strided(flat, (rows, columns), (4 * row, 4 * column))


@overload(product, inline="always")
def _product_compiled(m, n, k, left, right, out, accumulate):
    def compiled(m, n, k, left, right, out, accumulate):
        if m > 0 and n > 0:
            _multiply(
                (m, n, k),
                pointer_to(left[0], left[1]),
                (left[2], left[3]),
                pointer_to(right[0], right[1]),
                (right[2], right[3]),
                pointer_to(out[0], out[1]),
                out[2],
                accumulate,
            )

    return compiled


@inner_kernel
def _multiply(sizes, left, left_strides, right, right_strides, out, out_stride, accumulate):
    """`product` by pointers, cut into blocks that stay in the caches."""
    m, n, k = sizes
    panel = stack_panel()
    blocks = max(1, -(-k // DEPTH))
    depth = -(-k // blocks)
    for top in range(0, m, _HEIGHT):
        height = min(_HEIGHT, m - top)
        for block in range(blocks):
            start = block * depth
            part = min(depth, k - start)
            lefts = moved(left, top * left_strides[0] + start * left_strides[1])
            for column in range(0, n, _WIDTH):
                width = min(_WIDTH, n - column)
                rights = moved(right, start * right_strides[0] + column * right_strides[1])
                _lay_out(part, width, rights, right_strides, panel, column + 2 * _WIDTH <= n)
                outs = moved(out, top * out_stride + column)
                # The narrow tile is twice as high, so that it has as many sums.
                if width > LANES:
                    for row in range(0, height, ROWS):
                        multiply_wide(
                            (min(ROWS, height - row), width, part),
                            moved(lefts, row * left_strides[0]),
                            left_strides,
                            panel,
                            moved(outs, row * out_stride),
                            out_stride,
                            accumulate or block > 0,
                        )
                else:
                    for row in range(0, height, 2 * ROWS):
                        multiply_narrow(
                            (min(2 * ROWS, height - row), width, part),
                            moved(lefts, row * left_strides[0]),
                            left_strides,
                            panel,
                            moved(outs, row * out_stride),
                            out_stride,
                            accumulate or block > 0,
                        )


@inner_kernel
def _lay_out(depth, width, right, strides, panel, more):
    """Copy `width` columns of the right operand to the panel, where its rows follow one another.

    Rows that become the next columns, if there are `more`, come into the cache while tiles are multiplied:
    from the third cache, 50 × 1050 × 400 takes 15 % longer without.
    """
    row, column = strides
    for first in range(0, width, LANES):
        if column == 1:
            for i in range(depth):
                copy_lanes(width - first, moved(right, i * row + first), moved(panel, i * _WIDTH + first))
        else:
            for i in range(0, depth, LANES):
                if more:
                    for j in range(LANES):
                        fetch_ahead(moved(right, (first + _WIDTH + j) * column + i))
                transpose_lanes(
                    width - first,
                    depth - i,
                    moved(right, first * column + i),
                    column,
                    moved(panel, i * _WIDTH + first),
                    _WIDTH,
                )


@inlined_kernel
def rows_by_rows(left, right, out, column):
    """out[:, column:column+n] (m, n) = left (m, d) · right (n, d)ᵀ."""
    m, d = left.shape
    n = right.shape[0]
    product(m, n, d, (left, 0, d, 1), (right, 0, 1, d), (out, column, out.shape[1], 1), False)


@inlined_kernel
def weighted_rows(weights, column, right, out, accumulate):
    """Out (m, d) = or += weights[:, column:column+n] (m, n) · right (n, d)."""
    m, d = out.shape
    n = right.shape[0]
    product(m, d, n, (weights, column, weights.shape[1], 1), (right, 0, d, 1), (out, 0, d, 1), accumulate)


@inlined_kernel
def weighted_columns(weights, column, left, out, accumulate):
    """Out (n, d) = or += weights[:, column:column+n] (m, n)ᵀ · left (m, d)."""
    n, d = out.shape
    m = left.shape[0]
    product(n, d, m, (weights, column, 1, weights.shape[1]), (left, 0, d, 1), (out, 0, d, 1), accumulate)


def pair_products(left: Any, right: Any, out: Any) -> None:
    """Out (m, n) = left (m, 2 k) · right (n, 2 k)ᵀ of 16-bit integers, two in each number of the int32 arrays
    (m, k), (n, k). No sum may reach 2³¹.
    """
    left, right = (whole.view(np.int16).astype(np.int64) for whole in (left, right))
    out[...] = left @ right.T


@overload(pair_products, inline="always")
def _pair_products_compiled(left, right, out):
    def compiled(left, right, out):
        m, k = left.shape
        n = right.shape[0]
        if m > 0 and n > 0:
            places = pointer_to(left, 0), pointer_to(right, 0), pointer_to(out, 0)
            _multiply((m, n, k), places[0], (k, 1), places[1], (1, k), places[2], n, False)

    return compiled


def _as_matrix(flat: Any, rows: int, columns: int) -> Any:
    """The first rows * columns elements of a flat array as a matrix (rows, columns)."""
    return flat[: rows * columns].reshape((rows, columns))


@intrinsic
def _as_matrix_compiled(typing, flat, rows, columns):
    matrix = types.Array(types.float32, 2, "C")

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source = context.make_array(signature.args[0])(context, builder, arguments[0])
        view = context.make_array(matrix)(context, builder)
        item = context.get_constant(types.intp, 4)
        arrayobj.populate_array(
            view,
            data=source.data,
            shape=[arguments[1], arguments[2]],
            strides=[builder.mul(arguments[2], item), item],
            itemsize=item,
            meminfo=None,
        )
        return view._getvalue()

    return matrix(flat, types.intp, types.intp), codegen


# reshape() brings a megabyte of error messages into every driver that it is linked into.
as_matrix: Any = _as_matrix_compiled if COMPILED else _as_matrix
