import naive
import numpy as np
import pytest
from kernel_examples import random_floats

from daskgraph_kernels.regularizers import add_l2, add_n3

IDS, SLOTS = np.array([1, 4, 1, 0, 3]), np.array([2, 0, 2, 1, 3])


@pytest.mark.parametrize("pairs", [False, True], ids=["absolute", "modulus"])
@pytest.mark.parametrize("width", [8, 6])
def test_add_n3(width: int, pairs: bool) -> None:
    rows = random_floats(np.random.default_rng(5), 5, 8)
    gradient = np.ones((4, 8), np.float32)
    count, coefficient = 4, 0.2
    penalty = add_n3(rows, IDS, count, width, pairs, np.float32(coefficient), gradient, SLOTS)
    wide = rows.astype(float)

    def total() -> float:
        return coefficient * naive.n3(wide[IDS[:count], :width], pairs)

    np.testing.assert_allclose(penalty, total(), rtol=1e-6)
    expected = np.zeros((4, 8))
    expected[[2, 0, 1]] = naive.differentiate(total, wide)[[1, 4, 0]]
    np.testing.assert_allclose(gradient - 1, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pairs", [False, True], ids=["absolute", "modulus"])
def test_add_n3__zero_rows(pairs: bool) -> None:
    gradient = np.zeros((2, 4), np.float32)
    zeros = np.zeros((2, 4), np.float32)
    assert add_n3(zeros, np.arange(2), 2, 4, pairs, np.float32(1), gradient, np.arange(2)) == 0
    assert (gradient == 0).all()


@pytest.mark.parametrize("pairs", [False, True])
def test_add_l2(pairs: bool) -> None:
    rows = np.random.default_rng(3).standard_normal((7, 6)).astype(np.float32)
    gradient = np.ones((4, 6), np.float32)
    ids, slots = np.array([2, 5, 2]), np.array([0, 3, 0])
    penalty = add_l2(rows, ids, 3, 4, pairs, np.float32(0.5), gradient, slots)
    used = rows[ids, :4].astype(np.float64)
    assert penalty == pytest.approx(0.5 * (used**2).sum(), rel=1e-6)
    expected = np.ones((4, 6))
    np.add.at(expected, (slots[:, None], np.arange(4)), used)
    np.testing.assert_allclose(gradient, expected, rtol=1e-6)
