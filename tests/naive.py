"""Twins of the kernels: the formulas of docs/mathematics.md in float64, written for reading, sharing no code
with the kernels.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Reals = NDArray[np.float64]
Values = dict[str, Reals]


def operate(operator: str, parameters: Reals, relations: Any, rows: Reals) -> Reals:
    """Rows (n, d) after the operators of `relations` (n,), packed in parameters (relations, at least s)."""
    d = rows.shape[1]
    chosen = parameters[relations]
    if operator == "none":
        return rows
    if operator == "complex_diagonal":
        product = as_complex(rows) * as_complex(chosen[:, :d])
        return np.concatenate([product.real, product.imag], axis=1)
    if operator == "rotation":
        product = as_complex(rows) * np.exp(1j * chosen[:, : d // 2])
        return np.concatenate([product.real, product.imag], axis=1)
    out: Reals = rows
    if operator == "diagonal":
        out = rows * chosen[:, :d]
    if operator in ("linear", "affine"):
        out = np.einsum("nij,nj->ni", chosen[:, : d * d].reshape(-1, d, d), rows)
    if operator in ("translation", "affine"):
        first = d * d if operator == "affine" else 0
        out = out + chosen[:, first : first + d]
    return out


def as_complex(rows: Reals) -> NDArray[np.complex128]:
    half = rows.shape[1] // 2
    return rows[:, :half] + 1j * rows[:, half:]


def unit_rows(rows: Reals) -> Reals:
    lengths = np.sqrt((rows * rows).sum(axis=1, keepdims=True))
    return rows / np.where(lengths > 0, lengths, 1)


def prepare(comparator: str, bias: bool, rows: Reals) -> Reals:
    """Rows as the comparator sees them; a bias, coordinate 0, stays as it is."""
    if comparator != "cos":
        return rows
    return np.concatenate([rows[:, :1], unit_rows(rows[:, 1:])], axis=1) if bias else unit_rows(rows)


def compare(comparator: str, bias: bool, left: Reals, right: Reals) -> Reals:
    """Scores (n, m) of prepared rows, left (n, d) with right (m, d)."""
    if bias:
        inner = compare(
            comparator, False, *(np.where(np.arange(rows.shape[1]), rows, 0) for rows in (left, right))
        )
        return inner + left[:, :1] + right[:, :1].T
    scores: Reals = left @ right.T
    if comparator in ("l2", "squared_l2"):
        squares = ((left[:, None] - right[None]) ** 2).sum(axis=2)
        scores = -squares if comparator == "squared_l2" else -np.sqrt(squares)
    if comparator == "l1":
        scores = -np.abs(left[:, None] - right[None]).sum(axis=2)
    if comparator == "complex_modulus":
        scores = -np.abs(as_complex(left)[:, None] - as_complex(right)[None]).sum(axis=2)
    return scores


def lose(loss: str, positive: float, scores: Reals, columns: int, margin: float) -> float:
    """Loss of one edge against the scores that count; `columns`: how many there were with ignored ones."""
    if loss == "ranking":
        return float(np.maximum(0, margin - positive + scores).sum())
    if loss == "hinge":
        against = np.maximum(0, margin + scores).sum() / columns if columns else 0.0
        return float(max(0, margin - positive) + against)
    if loss == "logistic":
        against = np.logaddexp(0, scores).sum() / columns if columns else 0.0
        return float(np.logaddexp(0, -positive) + against)
    return float(np.logaddexp.reduce([positive, *scores]) - positive)


def penalise(regularizer: str, rows: Reals, pairs: bool) -> float:
    """Sum of the cubes (n3) or squares (l2) of absolute values, or of moduli."""
    power = {"n3": 3, "l2": 2}[regularizer]
    return float((np.abs(as_complex(rows) if pairs else rows) ** power).sum())


def shorten(table: Reals, ids: Any, max_norm: float) -> Reals:
    """The table (m, d) with those of its rows `ids` that are longer than max_norm > 0 shortened."""
    table = table.copy()
    for row in set(np.asarray(ids).tolist()) if max_norm > 0 else ():
        length = np.sqrt((table[row] ** 2).sum())
        if length > max_norm:
            table[row] *= max_norm / (length + 1e-7)
    return table


def adagrad_row(row: Reals, total: float, gradient: Reals, rate: float) -> tuple[Reals, float]:
    total = total + float((gradient**2).mean())
    return row - rate * gradient / (np.sqrt(total) + 1e-10), total


def adagrad(values: Reals, sums: Reals, gradient: Reals, rate: float) -> tuple[Reals, Reals]:
    sums = sums + gradient**2
    return values - rate * gradient / (np.sqrt(sums) + 1e-10), sums


class Form(NamedTuple):
    """What is trained, as far as one batch's loss depends on it."""

    operator: str
    comparator: str
    loss: str
    reciprocal: bool = False
    bias: bool = False
    in_batch: bool = True
    all_candidates: bool = False
    corrupt: str = "both"
    margin: float = 0.1
    regularizer: str = "n3"
    regularization: float = 0.0


