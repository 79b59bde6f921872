"""Node classification: what a linear classifier can tell about labels from vectors (Perozzi et al., 2014)."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from daskgraph.errors import MissingPackageError, TooFewLabelledError
from daskgraph.events import Callback, ClassificationProgress, ClassificationStarted, ignore
from daskgraph.spreading import Spread
from daskgraph.store import ModelStore
from daskgraph.threads import single_threaded_products
from daskgraph.vectors import Floats, Ids, StoredVectors, gathered
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


class StoredNodes(NamedTuple):
    """Nodes of a model on disk."""

    model: str
    """Path of the model."""

    kind: str
    """Their type."""

    rows: Ids
    """Their rows, int64, (nodes,)."""

    def vectors(self) -> Floats:
        """Return their vectors, float32, (nodes, dimension)."""
        return gathered(StoredVectors(ModelStore.open(self.model)), self.kind, self.rows)


class Trial(NamedTuple):
    """One random split of the labelled nodes."""

    fraction: float
    """Share of them that is trained on."""

    split: int
    """Which of the splits of that share."""

    seed: int
    """What all splits depend on."""


class Examples(NamedTuple):
    """What classifiers learn from, and what they should tell."""

    rows: npt.NDArray[np.float64]
    """Vectors of nodes, (nodes, dimension)."""

    truth: Flags
    """Which labels each has, (nodes, labels)."""


def classify(
    nodes: StoredNodes | Floats,
    labels: Labels,
    *,
    fractions: Sequence[float] = FRACTIONS,
    splits: int = SPLITS,
    normalized: bool = False,
    seed: int = 0,
    unknown: int = 0,
    callback: Callback = ignore,
    spread: Spread | None = None,
) -> Classification:
    """Train a classifier for every label on some nodes, and try it on the others.

    A node that has m labels is given the m of which the classifiers are surest: how many labels a node has is
    taken as known.

    Parameters
    ----------
    nodes
        Those that have labels: of a model on disk, or their vectors, float32, (nodes, dimension).
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
    callback
        Told how far it is.
    spread
        Who tries the splits, where the model is on disk; None: this process.

    Raises
    ------
    MissingPackageError
        scikit-learn is not installed.
    TooFewLabelledError
        A fraction leaves nothing to train on or to try.
    ValueError
        There are no splits or fractions, or these are no numbers.
    """
    _check_package()
    started = time.perf_counter()
    count = len(nodes.rows if isinstance(nodes, StoredNodes) else nodes)
    if splits < 1:
        raise ValueError(f"splits should be 1 or more, not {splits!r}")
    if not fractions or not all(isinstance(fraction, Real) for fraction in fractions):
        raise ValueError(f"fractions should be numbers between 0 and 1, not {fractions!r}")
    for fraction in fractions:
        if not 0 < _trained(fraction, count) < count:
            raise TooFewLabelledError(fraction, count)
    trials = [Trial(fraction, split, seed) for fraction in fractions for split in range(splits)]
    callback(ClassificationStarted(len(trials)))
    if spread is not None and isinstance(nodes, StoredNodes):
        tried = spread(try_stored, [(nodes, labels, normalized, trial) for trial in trials])
    else:
        vectors = nodes.vectors() if isinstance(nodes, StoredNodes) else nodes
        examples = examples_of(vectors, labels, normalized)
        tried = (try_split(examples, trial) for trial in trials)
    found = np.array(list(_told(tried, callback))).reshape(len(fractions), splits, 2)
    return Classification(
        nodes=count,
        labels=int(labels.label.max(initial=-1)) + 1,
        unknown=unknown,
        splits=splits,
        normalized=normalized,
        seed=seed,
        fractions={
            f"{fraction:g}": Scores(*own.mean(axis=0).tolist(), *own.std(axis=0).tolist())
            for fraction, own in zip(fractions, found, strict=True)
        },
        seconds=time.perf_counter() - started,
    )


def _told(tried: Iterator[tuple[float, float]], callback: Callback) -> Iterator[tuple[float, float]]:
    for found in tried:
        callback(ClassificationProgress(1))
        yield found


def _trained(fraction: float, nodes: int) -> int:
    return round(fraction * nodes)


def _check_package() -> None:
    try:
        import sklearn.linear_model  # noqa: F401
    except ImportError:
        raise MissingPackageError("classify", "scikit-learn", "classification") from None


def examples_of(vectors: Floats, labels: Labels, normalized: bool) -> Examples:
    """Return vectors, of length 1 if wanted, and which labels they have."""
    rows = np.asarray(vectors, np.float64)
    if normalized:
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)
    truth = np.zeros((len(rows), int(labels.label.max(initial=-1)) + 1), np.bool_)
    truth[labels.node, labels.label] = True
    return Examples(rows, truth)


def try_stored(nodes: StoredNodes, labels: Labels, normalized: bool, trial: Trial) -> tuple[float, float]:
    """As `try_split`, of nodes whose vectors are read first."""
    _check_package()
    with single_threaded_products():
        return try_split(examples_of(nodes.vectors(), labels, normalized), trial)


def try_split(examples: Examples, trial: Trial) -> tuple[float, float]:
    """Train on some nodes, try on the others, and return micro and macro F1."""
    from sklearn.metrics import f1_score

    rows, truth = examples
    # The same order for all fractions: a larger one adds nodes to a smaller.
    random = np.random.Generator(np.random.Philox(int(derive_key(trial.seed, _CLASSIFICATION, trial.split))))
    known, asked = np.split(random.permutation(len(rows)), [_trained(trial.fraction, len(rows))])
    told = surest(decisions(rows[known], truth[known], rows[asked]), truth[asked].sum(axis=1))
    micro, macro = (
        float(f1_score(truth[asked], told, average=average, zero_division=0))
        for average in ("micro", "macro")
    )
    return micro, macro


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
