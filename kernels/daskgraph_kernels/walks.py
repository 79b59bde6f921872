"""Random walks over an undirected graph, and the pairs of nodes that meet in them (docs/mathematics.md,
section 8).
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .jit import inner_kernel, kernel
from .rng import below, philox
from .searching import first_at_least

_MASK = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_UNIT = 1.0 / 4294967296.0


class Neighbors(NamedTuple):
    """For every node a list of its neighbours, ascending; one of several edges stands there several times."""

    offsets: npt.NDArray[np.integer[Any]]  # (nodes + 1,)
    ids: npt.NDArray[np.integer[Any]]  # (ends,)
    weights: npt.NDArray[np.float64]  # (ends,): sums of each list up to and with this end; (0,): all alike


@kernel
def add_neighbors(head, tail, weight, places, ids, weights):
    """Write either end of every edge (e,) into the other's list, which goes on at places (nodes,)."""
    for i in range(len(head)):
        for node, other in ((head[i], tail[i]), (tail[i], head[i])):
            place = places[node]
            ids[place] = other
            if len(weights) > 0:
                weights[place] = weight[i]
            places[node] = place + 1


@kernel
def sum_weights(offsets, weights):
    """Make of the weights (ends,) of each list their sums up to and with each of them."""
    for node in range(len(offsets) - 1):
        total = 0.0
        for place in range(offsets[node], offsets[node + 1]):
            total += weights[place]
            weights[place] = total


@inner_kernel
def _choose(neighbors, node, high, low):
    """A neighbour of the node, in proportion to its weight, by a 64-bit fraction. Equation 70."""
    first, last = np.int64(neighbors.offsets[node]), np.int64(neighbors.offsets[node + 1])
    if len(neighbors.weights) == 0:
        return np.int64(neighbors.ids[first + below(high, low, np.uint64(last - first))])
    share = (np.float64(high) + np.float64(low) * _UNIT) * _UNIT
    # The first whose sum is greater: one of weight 0 is never chosen.
    wanted = np.nextafter(share * neighbors.weights[last - 1], np.inf)
    place = first_at_least(neighbors.weights, first, last, wanted)
    return np.int64(neighbors.ids[min(place, last - 1)])


@inner_kernel
def _are_neighbors(neighbors, node, other):
    first, last = np.int64(neighbors.offsets[node]), np.int64(neighbors.offsets[node + 1])
    place = first_at_least(neighbors.ids, first, last, other)
    return place < last and neighbors.ids[place] == other


@inner_kernel
def _next(neighbors, key, number, position, previous, node, back, out):
    """Where walk `number` goes from `node`: chosen, then taken with the share that equation 71 leaves."""
    most = max(max(back, out), 1.0)
    attempt = np.uint64(0)
    while True:
        w0, w1, w2, _ = philox(key, attempt, np.uint64(position), number & _MASK, number >> _HALF)
        found = _choose(neighbors, node, w0, w1)
        if previous < 0 or (back == 1.0 and out == 1.0):
            return found
        if found == previous:
            factor = back
        elif _are_neighbors(neighbors, previous, found):
            factor = 1.0
        else:
            factor = out
        if np.float64(w2) * _UNIT * most < factor:
            return found
        attempt += np.uint64(1)


@kernel
def walk(neighbors, key, first, p, q, out):
    """Out (walks, length) = the walks numbered `first` and on, -1 beyond a dead end. Equations 70, 71."""
    nodes = len(neighbors.offsets) - 1
    for i in range(out.shape[0]):
        number = np.uint64(first + i)
        previous, node = np.int64(-1), np.int64((first + i) % nodes)
        for position in range(out.shape[1]):
            out[i, position] = node
            if node >= 0 and position + 1 < out.shape[1]:
                following = np.int64(-1)
                if neighbors.offsets[node] < neighbors.offsets[node + 1]:
                    following = _next(neighbors, key, number, position, previous, node, 1.0 / p, 1.0 / q)
                previous, node = node, following


@inner_kernel
def _keeps(shares, key, number, place, apart, node, other):
    """Whether a pair is kept: with the product of both nodes' shares (nodes,), (0,) for all. Equation 73."""
    if len(shares) == 0:
        return True
    word, _, _, _ = philox(key, np.uint64(place), np.uint64(apart), number & _MASK, number >> _HALF)
    return np.float64(word) * _UNIT < shares[node] * shares[other]


@kernel
def co_occurrences(key, first, walks, window, shares, head, tail):
    """Write the pairs (n,) of unlike nodes that stand near each other in walks (w, length): how many.

    How near is drawn for every place of a walk, from 1 to `window`. Equations 72, 73.
    """
    count = 0
    for i in range(walks.shape[0]):
        number = np.uint64(first + i)
        for place in range(walks.shape[1]):
            node = walks[i, place]
            if node >= 0:
                w0, w1, _, _ = philox(key, np.uint64(place), np.uint64(0), number & _MASK, number >> _HALF)
                reach = 1 + below(w0, w1, np.uint64(window))
                for apart in range(1, min(1 + reach, walks.shape[1] - place)):
                    other = walks[i, place + apart]
                    if other < 0 or other == node:
                        continue
                    if _keeps(shares, key, number, place, apart, node, other):
                        head[count] = node
                        tail[count] = other
                        count += 1
    return count
