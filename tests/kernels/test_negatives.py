from typing import Any

import numpy as np
import pytest

from daskgraph_kernels.jit import COMPILED, kernel
from daskgraph_kernels.negatives import (
    HEAD_SIDE,
    NO_CHANCES,
    TAIL_SIDE,
    draw_by_chance,
    draw_uniform,
    list_all,
    row_position,
)

DRAWS = 60_000 if COMPILED else 3_000
WHOLE = np.array([[0, 30]])
SCATTERED = np.array([[5, 9], [20, 20], [100, 107], [40, 41]])
MEMBERS = [*range(5, 9), *range(100, 107), 40]


@kernel
def call_row_position(ranges: Any, row: Any) -> Any:
    return row_position(ranges, row)


def draw(ranges: Any = WHOLE, count: int = DRAWS, key: int = 3, batch: int = 0, side: int = 0) -> Any:
    out = np.full(count, -1)
    draw_uniform(np.uint64(key), batch, side, ranges, NO_CHANCES, out)
    return out


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_draw_uniform__fills_everything(count: int) -> None:
    assert (draw(count=count) >= 0).all()


def test_draw_uniform__is_uniform_over_all_ranges() -> None:
    from scipy.stats import chisquare

    drawn = draw(SCATTERED)
    assert set(drawn.tolist()) == set(MEMBERS)
    assert chisquare(np.bincount(drawn)[MEMBERS]).pvalue > 1e-3


@pytest.mark.parametrize(
    "other",
    [{"key": 4}, {"batch": 1}, {"batch": 2**32}, {"side": TAIL_SIDE}],
    ids=["key", "batch", "high word", "side"],
)
def test_draw_uniform__is_independent_of_other_counters(other: dict[str, int]) -> None:
    from scipy.stats import chi2_contingency

    few = np.array([[0, 8]])
    together = np.histogram2d(draw(few, side=HEAD_SIDE), draw(few, **other), bins=8)[0]
    assert chi2_contingency(together).pvalue > 1e-3


def test_draw_uniform__draws_are_independent_of_their_neighbours() -> None:
    from scipy.stats import chi2_contingency

    drawn = draw(np.array([[0, 8]]))
    assert chi2_contingency(np.histogram2d(drawn[:-1], drawn[1:], bins=8)[0]).pvalue > 1e-3


def test_draw_uniform__is_a_function_of_its_counters() -> None:
    np.testing.assert_array_equal(draw(batch=7), draw(batch=7))
    np.testing.assert_array_equal(draw(batch=7)[:101], draw(batch=7, count=101))


def test_draw_uniform__reaches_the_last_of_many() -> None:
    drawn = draw(np.array([[2**40, 2**40 + 2**32]]), 1000) - 2**40
    assert (drawn >= 0).all()
    assert (drawn < 2**32).all()
    assert drawn.max() > 0.98 * 2**32


def test_draw_by_chance__each_row_as_often_as_its_chance() -> None:
    from scipy.stats import chisquare

    chances = np.array([0, 3, 1, 2, 0, 0, 5, 4, 1, 2, 7, 0], float)
    drawn = np.full(DRAWS, -1)
    draw_by_chance(np.uint64(3), 0, 0, SCATTERED, np.cumsum(chances), drawn)
    counts = np.bincount(drawn, minlength=107)[MEMBERS]
    assert counts.sum() == DRAWS
    assert (counts[chances == 0] == 0).all()
    assert chisquare(counts[chances > 0], DRAWS * chances[chances > 0] / chances.sum()).pvalue > 1e-3


def test_draw_by_chance__is_uniform_where_all_are_alike() -> None:
    few, drawn = np.array([[0, 8]]), np.full(1001, -1)
    draw_by_chance(np.uint64(3), 5, 1, few, np.arange(1.0, 9.0), drawn)
    # The same fractions choose the same rows.
    np.testing.assert_array_equal(drawn, draw(few, 1001, batch=5, side=1))


def test_list_all() -> None:
    out = np.full(len(MEMBERS), -1)
    list_all(np.uint64(0), 0, 0, SCATTERED, NO_CHANCES, out)
    assert out.tolist() == MEMBERS


def test_list_all__stops_where_there_is_no_room() -> None:
    out = np.full(3, -1)
    list_all(np.uint64(0), 0, 0, SCATTERED, NO_CHANCES, out)
    assert out.tolist() == MEMBERS[:3]


def test_row_position() -> None:
    assert [call_row_position(SCATTERED, row) for row in MEMBERS] == list(range(len(MEMBERS)))
    assert call_row_position(SCATTERED, 20) == len(MEMBERS)
