"""A trainer in float64 whose gradients are finite differences: slow, and nothing in it to derive wrongly."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import naive
import numpy as np
from naive import Edges, Form, Reals


@dataclass
class NaiveTrainer:
    """All that is trained, with its Adagrad sums, and how."""

    tables: dict[str, Reals]
    """Rows of every entity type, or of its features."""

    common: dict[str, Reals]
    """The vector added to all rows of a type, where there is one."""

    parameters: dict[str, Reals]
    """Operators by the side they act on, "tail" and in reciprocal models "head", (relations, s)."""

    rate: float
    relation_rate: float
    max_norm: float = 0.0
    features: Mapping[str, list[Any]] = field(default_factory=dict)
    """The rows of every entity's features, by featurised entity type."""

    row_sums: dict[str, Reals] = field(init=False)
    common_sums: dict[str, Reals] = field(init=False)
    parameter_sums: dict[str, Reals] = field(init=False)

    def __post_init__(self) -> None:
        self.row_sums = {kind: np.zeros(len(table)) for kind, table in self.tables.items()}
        self.common_sums = {kind: np.zeros_like(vector) for kind, vector in self.common.items()}
        self.parameter_sums = {side: np.zeros_like(values) for side, values in self.parameters.items()}

    def train(self, form: Form, kinds: tuple[str, str], edges: Edges) -> tuple[float, float]:
        """One batch of edges between two types, and its step; loss and penalty."""
        sides = dict(zip(("head", "tail"), kinds, strict=True))
        if kinds[0] == kinds[1]:
            del sides["tail"]
        lists = {side: self.features[kind] for side, kind in sides.items() if kind in self.features}
        used = {side: self._used(side, sides, edges, lists.get(side)) for side in sides}
        values = {}
        for side, kind in sides.items():
            self.tables[kind] = naive.shorten(self.tables[kind], used[side], self.max_norm)
            values[side] = self.tables[kind][used[side]]
            if kind in self.common:
                values[f"{side}_common"] = self.common[kind].copy()
        for side, parameters in self.parameters.items():
            values[f"{side}_parameters"] = parameters.copy()
        local = self._renumber(edges, used, lists)
        found = naive.batch_loss(form, values, local)
        still = {key: array.copy() for key, array in values.items()}
        gradients = {
            key: naive.differentiate(lambda: sum(naive.batch_loss(form, values, local, still)), array)
            for key, array in values.items()
        }
        self._step(sides, used, gradients)
        return found

    @staticmethod
    def _used(side: str, sides: dict[str, str], edges: Edges, lists: list[Any] | None) -> Any:
        """Which rows of the side's table the batch uses."""
        heads, tails = [edges.head, edges.head_candidates], [edges.tail, edges.tail_candidates]
        entities = heads if side == "head" else tails
        if len(sides) == 1:
            entities = heads + tails
        ids = np.unique(np.concatenate(entities))
        return ids if lists is None else np.unique(np.concatenate([lists[entity] for entity in ids]))

    @staticmethod
    def _renumber(edges: Edges, used: dict[str, Any], lists: dict[str, list[Any]]) -> Edges:
        """The edges among the used rows alone; entities of featurised types keep their numbers."""
        local: dict[str, Any] = {}
        for use in ("head", "head_candidates", "tail", "tail_candidates"):
            side = use.split("_")[0] if use.split("_")[0] in used else "head"
            if side not in lists:
                local[use] = np.searchsorted(used[side], getattr(edges, use))
        features = {
            side: [np.searchsorted(used[side], rows) for rows in of_entities]
            for side, of_entities in lists.items()
        }
        return edges._replace(**local, features=features)

    def _step(self, sides: dict[str, str], used: dict[str, Any], gradients: naive.Values) -> None:
        for side, kind in sides.items():
            table, sums = self.tables[kind], self.row_sums[kind]
            for row, gradient in zip(used[side], gradients[side], strict=True):
                table[row], sums[row] = naive.adagrad_row(table[row], sums[row], gradient, self.rate)
            if kind in self.common:
                self.common[kind], self.common_sums[kind] = naive.adagrad(
                    self.common[kind],
                    self.common_sums[kind],
                    gradients[f"{side}_common"],
                    self.relation_rate,
                )
        for side in self.parameters:
            self.parameters[side], self.parameter_sums[side] = naive.adagrad(
                self.parameters[side],
                self.parameter_sums[side],
                gradients[f"{side}_parameters"],
                self.relation_rate,
            )
