"""Ranks by naive loops: the twin of daskgraph.evaluate."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from daskgraph.model import Model, Parameters

Array = Any
Triple = tuple[int, int, int]


class Naive(NamedTuple):
    """A model in memory."""

    model: Model
    parameters: Parameters
    tables: dict[str, NDArray[np.float32]]


def operate(naive: Naive, relation: int, packed: NDArray[np.float32], row: Array) -> Array:
    operator, d = naive.model.group_of(relation).operator, len(row)
    numbers = packed[relation].astype(np.float64)
    if operator == "none":
        return row
    if operator == "translation":
        return row + numbers[:d]
    if operator == "diagonal":
        return row * numbers[:d]
    if operator == "linear":
        return numbers[: d * d].reshape(d, d) @ row
    if operator == "affine":
        return numbers[: d * d].reshape(d, d) @ row + numbers[d * d : d * d + d]
    half = d // 2
    factors = np.exp(1j * numbers[:half]) if operator == "rotation" else numbers[:half] + 1j * numbers[half:d]
    product = (row[:half] + 1j * row[half:]) * factors
    return np.concatenate([product.real, product.imag])


def compare(naive: Naive, query: Array, candidate: Array) -> float:
    comparator, bias = naive.model.config.model.comparator, 0.0
    if naive.model.config.model.bias:
        bias = query[0] + candidate[0]
        query, candidate = ([0.0, *row[1:]] for row in (query, candidate))
        query, candidate = np.array(query), np.array(candidate)
    if comparator == "dot":
        return float(query @ candidate) + bias
    if comparator == "cos":
        lengths = np.linalg.norm(query) * np.linalg.norm(candidate)
        return (float(query @ candidate / lengths) if lengths else 0.0) + bias
    if comparator == "l1":
        return -float(np.abs(query - candidate).sum()) + bias
    if comparator == "complex_modulus":
        half = len(query) // 2
        difference = query - candidate
        return -float(np.abs(difference[:half] + 1j * difference[half:]).sum()) + bias
    square = float(((query - candidate) ** 2).sum())
    return (-square if comparator == "squared_l2" else -np.sqrt(max(square, 1e-30))) + bias


def entity(naive: Naive, kind: str, row: int) -> Array:
    vector = naive.tables[kind][row].astype(np.float64)
    longest, length = naive.model.config.model.max_norm, np.linalg.norm(vector)
    if longest and length > longest:
        vector = vector * (longest / length)
    common = naive.parameters.common[kind]
    return vector + common if len(common) else vector


def score(naive: Naive, side: str, edge: Triple) -> float:
    head, relation, tail = edge
    group = naive.model.group_of(relation)
    left, right = entity(naive, group.head, head), entity(naive, group.tail, tail)
    if naive.model.config.model.reciprocal and side == "tail":
        return compare(naive, operate(naive, relation, naive.parameters.head, left), right)
    return compare(naive, operate(naive, relation, naive.parameters.tail, right), left)


def rank(
    naive: Naive, side: str, edge: Triple, candidates: list[int], known: set[Triple], tolerance: float
) -> tuple[float, int]:
    """The positive's rank, and how many candidates it was ranked against."""
    own = score(naive, side, edge)
    above, equal, others = 0, 0, 0
    for candidate in candidates:
        other = (candidate, *edge[1:]) if side == "head" else (*edge[:2], candidate)
        if other == edge or other in known:
            continue
        difference = score(naive, side, other) - own
        others += 1
        above += difference > tolerance
        equal += abs(difference) <= tolerance
    return 1 + above + equal / 2, others
