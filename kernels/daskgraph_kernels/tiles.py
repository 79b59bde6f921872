"""The heart of a matrix product as vector instructions: a tile of the result stays in registers while the
operands pass.

A tile has ROWS rows and two vectors of LANES columns, or 2 ROWS rows and one vector: ten sums, enough to keep
both multiply-add units of a core at work, and few enough for sixteen registers. Pointers and strides count
floats. Where a matrix ends inside a tile, what lies beyond is computed and not stored: rows that are missing
repeat the last one, columns are masked.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .jit import processor_features

LANES = 16 if "+avx512f" in processor_features().split(",") else 8
ROWS = 5
# Rows of the right operand that are laid out for tiles at a time: they stay in the first cache.
DEPTH = 256

_FLOAT, _INT32, _INT64, _BIT = ir.FloatType(), ir.IntType(32), ir.IntType(64), ir.IntType(1)
_VECTOR, _MASK, _PLACES = (ir.VectorType(kind, LANES) for kind in (_FLOAT, _BIT, _INT32))
_VOID, _POINTER, _VECTOR_POINTER = ir.VoidType(), _FLOAT.as_pointer(), _VECTOR.as_pointer()
_SUFFIX = f"v{LANES}f32"

_instruction: Any = intrinsic  # its own type knows nothing of what is called

Pointer = types.CPointer(types.float32)
_integer, _boolean = types.int64, types.boolean


def _number(value: int, kind: Any = _INT64) -> Any:
    return ir.Constant(kind, value)


def _external(builder: Any, name: str, result: Any, *arguments: Any) -> Any:
    """An LLVM intrinsic."""
    form = ir.FunctionType(result, arguments)
    return cgutils.get_or_insert_function(builder.module, form, f"llvm.{name}")


def _at(builder: Any, pointer: Any, place: Any, stride: Any) -> Any:
    return builder.gep(pointer, [builder.mul(place, stride)])


def _load(builder: Any, pointer: Any) -> Any:
    found = builder.load(builder.bitcast(pointer, _VECTOR_POINTER))
    found.align = 4
    return found


def _store(builder: Any, value: Any, pointer: Any) -> None:
    builder.store(value, builder.bitcast(pointer, _VECTOR_POINTER)).align = 4


def _load_some(builder: Any, pointer: Any, mask: Any) -> Any:
    """A vector's lanes where the mask is set, 0 elsewhere."""
    function = _external(
        builder, f"masked.load.{_SUFFIX}.p0", _VECTOR, _VECTOR_POINTER, _INT32, _MASK, _VECTOR
    )
    place = builder.bitcast(pointer, _VECTOR_POINTER)
    return builder.call(function, [place, _number(4, _INT32), mask, _repeated(0.0)])


def _store_some(builder: Any, value: Any, pointer: Any, mask: Any) -> None:
    function = _external(
        builder, f"masked.store.{_SUFFIX}.p0", _VOID, _VECTOR, _VECTOR_POINTER, _INT32, _MASK
    )
    builder.call(function, [value, builder.bitcast(pointer, _VECTOR_POINTER), _number(4, _INT32), mask])


def _repeated(value: float) -> Any:
    return ir.Constant(_VECTOR, [value] * LANES)


def _shuffled(builder: Any, left: Any, right: Any, places: list[int]) -> Any:
    return builder.shuffle_vector(left, right, ir.Constant(_PLACES, places))


def _broadcast(builder: Any, value: Any, kind: Any = _VECTOR) -> Any:
    nothing = ir.Constant(kind, ir.Undefined)
    return _shuffled(
        builder, builder.insert_element(nothing, value, _number(0, _INT32)), nothing, [0] * LANES
    )


def _first_lanes(builder: Any, count: Any) -> Any:
    """The mask of the first `count` lanes: none below 1, all from LANES on."""
    limit = _broadcast(builder, builder.trunc(count, _INT32), _PLACES)
    return builder.icmp_signed("<", ir.Constant(_PLACES, list(range(LANES))), limit)


def _row_starts(builder: Any, pointer: Any, stride: Any, rows: int, count: Any) -> list[Any]:
    """Pointers to `rows` rows; those from `count` on repeat the last there is."""
    last = builder.sub(count, _number(1))
    starts = []
    for row in range(rows):
        exists = builder.icmp_signed("<", _number(row), last)
        starts.append(_at(builder, pointer, builder.select(exists, _number(row), last), stride))
    return starts


def _prefetch(builder: Any, pointer: Any, write: bool, level: int) -> None:
    """Ask for a cache line before it is needed, in the first cache (3) or the second (2)."""
    function = _external(builder, "prefetch.p0", _VOID, _POINTER, _INT32, _INT32, _INT32)
    builder.call(function, [pointer, *(_number(value, _INT32) for value in (int(write), level, 1))])


@_instruction
def fetch_ahead(typing, pointer):
    """Ask for the cache line of a float that will be read soon."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _prefetch(builder, arguments[0], write=False, level=2)
        return context.get_dummy_value()

    return types.void(Pointer), codegen


@_instruction
def pointer_to(typing, array, first):
    """A pointer to element `first` of an array."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.gep(data, [arguments[1]])

    return Pointer(array, _integer), codegen


@_instruction
def moved(typing, pointer, count):
    """The pointer, `count` floats further."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return Pointer(Pointer, _integer), codegen


@_instruction
def stack_panel(typing):
    """Room for DEPTH rows of two vectors, for as long as the function runs."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        with builder.goto_entry_block():
            room = builder.alloca(ir.ArrayType(_FLOAT, DEPTH * 2 * LANES))
            room.align = 64
        return builder.bitcast(room, _POINTER)

    return Pointer(), codegen


