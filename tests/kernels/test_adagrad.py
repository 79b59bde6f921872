import naive
import numpy as np
import pytest
from kernel_examples import Floats, random_floats, random_lists

from daskgraph_kernels.adagrad import (
    allocate_links,
    merge_repeats,
    most_pairs,
    step_common,
    step_features,
    step_parameters,
    step_rows,
)
from daskgraph_kernels.rows import NO_FEATURES, FeatureLists

D, RATE = 5, 0.3


def hash_table(uses: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.full((1 << (2 * uses).bit_length(), 2), 99)


@pytest.mark.parametrize(
    "ids",
    [
        [3, 3, 3, 3],
        [0, 1, 2, 3],
        [7, 2**40, 7, 2**40 + 1, 2**40, 0],
        [int(x) << 31 for x in range(40)] * 2,
        np.random.default_rng(1).integers(30, size=200).tolist(),
    ],
    ids=["one", "none", "huge", "crowded", "many"],
)
def test_merge_repeats(ids: list[int]) -> None:
    gradient = random_floats(np.random.default_rng(2), len(ids), D)
    before, shared = gradient.copy(), np.ones(len(ids), bool)
    merge_repeats(np.array(ids), gradient, hash_table(len(ids)), 0, len(ids), shared)
    standing = {ids[use]: use for use in np.flatnonzero(~shared)}
    assert standing == {row: ids.index(row) for row in ids}
    for row, use in standing.items():
        np.testing.assert_allclose(gradient[use], before[np.array(ids) == row].sum(axis=0), atol=1e-5)


def test_merge_repeats__within_a_part() -> None:
    ids = np.array([4, 4, 5, 4, 5, 4])
    gradient, shared = np.ones((6, 1), np.float32), np.zeros(6, bool)
    merge_repeats(ids, gradient, hash_table(6), 2, 5, shared)
    assert gradient.ravel().tolist() == [1, 1, 2, 1, 1, 1]
    assert shared.tolist() == [False, False, False, False, True, False]


def step(ids: list[int], gradient: Floats, rows: Floats, sums: Floats) -> None:
    shared = np.zeros(len(ids), bool)
    merge_repeats(np.array(ids), gradient, hash_table(len(ids)), 0, len(ids), shared)
    links = allocate_links(0, 0, D)
    uses = (np.array(ids), gradient, 0, len(ids), shared)
    lengths = np.zeros(len(ids), np.float32)
    step_rows(rows, sums, NO_FEATURES, links, *uses, np.float32(RATE), lengths)


@pytest.mark.parametrize("count", [1, 6, 40])
def test_step_rows__repeated_rows_make_one_step_of_the_sum(count: int) -> None:
    random = np.random.default_rng(3)
    ids = random.integers(count, size=count).tolist()
    gradient, rows = random_floats(random, count, D), random_floats(random, count, D)
    sums = random.uniform(0, 1, count).astype(np.float32)
    expected, expected_sums = rows.astype(float), sums.astype(float)
    for row in set(ids):
        total = gradient[np.array(ids) == row].astype(float).sum(axis=0)
        expected[row], expected_sums[row] = naive.adagrad_row(expected[row], expected_sums[row], total, RATE)
    step(ids, gradient, rows, sums)
    np.testing.assert_allclose(rows, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(sums, expected_sums, rtol=1e-5)


@pytest.mark.parametrize("features", [1, 4, 300])
def test_step_features__one_step_of_all_uses_of_all_entities_that_have_it(features: int) -> None:
    random = np.random.default_rng(7)
    lists = random_lists(random, 60, features)
    ids = random.integers(60, size=90)
    gradient, rows = random_floats(random, 90, D), random_floats(random, features, D)
    sums = random.uniform(0, 1, features).astype(np.float32)
    expected, expected_sums = rows.astype(float), sums.astype(float)
    totals = np.zeros((features, D))
    for entity, own in zip(ids[10:80], gradient[10:80].astype(float), strict=True):
        named = lists.ids[lists.offsets[entity] : lists.offsets[entity + 1]]
        totals[named] += own / len(named)
    for feature in np.flatnonzero(totals.any(axis=1)):
        expected[feature], expected_sums[feature] = naive.adagrad_row(
            expected[feature], expected_sums[feature], totals[feature], RATE
        )
    links = allocate_links(most_pairs(lists, 70), features, D)
    shared = np.ones(90, bool)
    merge_repeats(ids, gradient, hash_table(90), 10, 80, shared)
    lengths = np.zeros(90, np.float32)
    step_features(rows, sums, lists, links, ids, gradient, 10, 80, shared, np.float32(RATE), lengths)
    np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(sums, expected_sums, rtol=1e-4)
    assert (links.table[:, 0] == -1).all()


def test_most_pairs() -> None:
    lists = FeatureLists(np.cumsum([0, 2, 5, 1, 3]), np.zeros(11, np.int64))
    assert [most_pairs(lists, entities) for entities in (0, 1, 2, 4, 99)] == [0, 5, 8, 11, 11]
    assert most_pairs(NO_FEATURES, 5) == 0


@pytest.mark.parametrize("gone", [np.nan, np.inf])
def test_step_rows__no_step_without_a_gradient_and_no_number_of_one_that_is_none(gone: float) -> None:
    rows, sums = np.ones((3, D), np.float32), np.zeros(3, np.float32)
    gradient = np.zeros((2, D), np.float32)
    gradient[1] = gone
    step([2, 0], gradient, rows, sums)
    assert (rows[1:] == 1).all()
    assert (sums[1:] == 0).all()
    assert np.isnan(rows[0]).all()


def test_step_rows__first_step_has_the_length_of_the_rate() -> None:
    """Whatever the gradient's size: lr times the root of the dimension."""
    for size in (1e-6, 1, 1e6):
        rows, sums = np.zeros((1, D), np.float32), np.zeros(1, np.float32)
        step([0], random_floats(np.random.default_rng(4), 1, D, scale=size), rows, sums)
        np.testing.assert_allclose(np.linalg.norm(rows), RATE * np.sqrt(D), rtol=1e-3)


def test_steps__nothing_moves_without_a_gradient() -> None:
    values, sums = np.ones((2, D), np.float32), np.zeros((2, D), np.float32)
    none = np.zeros((2, D), np.float32)
    step([0, 1], none, values, sums[:, 0].copy())
    step_parameters(values, sums, np.arange(2), none, 2, np.float32(RATE))
    step_common(values[0], sums[0], none, 0, 2, np.float32(RATE))
    assert (values == 1).all()
    assert (sums == 0).all()


def test_step_parameters() -> None:
    random = np.random.default_rng(5)
    values, gradient = random_floats(random, 4, D), random_floats(random, 3, D)
    sums = random.uniform(0, 1, (4, D)).astype(np.float32)
    ids = np.array([3, 1, 0])
    expected, expected_sums = values.astype(float), sums.astype(float)
    expected[[3, 1]], expected_sums[[3, 1]] = naive.adagrad(
        expected[[3, 1]], expected_sums[[3, 1]], gradient[:2].astype(float), RATE
    )
    step_parameters(values, sums, ids, gradient, 2, np.float32(RATE))
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(sums, expected_sums, rtol=1e-5)


def test_step_common() -> None:
    random = np.random.default_rng(6)
    common, sums = random_floats(random, D), random.uniform(0, 1, D).astype(np.float32)
    gradient = random_floats(random, 6, D)
    expected = naive.adagrad(
        common.astype(float), sums.astype(float), gradient[1:5].astype(float).sum(axis=0), RATE
    )
    step_common(common, sums, gradient, 1, 5, np.float32(RATE))
    np.testing.assert_allclose(common, expected[0], rtol=1e-5)
    np.testing.assert_allclose(sums, expected[1], rtol=1e-5)


def test_step_common__of_no_vector() -> None:
    step_common(
        np.zeros(0, np.float32), np.zeros(0, np.float32), np.ones((2, D), np.float32), 0, 2, np.float32(1)
    )
