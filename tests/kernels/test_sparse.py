from typing import Any

import numpy as np
import pytest
from kernel_examples import random_floats

from daskgraph_kernels.jit import kernel
from daskgraph_kernels.sparse import add_gradients, add_one_by_one

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
def call_add_gradients(
    weights: Any, column: Any, left: Any, right: Any, d_left: Any, d_right: Any, one_by_one: Any
) -> None:
    if one_by_one:
        add_one_by_one(weights, column, left, right, d_left, d_right)
    else:
        add_gradients(weights, column, left, right, d_left, d_right)


@pytest.mark.parametrize("share", [0, 0.05, 0.2, 0.9, 1])
@pytest.mark.parametrize("one_by_one", [True, False])
@pytest.mark.parametrize(("m", "n", "d", "before", "after"), SHAPES)
def test_add_gradients(
    m: int, n: int, d: int, before: int, after: int, one_by_one: bool, share: float
) -> None:
    random = np.random.default_rng(3)
    left, right, d_left, d_right = (random_floats(random, rows, d) for rows in (m, n, m, n))
    weights = random_floats(random, m, before + n + after)
    weights[random.random(weights.shape) > share] = 0
    own = weights[:, before : before + n].astype(float)
    expected = d_left + own @ right, d_right + own.T @ left
    call_add_gradients(weights, before, left, right, d_left, d_right, one_by_one)
    tolerance = 1e-5 * (1 + n / 100)
    np.testing.assert_allclose(d_left, expected[0], rtol=1e-4, atol=tolerance)
    np.testing.assert_allclose(d_right, expected[1], rtol=1e-4, atol=tolerance)


@pytest.mark.parametrize("one_by_one", [True, False])
def test_add_gradients__of_no_number(one_by_one: bool) -> None:
    """What is not a number must not be lost where numbers are few."""
    weights = np.zeros((2, 40), np.float32)
    weights[1, 37], weights[0, 3] = np.nan, -0.0
    left, right = np.ones((2, 9), np.float32), np.ones((40, 9), np.float32)
    d_left, d_right = np.zeros_like(left), np.zeros_like(right)
    call_add_gradients(weights, 0, left, right, d_left, d_right, one_by_one)
    assert np.isnan(d_left[1]).all()
    assert np.isnan(d_right[37]).all()
    assert not d_left[0].any()
    assert np.isnan(d_right).sum() == 9
