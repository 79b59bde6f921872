"""Orders of edges: permutations that a key decides, all as likely, sorted stably, copied whole."""

import math
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daskgraph_kernels.shuffling import copy_edges, count_keys, list_edges, shuffle, sort_by_key


def shuffled(count: int, key: int) -> list[int]:
    order = np.empty(count, np.int64)
    shuffle(np.uint64(key), order)
    return order.tolist()


@given(st.integers(0, 300), st.integers(0, 2**64 - 1))
def test_shuffle__is_a_permutation(count: int, key: int) -> None:
    assert sorted(shuffled(count, key)) == list(range(count))
    assert shuffled(count, key) == shuffled(count, key)


def test_shuffle__every_order_is_as_likely() -> None:
    draws = 24_000
    found = Counter(tuple(shuffled(4, key)) for key in range(draws))
    expected = draws / math.factorial(4)
    assert len(found) == math.factorial(4)
    chi_squared = sum((count - expected) ** 2 / expected for count in found.values())
    # 23 degrees of freedom: one in a thousand is above 49.7.
    assert chi_squared < 49.7


@given(st.lists(st.integers(0, 6), max_size=60), st.integers(0, 100))
def test_sort_by_key__as_numpy(keys: list[int], key: int) -> None:
    values, order = np.array(keys, np.int64), np.array(shuffled(len(keys), key), np.int64)
    ends, out = np.empty(8, np.int64), np.empty_like(order)
    count_keys(values, ends)
    np.testing.assert_array_equal(ends, np.searchsorted(np.sort(values), np.arange(8)))
    sort_by_key(values, order, ends, out)
    np.testing.assert_array_equal(out, order[np.argsort(values[order], kind="stable")])
    np.testing.assert_array_equal(ends[:-1], np.cumsum(np.bincount(values, minlength=7)))


@given(st.lists(st.integers(0, 5), max_size=10))
def test_list_edges__stretches_in_turn(lengths: list[int]) -> None:
    order = np.array(shuffled(40, 1), np.int64)
    starts = np.arange(len(lengths), dtype=np.int64) * 3
    bounds = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    out = np.empty(bounds[-1], np.int64)
    list_edges(order, starts, bounds, out)
    expected = [order[start : start + length] for start, length in zip(starts, lengths, strict=True)]
    np.testing.assert_array_equal(out, np.concatenate([*expected, np.empty(0, np.int64)]))


def test_copy_edges() -> None:
    columns = np.arange(30).reshape(3, 10)
    chosen = np.array([7, 0, 7, 3])
    out = np.empty((3, 4), np.int64)
    copy_edges(*columns, chosen, out)
    np.testing.assert_array_equal(out, columns[:, chosen])
