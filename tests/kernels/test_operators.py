import naive
import numpy as np
import pytest
from kernel_examples import Floats, random_floats

from daskgraph_kernels.names import OPERATORS as NAMES
from daskgraph_kernels.operators import OPERATORS, initial_parameters, packed_size, parameter_shape

RELATIONS = np.array([2, 2, 0, 1, 1, 1, 0])
SLOTS = np.array([0, 0, 1, 2, 2, 2, 1])
N, D, PADDING = len(RELATIONS), 6, 3


def example(name: str) -> tuple[Floats, Floats, Floats]:
    random = np.random.default_rng(4)
    size = packed_size(OPERATORS[name], D) + PADDING
    return random_floats(random, 3, size), random_floats(random, N, D), random_floats(random, N, D)


def test_operators__names() -> None:
    assert list(OPERATORS) == NAMES


@pytest.mark.parametrize("name", OPERATORS)
def test_operator__forward(name: str) -> None:
    parameters, rows, _ = example(name)
    out = np.full((N, D), np.nan, np.float32)
    OPERATORS[name].forward(parameters, RELATIONS, rows, out)
    expected = naive.operate(name, parameters.astype(float), RELATIONS, rows.astype(float))
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", OPERATORS)
def test_operator__backward_adds_the_gradient(name: str) -> None:
    parameters, rows, d_out = example(name)
    d_rows, d_parameters = np.ones_like(rows), np.ones_like(parameters)
    OPERATORS[name].backward(parameters, RELATIONS, SLOTS, rows, d_out, d_rows, d_parameters)

    wide, wide_rows = parameters.astype(float), rows.astype(float)

    def total() -> float:
        return naive.directional(naive.operate(name, wide, RELATIONS, wide_rows), d_out)

    np.testing.assert_allclose(d_rows - 1, naive.differentiate(total, wide_rows), rtol=1e-4, atol=1e-5)
    by_slot = naive.differentiate(total, wide)[[2, 0, 1]]
    np.testing.assert_allclose(d_parameters - 1, by_slot, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", OPERATORS)
def test_operator__takes_no_rows(name: str) -> None:
    parameters, _, _ = example(name)
    ids, rows = np.zeros(0, np.int64), np.zeros((0, D), np.float32)
    OPERATORS[name].forward(parameters, ids, rows, rows)
    OPERATORS[name].backward(parameters, ids, ids, rows, rows, rows, parameters)


@pytest.mark.parametrize("name", OPERATORS)
def test_initial_parameters__change_nothing(name: str) -> None:
    parameters = np.tile(initial_parameters(OPERATORS[name], D), (3, 1))
    assert parameters.shape == (3, packed_size(OPERATORS[name], D))
    _, rows, out = example(name)
    OPERATORS[name].forward(parameters, RELATIONS, rows, out)
    np.testing.assert_allclose(out, rows, rtol=1e-6)


def test_parameter_shape() -> None:
    assert [parameter_shape(shape, 6) for shape in ("d", "d/2", "d,d")] == [(6,), (3,), (6, 6)]
