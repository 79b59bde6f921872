"""Where a positive stands among candidates (docs/mathematics.md, section 7).

Scores come in blocks, questions × candidates, from the comparator's matrix product. A product may round an
element by its place in the block, so that equal rows may score unequally in the last bits: a candidate within
rounding of the positive whose row is the positive's own, bit by bit, is counted as a tie.
"""

from typing import NamedTuple

import numpy as np

from .calls import call_add_bias, call_operator_forward, call_prepare, call_scores, call_take_bias
from .jit import Variant, inner_kernel, kernel
from .products import as_matrix
from .searching import first_at_least
from .workspace import Floats, Integers

_ROUNDING = np.float32(2.0**-22)


class Comparison(NamedTuple):
    """The variants that make a score."""

    operator: Variant
    prepare: Variant
    scores: Variant
    take_bias: Variant
    add_bias: Variant


class Compared(NamedTuple):
    """Rows ready for comparison (n, d), with what is kept of the preparation."""

    rows: Floats
    norms: Floats  # (n,)
    bias: Floats  # (n,)


class Questions(NamedTuple):
    """Edges whose one side is asked for, what is known of them, and what is counted."""

    query: Integers  # (q,): which query asks it; several may share one
    own: Integers  # (q,): where the positive stands among all candidates, -1: nowhere
    first: Integers  # (q,): where its entries in `ignored` begin
    last: Integers  # (q,): and end
    positive_row: Integers  # (q,): the positives' places in a table of entities
    positive: Floats  # (q,): their scores
    band: Floats  # (q,): how far rounding may move a score from the positive's
    above: Integers  # (q,): candidates that score higher
    equal: Integers  # (q,): other candidates that score the same


class Candidates(NamedTuple):
    """A block of candidates: the entries `start` and on of their whole list."""

    start: int
    raw: Floats  # (n, d): as they are stored
    compared: Compared


@kernel
def compare_rows(functions, with_bias, parameters, relations, rows, out):
    """Make rows (n, d) ready for comparison in `out`: operator, bias, preparation. Equations 1 to 15."""
    call_operator_forward(functions.operator, (parameters, relations, rows, out.rows))
    if with_bias:
        call_take_bias(functions.take_bias, (out.rows, out.bias))
    call_prepare(functions.prepare, (out.rows, out.norms))


@kernel
def score_rows(functions, with_bias, queries, candidates, scores):
    """Scores (q, n) of every query with every candidate. Equations 10 to 15."""
    call_scores(functions.scores, (queries.rows, candidates.rows, queries.norms, candidates.norms, scores, 0))
    if with_bias:
        call_add_bias(functions.add_bias, (queries.bias, candidates.bias, 0, np.float32(1), scores))


@kernel
def score_positives(functions, with_bias, curved, queries, positives, work, out, band):
    """Out (q,) = score of each query with its own positive, taken from their block; how far rounding goes.

    `work` (q * q,). `curved`: a score is the root of what the product gives, and rounding counts by its
    slope.
    """
    count, d = queries.rows.shape
    scores = as_matrix(work, count, count)
    score_rows(functions, with_bias, queries, positives, scores)
    share = _ROUNDING * (np.float32(4) + np.sqrt(np.float32(d)))
    for i in range(count):
        out[i] = scores[i, i]
        size = _length(queries.rows[i]) + _length(positives.rows[i])
        reach = share * size * size
        if curved:
            reach = min(np.sqrt(reach), reach / max(abs(out[i]), np.float32(1e-30)))
        band[i] = reach + share * (abs(out[i]) + abs(queries.bias[i]) + abs(positives.bias[i]))


@inner_kernel
def _length(row):
    """|row| of (d,)."""
    square = np.float32(0)
    for j in range(len(row)):
        square += row[j] * row[j]
    return np.sqrt(square)


@inner_kernel
def _same(left, right):
    """Whether two rows (d,) are equal."""
    j = 0
    while j < len(left) and left[j] == right[j]:
        j += 1
    return j == len(left)


@inner_kernel
def _place(row, questions, entities, candidates, i, j):
    """Where candidate j, of the scores `row`, stands to the positive of question i: 1 above, 0 equal, -1
    below. NaN is worst for the positive.
    """
    score, positive = row[j], questions.positive[i]
    near = abs(score - positive) <= questions.band[i]
    if score == positive or (near and _same(candidates.raw[j], entities[questions.positive_row[i]])):
        return 0
    return -1 if score < positive else 1


@inner_kernel
def _uncount(row, questions, entities, candidates, i, j):
    """Take candidate j back out of the counts of question i."""
    place = _place(row, questions, entities, candidates, i, j)
    if place > 0:
        questions.above[i] -= 1
    elif place == 0:
        questions.equal[i] -= 1


@inner_kernel
def _count_row(row, questions, entities, candidates, i):
    """Count the candidates above and equal to the positive of question i."""
    positive, band = questions.positive[i], questions.band[i]
    # float32 counts fill vector registers as the scores do; a block is far smaller than 2**24.
    at_most, equal, near = np.float32(0), np.float32(0), np.float32(0)
    for j in range(len(row)):
        score = row[j]
        at_most += np.float32(1) if score <= positive else np.float32(0)
        equal += np.float32(1) if score == positive else np.float32(0)
        near += np.float32(1) if abs(score - positive) <= band else np.float32(0)
    above, ties = len(row) - np.int64(at_most), np.int64(equal)
    if near > equal:
        for j in range(len(row)):
            if row[j] != positive and _place(row, questions, entities, candidates, i, j) == 0:
                ties += 1
                above -= 0 if row[j] <= positive else 1
    questions.above[i] += above
    questions.equal[i] += ties


@kernel
def count_better(scores, first_query, questions, entities, candidates, ignored):
    """Add to `above` and `equal` (q,) what a block's scores (m, n), of `first_query` and the next ones, say.
    Equation 60.

    `entities` (e, d) holds the positives as they are stored. The positive itself and what is listed in
    `ignored` (ascending for each question) do not count.
    """
    start, n = candidates.start, scores.shape[1]
    for i in range(len(questions.query)):
        row = scores[questions.query[i] - first_query]
        _count_row(row, questions, entities, candidates, i)
        own = questions.own[i]
        if start <= own < start + n:
            _uncount(row, questions, entities, candidates, i, own - start)
        last = questions.last[i]
        place = first_at_least(ignored, questions.first[i], last, start)
        while place < last and ignored[place] < start + n:
            if ignored[place] != own:
                _uncount(row, questions, entities, candidates, i, ignored[place] - start)
            place += 1
