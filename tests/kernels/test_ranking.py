from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daskgraph_kernels.ranking import Candidates, Compared, Questions, count_better


def compared(rows: np.ndarray) -> Compared:
    none = np.zeros(len(rows), np.float32)
    return Compared(rows, none, none)


def questions(own: Any, lists: list[list[int]], scores: Any, band: float) -> tuple[Questions, Any]:
    """Questions of a query each, whose positives are the first entities."""
    count = len(lists)
    ends = np.cumsum([0, *map(len, lists)])
    asked = Questions(
        query=np.arange(count),
        own=np.array(own, np.int64),
        first=ends[:-1].copy(),
        last=ends[1:].copy(),
        positive_row=np.arange(count),
        positive=np.array(scores, np.float32),
        band=np.full(count, band, np.float32),
        above=np.zeros(count, np.int64),
        equal=np.zeros(count, np.int64),
    )
    return asked, np.array([entity for known in lists for entity in known], np.int64)


def naive_counts(
    scores: np.ndarray, own: int, ignored: list[int], start: int, positive: float
) -> tuple[int, int]:
    """Candidates above and equal to a positive, one by one."""
    above = equal = 0
    for place, score in enumerate(scores.tolist()):
        if place + start == own or place + start in ignored:
            continue
        equal += score == positive
        above += not score <= positive
    return above, equal


@given(st.data(), st.integers(1, 30), st.integers(1, 5), st.integers(0, 10))
def test_count_better(data: st.DataObject, candidates: int, count: int, start: int) -> None:
    levels = st.sampled_from([-1.0, 0.0, 0.5, 2.0, float("inf"), float("-inf"), float("nan")])
    scores = np.array(
        data.draw(st.lists(levels, min_size=count * candidates, max_size=count * candidates)), np.float32
    ).reshape(count, candidates)
    entities = st.integers(0, start + candidates + 3)
    own = data.draw(st.lists(st.integers(-1, start + candidates + 3), min_size=count, max_size=count))
    lists = [sorted(data.draw(st.sets(entities, max_size=8))) for _ in range(count)]
    positive = data.draw(st.lists(levels, min_size=count, max_size=count))
    asked, ignored = questions(own, lists, positive, 0.0)
    block = Candidates(
        start, np.ones((candidates, 1), np.float32), compared(np.zeros((candidates, 1), np.float32))
    )
    # Where nothing is compiled, NumPy warns of infinity less itself.
    with np.errstate(invalid="ignore"):
        count_better(scores, 0, asked, np.zeros((count, 1), np.float32), block, ignored)
    expected = [naive_counts(scores[i], own[i], lists[i], start, asked.positive[i]) for i in range(count)]
    assert list(zip(asked.above.tolist(), asked.equal.tolist(), strict=True)) == expected


def test_count_better__rounding_parts_no_equal_rows() -> None:
    """Within the band a candidate is a tie if its row is the positive's, else its score decides."""
    raw = np.array([[1, 2], [1, 2], [1, 2], [3, 4], [3, 4], [1, 2], [1, 2]], np.float32)
    near = np.float32(1e-6)
    scores = np.array([[near, -near, 0.5, near, -near, near, 0]], np.float32)
    block = Candidates(0, raw, compared(raw))
    asked, ignored = questions([6], [[5, 6]], [0.0], 1e-5)
    entities = np.array([[3, 4], [1, 2]], np.float32)
    count_better(scores, 0, asked._replace(positive_row=np.array([1])), entities, block, ignored)
    # 0 and 1 tie, 2 is beyond rounding, 3 is above, 4 below, 5 is known, 6 is the positive itself.
    assert asked.equal.tolist() == [2]
    assert asked.above.tolist() == [2]


def test_count_better__adds_to_earlier_blocks() -> None:
    asked, ignored = questions([0], [[]], [0.0], 0.0)
    entity = np.ones((1, 1), np.float32)
    block = Candidates(4, np.ones((3, 1), np.float32), compared(np.ones((3, 1), np.float32)))
    for _ in range(2):
        count_better(np.array([[1, 0, -1]], np.float32), 0, asked, entity, block, ignored)
    assert asked.above.tolist() == [2]
    assert asked.equal.tolist() == [2]


def test_count_better__of_questions_that_share_a_query() -> None:
    """Two questions of query 7 and one of 8, known entities and positives of their own."""
    asked, ignored = questions([0, 2, 1], [[0, 1], [2], [1]], [0.0, 1.0, -1.0], 0.0)
    block = Candidates(0, np.ones((4, 1), np.float32), compared(np.ones((4, 1), np.float32)))
    scores = np.array([[0, 5, 1, 2], [3, -1, -1, -2]], np.float32)
    asked = asked._replace(query=np.array([7, 7, 8]))
    count_better(scores, 7, asked, np.ones((3, 1), np.float32), block, ignored)
    assert asked.above.tolist() == [2, 2, 1]
    assert asked.equal.tolist() == [0, 0, 1]
