"""Gradients of products whose weights are mostly 0: losses with a margin leave few candidates that count."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import overload

from .jit import inlined_kernel, inner_kernel
from .lanes import (
    FLOAT,
    INT32,
    INT64,
    LANES,
    Pointer,
    external,
    first_lanes,
    instruction,
    integer,
    load_some,
    number,
    pointer_to,
    repeated,
)
from .products import weighted_columns, weighted_rows
from .rows import clear

# Weights that are looked at together: a bit of a word for each.
_GROUP = 32

# Floats of the right rows that are worked on at a time: with their gradients they stay in the second cache.
_TOGETHER = 32768

# At least so many rows are looked at, if there are, to tell whether weights are mostly 0.
_LOOK = 10

# One by one, a weight takes as long as four do in a product of matrices.
_COST = 4


@inlined_kernel
def carry_back(weights, column, left, right, d_left, d_right, add_left, add_right):
    """d_left (m, d) = or += weights[:, column:column+n] (m, n) · right (n, d); d_right, weightsᵀ · left."""
    if _mostly_zero(weights, column, len(right)):
        if not add_left:
            clear(d_left)
        if not add_right:
            clear(d_right)
        add_one_by_one(weights, column, left, right, d_left, d_right)
    else:
        weighted_rows(weights, column, right, d_left, add_left)
        weighted_columns(weights, column, left, d_right, add_right)


@inner_kernel
def _mostly_zero(weights, column, n):
    """Whether few of weights[:, column:column+n] (m, n) count: they are better taken one by one."""
    # Counts of float32 fill vector registers as the weights do.
    count, looked = np.float64(0), 0
    for i in range(0, len(weights), max(1, len(weights) // _LOOK)):
        row = weights[i, column : column + n]
        own = np.float32(0)
        for j in range(n):
            own += np.float32(1) if row[j] != 0 else np.float32(0)
        count += own
        looked += n
    return _COST * count < looked


def add_one_by_one(weights: Any, column: int, left: Any, right: Any, d_left: Any, d_right: Any) -> None:
    """As `carry_back`, for every weight that is not 0, and always added."""
    own = weights[:, column : column + len(right)]
    for i, j in np.argwhere(own):
        d_left[i] += own[i, j] * right[j]
        d_right[j] += own[i, j] * left[i]


@overload(add_one_by_one, inline="always")
def _add_one_by_one_compiled(weights, column, left, right, d_left, d_right):
    def compiled(weights, column, left, right, d_left, d_right):
        _add_nonzero(weights, column, left, right, d_left, d_right)

    return compiled


@inner_kernel
def _add_nonzero(weights, column, left, right, d_left, d_right):
    """`add_one_by_one` by pointers: weights of a group that are 0 cost nothing each."""
    n, d = right.shape
    together = max(1, _TOGETHER // (_GROUP * d)) * _GROUP
    for first in range(0, n, together):
        last = min(first + together, n)
        for i in range(len(left)):
            own, d_own = pointer_to(left, i * d), pointer_to(d_left, i * d)
            for start in range(first, last, _GROUP):
                place = i * weights.shape[1] + column + start
                bits = _nonzero_bits(min(_GROUP, last - start), pointer_to(weights, place))
                while bits != 0:
                    j = start + _lowest_bit(bits)
                    bits &= bits - 1
                    other, d_other = pointer_to(right, j * d), pointer_to(d_right, j * d)
                    _add_to_both(d, weights[i, column + j], own, other, d_own, d_other)


@instruction
def _nonzero_bits(typing, count, source):
    """A word whose bit j says whether float j, of `count` at most _GROUP, is not 0."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        count, source = arguments
        word = number(0)
        for place in range(0, _GROUP, LANES):
            mask = first_lanes(builder, builder.sub(count, number(place)))
            found = load_some(builder, builder.gep(source, [number(place)]), mask)
            bits = builder.bitcast(builder.fcmp_unordered("!=", found, repeated(0.0)), ir.IntType(LANES))
            word = builder.or_(word, builder.shl(builder.zext(bits, INT64), number(place)))
        return word

    return integer(integer, Pointer), codegen


@instruction
def _lowest_bit(typing, word):
    """The number of a word's lowest bit that is set."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bit = ir.IntType(1)
        return builder.call(external(builder, "cttz.i64", INT64, INT64, bit), [arguments[0], bit(1)])

    return integer(integer), codegen


@instruction
def _add_to_both(typing, count, weight, left, right, d_left, d_right):
    """Add `weight` times the other row to the gradients of two rows of `count` floats."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        count, weight, *rows = arguments
        start = number(0)
        # Masked stores take longer than what is left, float by float.
        for lanes in (LANES, 4, 1):
            stop = builder.and_(count, number(-lanes))
            with cgutils.for_range_slice(builder, start, stop, number(lanes), inc=True) as (place, _):
                _add_lanes(builder, lanes, weight, [builder.gep(row, [place]) for row in rows])
            start = stop
        return context.get_dummy_value()

    return types.void(integer, types.float32, *[Pointer] * 4), codegen


def _add_lanes(builder: Any, lanes: int, weight: Any, pointers: Any) -> None:
    """`_add_to_both` of so many floats."""
    kind = ir.VectorType(FLOAT, lanes)
    places = [builder.bitcast(pointer, kind.as_pointer()) for pointer in pointers]
    left, right, d_left, d_right = values = [builder.load(place) for place in places]
    for value in values:
        value.align = 4
    first = builder.insert_element(kind(ir.Undefined), weight, number(0, INT32))
    everywhere = ir.Constant(ir.VectorType(INT32, lanes), [0] * lanes)
    weights = builder.shuffle_vector(first, kind(ir.Undefined), everywhere)
    multiply_add = external(builder, f"fmuladd.v{lanes}f32", kind, kind, kind, kind)
    for other, total, place in ((right, d_left, places[2]), (left, d_right, places[3])):
        builder.store(builder.call(multiply_add, [weights, other, total]), place).align = 4
