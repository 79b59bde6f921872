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


def lose(
    loss: str,
    positive: float,
    scores: Reals,
    columns: int,
    margin: float,
    shares: Reals | float | None = None,
) -> float:
    """Loss of one edge against the scores that count; `columns`: how many there were with ignored ones.

    `shares`: what each of them counts; all alike by default.
    """
    if shares is None:
        shares = 1 / max(columns, 1)
    if loss == "ranking":
        return float((columns * shares * np.maximum(0, margin - positive + scores)).sum())
    if loss == "hinge":
        return float(max(0, margin - positive) + (shares * np.maximum(0, margin + scores)).sum())
    if loss == "logistic":
        against = (shares * np.logaddexp(0, margin + scores)).sum()
        return float(np.logaddexp(0, -margin - positive) + against)
    own = positive - margin
    return float(np.logaddexp.reduce([own, *scores]) - own)


def adversarial_shares(scores: Reals, temperature: float) -> Reals | None:
    """What candidates of these scores count, in all 1; None at the temperature 0."""
    if not temperature or not len(scores):
        return None
    powers: Reals = np.exp(temperature * (scores - scores.max()))
    powers /= powers.sum()
    return powers


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


def means(table: Reals, lists: list[NDArray[np.int64]], ids: Any) -> Reals:
    """Rows (n, d) of the entities `ids`, each the mean of its features' rows of the table (m, d)."""
    return np.array([table[lists[entity]].mean(axis=0) for entity in ids]).reshape(len(ids), table.shape[1])


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
    temperature: float = 0.0
    mask_positives: bool = False
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
    kept: Values | None = None
    """What dropout multiplies the rows with, by field."""
    features: Mapping[str, list[NDArray[np.int64]]] = {}
    """Rows of every entity's features in the table of a side, "head" or "tail", that is featurised."""


class Side(NamedTuple):
    """Rows of one side, as they are compared."""

    query: Reals
    own: Reals
    more: Reals


def batch_loss(
    form: Form, values: Mapping[str, Reals], edges: Edges, fixed: Mapping[str, Reals] | None = None
) -> tuple[float, float]:
    """Loss and penalty of one batch.

    `values`: "head" and "tail" (tail may be missing: the same table), "head_common", "tail_common" (missing:
    none), "tail_parameters", and "head_parameters" of reciprocal models. `fixed`: the values that
    self-adversarial weights come from, through which no gradient flows.
    """
    sides, still = _sides(form, values, edges), _sides(form, fixed or values, edges)
    loss = sum(_side_loss(form, edges, side, sides[side], still[side]) for side in sides)
    return loss, _penalty(form, values, edges, [rows for side in sides.values() for rows in side[:2]])


def _sides(form: Form, values: Mapping[str, Reals], edges: Edges) -> dict[str, Side]:
    def rows(use: str) -> Reals:
        side = use.split("_")[0]
        key = side if side in values else "head"
        common = values.get(f"{key}_common", np.zeros(0))
        ids, lists = getattr(edges, use), edges.features.get(key)
        out: Reals = values[key][ids] if lists is None else means(values[key], lists, ids)
        out = out + common if len(common) else out
        return out if edges.kept is None else out * edges.kept[use]

    def ready(*raw: Reals) -> Side:
        return Side(*(prepare(form.comparator, form.bias, part) for part in raw))

    def act(side: str, raw: Reals, relations: Any) -> Reals:
        return operate(form.operator, values[f"{side}_parameters"], relations, raw)

    found = {}
    for side, other in (("tail", "head"), ("head", "tail")):
        query, own, more = rows(other), rows(side), rows(f"{side}_candidates")
        if form.reciprocal:
            query = act(other, query, edges.relation)
        elif side == "tail":
            own = act("tail", own, edges.relation)
            more = act("tail", more, np.full(len(more), edges.relation[0]))
        else:
            query = act("tail", query, edges.relation)
        found[side] = ready(query, own, more)
    return found


def _side_loss(form: Form, edges: Edges, side: str, rows: Side, still: Side) -> float:
    ids, extra = getattr(edges, side), getattr(edges, f"{side}_candidates")
    corrupted = form.corrupt in ("both", side)
    in_batch = corrupted and form.in_batch and not form.all_candidates

    def candidates(own: Any, more: Any) -> Any:
        return np.concatenate([own[: len(ids) if in_batch else 0], more if corrupted else more[:0]])

    positive = compare(form.comparator, form.bias, rows.query, rows.own).diagonal()
    scores, weighing = (
        compare(form.comparator, form.bias, part.query, candidates(part.own, part.more))
        for part in (rows, still)
    )
    counts = np.ones(scores.shape, bool)
    if in_batch:
        counts[np.arange(len(ids)), np.arange(len(ids))] = False
    if corrupted and (form.all_candidates or form.mask_positives):
        counts &= ids[:, None] != candidates(ids, extra)[None]
    distance = form.comparator in ("l1", "l2", "squared_l2", "complex_modulus")
    margin = form.margin if form.loss != "logistic" or distance else 0.0
    loss = 0.0
    for i in range(len(ids)):
        shares = adversarial_shares(weighing[i, counts[i]], form.temperature)
        own = lose(form.loss, positive[i], scores[i, counts[i]], scores.shape[1], margin, shares)
        loss += float(edges.weight[i]) * own
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
