from typing import Any

import numpy as np
import pytest

from daskgraph_kernels.elementary import exponential, log_one_plus, sigmoid, softplus
from daskgraph_kernels.jit import COMPILED, kernel

POINTS = 400_000 if COMPILED else 2_000
UNIT = float(np.finfo(np.float32).eps)


@kernel
def evaluate(x: Any, exp: Any, log: Any, plus: Any, share: Any) -> None:
    for i in range(len(x)):
        exp[i] = exponential(x[i])
        log[i] = log_one_plus(min(abs(x[i]), np.float32(1)))
        plus[i] = softplus(x[i])
        share[i] = sigmoid(x[i])


def evaluated(x: Any) -> dict[str, Any]:
    out = [np.empty(len(x), np.float32) for _ in range(4)]
    evaluate(x, *out)
    return dict(zip(("exponential", "log_one_plus", "softplus", "sigmoid"), out, strict=True))


def points(low: float, high: float) -> Any:
    return np.linspace(low, high, POINTS).astype(np.float32)


def relative_error(actual: Any, expected: Any) -> float:
    return float(np.abs(actual / expected - 1).max())


def test_exponential() -> None:
    x = points(-49.9, 88)
    assert relative_error(evaluated(x)["exponential"], np.exp(x.astype(float))) < 2 * UNIT


def test_exponential__far_away() -> None:
    got = evaluated(np.array([-np.inf, -1e9, -50.1, 89, 1e9, np.inf, 0], np.float32))["exponential"]
    assert (got[:3] == 0).all()
    assert np.isfinite(got).all()
    assert got[-1] == 1


def test_log_one_plus() -> None:
    for x in (points(1e-30, 1), np.logspace(-30, 0, 1000).astype(np.float32)):
        assert relative_error(evaluated(x)["log_one_plus"], np.log1p(x.astype(float))) < 2 * UNIT


@pytest.mark.parametrize("reach", [0.01, 2, 20, 49])
def test_softplus_and_sigmoid(reach: float) -> None:
    x = points(-reach, reach)
    got, wide = evaluated(x), x.astype(float)
    assert relative_error(got["softplus"], np.logaddexp(0, wide)) < 4 * UNIT
    assert relative_error(got["sigmoid"], np.exp(-np.logaddexp(0, -wide))) < 4 * UNIT


def test_softplus_and_sigmoid__far_away() -> None:
    got = evaluated(np.array([-np.inf, -1e9, -100, 100, 1e9], np.float32))
    assert got["softplus"].tolist() == [0, 0, 0, 100, 1e9]
    assert got["sigmoid"].tolist() == [0, 0, 0, 1, 1]
