"""The heart of a matrix product as vector instructions: a tile of the result stays in registers while the
operands pass.

A tile has ROWS rows and two vectors of LANES columns, or 2 ROWS rows and one vector: ten sums, enough to keep
both multiply-add units of a core at work, and few enough for sixteen registers. Pointers and strides count
floats. Where a matrix ends inside a tile, what lies beyond is computed and not stored: rows that are missing
repeat the last one, columns are masked.
"""

from collections.abc import Callable
from itertools import chain
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils, types

from .lanes import (
    FLOAT,
    LANES,
    MASK,
    PAIR_PRODUCTS,
    PLACES,
    POINTER,
    SUFFIX,
    VECTOR,
    Pairs,
    Pointer,
    as_floats,
    boolean,
    broadcast,
    element_at,
    external,
    first_lanes,
    instruction,
    integer,
    load,
    load_some,
    number,
    prefetch,
    repeated,
    shuffled,
    store,
    store_some,
)

ROWS = 5
# Rows of the right operand that are laid out for tiles at a time: they stay in the first cache.
DEPTH = 256


def _row_starts(builder: Any, pointer: Any, stride: Any, rows: int, count: Any) -> list[Any]:
    """Pointers to `rows` rows; those from `count` on repeat the last there is."""
    last = builder.sub(count, number(1))
    starts = []
    for row in range(rows):
        exists = builder.icmp_signed("<", number(row), last)
        starts.append(element_at(builder, pointer, builder.select(exists, number(row), last), stride))
    return starts


@instruction
def stack_panel(typing):
    """Room for DEPTH rows of two vectors, for as long as the function runs."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        with builder.goto_entry_block():
            room = builder.alloca(ir.ArrayType(FLOAT, DEPTH * 2 * LANES))
            room.align = 64
        return builder.bitcast(room, POINTER)

    return Pointer(), codegen


@instruction
def copy_lanes(typing, columns, source, out):
    """Copy `columns` floats, LANES at most; zeros follow."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        columns, source, out = arguments
        mask = first_lanes(builder, columns)
        store(builder, load_some(builder, as_floats(builder, source), mask), out)
        return context.get_dummy_value()

    return types.void(integer, source, Pointer), codegen


