"""Parts of matrices turned over: in-batch scores serve both sides, as rows of one, columns of the other."""

from typing import Any

from numba.extending import overload

from .jit import inner_kernel
from .lanes import LANES, pointer_to
from .tiles import transpose_square


def transpose(source: Any, rows: int, columns: int, out: Any, accumulate: bool) -> None:
    """out[:columns, :rows] = source[:rows, :columns]ᵀ, added to what is there if `accumulate`."""
    out[:columns, :rows] = source[:rows, :columns].T + (out[:columns, :rows] if accumulate else 0)


@overload(transpose, inline="always")
def _transpose_compiled(source, rows, columns, out, accumulate):
    def compiled(source, rows, columns, out, accumulate):
        _transpose(source, rows, columns, out, accumulate)

    return compiled


@inner_kernel
def _transpose(source, rows, columns, out, accumulate):
    """`transpose` in squares of vectors, and number by number where none fits."""
    square_rows, square_columns = rows - rows % LANES, columns - columns % LANES
    width, out_width = source.shape[1], out.shape[1]
    for i in range(0, square_rows, LANES):
        for j in range(0, square_columns, LANES):
            start, place = pointer_to(source, i * width + j), pointer_to(out, j * out_width + i)
            transpose_square(start, width, place, out_width, accumulate)
    for i in range(rows):
        for j in range(square_columns if i < square_rows else 0, columns):
            out[j, i] = source[i, j] + (out[j, i] if accumulate else 0)
