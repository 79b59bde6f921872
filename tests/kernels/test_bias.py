import naive
import numpy as np
from kernel_examples import random_floats

from daskgraph_kernels.bias import add_bias, add_bias_gradient, restore_bias, save_bias, take_bias

RANDOM = np.random.default_rng(0)


def test_take_bias__and_restore_it() -> None:
    rows = random_floats(RANDOM, 4, 3)
    out, bias = rows.copy(), np.zeros(4, np.float32)
    take_bias(out, bias)
    np.testing.assert_array_equal(bias, rows[:, 0])
    np.testing.assert_array_equal(out, rows * [0, 1, 1])
    restore_bias(out, bias)
    np.testing.assert_array_equal(out, rows)


def test_save_bias() -> None:
    rows, bias = random_floats(RANDOM, 4, 3), np.zeros(5, np.float32)
    save_bias(rows, bias)
    np.testing.assert_array_equal(bias[:4], rows[:, 0])


def test_add_bias__and_take_it_away() -> None:
    query, candidates = random_floats(RANDOM, 2), random_floats(RANDOM, 3)
    scores = np.zeros((2, 5), np.float32)
    add_bias(query, candidates, 2, np.float32(1), scores)
    np.testing.assert_allclose(scores[:, 2:], query[:, None] + candidates, rtol=1e-6)
    assert (scores[:, :2] == 0).all()
    add_bias(query, candidates, 2, np.float32(-1), scores)
    assert (scores == 0).all()


def test_add_bias_gradient() -> None:
    gradient = random_floats(RANDOM, 2, 5)
    d_query, d_candidates = np.ones((2, 4), np.float32), np.ones((3, 4), np.float32)
    query, candidates = np.zeros((2, 1)), np.zeros((3, 1))

    def total() -> float:
        return naive.directional(query + candidates.T, gradient[:, 2:])

    add_bias_gradient(gradient, 2, d_query, d_candidates)
    np.testing.assert_allclose(d_query[:, :1] - 1, naive.differentiate(total, query), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(d_candidates[:, :1] - 1, naive.differentiate(total, candidates), rtol=1e-4)
    assert (d_query[:, 1:] == 1).all()
    assert (d_candidates[:, 1:] == 1).all()
