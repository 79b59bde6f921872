"""Matrix products of float32 rows, written straight into place by the BLAS that SciPy brings."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, overload
from numba.np import arrayobj

from .jit import COMPILED, inner_kernel


def gemm(ta, tb, m, n, k, a, a_first, lda, b, b_first, ldb, beta, c, c_first, ldc):
    """BLAS sgemm in its own column-major words: C = op(A) op(B) + beta C; arrays start at element *_first."""
    left = _column_major(a, a_first, lda, (k, m) if ta else (m, k))
    right = _column_major(b, b_first, ldb, (n, k) if tb else (k, n))
    out = _column_major(c, c_first, ldc, (m, n))
    product = (left.T if ta else left) @ (right.T if tb else right)
    out[...] = product + (out if beta else 0)


def _column_major(array: Any, first: int, leading: int, shape: tuple[int, int]) -> Any:
    flat = array.reshape(-1)[first:]
    return np.lib.stride_tricks.as_strided(flat, shape, (flat.itemsize, leading * flat.itemsize))


def _define_sgemm(typing, ta, tb, m, n, k, a, a_first, lda, b, b_first, ldb, beta, c, c_first, ldc):
    size = types.intp
    signature = types.void(
        types.boolean,
        types.boolean,
        size,
        size,
        size,
        a,
        size,
        size,
        b,
        size,
        size,
        types.float32,
        c,
        size,
        size,
    )

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (ta, tb, m, n, k, a, a_first, lda, b, b_first, ldb, beta, c, c_first, ldc) = arguments
        char, integer = ir.IntType(8), ir.IntType(64)
        pointer = char.as_pointer()

        def flag(value: Any) -> Any:
            return builder.select(value, ir.Constant(char, ord("t")), ir.Constant(char, ord("n")))

        def data(position: int, value: Any, first: Any) -> Any:
            array = context.make_array(signature.args[position])(context, builder, value)
            return builder.bitcast(builder.gep(array.data, [first]), pointer)

        alpha = cgutils.alloca_once_value(builder, ir.Constant(ir.FloatType(), 1.0))
        beta = cgutils.alloca_once_value(builder, beta)
        operands = [pointer, pointer, integer, pointer, integer, pointer, pointer, integer]
        form = ir.FunctionType(ir.IntType(32), [char] * 3 + [integer] * 3 + operands)
        # The symbol behind np.dot, which can neither accumulate nor write into a part of a matrix.
        function = cgutils.get_or_insert_function(builder.module, form, "numba_xxgemm")
        kind = ir.Constant(char, ord("s"))
        left, right, out = data(5, a, a_first), data(8, b, b_first), data(12, c, c_first)
        alpha, beta = builder.bitcast(alpha, pointer), builder.bitcast(beta, pointer)
        builder.call(
            function, [kind, flag(ta), flag(tb), m, n, k, alpha, left, lda, right, ldb, beta, out, ldc]
        )
        return context.get_dummy_value()

    return signature, codegen


_sgemm: Any = intrinsic(_define_sgemm)


@overload(gemm)
def _gemm_compiled(ta, tb, m, n, k, a, a_first, lda, b, b_first, ldb, beta, c, c_first, ldc):
    def compiled(ta, tb, m, n, k, a, a_first, lda, b, b_first, ldb, beta, c, c_first, ldc):
        if m > 0 and n > 0:
            _sgemm(ta, tb, m, n, k, a, a_first, lda, b, b_first, ldb, np.float32(beta), c, c_first, ldc)

    return compiled


@inner_kernel
def rows_by_rows(left, right, out, column):
    """out[:, column:column+n] (m, n) = left (m, d) · right (n, d)ᵀ."""
    m, d = left.shape
    n = right.shape[0]
    gemm(True, False, n, m, d, right, 0, d, left, 0, d, 0.0, out, column, out.shape[1])


@inner_kernel
def add_weighted_rows(weights, column, right, out):
    """Out (m, d) += weights[:, column:column+n] (m, n) · right (n, d)."""
    m, d = out.shape
    n = right.shape[0]
    gemm(False, False, d, m, n, right, 0, d, weights, column, weights.shape[1], 1.0, out, 0, d)


@inner_kernel
def add_weighted_columns(weights, column, left, out):
    """Out (n, d) += weights[:, column:column+n] (m, n)ᵀ · left (m, d)."""
    n, d = out.shape
    m = left.shape[0]
    gemm(False, True, d, n, m, left, 0, d, weights, column, weights.shape[1], 1.0, out, 0, d)


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
