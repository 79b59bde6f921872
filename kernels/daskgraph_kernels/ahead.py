"""Rows asked for before they are needed: in a large table most are in no cache, and a core waits for each."""

from typing import Any

from numba.extending import overload

from .aligned import LINE
from .lanes import fetch_ahead, pointer_to

# So many uses ahead: enough lines on their way to keep the memory busy, few enough to be there when needed.
DISTANCE = 8


def fetch_row(matrix: Any, row: int) -> None:
    """Ask for a row of a matrix (n, d)."""


def fetch_number(vector: Any, place: int) -> None:
    """Ask for a number of a vector (n,)."""


@overload(fetch_row, inline="always")
def _fetch_row_compiled(matrix, row):
    def compiled(matrix, row):
        first = row * matrix.shape[1]
        for j in range(0, matrix.shape[1], LINE):
            fetch_ahead(pointer_to(matrix, first + j))
        # A row may lie across one line more.
        fetch_ahead(pointer_to(matrix, first + matrix.shape[1] - 1))

    return compiled


@overload(fetch_number, inline="always")
def _fetch_number_compiled(vector, place):
    def compiled(vector, place):
        fetch_ahead(pointer_to(vector, place))

    return compiled
