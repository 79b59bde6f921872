"""Whole batches against float64 twins, gradients against finite differences."""

import itertools
from typing import Any

import naive
import numpy as np
import pytest
from kernel_examples import Example, Options, feature_lists, naive_values

from daskgraph_kernels.comparators import COMPARATORS
from daskgraph_kernels.losses import ADVERSARIAL, LOSSES
from daskgraph_kernels.operators import OPERATORS
from daskgraph_kernels.regularizers import REGULARIZERS

EVERY: dict[str, Any] = {
    "bias": True,
    "common": True,
    "max_norm": 1.5,
    "weighted": True,
    "regularization": 0.05,
    "same_type": True,
}
MIXTURES = [
    EVERY | {"corrupt": "head"},
    EVERY | {"corrupt": "tail", "uniform": 0},
    EVERY | {"all_candidates": True},
    EVERY | {"all_candidates": True, "corrupt": "tail", "same_type": False},
    EVERY | {"in_batch": False, "same_type": False},
    EVERY | {"in_batch": False, "uniform": 7, "corrupt": "head"},
    EVERY | {"uniform": 0, "same_type": False, "padding": 6},
    EVERY | {"regularizer": "l2"},
    EVERY | {"bias": False, "max_norm": 0.0, "padding": 5},
]


def check(options: Options) -> None:
    """Loss, penalty and every gradient of the kernels agree with the twins'."""
    example = Example(options)
    before = naive_values(example.tables, options.same_type)
    loss, penalty = example.differentiate()
    values = shortened(example, before, options)
    after = naive_values(example.tables, options.same_type)
    for key in values:
        np.testing.assert_allclose(after[key], values[key], rtol=1e-6, atol=1e-7)
    edges = example.naive_edges()
    expected_loss, expected_penalty = naive.batch_loss(options.form, values, edges)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
    np.testing.assert_allclose(penalty, expected_penalty, rtol=1e-5)
    gradients = example.gradients()
    still = {key: array.copy() for key, array in values.items()}
    assert gradients.keys() == values.keys()
    for key, array in values.items():
        expected = naive.differentiate(
            lambda: sum(naive.batch_loss(options.form, values, edges, still)), array
        )
        scale = max(1.0, np.abs(expected).max(initial=0))
        np.testing.assert_allclose(gradients[key], expected, rtol=2e-4, atol=2e-5 * scale, err_msg=key)


def shortened(example: Example, values: naive.Values, options: Options) -> naive.Values:
    """The rows of this batch no longer than max_norm: what is differentiated, as nothing flows back there."""
    heads = example.sizes.batch + example.sizes.head_extra
    ids, out = example.work.ids, dict(values)
    lists = feature_lists(example.tables)
    used = {"head": ids if options.same_type else ids[:heads], "tail": ids[heads:]}
    for side in ("head", "tail"):
        if side in values:
            rows = used[side]
            if side in lists:
                rows = np.concatenate([lists[side][entity] for entity in rows])
            out[side] = naive.shorten(values[side], rows, options.max_norm)
    return out


