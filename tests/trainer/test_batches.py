"""Batches: every edge once, relations apart or together, reproducible."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daskgraph.graph import Edges
from daskgraph.trainer import batches
from daskgraph.trainer.batches import cut, runs

GROUPS = np.array([0, 1, 0, 2], np.int64)


def some_edges(count: int, weighted: bool = True) -> Edges:
    random = np.random.default_rng(count)
    ids = np.arange(count, dtype=np.int64)
    weight = ids.astype(np.float32) if weighted else None
    return Edges(ids, random.integers(0, len(GROUPS), count), ids + 1, weight)


@given(st.integers(1, 300), st.integers(1, 40), st.booleans())
def test_cut__every_edge_once(count: int, size: int, mixed: bool) -> None:
    edges = some_edges(count)
    parts = cut(edges, GROUPS, size, mixed, 1)
    head = np.concatenate([part.batches.head for part in parts])
    assert sorted(head) == list(range(count))
    for part in parts:
        own = part.batches
        np.testing.assert_array_equal(own.tail, own.head + 1)
        np.testing.assert_array_equal(own.weight, own.head.astype(np.float32))
        np.testing.assert_array_equal(own.relation, edges.relation[own.head])
        assert (GROUPS[own.relation] == part.group).all()
        assert own.starts[0] == 0
        assert own.starts[-1] == len(own.head)
        lengths = np.diff(own.starts)
        assert lengths.min() >= 1
        assert lengths.max() <= size


@given(st.integers(1, 300), st.integers(1, 40))
def test_cut__one_relation_a_batch(count: int, size: int) -> None:
    for part in cut(some_edges(count), GROUPS, size, False, 1):
        own = part.batches
        for first, last in zip(own.starts[:-1], own.starts[1:], strict=True):
            assert len(np.unique(own.relation[first:last])) == 1


def test_cut__mixed_batches_are_full() -> None:
    for part in cut(some_edges(1000), GROUPS, 32, True, 1):
        lengths = np.diff(part.batches.starts)
        assert (lengths < 32).sum() <= 1


def test_cut__relations_come_interleaved() -> None:
    (part, *_) = cut(some_edges(4000), np.zeros(4, np.int64), 10, False, 1)
    first_of_batch = part.batches.relation[part.batches.starts[:-1]]
    quarter = first_of_batch[: len(first_of_batch) // 4]
    assert set(quarter) == {0, 1, 2, 3}
    assert 0.15 < (quarter == 0).mean() < 0.35


def test_cut__every_place_is_as_likely_where_edges_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Edges of one relation are dealt out to stacks before they are shuffled."""
    monkeypatch.setattr(batches, "_STACK", 8)
    places, edges = np.zeros((40, 4)), some_edges(40)._replace(relation=np.zeros(40, np.int64))
    for key in range(2000):
        (part,) = cut(edges, GROUPS[:1], 40, False, key)
        places[part.batches.head, np.arange(40) // 10] += 1
    # 117 degrees of freedom: one in a thousand is above 169.
    assert ((places - 500) ** 2 / 500).sum() < 169


def test_cut__one_large_relation_among_many_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_STACK", 8)
    edges = some_edges(500)._replace(relation=np.maximum(np.arange(500) - 400, 0))
    (part,) = cut(edges, np.zeros(100, np.int64), 7, False, 3)
    own = part.batches
    assert sorted(own.head) == list(range(500))
    np.testing.assert_array_equal(own.relation, edges.relation[own.head])
    assert len(own.starts) - 1 == -(-401 // 7) + 99


@pytest.mark.parametrize("mixed", [True, False])
def test_cut__same_seed_same_batches(mixed: bool) -> None:
    first, second = (cut(some_edges(500), GROUPS, 7, mixed, 9) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        for a, b in zip(one.batches, other.batches, strict=True):
            np.testing.assert_array_equal(a, b)


def test_cut__unweighted_edges_carry_no_weights() -> None:
    (part, *_) = cut(some_edges(20, weighted=False), GROUPS, 7, True, 0)
    assert part.batches.weight.shape == (0,)


@given(st.integers(1, 2000), st.integers(1, 16), st.integers(1, 8))
def test_runs__every_batch_once(count: int, size: int, threads: int) -> None:
    parts = cut(some_edges(count), GROUPS, size, False, 1)
    found = runs(parts, threads, np.random.default_rng(2))
    for part in parts:
        spans = sorted((run.first, run.last) for run in found if run.batches is part)
        assert spans[0][0] == 0
        assert spans[-1][1] == len(part.batches.starts) - 1
        assert all(a[1] == b[0] for a, b in pairwise(spans))
