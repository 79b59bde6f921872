from typing import Any

import naive
import numpy as np
import pytest
from kernel_examples import Floats, random_floats

from daskgraph_kernels.comparators import COMPARATORS
from daskgraph_kernels.names import COMPARATORS as NAMES

B, N, D, COLUMN = 4, 7, 6, 2


class Compared:
    """Random rows, prepared and compared by the kernels; candidates stand in the columns after COLUMN."""

    def __init__(self, name: str, queries: Any = None, candidates: Any = None) -> None:
        random = np.random.default_rng(3)
        self.name, self.comparator = name, COMPARATORS[name]
        self.queries: Floats = random_floats(random, B, D) if queries is None else queries
        self.candidates: Floats = random_floats(random, N, D) if candidates is None else candidates
        self.query, self.query_norms = self.prepare(self.queries)
        self.candidate, self.candidate_norms = self.prepare(self.candidates)
        self.positive = self.candidate[: len(self.query)].copy()
        self.pairs = np.full(len(self.query), np.nan, np.float32)
        self.comparator.pairs(self.query, self.positive, self.pairs)
        self.scores = np.full((len(self.query), COLUMN + len(self.candidate)), 7, np.float32)
        self.comparator.scores(
            self.query, self.candidate, self.query_norms, self.candidate_norms, self.scores, COLUMN
        )

    def prepare(self, rows: Floats) -> tuple[Floats, Floats]:
        norms = np.zeros(len(rows), np.float32)
        out = rows.copy()
        self.comparator.prepare(out, norms)
        return out, norms

    def naive(self, queries: naive.Reals, candidates: naive.Reals) -> naive.Reals:
        left, right = (naive.prepare(self.name, False, rows) for rows in (queries, candidates))
        return naive.compare(self.name, False, left, right)

    def pairs_gradient(self, gradient: Floats) -> list[Floats]:
        """Of Σ gradient * pairs, in the rows as they were before they were prepared."""
        out = [np.zeros_like(self.query), np.zeros_like(self.positive)]
        self.comparator.pairs_backward(self.query, self.positive, self.pairs, gradient, *out)
        self.comparator.prepare_backward(self.query, self.query_norms, out[0])
        self.comparator.prepare_backward(self.positive, self.candidate_norms[: len(self.query)], out[1])
        return out

    def scores_gradient(self, gradient: Floats) -> list[Floats]:
        padded = np.concatenate([np.full((len(gradient), COLUMN), np.nan, np.float32), gradient], axis=1)
        out = [np.zeros_like(self.query), np.zeros_like(self.candidate)]
        self.comparator.scores_backward(self.query, self.candidate, self.scores, padded, COLUMN, *out)
        self.comparator.prepare_backward(self.query, self.query_norms, out[0])
        self.comparator.prepare_backward(self.candidate, self.candidate_norms, out[1])
        return out


def test_comparators__names() -> None:
    assert list(COMPARATORS) == NAMES


@pytest.mark.parametrize("name", COMPARATORS)
def test_comparator__scores(name: str) -> None:
    compared = Compared(name)
    expected = compared.naive(compared.queries.astype(float), compared.candidates.astype(float))
    np.testing.assert_allclose(compared.scores[:, COLUMN:], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(compared.pairs, expected[:B, :B].diagonal(), rtol=1e-5, atol=1e-6)
    assert (compared.scores[:, :COLUMN] == 7).all()


@pytest.mark.parametrize("name", COMPARATORS)
@pytest.mark.parametrize("share", [1, 0.15])
def test_comparator__gradients(name: str, share: float) -> None:
    compared = Compared(name)
    queries, candidates = compared.queries.astype(float), compared.candidates.astype(float)
    random = np.random.default_rng(8)
    weights = random_floats(random, B, N)
    weights[random.random((B, N)) > share] = 0

    def in_scores() -> float:
        return naive.directional(compared.naive(queries, candidates), weights)

    def in_pairs() -> float:
        return naive.directional(compared.naive(queries, candidates)[:, :B].diagonal(), weights[:, 0])

    for total, got in (
        (in_scores, compared.scores_gradient(weights)),
        (in_pairs, compared.pairs_gradient(np.ascontiguousarray(weights[:, 0]))),
    ):
        np.testing.assert_allclose(got[0], naive.differentiate(total, queries), rtol=1e-4, atol=1e-5)
        expected = naive.differentiate(total, candidates)[: len(got[1])]
        np.testing.assert_allclose(got[1], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", COMPARATORS)
def test_comparator__gradients_are_added(name: str) -> None:
    compared = Compared(name)
    ones = [np.ones((B, D), np.float32), np.ones((N, D), np.float32)]
    no_gradient = np.zeros((B, COLUMN + N), np.float32)
    compared.comparator.scores_backward(
        compared.query, compared.candidate, compared.scores, no_gradient, COLUMN, *ones
    )
    assert all((block == 1).all() for block in ones)


@pytest.mark.parametrize("name", COMPARATORS)
def test_comparator__zero_and_equal_rows_give_numbers(name: str) -> None:
    queries = np.array([[0, 0, 0, 0], [1, 2, 3, 0], [1e-30, 0, 0, 0], [1e-15, 0, 1e-15, 0]], np.float32)
    compared = Compared(name, queries, queries.copy())
    ones = np.ones((4, 4), np.float32)
    assert np.isfinite(compared.scores).all()
    assert np.isfinite(compared.pairs).all()
    for gradient in (*compared.scores_gradient(ones), *compared.pairs_gradient(np.ones(4, np.float32))):
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("name", ["l2", "squared_l2", "l1", "complex_modulus"])
def test_comparator__no_pull_between_equal_rows(name: str) -> None:
    """Where the distance is clamped its gradient is 0, as far as rounding lets a sum be."""
    rows = random_floats(np.random.default_rng(2), 3, D)
    compared = Compared(name, rows, rows.copy())
    for gradient in compared.pairs_gradient(np.ones(3, np.float32)):
        assert (gradient == 0).all()
    for gradient in compared.scores_gradient(np.eye(3, dtype=np.float32)):
        np.testing.assert_allclose(gradient, 0, atol=2e-3)


def test_normalise() -> None:
    rows = random_floats(np.random.default_rng(1), 6, D)
    out, norms = rows.copy(), np.zeros(6, np.float32)
    COMPARATORS["cos"].prepare(out, norms)
    np.testing.assert_allclose(out, naive.unit_rows(rows.astype(float)), rtol=1e-6)
    np.testing.assert_allclose(norms, 1 / np.linalg.norm(rows, axis=1), rtol=1e-6)
