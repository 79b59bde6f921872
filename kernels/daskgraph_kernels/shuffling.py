"""The order in which edges are trained: shuffled, sorted by what a batch has in common, copied together.

NumPy does each of these in several passes over all edges, and half of them with the GIL held, for which
threads that train then wait.
"""

import numpy as np

from .jit import kernel
from .rng import below, philox

_MASK = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


@kernel
def shuffle(key, order):
    """Fill order (n,), n < 2**32, with a permutation of 0 to n - 1 that `key` decides (Fisher and Yates)."""
    count = len(order)
    for i in range(count):
        order[i] = i
    spare, w2, w3 = False, np.uint64(0), np.uint64(0)
    for i in range(count - 1, 0, -1):
        limit = np.uint64(i + 1)
        if spare:
            j = below(w2, w3, limit)
        else:
            step = np.uint64(i)
            w0, w1, w2, w3 = philox(key, step & _MASK, step >> _HALF, np.uint64(0), np.uint64(0))
            j = below(w0, w1, limit)
        spare = not spare
        other = order[j]
        order[j] = order[i]
        order[i] = other


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
def sort_by_key(keys, order, starts, out):
    """Set out (n,) to order (n,), stably sorted by keys[order]; `starts` (keys,) are where keys begin,
    and become where they end.
    """
    for i in range(len(order)):
        key = keys[order[i]]
        out[starts[key]] = order[i]
        starts[key] += 1


@kernel
def list_edges(order, starts, bounds, out):
    """Set out (n,) to stretches of `order`: stretch b begins at starts[b] there, at bounds[b] here, and ends
    at bounds[b + 1].
    """
    for b in range(len(starts)):
        first = bounds[b]
        for i in range(bounds[b + 1] - first):
            out[first + i] = order[starts[b] + i]


@kernel
def copy_edges(head, relation, tail, chosen, out):
    """Copy the edges chosen (n,) of three columns into out (3, n)."""
    for i in range(len(chosen)):
        edge = chosen[i]
        out[0, i] = head[edge]
        out[1, i] = relation[edge]
        out[2, i] = tail[edge]
