"""The rows of a type that score best with a query: all are compared, here or by a cluster's workers."""

from typing import NamedTuple

import numpy as np

from daskgraph.comparing import Acting, Comparer
from daskgraph.spreading import Spread, spans
from daskgraph.store import ModelStore
from daskgraph.vectors import Floats, Ids, Span, StoredVectors, Vectors, blocks, count_of
from daskgraph_kernels.ranking import Compared

BLOCK = 1 << 14
"""Entities that are compared at a time."""

LARGEST = 1 << 24
"""Entities that a worker compares before it tells of them."""

NONE = np.empty(0, np.int64)


class Query(NamedTuple):
    """What all entities of a type are compared with."""

    kind: str
    """The type."""

    compared: Compared
    """One row, ready."""

    k: int
    """How many are wanted."""

    skipped: Ids = NONE
    """Rows that do not count."""

    acting: Acting | None = None
    """What is done to entities first: an operator with the parameters of one relation."""

    with_bias: bool = True
    """Whether the model's bias counts."""


class Best(NamedTuple):
    """The rows that score best, in descending order of scores; equal ones in the order of their rows."""

    rows: Ids
    scores: Floats


def search(vectors: Vectors, query: Query, spread: Spread | None = None, model: str = "") -> Best:
    """Return the rows that score best.

    Parameters
    ----------
    vectors
        The model.
    query
        What is asked.
    spread
        Who compares; None: this process.
    model
        Path of the model, where others do.
    """
    count, step = count_of(vectors, query.kind), vectors.step(query.kind)
    if spread is None:
        return _search(vectors, query, (0, count))
    pieces = [(model, query, span) for span in spans(count, step, spread.workers, LARGEST)]
    best = Best(NONE, np.empty(0, np.float32))
    for found in spread(search_stored, pieces):
        best = _top(np.append(best.rows, found.rows), np.append(best.scores, found.scores), query.k)
    return best


def search_stored(model: str, query: Query, span: Span) -> Best:
    """As `search`, among the rows of a span, of a model on disk."""
    return _search(StoredVectors(ModelStore.open(model)), query, span)


def _search(vectors: Vectors, query: Query, span: Span) -> Best:
    """Compare rows with a query, block by block, and keep the best."""
    comparer = Comparer(vectors.model, vectors.parameters, query.with_bias)
    best = Best(NONE, np.empty(0, np.float32))
    for start, rows in blocks(vectors, query.kind, BLOCK, span):
        candidates = comparer.compare(rows, query.acting)
        scores = comparer.scores(query.compared, candidates)[0]
        kept = np.setdiff1d(np.arange(start, start + len(rows)), query.skipped, assume_unique=True)
        best = _top(np.append(best.rows, kept), np.append(best.scores, scores[kept - start]), query.k)
    return best


def _top(rows: Ids, scores: Floats, k: int) -> Best:
    """The k best of these, equal ones in the order of their rows; no number is worst."""
    order_by = -np.nan_to_num(scores, nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    if len(rows) > k:
        # All that are as good as the last of the best, so that the lowest rows among them can be taken.
        threshold = np.partition(order_by, k - 1)[k - 1]
        kept = order_by <= threshold
        rows, scores, order_by = rows[kept], scores[kept], order_by[kept]
    order = np.lexsort((rows, order_by))[:k]
    return Best(rows[order], scores[order])
