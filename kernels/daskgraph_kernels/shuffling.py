"""The order in which edges are trained: sorted by what a batch has in common, shuffled, copied together.

NumPy does each of these in several passes, and half of them with the GIL held, for which threads that train
then wait.
"""

import numpy as np

from .jit import kernel
from .rng import below, mixed

_MASK = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


@kernel
def count_keys(keys, ends):
    """Set ends[k + 1] (keys + 1,) to how many of keys (n,) are smaller than k + 1, ends[0] to 0."""
    for k in range(len(ends)):
        ends[k] = 0
    for i in range(len(keys)):
        ends[keys[i] + 1] += 1
    for k in range(1, len(ends)):
        ends[k] += ends[k - 1]


@kernel
def deal(key, keys, firsts, out):
    """Set out (n,) to numbers of stacks: keys[i] (n,) has those from firsts[keys[i]] to the next key's, fewer
    than 2**32, of which `key` and the place choose one.
    """
    for i in range(len(keys)):
        first = firsts[keys[i]]
        word = mixed(key, np.uint64(i))
        out[i] = first + below(word >> _HALF, word & _MASK, np.uint64(firsts[keys[i] + 1] - first))


@kernel
def sort_by_key(keys, starts, column, out):
    """Set out (n,) to column (n,), stably sorted by keys (n,); `starts` (keys,) are where keys begin, and
    become where they end.
    """
    for i in range(len(keys)):
        key = keys[i]
        out[starts[key]] = column[i]
        starts[key] += 1


@kernel
def shuffle(key, bounds, columns):
    """Permute every stretch [bounds[k], bounds[k + 1]) of columns (c, n), n < 2**32, as `key` decides, all
    columns alike (Fisher and Yates).
    """
    for k in range(len(bounds) - 1):
        first = bounds[k]
        for i in range(bounds[k + 1] - 1, first, -1):
            word = mixed(key, np.uint64(i))
            j = first + below(word >> _HALF, word & _MASK, np.uint64(i - first + 1))
            for c in range(len(columns)):
                other = columns[c, j]
                columns[c, j] = columns[c, i]
                columns[c, i] = other


@kernel
def list_stretches(column, starts, bounds, out):
    """Set out (n,) to stretches of a column: stretch b begins at starts[b] there, at bounds[b] here, and ends
    at bounds[b + 1].
    """
    for b in range(len(starts)):
        first = bounds[b]
        for i in range(bounds[b + 1] - first):
            out[first + i] = column[starts[b] + i]
