"""The cases in which daskgraph is measured against PBG: graph, model, candidates, and their products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """One model on one graph, in words that both systems know."""

    title: str
    entities: int
    relations: int
    edges: int
    dimension: int
    operator: str
    comparator: str
    loss: str
    uniform: int = 50
    in_batch: int = 50
    reciprocal: bool = False
    gradient_candidates: int = 0
    margin: float = 0.1
    learning_rate: float = 0.1
    init_scale: float = 0.001

    def config(self, **training: Any) -> dict[str, Any]:
        """The config of daskgraph: a batch is as many edges as PBG has in a chunk."""
        return {
            "model": {
                "dimension": self.dimension,
                "operator": self.operator,
                "comparator": self.comparator,
                "reciprocal": self.reciprocal,
                "init_scale": self.init_scale,
            },
            "loss": {"function": self.loss, "margin": self.margin},
            "negatives": {"uniform": self.uniform, "gradient_candidates": self.gradient_candidates},
            "training": {"batch_size": self.in_batch, "learning_rate": self.learning_rate, **training},
        }

    def config_of_pbg(self, folder: str, epochs: int, workers: int) -> dict[str, Any]:
        """The same for PBG: batches of 1,000 edges in chunks; reciprocal relations are one to it."""
        relation = {"lhs": "entity", "rhs": "entity", "operator": self.operator}
        count = 1 if self.reciprocal else self.relations
        return {
            "entity_path": folder,
            "edge_paths": [f"{folder}/train"],
            "checkpoint_path": f"{folder}/checkpoint",
            "entities": {"entity": {"num_partitions": 1}},
            "relations": [{"name": str(number), **relation} for number in range(count)],
            "dynamic_relations": self.reciprocal,
            "dimension": self.dimension,
            "init_scale": self.init_scale,
            "global_emb": False,
            "comparator": self.comparator,
            "loss_fn": self.loss,
            "margin": self.margin,
            "num_epochs": epochs,
            "batch_size": 1000,
            "num_batch_negs": self.in_batch,
            "num_uniform_negs": self.uniform,
            "lr": self.learning_rate,
            "eval_fraction": 0.0,
            "workers": workers,
            # It would let all workers but one sleep through the first seconds of the first epoch.
            "hogwild_delay": 0.0,
        }

    @property
    def products(self) -> list[tuple[int, int, int]]:
        """Shapes (m, n, k) of the matrix products that a whole batch can not do without.

        b positives are scored against b + u tails and as many heads, d numbers a row. Where heads and tails
        are compared as they are (not reciprocal), the in-batch scores of both sides are one matrix: b + 2 u
        columns, else 2 (b + u). Each product of scores has two for its gradients. A linear operator takes
        b + u rows through a (d, d) matrix, and has two products for its gradients as well. Every product
        costs 2 m n k operations. Pairs of positives, norms and sums are not counted.
        """
        b, u, d = self.in_batch, self.uniform, self.dimension
        columns = [b + u, b + u] if self.reciprocal else [b + u, u]
        shapes = [(b, n, d) for n in columns] + [(b, d, n) for n in columns] + [(n, d, b) for n in columns]
        if self.operator == "linear":
            shapes += [(b + u, d, d), (b + u, d, d), (d, d, b + u)]
        return shapes

    @property
    def flops(self) -> int:
        """Floating-point operations in the products of one batch."""
        return sum(2 * m * n * k for m, n, k in self.products)


CASES = {
    "a": Case("translation, cos, ranking", 100_000, 100, 2_000_000, 100, "translation", "cos", "ranking"),
    "b": Case(
        "FB15k, complex_diagonal reciprocal, dot, softmax",
        14_951,
        1_345,
        483_142,
        400,
        "complex_diagonal",
        "dot",
        "softmax",
        uniform=1000,
        reciprocal=True,
    ),
    "c": Case("none, dot, logistic", 2_000_000, 1, 4_000_000, 128, "none", "dot", "logistic"),
    "d1": Case("linear, dot, softmax", 100_000, 1, 2_000_000, 64, "linear", "dot", "softmax"),
    "d2": Case("none, l2, ranking", 100_000, 1, 2_000_000, 100, "none", "l2", "ranking"),
}