def _exchange(step: int) -> tuple[list[int], list[int]]:
    """The lanes of two vectors that make two others: one step of a transposition, each one instruction.

    Single lanes interleave within fours, since processors have no instruction that exchanges them.
    """
    lanes = range(LANES)
    if step == 1:
        low = [(lane & ~3) + (lane & 3) // 2 + LANES * (lane & 1) for lane in lanes]
        return low, [lane + 2 for lane in low]
    low = [lane if not lane & step else LANES + lane - step for lane in lanes]
    return low, [lane + step for lane in low]


def _transposed(builder: Any, vectors: list[Any]) -> list[tuple[int, Any]]:
    """The rows of the transpose of a square of LANES rows, each with its number."""
    vectors, step = list(vectors), 1
    while step < LANES:
        low, high = _exchange(step)
        for row in range(LANES):
            if not row & step:
                pair = vectors[row], vectors[row + step]
                vectors[row] = shuffled(builder, *pair, low)
                vectors[row + step] = shuffled(builder, *pair, high)
        step *= 2
    # The first two exchanges leave the rows of every four in the order 0, 2, 1, 3.
    return [((row & ~3) + (0, 2, 1, 3)[row & 3], vector) for row, vector in enumerate(vectors)]


@instruction
def transpose_square(typing, source, row_stride, out, out_stride, accumulate):
    """Write the transpose of a square of LANES rows and columns, or add it to what is there."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, row_stride, out, out_stride, accumulate = arguments
        vectors = [load(builder, element_at(builder, source, number(i), row_stride)) for i in range(LANES)]
        for row, vector in _transposed(builder, vectors):
            place = element_at(builder, out, number(row), out_stride)
            total = cgutils.alloca_once_value(builder, vector)
            with builder.if_then(accumulate):
                builder.store(builder.fadd(vector, load(builder, place)), total)
            store(builder, builder.load(total), place)
        return context.get_dummy_value()

    return types.void(Pointer, integer, Pointer, integer, boolean), codegen


@instruction
def transpose_lanes(typing, rows, columns, source, row_stride, out, out_stride):
    """Transpose a square of LANES rows and columns, of which `rows` and `columns` exist."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, columns, source, row_stride, out, out_stride = arguments
        mask = first_lanes(builder, columns)
        starts = _row_starts(builder, as_floats(builder, source), row_stride, LANES, rows)
        for row, vector in _transposed(builder, [load_some(builder, start, mask) for start in starts]):
            store(builder, vector, element_at(builder, out, number(row), out_stride))
        return context.get_dummy_value()

    return types.void(integer, integer, source, integer, Pointer, integer), codegen


class _Arithmetic(NamedTuple):
    """How a tile multiplies: floats, or pairs of 16-bit integers whose sums are 32-bit integers."""

    multiply_add: Callable[..., Any]
    """Of factor, right and total, vectors of floats whatever their bits mean."""

    finish: Callable[..., Any]
    """What the total is as a vector of floats."""


def _multiply_add(builder: Any, factor: Any, right: Any, total: Any) -> Any:
    function = external(builder, f"fmuladd.{SUFFIX}", VECTOR, VECTOR, VECTOR, VECTOR)
    return builder.call(function, [factor, right, total])


def _multiply_add_pairs(builder: Any, factor: Any, right: Any, total: Any) -> Any:
    halves = ir.VectorType(ir.IntType(16), 2 * LANES)
    operands = [builder.bitcast(value, halves) for value in (factor, right)]
    if PAIR_PRODUCTS is not None:
        products = builder.call(external(builder, PAIR_PRODUCTS, PLACES, halves, halves), operands)
    else:
        products = _products_of_pairs(builder, *operands)
    return builder.bitcast(builder.add(builder.bitcast(total, PLACES), products), VECTOR)


def _products_of_pairs(builder: Any, left: Any, right: Any) -> Any:
    """The sums of the products of neighbours, for processors without an instruction for it."""
    sums = []
    for first in (0, 1):
        places = ir.Constant(PLACES, list(range(first, 2 * LANES, 2)))
        every_other = [builder.shuffle_vector(value, value, places) for value in (left, right)]
        sums.append(builder.mul(*(builder.sext(value, PLACES) for value in every_other)))
    return builder.add(*sums)


_FLOATS = _Arithmetic(_multiply_add, lambda builder, total: total)
_PAIRS = _Arithmetic(
    _multiply_add_pairs,
    lambda builder, total: builder.sitofp(builder.bitcast(total, PLACES), VECTOR),
)


def _keep_rolled(builder: Any, loop: Any) -> None:
    """Have LLVM not write a loop's body out several times.

    Where one instruction multiplies pairs and adds them, LLVM splits every other one in two then, so that
    sums wait less for one another; but there are enough sums to wait for, and screening takes 1.15 times as
    long. With a processor's AVX2 alone it takes as long either way.
    """
    disable = builder.module.add_metadata(["llvm.loop.unroll.disable"])
    node = builder.module.add_metadata([number(len(builder.module.metadata))])
    # LLVM knows a loop by a node that is its own first operand.
    node.operands = (node, disable)
    _, latch = loop.index.incomings[-1]
    latch.terminator.set_metadata("llvm.loop", node)


def _tile(rows: int, width: int) -> Any:
    """A tile of `rows` rows and `width` vectors."""

    def multiply(typing, size, left, left_strides, panel, out, out_stride, accumulate):
        return types.void(sizes, left, strides, Pointer, Pointer, integer, boolean), codegen

    sizes, strides = types.UniTuple(integer, 3), types.UniTuple(integer, 2)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        size, left, left_strides, panel, out, out_stride, accumulate = arguments
        height, columns, depth = cgutils.unpack_tuple(builder, size)
        row_stride, column_stride = cgutils.unpack_tuple(builder, left_strides)
        sums = [
            [cgutils.alloca_once_value(builder, repeated(0.0)) for _ in range(width)] for _ in range(rows)
        ]
        arithmetic = _PAIRS if signature.args[1] == Pairs else _FLOATS
        lefts = _row_starts(builder, as_floats(builder, left), row_stride, rows, height)
        outs = _row_starts(builder, out, out_stride, rows, height)
        for start in outs:
            # A row of the tile may lie across two cache lines.
            for place in (0, width * LANES - 1):
                prefetch(builder, builder.gep(start, [number(place)]), write=True, level=3)
        with cgutils.for_range(builder, depth) as loop:
            start = element_at(builder, panel, loop.index, number(2 * LANES))
            rights = [load(builder, builder.gep(start, [number(LANES * v)])) for v in range(width)]
            offset = builder.mul(loop.index, column_stride)
            for row in range(rows):
                factor = broadcast(builder, builder.load(builder.gep(lefts[row], [offset])))
                for right, total in zip(rights, sums[row], strict=True):
                    value = arithmetic.multiply_add(builder, factor, right, builder.load(total))
                    builder.store(value, total)
        if arithmetic is _PAIRS:
            _keep_rolled(builder, loop)
        for total in chain.from_iterable(sums):
            builder.store(arithmetic.finish(builder, builder.load(total)), total)
        whole = builder.and_(
            builder.icmp_signed("==", height, number(rows)),
            builder.icmp_signed("==", columns, number(LANES * width)),
        )
        with builder.if_else(whole) as (full, partial):
            with full:
                _add_whole(builder, sums, outs, accumulate)
            with partial:
                _add_some(builder, sums, outs, accumulate, height, columns)
        return context.get_dummy_value()

    return instruction(multiply)


def _add_whole(builder: Any, sums: Any, outs: Any, accumulate: Any) -> None:
    """Store the sums of a tile, or add them."""
    places = [
        (total, builder.gep(start, [number(LANES * v)]))
        for totals, start in zip(sums, outs, strict=True)
        for v, total in enumerate(totals)
    ]
    with builder.if_then(accumulate):
        for total, place in places:
            builder.store(builder.fadd(builder.load(total), load(builder, place)), total)
    for total, place in places:
        store(builder, builder.load(total), place)


def _add_some(builder: Any, sums: Any, outs: Any, accumulate: Any, height: Any, columns: Any) -> None:
    """As `_add_whole`, of the first `height` rows and `columns` columns."""
    nothing = ir.Constant(MASK, [0] * LANES)
    width = len(sums[0])
    masks = [first_lanes(builder, builder.sub(columns, number(LANES * v))) for v in range(width)]
    for row, (totals, start) in enumerate(zip(sums, outs, strict=True)):
        with builder.if_then(builder.icmp_signed("<", number(row), height)):
            for v, (total, mask) in enumerate(zip(totals, masks, strict=True)):
                place = builder.gep(start, [number(LANES * v)])
                old = load_some(builder, place, builder.select(accumulate, mask, nothing))
                store_some(builder, builder.fadd(builder.load(total), old), place, mask)


# multiply((height, columns, depth), left, (row stride, column stride), panel, out, out_stride, accumulate)
multiply_wide = _tile(ROWS, 2)
multiply_narrow = _tile(2 * ROWS, 1)
