import naive
import numpy as np
import pytest
from kernel_examples import random_floats

from daskgraph_kernels.rows import gather

IDS = np.array([9, 3, 0, 3, 5, 9])


@pytest.mark.parametrize("common", [0, 4])
@pytest.mark.parametrize("max_norm", [0, 1.5, 1e9])
def test_gather(max_norm: float, common: int) -> None:
    random = np.random.default_rng(1)
    table, vector = random_floats(random, 10, 4, scale=1.2), random_floats(random, common)
    expected = naive.shorten(table.astype(float), IDS[1:5], max_norm)
    out = np.full((6, 4), -1, np.float32)
    gather(table, IDS, 1, 5, vector, np.float32(max_norm), out)
    np.testing.assert_allclose(table, expected, rtol=1e-6)
    np.testing.assert_allclose(out[1:5], expected[IDS[1:5]] + (vector if common else 0), rtol=1e-5)
    assert (out[[0, 5]] == -1).all()


def test_gather__shortens_only_rows_that_are_used() -> None:
    table = np.full((4, 3), 10, np.float32)
    gather(table, np.array([2]), 0, 1, np.zeros(0, np.float32), np.float32(1), np.zeros((1, 3), np.float32))
    np.testing.assert_allclose(np.linalg.norm(table, axis=1), [300**0.5, 300**0.5, 1, 300**0.5], rtol=1e-6)


def test_gather__zero_rows_stay_zero() -> None:
    out = np.ones((1, 3), np.float32)
    gather(np.zeros((1, 3), np.float32), np.array([0]), 0, 1, np.zeros(0, np.float32), np.float32(1), out)
    assert (out == 0).all()