class Edges(NamedTuple):
    """A batch: its edges, each with the weight it has in the end, and the further candidates."""

    head: NDArray[np.int64]
    relation: NDArray[np.int64]
    tail: NDArray[np.int64]
    weight: Reals
    head_candidates: NDArray[np.int64]
    tail_candidates: NDArray[np.int64]


def batch_loss(form: Form, values: Mapping[str, Reals], edges: Edges) -> tuple[float, float]:
    """Loss and penalty of one batch.

    `values`: "head" and "tail" (tail may be missing: the same table), "head_common", "tail_common" (missing:
    none), "tail_parameters", and "head_parameters" of reciprocal models.
    """

    def rows(side: str, ids: Any) -> Reals:
        key = side if side in values else "head"
        common = values.get(f"{key}_common", np.zeros(0))
        out: Reals = values[key][ids]
        return out + common if len(common) else out

    def ready(raw: Reals) -> Reals:
        return prepare(form.comparator, form.bias, raw)

    def act(side: str, raw: Reals, relations: Any) -> Reals:
        return operate(form.operator, values[f"{side}_parameters"], relations, raw)

    loss = 0.0
    positives = {"head": rows("head", edges.head), "tail": rows("tail", edges.tail)}
    regularized = []
    for side, other, ids, extra in (
        ("tail", "head", edges.tail, edges.tail_candidates),
        ("head", "tail", edges.head, edges.head_candidates),
    ):
        query, own = positives[other], positives[side]
        more = rows(side, extra)
        if form.reciprocal:
            query = act(other, query, edges.relation)
        elif side == "tail":
            own = act("tail", own, edges.relation)
            more = act("tail", more, np.full(len(extra), edges.relation[0]))
        else:
            query = act("tail", query, edges.relation)
        regularized += [ready(query), ready(own)]
        loss += _side_loss(form, ids, edges.weight, side, [ready(query), ready(own), ready(more)], extra)
    return loss, _penalty(form, values, edges, regularized)


def _side_loss(form: Form, ids: Any, weights: Reals, side: str, prepared: list[Reals], extra: Any) -> float:
    query, positives, more = prepared
    corrupted = form.corrupt in ("both", side)
    in_batch = corrupted and form.in_batch and not form.all_candidates
    candidates = np.concatenate([positives[: len(ids) if in_batch else 0], more if corrupted else more[:0]])
    positive = compare(form.comparator, form.bias, query, positives).diagonal()
    scores = compare(form.comparator, form.bias, query, candidates)
    counts = np.ones(scores.shape, bool)
    if in_batch:
        counts[np.arange(len(ids)), np.arange(len(ids))] = False
    if corrupted and form.all_candidates:
        counts = ids[:, None] != extra[None]
    loss = 0.0
    for i in range(len(ids)):
        own = lose(form.loss, positive[i], scores[i, counts[i]], scores.shape[1], form.margin)
        loss += float(weights[i]) * own
    return loss


def _penalty(form: Form, values: Mapping[str, Reals], edges: Edges, rows: list[Reals]) -> float:
    if not form.regularization:
        return 0.0
    pairs = form.operator in ("complex_diagonal", "rotation")
    d = values["head"].shape[1]
    # The angles of a rotation have no length to keep short.
    width = 0 if form.operator == "rotation" else d if pairs else None
    if form.reciprocal:
        parts = [*rows, *(values[f"{side}_parameters"][edges.relation, :width] for side in ("head", "tail"))]
    else:
        # Both sides compare the same rows; they count once, and so does the batch's one relation.
        parts = [*rows[:2], values["tail_parameters"][edges.relation[:1], :width]]
    return form.regularization * sum(penalise(form.regularizer, part, pairs) for part in parts)


def differentiate(function: Callable[[], float], array: Reals, step: float = 1e-6) -> Reals:
    """Gradient of function() in every element of `array`, by central differences."""
    gradient = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        kept = array[place]
        array[place] = kept + step
        above = function()
        array[place] = kept - step
        below = function()
        array[place] = kept
        gradient[place] = (above - below) / (2 * step)
    return gradient


def directional(values: ArrayLike, weights: ArrayLike) -> float:
    """One number of many, to differentiate: the sum of values * weights."""
    return float((np.asarray(values) * np.asarray(weights)).sum())