@pytest.mark.parametrize("reciprocal", [False, True], ids=["standard", "reciprocal"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("comparator", COMPARATORS)
def test_batch__comparator_and_loss(comparator: str, loss: str, reciprocal: bool) -> None:
    check(Options("translation", comparator, loss, reciprocal))


@pytest.mark.parametrize("reciprocal", [False, True], ids=["standard", "reciprocal"])
@pytest.mark.parametrize("same_type", [False, True], ids=["two types", "one type"])
@pytest.mark.parametrize("operator", OPERATORS)
def test_batch__operator(operator: str, same_type: bool, reciprocal: bool) -> None:
    check(Options(operator, "cos", "logistic", reciprocal, regularization=0.02, same_type=same_type))


@pytest.mark.parametrize("reciprocal", [False, True], ids=["standard", "reciprocal"])
@pytest.mark.parametrize("number", range(len(MIXTURES)))
def test_batch__many_options_at_once(number: int, reciprocal: bool) -> None:
    """Every mixture meets another operator, comparator and loss; each kind meets several mixtures."""
    kinds = list(itertools.product(COMPARATORS, LOSSES))
    comparator, loss = kinds[(5 * number + 3 * reciprocal) % len(kinds)]
    operators = ["translation", "diagonal", "linear", "affine", "complex_diagonal", "rotation"]
    operator = operators[(number + 2 * reciprocal) % len(operators)]
    check(Options(operator, comparator, loss, reciprocal, seed=number + 10, **MIXTURES[number]))


@pytest.mark.parametrize("reciprocal", [False, True], ids=["standard", "reciprocal"])
@pytest.mark.parametrize("comparator", ["cos", "l2", "complex_modulus"])
@pytest.mark.parametrize("loss", ADVERSARIAL)
def test_batch__adversarial_weights(loss: str, comparator: str, reciprocal: bool) -> None:
    check(Options("rotation", comparator, loss, reciprocal, temperature=0.7, margin=1.0, bias=reciprocal))


@pytest.mark.parametrize("reciprocal", [False, True], ids=["standard", "reciprocal"])
@pytest.mark.parametrize("in_batch", [False, True], ids=["uniform", "in batch"])
def test_batch__masks_positives(in_batch: bool, reciprocal: bool) -> None:
    """Of three entities, every other candidate is an edge's own."""
    few = Options("diagonal", "dot", "ranking", reciprocal, heads=3, tails=3, in_batch=in_batch)
    check(few.but(mask_positives=True, temperature=0.3))
    assert masked(few.but(mask_positives=True)) > masked(few)


def masked(options: Options) -> int:
    example = Example(options)
    example.differentiate()
    work = example.work
    return sum(
        int((gradient == 0).sum()) for gradient in (work.head_score_gradient, work.tail_score_gradient)
    )


@pytest.mark.parametrize("reciprocal", [False, True], ids=["standard", "reciprocal"])
@pytest.mark.parametrize("operator", ["none", "affine", "rotation"])
def test_batch__dropout(operator: str, reciprocal: bool) -> None:
    every = {**EVERY, "same_type": operator == "affine"}
    check(Options(operator, "squared_l2", "logistic", reciprocal, dropout=0.4, **every))


@pytest.mark.parametrize("reciprocal", [False, True], ids=["standard", "reciprocal"])
@pytest.mark.parametrize(("comparator", "loss"), [("dot", "softmax"), ("l2", "logistic"), ("cos", "hinge")])
def test_batch__rounded_gradients_are_right_on_average(comparator: str, loss: str, reciprocal: bool) -> None:
    options = Options("translation", comparator, loss, reciprocal, uniform=30, bias=True, weighted=True)
    exact, example = Example(options), Example(options.but(gradient_candidates=5))
    expected_loss = exact.differentiate()
    found = []
    for number in range(1500):
        assert example.differentiate(number) == expected_loss
        found.append(example.gradients())
    for key, expected in exact.gradients().items():
        values = np.array([gradients[key] for gradients in found])
        error = values.mean(axis=0) - expected
        spread = values.std(axis=0)
        assert (np.abs(error) <= 5 * spread / len(found) ** 0.5 + 1e-5).all(), key
        assert spread.max(initial=0) > 0, key
    zeros = (example.work.tail_score_gradient == 0).mean(), (exact.work.tail_score_gradient == 0).mean()
    assert zeros[0] > zeros[1] + 0.3


@pytest.mark.parametrize("reciprocal", [False, True], ids=["standard", "reciprocal"])
@pytest.mark.parametrize("featurized", [("head",), ("tail",), ("head", "tail")], ids="-".join)
@pytest.mark.parametrize("number", range(5))
def test_batch__featurised(number: int, featurized: tuple[str, ...], reciprocal: bool) -> None:
    """With a plain type on the other side, with another featurised one, and with itself."""
    operator, comparator = list(zip(OPERATORS, COMPARATORS, strict=False))[number]
    mixture = {**MIXTURES[number], "same_type": featurized == ("head",) and number % 2 == 0}
    options = Options(operator, comparator, "logistic", reciprocal, featurized=featurized, **mixture)
    check(options.but(dropout=0.3 if number == 2 else 0.0))


@pytest.mark.parametrize("comparator", COMPARATORS)
@pytest.mark.parametrize("reciprocal", [False, True], ids=["standard", "reciprocal"])
def test_batch__bias(comparator: str, reciprocal: bool) -> None:
    check(Options("complex_diagonal", comparator, "softmax", reciprocal, bias=True, regularization=0.1))


@pytest.mark.parametrize("reciprocal", [False, True], ids=["standard", "reciprocal"])
@pytest.mark.parametrize("regularizer", REGULARIZERS)
def test_batch__imaginary_half_of_padded_operators(regularizer: str, reciprocal: bool) -> None:
    """Another relation's longer operator must not move the pairs that N3 takes moduli of."""
    options = Options("complex_diagonal", "dot", "logistic", reciprocal, padding=10)
    check(options.but(regularizer=regularizer, regularization=0.3))


@pytest.mark.parametrize("reciprocal", [False, True], ids=["standard", "reciprocal"])
@pytest.mark.parametrize("bias", [False, True], ids=["plain", "bias"])
@pytest.mark.parametrize(("comparator", "loss"), list(itertools.product(COMPARATORS, LOSSES)))
def test_batch__zero_rows_give_numbers(comparator: str, loss: str, bias: bool, reciprocal: bool) -> None:
    options = Options("complex_diagonal", comparator, loss, reciprocal, bias, regularization=0.1, common=True)
    example = Example(options)
    for array in (example.tables.head, example.tables.tail, example.tables.tail_parameters):
        array[:] = 0
    example.tables.head_global[:] = 0
    example.tables.tail_global[:] = 0
    assert np.isfinite(example.differentiate()).all()
    assert all(np.isfinite(gradient).all() for gradient in example.gradients().values())
