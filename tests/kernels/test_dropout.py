from typing import Any

import numpy as np
import pytest

from daskgraph_kernels.dropout import drop


def factors(share: float, n: int = 40, d: int = 30, key: int = 5, batch: int = 0) -> Any:
    rows = np.ones((n, d), np.float32)
    drop(np.array([key, batch], np.uint64), np.float32(share), 0, n, rows)
    return rows


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_drop__sets_a_share_to_zero_and_keeps_the_mean(share: float) -> None:
    found = factors(share)
    assert set(np.unique(found)) == {np.float32(0), np.float32(1) / (1 - np.float32(share))}
    dropped = (found == 0).sum()
    expected, spread = share * found.size, np.sqrt(found.size * share * (1 - share))
    assert abs(dropped - expected) < 4 * spread


@pytest.mark.parametrize("other", [{"key": 6}, {"batch": 1}, {"batch": 2**32}], ids=["key", "batch", "high"])
def test_drop__is_another_for_other_counters(other: dict[str, int]) -> None:
    np.testing.assert_array_equal(factors(0.5), factors(0.5))
    agree = (factors(0.5) == factors(0.5, **other)).mean()
    assert 0.4 < agree < 0.6


@pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 30])
def test_drop__depends_on_row_and_coordinate_alone(d: int) -> None:
    np.testing.assert_array_equal(factors(0.5, 7, d), factors(0.5)[:7, :d])


def test_drop__leaves_other_rows() -> None:
    rows = np.ones((5, 8), np.float32)
    drop(np.array([1, 1], np.uint64), np.float32(0.9), 1, 3, rows)
    assert (rows[[0, 3, 4]] == 1).all()
    assert (rows[1:3] != 1).all()


def test_drop__carries_zero_rows() -> None:
    rows = np.zeros((3, 4), np.float32)
    drop(np.array([1, 1], np.uint64), np.float32(0.5), 0, 3, rows)
    assert (rows == 0).all()
