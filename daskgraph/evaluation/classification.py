"""Node classification: what a linear classifier can tell about labels from vectors (Perozzi et al., 2014)."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from daskgraph.errors import MissingPackageError, TooFewLabelledError
from daskgraph.vectors import Floats
from daskgraph_kernels.rng import derive_key

FRACTIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Shares of the labelled nodes that are trained on by default."""

SPLITS = 10
"""Random splits by default."""

_CLASSIFICATION, _ITERATIONS = 0xC1A55, 1000

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Scores:
    """F1, from 0 to 1: its mean over the splits, and how far these spread."""

    micro_f1: float
    """Of all decisions together."""

    macro_f1: float
    """Mean over the labels, rare ones as much as others."""

    micro_f1_spread: float
    """Standard deviation over the splits."""

    macro_f1_spread: float
    """Likewise."""


@dataclass(frozen=True)
class Classification:
    """How well labels of nodes can be told from their vectors."""

    nodes: int
    """Nodes that have labels."""

    labels: int
    """Distinct labels."""

    unknown: int
    """Nodes of the labels' source that are not in the graph; they do not count."""

    splits: int
    """Random splits of each fraction."""

    normalized: bool
    """Whether every vector was first scaled to the length 1."""

    seed: int
    """What the splits depend on."""

    fractions: Mapping[str, Scores]
    """By the share of nodes that were trained on, such as "0.5"."""

    seconds: float
    """How long it took."""

    @property
    def protocol(self) -> str:
        """What the figures are comparable with."""
        scaled = ", vectors of length 1" if self.normalized else ""
        return (
            f"logistic regression one-vs-rest, as many labels as a node has, {self.splits} splits"
            f" (seed {self.seed}){scaled}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, as `daskgraph classify --json` prints it."""
        return {
            "protocol": self.protocol,
            **vars(self),
            "fractions": {fraction: dict(vars(scores)) for fraction, scores in self.fractions.items()},
        }


class Labels(NamedTuple):
    """Which labels nodes have: pairs of places."""

    node: npt.NDArray[np.int64]
    """Place of the pair's node among the vectors."""

    label: npt.NDArray[np.int64]
    """Place of its label among the labels."""


def classify(
    vectors: Floats,
    labels: Labels,
    *,
    fractions: Sequence[float] = FRACTIONS,
    splits: int = SPLITS,
    normalized: bool = False,
    seed: int = 0,
    unknown: int = 0,
) -> Classification:
    """Train a classifier for every label on some nodes, and try it on the others.

    A node that has m labels is given the m of which the classifiers are surest: how many labels a node has is
    taken as known.

    Parameters
    ----------
    vectors
        Of the nodes that have labels, float32, (nodes, dimension).
    labels
        Their labels; each node has one at least.
    fractions
        Shares of the nodes to train on, between 0 and 1.
    splits
        How many random splits there are of each.
    normalized
        Whether vectors are first scaled to the length 1.
    seed
        What the splits depend on.
    unknown
        Nodes that have labels and no vector.

    Raises
    ------
    MissingPackageError
        scikit-learn is not installed.
    TooFewLabelledError
        A fraction leaves nothing to train on or to try.
    """
    try:
        import sklearn.linear_model  # noqa: F401
    except ImportError:
        raise MissingPackageError("classify", "scikit-learn", "classification") from None
    started = time.perf_counter()
    rows = np.asarray(vectors, np.float64)
    if normalized:
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)
    truth = np.zeros((len(rows), int(labels.label.max(initial=-1)) + 1), np.bool_)
    truth[labels.node, labels.label] = True
    found = {f"{fraction:g}": _scores(rows, truth, fraction, splits, seed) for fraction in fractions}
    return Classification(
        nodes=len(rows),
        labels=truth.shape[1],
        unknown=unknown,
        splits=splits,
        normalized=normalized,
        seed=seed,
        fractions=found,
        seconds=time.perf_counter() - started,
    )


def _scores(rows: npt.NDArray[np.float64], truth: Flags, fraction: float, splits: int, seed: int) -> Scores:
    from sklearn.metrics import f1_score

    trained = round(fraction * len(rows))
    if not 0 < trained < len(rows):
        raise TooFewLabelledError(fraction, len(rows))
    found = np.empty((splits, 2))
    for split in range(splits):
        # The same order for all fractions: a larger one adds nodes to a smaller.
        random = np.random.Generator(np.random.Philox(int(derive_key(seed, _CLASSIFICATION, split))))
        known, asked = np.split(random.permutation(len(rows)), [trained])
        told = surest(decisions(rows[known], truth[known], rows[asked]), truth[asked].sum(axis=1))
        found[split] = [
            f1_score(truth[asked], told, average=average, zero_division=0) for average in ("micro", "macro")
        ]
    return Scores(*found.mean(axis=0).tolist(), *found.std(axis=0).tolist())


def decisions(
    known: npt.NDArray[np.float64], truth: Flags, asked: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return how sure a classifier of each label is of each node asked about, float64, (asked, labels).

    A label that no node has, or that all have, needs no classifier.
    """
    from sklearn.linear_model import LogisticRegression

    sure = np.empty((len(asked), truth.shape[1]))
    for label in range(truth.shape[1]):
        having = truth[:, label]
        if having.all() or not having.any():
            sure[:, label] = np.inf if having.all() else -np.inf
        else:
            classifier = LogisticRegression(max_iter=_ITERATIONS).fit(known, having)
            sure[:, label] = classifier.decision_function(asked)
    return sure


def surest(sure: npt.NDArray[np.float64], counts: npt.NDArray[np.int64]) -> Flags:
    """Return the labels that each node is given, as flags: the counts[i] surest of node i."""
    places = np.argsort(-sure, axis=1, kind="stable")
    told = np.zeros(sure.shape, np.bool_)
    np.put_along_axis(told, places, np.arange(sure.shape[1]) < counts[:, None], axis=1)
    return told
