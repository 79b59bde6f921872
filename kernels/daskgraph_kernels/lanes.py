"""Vector instructions as compiled code writes them: LANES floats at a time, and pointers to them.

Pointers and strides count floats.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .jit import processor_features

_FEATURES = processor_features().split(",")

LANES = 16 if "+avx512f" in _FEATURES else 8

# LLVM's name for the sums of the products of neighbours, integers of 16 bits, where there is an instruction.
PAIR_PRODUCTS = None
if LANES == 16 and "+avx512bw" in _FEATURES:
    PAIR_PRODUCTS = "x86.avx512.pmaddw.d.512"
elif LANES == 8 and "+avx2" in _FEATURES:
    PAIR_PRODUCTS = "x86.avx2.pmadd.wd"

FLOAT, INT32, INT64, BIT = ir.FloatType(), ir.IntType(32), ir.IntType(64), ir.IntType(1)
VECTOR, MASK, PLACES = (ir.VectorType(kind, LANES) for kind in (FLOAT, BIT, INT32))
VOID, POINTER, VECTOR_POINTER = ir.VoidType(), FLOAT.as_pointer(), VECTOR.as_pointer()
SUFFIX = f"v{LANES}f32"

instruction: Any = intrinsic  # its own type knows nothing of what is called

Pointer = types.CPointer(types.float32)
# To two integers of 16 bits each, which take the place of a float.
Pairs = types.CPointer(types.int32)
integer, boolean = types.int64, types.boolean


def number(value: int, kind: Any = INT64) -> Any:
    """A constant integer."""
    return ir.Constant(kind, value)


def external(builder: Any, name: str, result: Any, *arguments: Any) -> Any:
    """An LLVM intrinsic."""
    form = ir.FunctionType(result, arguments)
    return cgutils.get_or_insert_function(builder.module, form, f"llvm.{name}")


def element_at(builder: Any, pointer: Any, place: Any, stride: Any) -> Any:
    """The pointer, `place` strides further."""
    return builder.gep(pointer, [builder.mul(place, stride)])


def as_floats(builder: Any, pointer: Any) -> Any:
    """The pointer, whatever it points to, as one to floats."""
    return builder.bitcast(pointer, POINTER)


def load(builder: Any, pointer: Any) -> Any:
    """A vector, from wherever it stands."""
    found = builder.load(builder.bitcast(pointer, VECTOR_POINTER))
    found.align = 4
    return found


def store(builder: Any, value: Any, pointer: Any) -> None:
    """Write a vector, wherever it is to stand."""
    builder.store(value, builder.bitcast(pointer, VECTOR_POINTER)).align = 4


def load_some(builder: Any, pointer: Any, mask: Any) -> Any:
    """A vector's lanes where the mask is set, 0 elsewhere."""
    function = external(builder, f"masked.load.{SUFFIX}.p0", VECTOR, VECTOR_POINTER, INT32, MASK, VECTOR)
    place = builder.bitcast(pointer, VECTOR_POINTER)
    return builder.call(function, [place, number(4, INT32), mask, repeated(0.0)])


def store_some(builder: Any, value: Any, pointer: Any, mask: Any) -> None:
    """Write a vector's lanes where the mask is set."""
    function = external(builder, f"masked.store.{SUFFIX}.p0", VOID, VECTOR, VECTOR_POINTER, INT32, MASK)
    builder.call(function, [value, builder.bitcast(pointer, VECTOR_POINTER), number(4, INT32), mask])


def repeated(value: float) -> Any:
    """A constant in all lanes."""
    return ir.Constant(VECTOR, [value] * LANES)


def shuffled(builder: Any, left: Any, right: Any, places: list[int]) -> Any:
    """A vector of lanes of two others, laid end to end."""
    return builder.shuffle_vector(left, right, ir.Constant(PLACES, places))


def broadcast(builder: Any, value: Any, kind: Any = VECTOR) -> Any:
    """A value in all lanes."""
    nothing = ir.Constant(kind, ir.Undefined)
    return shuffled(builder, builder.insert_element(nothing, value, number(0, INT32)), nothing, [0] * LANES)


def first_lanes(builder: Any, count: Any) -> Any:
    """The mask of the first `count` lanes: none below 1, all from LANES on."""
    limit = broadcast(builder, builder.trunc(count, INT32), PLACES)
    return builder.icmp_signed("<", ir.Constant(PLACES, list(range(LANES))), limit)


def prefetch(builder: Any, pointer: Any, write: bool, level: int) -> None:
    """Ask for a cache line before it is needed, in the first cache (3) or the second (2)."""
    function = external(builder, "prefetch.p0", VOID, POINTER, INT32, INT32, INT32)
    builder.call(function, [pointer, *(number(value, INT32) for value in (int(write), level, 1))])


@instruction
def fetch_ahead(typing, pointer):
    """Ask for the cache line of a float that will be read soon."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        prefetch(builder, as_floats(builder, arguments[0]), write=False, level=2)
        return context.get_dummy_value()

    return types.void(pointer), codegen


@instruction
def pointer_to(typing, array, first):
    """A pointer to element `first` of an array."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.gep(data, [arguments[1]])

    return types.CPointer(array.dtype)(array, integer), codegen


@instruction
def moved(typing, pointer, count):
    """The pointer, `count` floats further."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return pointer(pointer, integer), codegen
