"""Walks: the chances of every step, their determinism, and the pairs that are made of them."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daskgraph_kernels.jit import COMPILED
from daskgraph_kernels.rng import below, derive_key, philox
from daskgraph_kernels.walks import Neighbors, add_neighbors, co_occurrences, sum_weights, walk

KEY = derive_key(7)
WALKS = 40_000 if COMPILED else 2_000

# A triangle 0 1 2, a tail 2 3 4 and an edge between 0 and 3; node 5 is alone.
EDGES = np.array([(0, 1), (1, 2), (0, 2), (2, 3), (3, 4), (0, 3)])
WEIGHTS = np.array([1.0, 2.0, 0.5, 1.0, 3.0, 0.25], np.float32)


def neighbors_of(edges: Any, weights: Any, count: int) -> Neighbors:
    """Lists made by loops; the naive twin of what is read from a store."""
    lists: list[list[tuple[int, float]]] = [[] for _ in range(count)]
    for (head, tail), weight in zip(edges.tolist(), weights.tolist(), strict=True):
        lists[head].append((tail, weight))
        lists[tail].append((head, weight))
    ordered = [sorted(own) for own in lists]
    offsets = np.cumsum([0, *map(len, ordered)]).astype(np.int32)
    ids = np.array([node for own in ordered for node, _ in own], np.int32)
    sums = np.array([total for own in ordered for total in np.cumsum([weight for _, weight in own])], float)
    return Neighbors(offsets, ids, sums)


def unweighted(neighbors: Neighbors) -> Neighbors:
    return neighbors._replace(weights=np.empty(0))


def walked(neighbors: Neighbors, p: float, q: float, count: int, length: int, first: int = 0) -> Any:
    out = np.empty((count, length), np.int64)
    walk(neighbors, KEY, first, p, q, out)
    return out


def chances(neighbors: Neighbors, previous: int, node: int, p: float, q: float) -> dict[int, float]:
    """Equations 70 and 71, by a loop."""
    own = slice(neighbors.offsets[node], neighbors.offsets[node + 1])
    around = slice(neighbors.offsets[previous], neighbors.offsets[previous + 1])
    found: dict[int, float] = {}
    weights = np.diff(neighbors.weights[own], prepend=0) if len(neighbors.weights) else np.ones(6)
    for following, weight in zip(neighbors.ids[own].tolist(), weights.tolist(), strict=False):
        near = following in neighbors.ids[around].tolist()
        bias = 1 / p if following == previous else 1.0 if near else 1 / q
        found[following] = found.get(following, 0) + weight * bias
    total = sum(found.values())
    return {following: chance / total for following, chance in found.items()}


@pytest.mark.parametrize(("p", "q"), [(1.0, 1.0), (0.25, 4.0), (4.0, 0.5)])
@pytest.mark.parametrize("weighted", [False, True])
def test_walk__steps_have_the_chances_of_the_equations(p: float, q: float, weighted: bool) -> None:
    neighbors = neighbors_of(EDGES, WEIGHTS, 6)
    neighbors = neighbors if weighted else unweighted(neighbors)
    paths = walked(neighbors, p, q, WALKS, 3)
    counted = Counter(map(tuple, paths.tolist()))
    for previous, node in [(1, 2), (0, 2), (2, 0), (3, 2), (4, 3), (2, 3)]:
        expected = chances(neighbors, previous, node, p, q)
        seen = {following: counted[previous, node, following] for following in expected}
        total = sum(seen.values())
        assert total == sum(count for path, count in counted.items() if path[:2] == (previous, node))
        squares = [
            (seen[following] - total * chance) ** 2 / (total * chance)
            for following, chance in expected.items()
        ]
        # Chi-squared of at most three degrees of freedom: 21 has the probability 0.0001.
        assert sum(squares) < 21, (previous, node, seen, expected)


def test_walk__begins_everywhere_in_turn_and_ends_at_a_dead_end() -> None:
    neighbors = unweighted(neighbors_of(EDGES, WEIGHTS, 6))
    paths = walked(neighbors, 0.5, 2.0, 20, 5, first=3)
    assert paths[:, 0].tolist() == [(3 + i) % 6 for i in range(20)]
    alone = paths[:, 0] == 5
    assert (paths[alone, 1:] == -1).all()
    assert (paths[~alone] >= 0).all()
    edges = {*map(tuple, EDGES.tolist()), *map(tuple, EDGES[:, ::-1].tolist())}
    assert {pair for path in paths[~alone].tolist() for pair in pairwise(path)} <= edges


def test_walk__depends_on_key_and_number_alone() -> None:
    neighbors = neighbors_of(EDGES, WEIGHTS, 6)
    whole = walked(neighbors, 0.5, 2.0, 20, 5)
    np.testing.assert_array_equal(walked(neighbors, 0.5, 2.0, 8, 5, first=12), whole[12:])


def test_lists__as_by_loops() -> None:
    expected = neighbors_of(EDGES, WEIGHTS, 6)
    places = expected.offsets[:-1].astype(np.int64)
    ids, weights = np.empty(12, np.int32), np.empty(12)
    head, tail = np.ascontiguousarray(EDGES.T)
    add_neighbors(head, tail, WEIGHTS, places, ids, weights)
    assert places.tolist() == expected.offsets[1:].tolist()
    for first, last in zip(expected.offsets[:-1], expected.offsets[1:], strict=True):
        order = np.argsort(ids[first:last]) + first
        ids[first:last], weights[first:last] = ids[order], weights[order]
    sum_weights(expected.offsets, weights)
    np.testing.assert_array_equal(ids, expected.ids)
    np.testing.assert_allclose(weights, expected.weights)


NONE: Any = np.empty(0)


def naive_pairs(key: Any, first: int, walks: Any, window: int, shares: Any) -> list[tuple[int, int]]:
    found = []
    for row, path in enumerate(walks.tolist()):
        for place, node in enumerate(path):
            number = np.uint64(first + row)
            words = call_philox(key, place, number)
            reach = 1 + (int(words[0]) << 32 | int(words[1])) * window // 2**64
            for apart, other in enumerate(path[place + 1 : place + 1 + reach], 1):
                drawn = int(call_philox(key, place, number, apart)[0]) / 2**32
                kept = len(shares) == 0 or drawn < shares[node] * shares[other]
                if node >= 0 <= other and node != other and kept:
                    found.append((node, other))
    return found


def call_philox(key: Any, place: int, number: Any, apart: int = 0) -> Any:
    function = getattr(philox, "py_func", philox)
    halves = number & np.uint64(0xFFFFFFFF), number >> np.uint64(32)
    return function(np.uint64(key), np.uint64(place), np.uint64(apart), *halves)


@settings(max_examples=30)
@given(
    st.integers(1, 5),
    st.integers(2, 8),
    st.integers(1, 6),
    st.integers(0, 2**33),
    st.integers(0, 99),
    st.booleans(),
)
def test_co_occurrences__equal_their_naive_twin(
    rows: int, length: int, window: int, first: int, seed: int, thinned: bool
) -> None:
    random = np.random.default_rng(seed)
    walks = random.integers(-1, 6, (rows, length))
    shares = random.random(6) if thinned else NONE
    head, tail = np.empty((2, walks.size * window), np.int64)
    count = co_occurrences(KEY, first, walks, window, shares, head, tail)
    assert list(zip(head[:count].tolist(), tail[:count].tolist(), strict=True)) == naive_pairs(
        KEY, first, walks, window, shares
    )


def test_co_occurrences__nearer_ones_more_often() -> None:
    walks = np.tile(np.arange(5), (WALKS, 1))
    head, tail = np.empty((2, walks.size * 4), np.int64)
    count = co_occurrences(KEY, 0, walks, 4, NONE, head, tail)
    for apart in range(1, 5):
        seen = ((head[:count] == 0) & (tail[:count] == apart)).mean() * count / WALKS
        assert seen == pytest.approx(1 - (apart - 1) / 4, abs=5 * np.sqrt(0.25 / WALKS))


def test_co_occurrences__of_either_node_its_share() -> None:
    walks = np.tile(np.arange(3), (WALKS, 1))
    head, tail = np.empty((2, walks.size), np.int64)
    count = co_occurrences(KEY, 0, walks, 1, np.array([1.0, 0.8, 0.5]), head, tail)
    for node, share in ((0, 0.8), (1, 0.4)):
        seen = (head[:count] == node).sum() / WALKS
        assert seen == pytest.approx(share, abs=5 * np.sqrt(0.25 / WALKS))


def test_below_is_what_the_twin_takes() -> None:
    function = getattr(below, "py_func", below)
    assert function(np.uint64(2**31), np.uint64(0), np.uint64(10)) == 5
