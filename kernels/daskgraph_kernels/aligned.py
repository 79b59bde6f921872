"""Arrays that begin where a cache line does: rows of whole lines lie across no line more than they fill."""

import math

import numpy as np
from numpy.typing import NDArray

LINE = 16
"""Floats of a cache line."""


def zeros(*shape: int) -> NDArray[np.float32]:
    """Numbers 0 of this shape, the first at the beginning of a cache line; copies may begin anywhere."""
    count = math.prod(map(int, shape))
    room = np.zeros(count + LINE - 1, np.float32)
    first = -(room.ctypes.data // room.itemsize) % LINE
    return room[first : first + count].reshape(shape)