@_instruction
def copy_lanes(typing, columns, source, out):
    """Copy `columns` floats, LANES at most; zeros follow."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        columns, source, out = arguments
        _store(builder, _load_some(builder, source, _first_lanes(builder, columns)), out)
        return context.get_dummy_value()

    return types.void(_integer, Pointer, Pointer), codegen


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


@_instruction
def transpose_lanes(typing, rows, columns, source, row_stride, out, out_stride):
    """Transpose a square of LANES rows and columns, of which `rows` and `columns` exist."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, columns, source, row_stride, out, out_stride = arguments
        mask = _first_lanes(builder, columns)
        starts = _row_starts(builder, source, row_stride, LANES, rows)
        vectors = [_load_some(builder, start, mask) for start in starts]
        step = 1
        while step < LANES:
            low, high = _exchange(step)
            for row in range(LANES):
                if not row & step:
                    pair = vectors[row], vectors[row + step]
                    vectors[row] = _shuffled(builder, *pair, low)
                    vectors[row + step] = _shuffled(builder, *pair, high)
            step *= 2
        for row, vector in enumerate(vectors):
            # The first two exchanges leave the rows of every four in the order 0, 2, 1, 3.
            place = (row & ~3) + (0, 2, 1, 3)[row & 3]
            _store(builder, vector, _at(builder, out, _number(place), out_stride))
        return context.get_dummy_value()

    return types.void(_integer, _integer, Pointer, _integer, Pointer, _integer), codegen


def _tile(rows: int, width: int) -> Any:
    """A tile of `rows` rows and `width` vectors."""

    def multiply(typing, size, left, left_strides, panel, out, out_stride, accumulate):
        return signature, codegen

    sizes, strides = types.UniTuple(_integer, 3), types.UniTuple(_integer, 2)
    signature = types.void(sizes, Pointer, strides, Pointer, Pointer, _integer, _boolean)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        size, left, left_strides, panel, out, out_stride, accumulate = arguments
        height, columns, depth = cgutils.unpack_tuple(builder, size)
        row_stride, column_stride = cgutils.unpack_tuple(builder, left_strides)
        sums = [
            [cgutils.alloca_once_value(builder, _repeated(0.0)) for _ in range(width)] for _ in range(rows)
        ]
        lefts = _row_starts(builder, left, row_stride, rows, height)
        outs = _row_starts(builder, out, out_stride, rows, height)
        for start in outs:
            # A row of the tile may lie across two cache lines.
            for place in (0, width * LANES - 1):
                _prefetch(builder, builder.gep(start, [_number(place)]), write=True, level=3)
        multiply_add = _external(builder, f"fmuladd.{_SUFFIX}", _VECTOR, _VECTOR, _VECTOR, _VECTOR)
        with cgutils.for_range(builder, depth) as loop:
            start = _at(builder, panel, loop.index, _number(2 * LANES))
            rights = [_load(builder, builder.gep(start, [_number(LANES * v)])) for v in range(width)]
            offset = builder.mul(loop.index, column_stride)
            for row in range(rows):
                factor = _broadcast(builder, builder.load(builder.gep(lefts[row], [offset])))
                for right, total in zip(rights, sums[row], strict=True):
                    value = builder.call(multiply_add, [factor, right, builder.load(total)])
                    builder.store(value, total)
        whole = builder.and_(
            builder.icmp_signed("==", height, _number(rows)),
            builder.icmp_signed("==", columns, _number(LANES * width)),
        )
        with builder.if_else(whole) as (full, partial):
            with full:
                _add_whole(builder, sums, outs, accumulate)
            with partial:
                _add_some(builder, sums, outs, accumulate, height, columns)
        return context.get_dummy_value()

    return _instruction(multiply)


def _add_whole(builder: Any, sums: Any, outs: Any, accumulate: Any) -> None:
    """Store the sums of a tile, or add them."""
    places = [
        (total, builder.gep(start, [_number(LANES * v)]))
        for totals, start in zip(sums, outs, strict=True)
        for v, total in enumerate(totals)
    ]
    with builder.if_then(accumulate):
        for total, place in places:
            builder.store(builder.fadd(builder.load(total), _load(builder, place)), total)
    for total, place in places:
        _store(builder, builder.load(total), place)


def _add_some(builder: Any, sums: Any, outs: Any, accumulate: Any, height: Any, columns: Any) -> None:
    """As `_add_whole`, of the first `height` rows and `columns` columns."""
    nothing = ir.Constant(_MASK, [0] * LANES)
    width = len(sums[0])
    masks = [_first_lanes(builder, builder.sub(columns, _number(LANES * v))) for v in range(width)]
    for row, (totals, start) in enumerate(zip(sums, outs, strict=True)):
        with builder.if_then(builder.icmp_signed("<", _number(row), height)):
            for v, (total, mask) in enumerate(zip(totals, masks, strict=True)):
                place = builder.gep(start, [_number(LANES * v)])
                old = _load_some(builder, place, builder.select(accumulate, mask, nothing))
                _store_some(builder, builder.fadd(builder.load(total), old), place, mask)


# multiply((height, columns, depth), left, (row stride, column stride), panel, out, out_stride, accumulate)
multiply_wide = _tile(ROWS, 2)
multiply_narrow = _tile(2 * ROWS, 1)
