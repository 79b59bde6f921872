from typing import Any

import numpy as np
import pytest
from kernel_examples import random_floats

from daskgraph_kernels.jit import kernel
from daskgraph_kernels.sparse import add_one_by_one, carry_back

SHAPES = [
    (3, 4, 5, 0, 0),
    (3, 40, 8, 2, 0),
    (2, 70, 16, 1, 3),
    (1, 1, 1, 0, 0),
    (2, 0, 4, 1, 1),
    (50, 100, 100, 0, 50),
    (7, 33, 31, 0, 1),
    (4, 32, 35, 3, 0),
    (120, 700, 100, 0, 2),
]


@kernel
def call_add_one_by_one(weights: Any, column: Any, left: Any, right: Any, d_left: Any, d_right: Any) -> None:
    add_one_by_one(weights, column, left, right, d_left, d_right)


@kernel
def call_carry_back(
    weights: Any, column: Any, left: Any, right: Any, d_left: Any, d_right: Any, add_left: Any, add_right: Any
) -> None:
    carry_back(weights, column, left, right, d_left, d_right, add_left, add_right)


@pytest.mark.parametrize("share", [0, 0.05, 0.2, 0.9, 1])
@pytest.mark.parametrize("add", [(True, True), (True, False), (False, True), (False, False), None])
@pytest.mark.parametrize(("m", "n", "d", "before", "after"), SHAPES)
def test_carry_back(
    m: int, n: int, d: int, before: int, after: int, add: tuple[bool, bool] | None, share: float
) -> None:
    """`add` is None: one by one, whatever the share."""
    random = np.random.default_rng(3)
    left, right, d_left, d_right = (random_floats(random, rows, d) for rows in (m, n, m, n))
    weights = random_floats(random, m, before + n + after)
    weights[random.random(weights.shape) > share] = 0
    own = weights[:, before : before + n].astype(float)
    kept_left, kept_right = add or (True, True)
    expected = kept_left * d_left + own @ right, kept_right * d_right + own.T @ left
    if add is None:
        call_add_one_by_one(weights, before, left, right, d_left, d_right)
    else:
        call_carry_back(weights, before, left, right, d_left, d_right, *add)
    tolerance = 1e-5 * (1 + n / 100)
    np.testing.assert_allclose(d_left, expected[0], rtol=1e-4, atol=tolerance)
    np.testing.assert_allclose(d_right, expected[1], rtol=1e-4, atol=tolerance)


@pytest.mark.parametrize("one_by_one", [True, False])
def test_carry_back__of_no_number(one_by_one: bool) -> None:
    """What is not a number must not be lost where numbers are few."""
    weights = np.zeros((2, 40), np.float32)
    weights[1, 37], weights[0, 3] = np.nan, -0.0
    left, right = np.ones((2, 9), np.float32), np.ones((40, 9), np.float32)
    d_left, d_right = np.zeros_like(left), np.zeros_like(right)
    if one_by_one:
        call_add_one_by_one(weights, 0, left, right, d_left, d_right)
    else:
        call_carry_back(weights, 0, left, right, d_left, d_right, True, True)
    assert np.isnan(d_left[1]).all()
    assert np.isnan(d_right[37]).all()
    assert not d_left[0].any()
    assert np.isnan(d_right).sum() == 9
