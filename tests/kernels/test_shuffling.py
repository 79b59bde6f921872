"""Orders of edges: permutations that a key decides, all as likely, sorted stably, copied whole."""

import math
from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daskgraph_kernels.shuffling import count_keys, deal, list_stretches, shuffle, sort_by_key


def shuffled(count: int, key: int) -> list[int]:
    order = np.arange(count)[np.newaxis]
    shuffle(np.uint64(key), np.array([0, count]), order)
    return [int(place) for place in order[0]]


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


@given(st.lists(st.integers(0, 9), max_size=8), st.integers(0, 2**64 - 1))
def test_shuffle__stretches_apart_and_columns_alike(lengths: list[int], key: int) -> None:
    bounds = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    columns = np.arange(bounds[-1]) + np.array([[0], [1000]])
    shuffle(np.uint64(key), bounds, columns)
    np.testing.assert_array_equal(columns[1], columns[0] + 1000)
    for first, last in pairwise(bounds.tolist()):
        assert sorted(columns[0, first:last]) == list(range(first, last))


@given(st.lists(st.integers(0, 6), max_size=60))
def test_sort_by_key__as_numpy(keys: list[int]) -> None:
    values, column = np.array(keys, np.int64), np.arange(len(keys)) * 7
    ends, out = np.empty(8, np.int64), np.empty_like(column)
    count_keys(values, ends)
    np.testing.assert_array_equal(ends, np.searchsorted(np.sort(values), np.arange(8)))
    sort_by_key(values, ends, column, out)
    np.testing.assert_array_equal(out, column[np.argsort(values, kind="stable")])
    np.testing.assert_array_equal(ends[:-1], np.cumsum(np.bincount(values, minlength=7)))


def test_deal__every_stack_of_a_key_is_as_likely() -> None:
    keys, firsts = np.arange(30_000) % 3, np.array([0, 1, 6, 10])
    out = np.empty_like(keys)
    deal(np.uint64(3), keys, firsts, out)
    np.testing.assert_array_equal(np.searchsorted(firsts, out, side="right") - 1, keys)
    counts, expected = np.bincount(out, minlength=10), np.repeat([10_000, 2_000, 2_500], [1, 5, 4])
    # 7 degrees of freedom: one in a thousand is above 24.3.
    assert ((counts - expected) ** 2 / expected).sum() < 24.3


@given(st.lists(st.integers(0, 5), max_size=10))
def test_list_stretches__in_turn(lengths: list[int]) -> None:
    column = np.array(shuffled(40, 1), np.int64)
    starts = np.arange(len(lengths), dtype=np.int64) * 3
    bounds = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    out = np.empty(bounds[-1], np.int64)
    list_stretches(column, starts, bounds, out)
    expected = [column[start : start + length] for start, length in zip(starts, lengths, strict=True)]
    np.testing.assert_array_equal(out, np.concatenate([*expected, np.empty(0, np.int64)]))
