"""Leases: every bucket once an epoch, never more partitions than the buffer, half of them kept."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daskgraph.schedule import leases


def plan(partitions: int, buffer: int, seed: int = 0, finished: np.ndarray | None = None):  # type: ignore[no-untyped-def]
    done = np.zeros((partitions, partitions), np.bool_) if finished is None else finished
    return leases(partitions, buffer, done, np.random.default_rng(seed))


@given(st.integers(1, 12), st.integers(2, 14), st.integers(0, 5))
def test_leases__every_bucket_once(partitions: int, buffer: int, seed: int) -> None:
    found = [bucket for lease in plan(partitions, buffer, seed) for bucket in lease.buckets]
    assert sorted(found) == [(i, j) for i in range(partitions) for j in range(partitions)]


@given(st.integers(1, 12), st.integers(2, 14), st.integers(0, 5))
def test_leases__fit_the_buffer(partitions: int, buffer: int, seed: int) -> None:
    for lease in plan(partitions, buffer, seed):
        assert len(lease.partitions) <= min(buffer, partitions)
        assert {part for bucket in lease.buckets for part in bucket} <= set(lease.partitions)


@given(st.integers(3, 12), st.integers(0, 5))
def test_leases__neighbours_share_a_partition(partitions: int, seed: int) -> None:
    found = plan(partitions, 2, seed)
    shared = [set(a.partitions) & set(b.partitions) for a, b in pairwise(found)]
    assert sum(map(bool, shared)) >= len(shared) - partitions // 2


@given(st.integers(1, 8), st.data())
def test_leases__finished_buckets_stay_out(partitions: int, data: st.DataObject) -> None:
    bits = data.draw(st.lists(st.booleans(), min_size=partitions**2, max_size=partitions**2))
    finished = np.array(bits, np.bool_).reshape(partitions, partitions)
    found = [bucket for lease in plan(partitions, 2, 3, finished) for bucket in lease.buckets]
    assert sorted(found) == sorted(zip(*np.nonzero(~finished), strict=True))
    assert all(lease.buckets for lease in plan(partitions, 2, 3, finished))


def test_leases__same_seed_same_plan() -> None:
    assert plan(6, 3, 5) == plan(6, 3, 5)
    assert plan(6, 3, 5) != plan(6, 3, 6)
