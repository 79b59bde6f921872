from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daskgraph_kernels.jit import kernel
from daskgraph_kernels.products import rows_by_rows
from daskgraph_kernels.ranking import Compared, Questions
from daskgraph_kernels.screening import room_for_near, rounded, screen_scores


@kernel
def score_by_product(left: Any, right: Any, out: Any) -> None:
    rows_by_rows(left, right, out, 0)


def compared(rows: np.ndarray) -> Compared:
    none = np.zeros(len(rows), np.float32)
    return Compared(rows, none, none)


def questions(query: Any, positive: Any) -> Questions:
    """Questions that say what they are compared with, and nothing else."""
    count = len(query)
    none, nothing = np.zeros(count, np.int64), np.zeros(count, np.float32)
    scores = np.array(positive, np.float32)
    return Questions(np.array(query, np.int64), none, none, none, none, scores, nothing, none, none)


def screen(queries: np.ndarray, candidates: np.ndarray, asked: Questions, first: int = 0) -> Any:
    scores = np.full((len(queries), len(candidates)), np.nan, np.float32)
    with np.errstate(all="ignore"):
        rows = rounded(queries), rounded(candidates)
        near = room_for_near(queries.shape[1])
        good = screen_scores(compared(queries), compared(candidates), *rows, asked, first, near, scores)
    return scores if good else None


def check(queries: np.ndarray, candidates: np.ndarray, asked: Questions, scores: Any, first: int = 0) -> None:
    """Every score is on the side of the positive where float64 has it, but for what float32 can not tell."""
    exact = queries.astype(float) @ candidates.T.astype(float)
    lengths = [np.linalg.norm(rows.astype(float), axis=1) for rows in (queries, candidates)]
    tolerance = 2.0**-23 * (queries.shape[1] + 16) * np.outer(*lengths)
    for query, positive in zip(asked.query - first, asked.positive.astype(float), strict=True):
        told = np.abs(exact[query] - positive) > tolerance[query]
        assert np.array_equal(np.sign(scores[query] - positive)[told], np.sign(exact[query] - positive)[told])


@given(
    st.integers(0, 2**32),
    st.integers(1, 9),
    st.integers(1, 90),
    st.sampled_from([1, 2, 7, 16, 100]),
    st.sampled_from([1e-12, 1.0, 1e12]),
)
def test_screen_scores__are_on_the_right_side(
    seed: int, count: int, others: int, d: int, size: float
) -> None:
    random = np.random.default_rng(seed)
    spread = np.exp(3 * random.standard_normal((others, 1)))
    queries = (size * random.standard_normal((count, d))).astype(np.float32)
    candidates = (random.standard_normal((others, d)) * spread).astype(np.float32)
    query = np.sort(random.integers(count, size=3 * count))
    # Scores of candidates themselves, and scores between.
    positive = np.einsum("id,id->i", queries[query], candidates[random.integers(others, size=3 * count)])
    positive[::3] *= 1.01
    asked = questions(query + 5, positive)
    scores = screen(queries, candidates, asked, 5)
    if scores is not None:
        check(queries, candidates, asked, scores, 5)


def test_screen_scores__are_rarely_made_exact() -> None:
    random = np.random.default_rng(2)
    queries, candidates = (random.standard_normal((n, 200)).astype(np.float32) for n in (40, 700))
    asked = questions(np.arange(40), random.standard_normal(40) * 20)
    scores = screen(queries, candidates, asked)
    check(queries, candidates, asked, scores)
    exact = queries.astype(float) @ candidates.T.astype(float)
    # Integers are off by more than float32 is; those near a positive are not.
    off = np.abs(scores - exact) > 1e-4
    assert 0.5 < off.mean() < 1


def test_screen_scores__gives_up_where_many_are_near() -> None:
    queries, candidates = np.ones((3, 8), np.float32), np.ones((50, 8), np.float32)
    assert screen(queries, candidates, questions([0, 1, 2], [8, 8, 8])) is None
    assert screen(queries, candidates, questions([0, 1, 2], [9, 7, 9])) is not None


@pytest.mark.compiled
@pytest.mark.parametrize("d", [30, 129, 700])
def test_screen_scores__keep_ties(d: int) -> None:
    """Rows that are equal have scores that are equal bit by bit, wherever they stand and whoever asks."""
    random = np.random.default_rng(5)
    queries, candidates = (random.standard_normal((n, d)).astype(np.float32) for n in (5, 900))
    candidates[::90] = candidates[3]
    positives = np.empty((5, 7), np.float32)
    score_by_product(queries, np.repeat(candidates[3:4], 7, 0), positives)
    asked = questions(np.repeat(np.arange(5), 2), np.stack([positives[:, 6], positives[:, 6] + 1], 1).ravel())
    scores = screen(queries, candidates, asked)
    assert (scores[:, ::90] == positives[:, :1]).all()
    assert (positives == positives[:, :1]).all()


@pytest.mark.parametrize("odd", [np.nan, np.inf, 1e30, 1e-11, 1e-13, 1e-22, 5e-23, 1e-35, 0])
def test_screen_scores__of_rows_that_do_not_fit(odd: float) -> None:
    random = np.random.default_rng(4)
    queries, candidates = (random.standard_normal((n, 12)).astype(np.float32) for n in (2, 300))
    candidates[7, 3] = odd
    candidates[9] = odd
    asked = questions([0, 1], [0.5, -0.25])
    scores = screen(queries, candidates, asked)
    with np.errstate(all="ignore"):
        exact = queries @ candidates.T
    for query, positive in enumerate(asked.positive):
        assert np.array_equal(scores[query] > positive, exact[query] > positive)
        assert np.array_equal(scores[query] <= positive, exact[query] <= positive)
    queries[1] = odd
    scores = screen(queries, candidates, asked)
    # All of this query's scores are near, or too many of them.
    fits = odd in (0, 1e-11)
    assert (scores is None) == (not fits)


def test_rounded__of_nothing() -> None:
    assert rounded(np.empty((0, 5), np.float32)).pairs.shape == (0, 3)
