import naive
import numpy as np
import pytest
from kernel_examples import Floats, random_floats

from daskgraph_kernels.losses import ADVERSARIAL, IGNORED, LOSSES
from daskgraph_kernels.names import LOSSES as NAMES

B, N, MARGIN, EPS = 5, 8, 0.25, 1e-4


def run(name: str, positive: Floats, scores: Floats, weights: Floats) -> tuple[float, Floats, Floats]:
    d_positive, gradient = np.full(len(positive), np.nan, np.float32), scores.copy()
    loss = LOSSES[name](positive, gradient, weights, np.float32(MARGIN), np.float32(0), d_positive)
    return loss, d_positive, gradient


def naive_loss(name: str, positive: naive.Reals, scores: naive.Reals, weights: Floats) -> float:
    return sum(
        float(weights[i]) * naive.lose(name, positive[i], scores[i], scores.shape[1], MARGIN)
        for i in range(len(positive))
    )


def test_losses__names() -> None:
    assert list(LOSSES) == NAMES


@pytest.mark.parametrize("scale", [0.01, 1, 30])
@pytest.mark.parametrize("name", LOSSES)
def test_loss__and_gradients(name: str, scale: float) -> None:
    random = np.random.default_rng(6)
    positive = random_floats(random, B, scale=scale)
    scores = random_floats(random, B, N, scale=scale)
    weights = random.uniform(0, 2, B).astype(np.float32)
    loss, d_positive, gradient = run(name, positive, scores, weights)
    wide, wide_scores = positive.astype(float), scores.astype(float)
    np.testing.assert_allclose(loss, naive_loss(name, wide, wide_scores, weights), rtol=1e-6)
    expected = naive.differentiate(lambda: naive_loss(name, wide, wide_scores, weights), wide)
    np.testing.assert_allclose(d_positive, expected, rtol=1e-5, atol=1e-6)
    expected = naive.differentiate(lambda: naive_loss(name, wide, wide_scores, weights), wide_scores)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("count", [1, 100, 119, 120, 121, 500])
@pytest.mark.parametrize("name", LOSSES)
def test_loss__of_many_candidates(name: str, count: int) -> None:
    random = np.random.default_rng(7)
    positive, scores = random_floats(random, B), random_floats(random, B, count, scale=0.1)
    loss, _, gradient = run(name, positive, scores, np.ones(B, np.float32))
    wide, wide_scores = positive.astype(float), scores.astype(float)
    np.testing.assert_allclose(loss, naive_loss(name, wide, wide_scores, np.ones(B, np.float32)), rtol=2e-6)
    total = np.array(
        [naive.lose(name, wide[0], wide_scores[0] + step, count, MARGIN) for step in (-EPS, EPS)]
    )
    np.testing.assert_allclose(gradient[0].sum(), np.diff(total)[0] / (2 * EPS), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("place", ["positive", "candidate"])
@pytest.mark.parametrize("name", ["softmax", "logistic"])
def test_loss__of_what_is_no_number_is_none(name: str, place: str) -> None:
    positive, scores = np.zeros(1, np.float32), np.zeros((1, 40), np.float32)
    (positive if place == "positive" else scores[0])[-1] = np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        assert np.isnan(run(name, positive, scores, np.ones(1, np.float32))[0])


@pytest.mark.parametrize("name", LOSSES)
def test_loss__ignored_candidates_are_not_felt(name: str) -> None:
    random = np.random.default_rng(9)
    positive, scores, weights = random_floats(random, B), random_floats(random, B, N), np.ones(B, np.float32)
    scores[:, 3] = IGNORED
    loss, _, gradient = run(name, positive, scores, weights)
    assert (gradient[:, 3] == 0).all()
    counted = np.delete(scores, 3, axis=1).astype(float)
    expected = sum(naive.lose(name, float(positive[i]), counted[i], N, MARGIN) for i in range(B))
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_loss__without_candidates(name: str) -> None:
    """Softmax and ranking feel nothing; pointwise losses still want the positive high."""
    positive, weights = np.array([0.5, -1], np.float32), np.ones(2, np.float32)
    loss, d_positive, _ = run(name, positive, np.zeros((2, 0), np.float32), weights)
    if name == "logistic":
        np.testing.assert_allclose(loss, np.logaddexp(0, -MARGIN - positive).sum(), rtol=1e-6)
        assert (d_positive < 0).all()
    elif name == "hinge":
        assert (loss, d_positive.tolist()) == (1 + MARGIN, [0, -1])
    else:
        assert loss == 0
        assert (d_positive == 0).all()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("size", [0, 1e4, 3e7])
def test_loss__is_a_number_whatever_the_scores(name: str, size: float) -> None:
    signs = np.array([-1, 0, 1], np.float32)
    positive = np.repeat(np.float32(size) * signs, 3)
    scores = np.tile(np.float32(size) * signs, 3)[:, None] * np.ones((1, 4), np.float32)
    loss, d_positive, gradient = run(name, positive, scores, np.ones(9, np.float32))
    assert np.isfinite(loss)
    assert np.isfinite(d_positive).all()
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("scale", [0.1, 1, 30])
@pytest.mark.parametrize("temperature", [1e-6, 0.5, 4])
@pytest.mark.parametrize("name", ADVERSARIAL)
def test_adversarial__and_gradients(name: str, temperature: float, scale: float) -> None:
    """Weights come from scores through which nothing flows back; an ignored candidate has none."""
    random = np.random.default_rng(6)
    positive, scores = random_floats(random, B, scale=scale), random_floats(random, B, N, scale=scale)
    weights = random.uniform(0, 2, B).astype(np.float32)
    scores[:, 2] = IGNORED
    gradient, d_positive = scores.copy(), np.full(B, np.nan, np.float32)
    arguments = (weights, np.float32(MARGIN), np.float32(temperature), d_positive)
    loss = ADVERSARIAL[name](positive, gradient, *arguments)
    wide, counted = positive.astype(float), np.delete(scores, 2, axis=1).astype(float)
    shares = [naive.adversarial_shares(row, temperature) for row in counted]

    def total() -> float:
        return sum(
            float(weights[i]) * naive.lose(name, wide[i], counted[i], N, MARGIN, shares[i]) for i in range(B)
        )

    np.testing.assert_allclose(loss, total(), rtol=1e-5)
    np.testing.assert_allclose(d_positive, naive.differentiate(total, wide), rtol=1e-4, atol=1e-5)
    assert (gradient[:, 2] == 0).all()
    kept = np.delete(gradient, 2, axis=1)
    np.testing.assert_allclose(kept, naive.differentiate(total, counted), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ADVERSARIAL)
@pytest.mark.parametrize("size", [0, 1e4, 3e7])
def test_adversarial__is_a_number_whatever_the_scores(name: str, size: float) -> None:
    scores = np.array([[-size, 0, size], [IGNORED] * 3, [-size] * 3], np.float32)
    gradient, d_positive = scores.copy(), np.zeros(3, np.float32)
    arguments = (np.ones(3, np.float32), np.float32(1), np.float32(2), d_positive)
    assert np.isfinite(ADVERSARIAL[name](-scores[:, 0].copy(), gradient, *arguments))
    assert np.isfinite(d_positive).all()
    assert np.isfinite(gradient).all()
    none = np.zeros((1, 0), np.float32)
    assert np.isfinite(ADVERSARIAL[name](np.ones(1, np.float32), none, *arguments))
