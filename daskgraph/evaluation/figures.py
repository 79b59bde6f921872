"""Ranks, summed up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from daskgraph.evaluation.protocol import Protocol

HITS = (1, 3, 10)
"""Ranks that make a hit."""


class Ranks(NamedTuple):
    """What became of each edge's positive when one side was asked for; ties make halves."""

    rank: npt.NDArray[np.float64]
    """Its rank, from 1, (edges,)."""

    others: npt.NDArray[np.int64]
    """How many candidates it was ranked against, (edges,)."""


@dataclass(frozen=True)
class Figures:
    """Means over questions; NaN where there was none."""

    edges: int
    """Edges that were ranked."""

    mrr: float
    """Mean reciprocal rank."""

    mean_rank: float
    """Mean rank."""

    hits: Mapping[str, float]
    """Share of ranks at most "1", "3" and "10"."""

    auc: float
    """Chance that an edge scores higher than the same edge with another candidate; a tie is half a chance."""

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain data."""
        return {
            "edges": self.edges,
            "mrr": self.mrr,
            "mean_rank": self.mean_rank,
            "hits": dict(self.hits),
            "auc": self.auc,
        }


@dataclass(frozen=True)
class Evaluation(Figures):
    """How well a model ranks the edges of a split, heads and tails asked for in turn."""

    protocol: Protocol
    """What the edges were ranked against."""

    seconds: float
    """How long it took."""

    seen: Figures
    """The same without edges that hold an entity unseen in training."""

    sides: Mapping[str, Figures]
    """The same for each side asked for, "head" and "tail"."""

    per_relation: Mapping[str, Figures] | None = field(default=None)
    """The same for every relation of the split, where it was asked for."""

    def gain_over(self, other: "Evaluation") -> float:
        """Return how much higher the MRR is than that of another evaluation.

        Raises
        ------
        OtherProtocolError
            The two were not made in one way, so that their figures say nothing about each other.
        """
        self.protocol.check_same(other.protocol)
        return self.mrr - other.mrr

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, as `daskgraph eval --json` prints it."""
        protocol = self.protocol
        described: dict[str, Any] = {
            "split": protocol.split,
            "candidates": protocol.candidates,
            "sampling": None if protocol.candidates == "all" else protocol.sampling,
            "filtered": protocol.filtered,
            "constrained": protocol.constrained,
            "protocol": protocol.name,
            "comparable": protocol.comparable,
            **super().to_dict(),
            "seconds": self.seconds,
            "seen": self.seen.to_dict(),
            "sides": {side: figures.to_dict() for side, figures in self.sides.items()},
        }
        if self.per_relation is not None:
            relations = self.per_relation.items()
            described["per_relation"] = {name: figures.to_dict() for name, figures in relations}
        return described


def summed_up(edges: int, *ranks: Ranks) -> Figures:
    """Return the figures of these ranks together."""
    rank = np.concatenate([part.rank for part in ranks])
    others = np.concatenate([part.others for part in ranks])
    rivalled = others > 0
    below = 1 - (rank[rivalled] - 1) / others[rivalled]
    return Figures(
        edges=edges,
        mrr=_mean(1 / rank),
        mean_rank=_mean(rank),
        hits={str(k): _mean(rank <= k) for k in HITS},
        auc=_mean(below),
    )


def chosen(ranks: Ranks, which: npt.NDArray[Any]) -> Ranks:
    """Return the ranks of some edges: a mask, or their numbers."""
    return Ranks(ranks.rank[which], ranks.others[which])


def _mean(values: npt.NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")
