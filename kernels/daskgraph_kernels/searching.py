"""Places in ascending lists."""

from .jit import inner_kernel


@inner_kernel
def first_at_least(values, first, last, wanted):
    """The first place in the ascending values[first:last] that holds `wanted` or more; else `last`."""
    while first < last:
        middle = (first + last) // 2
        if values[middle] < wanted:
            first = middle + 1
        else:
            last = middle
    return first
