import naive
import numpy as np
import pytest
from kernel_examples import random_floats

from daskgraph_kernels.names import REGULARIZERS as NAMES
from daskgraph_kernels.regularizers import REGULARIZERS

IDS, SLOTS = np.array([1, 4, 1, 0, 3]), np.array([2, 0, 2, 1, 3])


def test_regularizers__names() -> None:
    assert list(REGULARIZERS) == NAMES


@pytest.mark.parametrize("pairs", [False, True], ids=["absolute", "modulus"])
@pytest.mark.parametrize("width", [8, 6])
@pytest.mark.parametrize("name", REGULARIZERS)
def test_regularizer(name: str, width: int, pairs: bool) -> None:
    rows = random_floats(np.random.default_rng(5), 5, 8)
    gradient = np.ones((4, 8), np.float32)
    count, coefficient = 4, 0.2
    penalty = REGULARIZERS[name](rows, IDS, count, width, pairs, np.float32(coefficient), gradient, SLOTS)
    wide = rows.astype(float)

    def total() -> float:
        return coefficient * naive.penalise(name, wide[IDS[:count], :width], pairs)

    np.testing.assert_allclose(penalty, total(), rtol=1e-6)
    expected = np.zeros((4, 8))
    expected[[2, 0, 1]] = naive.differentiate(total, wide)[[1, 4, 0]]
    np.testing.assert_allclose(gradient - 1, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pairs", [False, True], ids=["absolute", "modulus"])
@pytest.mark.parametrize("name", REGULARIZERS)
def test_regularizer__zero_rows(name: str, pairs: bool) -> None:
    gradient, zeros, ids = np.zeros((2, 4), np.float32), np.zeros((2, 4), np.float32), np.arange(2)
    assert REGULARIZERS[name](zeros, ids, 2, 4, pairs, np.float32(1), gradient, ids) == 0
    assert (gradient == 0).all()
