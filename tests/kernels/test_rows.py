import naive
import numpy as np
import pytest
from kernel_examples import random_floats, random_lists

from daskgraph_kernels.rows import NO_FEATURES, gather, gather_means

IDS = np.array([9, 3, 0, 3, 5, 9])


@pytest.mark.parametrize("common", [0, 4])
@pytest.mark.parametrize("max_norm", [0, 1.5, 1e9])
def test_gather(max_norm: float, common: int) -> None:
    random = np.random.default_rng(1)
    table, vector = random_floats(random, 10, 4, scale=1.2), random_floats(random, common)
    expected = naive.shorten(table.astype(float), IDS[1:5], max_norm)
    out = np.full((6, 4), -1, np.float32)
    gather(table, NO_FEATURES, IDS, 1, 5, vector, np.float32(max_norm), out)
    np.testing.assert_allclose(table, expected, rtol=1e-6)
    np.testing.assert_allclose(out[1:5], expected[IDS[1:5]] + (vector if common else 0), rtol=1e-5)
    assert (out[[0, 5]] == -1).all()


def test_gather__shortens_only_rows_that_are_used() -> None:
    table = np.full((4, 3), 10, np.float32)
    nothing, out = np.zeros(0, np.float32), np.zeros((1, 3), np.float32)
    gather(table, NO_FEATURES, np.array([2]), 0, 1, nothing, np.float32(1), out)
    np.testing.assert_allclose(np.linalg.norm(table, axis=1), [300**0.5, 300**0.5, 1, 300**0.5], rtol=1e-6)


def test_gather__zero_rows_stay_zero() -> None:
    table, nothing, out = np.zeros((1, 3), np.float32), np.zeros(0, np.float32), np.ones((1, 3), np.float32)
    gather(table, NO_FEATURES, np.array([0]), 0, 1, nothing, np.float32(1), out)
    assert (out == 0).all()


@pytest.mark.parametrize("common", [0, 4])
@pytest.mark.parametrize("max_norm", [0, 1.5, 1e9])
def test_gather_means(max_norm: float, common: int) -> None:
    random = np.random.default_rng(2)
    lists = random_lists(random, 10, 7)
    table, vector = random_floats(random, 7, 4, scale=1.2), random_floats(random, common)
    features = [lists.ids[lists.offsets[entity] : lists.offsets[entity + 1]] for entity in IDS[1:5]]
    expected = naive.shorten(table.astype(float), np.concatenate(features), max_norm)
    out = np.full((6, 4), -1, np.float32)
    gather_means(table, lists, IDS, 1, 5, vector, np.float32(max_norm), out)
    np.testing.assert_allclose(table, expected, rtol=1e-6)
    means = [expected[own].mean(axis=0) + (vector if common else 0) for own in features]
    np.testing.assert_allclose(out[1:5], means, rtol=1e-5, atol=1e-6)
    assert (out[[0, 5]] == -1).all()
