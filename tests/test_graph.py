from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daskgraph.graph import Edges, EntityType, GraphSchema, RelationType, edge_chunk, partition_bounds


@given(count=st.integers(0, 1 << 40), parts=st.integers(1, 1000))
def test_partition_bounds(count: int, parts: int) -> None:
    bounds = partition_bounds(count, parts)
    sizes = np.diff(bounds)
    assert bounds[0] == 0
    assert bounds[-1] == count
    assert sizes.max() <= 1.01 * count / parts + 1
    full = sizes[: np.count_nonzero(bounds[:-1] < count) - 1]
    assert (full == sizes[0]).all()


def test_partition_bounds__cut_into_chunks() -> None:
    assert partition_bounds(20_000_000, 64)[1] % 32 == 0


def test_schema__round_trip() -> None:
    user, item = EntityType("user", 3), EntityType("item", 2, partitioned=False, featurized=True)
    relations = (RelationType("buys", "user", "item"), RelationType("likes", "user", "user"))
    schema = GraphSchema((user, item), relations, 4, weighted=True)
    assert GraphSchema.from_dict(schema.to_dict(), ("buys", "likes")) == schema
    assert schema.entity_type("item") is item
    assert schema.relation_index("likes") == 1
    assert (schema.parts("user"), schema.parts("item")) == (4, 1)
    with pytest.raises(KeyError):
        schema.entity_type("nobody")


def test_edges__replace() -> None:
    ids = np.arange(3)
    assert Edges(ids, ids, ids)._replace(tail=ids + 1).tail[0] == 1


@pytest.mark.parametrize(
    ("count", "partitions", "expected"),
    [
        (0, 1, 1 << 13),
        (272_115, 1, 1 << 18),
        (25_000_000, 1, 1 << 18),
        (25_000_000, 64, 1 << 13),
        (50_000_000, 64, 1 << 14),
        (10**12, 1024, 1 << 20),
        (10**9, 1024, 1 << 18),
    ],
)
def test_edge_chunk__is_what_a_bucket_has(count: int, partitions: int, expected: int) -> None:
    assert edge_chunk(count, partitions**2) == expected
