from typing import Any

import numpy as np
import pytest

from daskgraph_kernels.rounding import round_gradient

COUNT = 20


def rounded(gradient: Any, key: int = 5, batch: int = 0, side: int = 0, first: int = 0) -> Any:
    """The gradient of edges that all have a weight of 2, rounded to about COUNT an edge."""
    found = np.array(gradient, np.float32)
    weights = np.full(len(found), 2, np.float32)
    round_gradient(np.array([key, batch], np.uint64), side, first, np.float32(COUNT), weights, found)
    return found


def shares(rows: int, n: int) -> Any:
    """Gradients of a softmax: those of a row sum to its weight."""
    random = np.random.default_rng(1)
    powers = np.exp(3 * random.standard_normal((rows, n)))
    return (2 * powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def test_round_gradient__leaves_what_is_large_and_rounds_what_is_small() -> None:
    given = shares(50, 300)
    found = rounded(given)
    floor = np.float32(2) / np.float32(COUNT)
    large = given >= floor
    assert 0 < large.sum() < given.size
    np.testing.assert_array_equal(found[large], given[large])
    assert set(np.unique(found[~large])) == {np.float32(0), floor}
    assert np.count_nonzero(found) <= 1.1 * COUNT * len(given)


def test_round_gradient__keeps_the_mean() -> None:
    given = shares(4, 60)
    given[1] *= -1
    found = np.mean([rounded(given, batch=batch) for batch in range(4000)], axis=0, dtype=np.float64)
    # Of a number that is `floor` with the probability size / floor.
    size, floor = np.abs(given), 2 / COUNT
    spread = np.sqrt(np.where(size < floor, size * (floor - size), 0) / 4000)
    assert (np.abs(found - given) <= 5 * spread + 1e-6).all()
    assert np.std((found - given)[spread > 1e-4] / spread[spread > 1e-4]) == pytest.approx(1, abs=0.2)


def test_round_gradient__is_as_likely_wherever_it_stands() -> None:
    found = rounded(np.full((200, 1000), 0.03)) > 0
    for kept in (found.mean(axis=0), found.mean(axis=1), (found[:, 1:] & found[:, :-1]).mean(axis=0) ** 0.5):
        assert kept.mean() == pytest.approx(0.3, abs=0.01)
    assert found.mean(axis=0).std() == pytest.approx((0.21 / 200) ** 0.5, rel=0.2)
    assert found.mean(axis=1).std() == pytest.approx((0.21 / 1000) ** 0.5, rel=0.2)


@pytest.mark.parametrize(
    "other",
    [{"key": 6}, {"batch": 1}, {"batch": 2**32}, {"side": 1}, {"first": 1}],
    ids=["key", "batch", "high", "side", "edge"],
)
def test_round_gradient__is_another_for_other_counters(other: dict[str, int]) -> None:
    given = np.full((20, 500), 0.05)
    np.testing.assert_array_equal(rounded(given), rounded(given))
    agree = (rounded(given) == rounded(given, **other)).mean()
    assert 0.45 < agree < 0.55


def test_round_gradient__depends_on_the_edge_not_on_where_its_part_begins() -> None:
    given = shares(9, 70)
    np.testing.assert_array_equal(rounded(given[4:], first=4), rounded(given)[4:])


def test_round_gradient__carries_zeros_and_what_is_no_number() -> None:
    found = rounded([[0, np.nan, -0.0, np.inf]])
    assert found[0, 0] == found[0, 2] == 0
    assert np.isnan(found[0, 1])
    assert found[0, 3] == np.inf


def test_round_gradient__of_an_edge_without_weight() -> None:
    found = np.zeros((1, 5), np.float32)
    round_gradient(np.array([1, 1], np.uint64), 0, 0, np.float32(COUNT), np.zeros(1, np.float32), found)
    assert (found == 0).all()
