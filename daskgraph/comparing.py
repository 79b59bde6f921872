"""Queries and candidates made ready to be compared, as a model's relations have it."""

from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from daskgraph.model import Group, Model, Parameters
from daskgraph_kernels.bias import add_bias, take_bias
from daskgraph_kernels.comparators import COMPARATORS
from daskgraph_kernels.operators import OPERATORS
from daskgraph_kernels.ranking import Compared, Comparison, compare_rows, score_rows

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

Side = Literal["head", "tail"]
"""The side of an edge that is asked for."""

SIDES: tuple[Side, Side] = ("head", "tail")

OTHER: dict[Side, Side] = {"head": "tail", "tail": "head"}
"""The side that is given where one is asked for."""


class Acting(NamedTuple):
    """An operator with the parameters of all relations, packed (relations, size)."""

    operator: str
    parameters: Floats


class Direction(NamedTuple):
    """What is done to either part before they are compared; None: nothing."""

    on_query: Acting | None
    on_candidates: Acting | None


class Comparer:
    """Compares rows as a model does.

    Parameters
    ----------
    model
        The model.
    parameters
        Its parameters.
    with_bias
        Whether the model's bias counts, where it has one. If not, the bias is left out of the comparison all
        the same.
    """

    def __init__(self, model: Model, parameters: Parameters, with_bias: bool = True) -> None:
        self._model = model
        self._parameters = parameters
        self._counts_bias = with_bias
        # Compiled here: threads that came first together would compile everything twice.
        names = dict.fromkeys(["none", *(group.operator for group in model.groups)])
        self._comparisons = {name: self._compiled(name) for name in names}

    @cached_property
    def curved(self) -> bool:
        """Whether a score is no linear function of a product, as a root is."""
        return COMPARATORS[self._model.config.model.comparator].keeps_scores

    @property
    def product(self) -> bool:
        """Whether a score is the product of two rows, and nothing else."""
        return COMPARATORS[self._model.config.model.comparator].product and not self.adds_bias

    @cached_property
    def _bias(self) -> bool:
        return self._model.config.model.bias

    @property
    def comparison(self) -> Comparison:
        """The kernels that compare rows as they are, compiled."""
        return self._comparisons["none"]

    @property
    def adds_bias(self) -> bool:
        """Whether scores have the bias in them."""
        return self._bias and self._counts_bias

    def direction(self, group: Group, side: Side) -> Direction:
        """Return what a group's operator acts on when one side of an edge is asked for.

        In a standard model it acts on tails, whatever is asked; in a reciprocal one on what is given.
        """
        acting = Acting(group.operator, self._parameters.tail)
        if side == "head":
            return Direction(acting, None)
        if self._model.config.model.reciprocal:
            return Direction(Acting(group.operator, self._parameters.head), None)
        return Direction(None, None if group.operator == "none" else acting)

    def compare(self, rows: Floats, acting: Acting | None = None, relations: Ids | None = None) -> Compared:
        """Make rows (n, d) ready; `relations` (n,) says whose operator acts on each."""
        out = self.allocate(len(rows), rows.shape[1])
        self.compare_into(out, rows, acting, relations)
        return out

    def compare_into(
        self, out: Compared, rows: Floats, acting: Acting | None = None, relations: Ids | None = None
    ) -> None:
        """As `compare`, into arrays that exist."""
        name, parameters = acting or Acting("none", self._parameters.tail)
        ids = np.zeros(len(rows), np.int64) if relations is None else relations
        compare_rows(self._comparisons[name], self._bias, parameters, ids, rows, out)

    def scores(self, queries: Compared, candidates: Compared) -> Floats:
        """Return the scores of every query with every candidate, float32, (queries, candidates)."""
        scores = np.empty((len(queries.rows), len(candidates.rows)), np.float32)
        score_rows(self.comparison, self.adds_bias, queries, candidates, scores)
        return scores

    @staticmethod
    def allocate(count: int, dimension: int) -> Compared:
        """Return room for `count` rows."""
        return Compared(
            np.empty((count, dimension), np.float32), np.zeros(count, np.float32), np.zeros(count, np.float32)
        )

    def _compiled(self, operator: str) -> Comparison:
        comparator = COMPARATORS[self._model.config.model.comparator]
        functions = (OPERATORS[operator].forward, comparator.prepare, comparator.scores, take_bias, add_bias)
        return Comparison(*(function.address() for function in functions))
