"""The third pass of an import: edges of rows, sorted by bucket and shuffled inside it."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daskgraph.graph import GraphSchema, partition_bounds
from daskgraph.ingest.collecting import CodedEdges
from daskgraph.ingest.numbering import Numbering, Rows, random_order, sides_of


@dataclass(frozen=True)
class BucketedEdges:
    """The edges of a split as a store keeps them."""

    columns: dict[str, npt.NDArray[Any]]
    """Head, relation, tail and perhaps weight, each of shape (edges,)."""
    offsets: npt.NDArray[np.int64]
    """Where each bucket begins, int64, shape (P * P + 1,)."""


def bucket_edges(
    edges: CodedEdges, numbering: Numbering, seed: int, stream: int, pool: Executor
) -> BucketedEdges:
    """Replace codes by rows, and bring the edges into the order of the store.

    The edges are first shuffled, then stably sorted by bucket. An edge of an entity whose type has no
    partitions could be in any bucket of a row or column: such edges are dealt out in turn.

    Parameters
    ----------
    edges
        The edges of one split.
    numbering
        The entities' rows.
    seed, stream
        What the order is drawn from.
    pool
        Threads for the columns.
    """
    schema = numbering.schema
    order = random_order(len(edges), seed, 2, stream).astype(np.intp)
    columns: dict[str, npt.NDArray[Any]] = {
        "head": edges.head,
        "relation": edges.relation,
        "tail": edges.tail,
    }
    if schema.weighted:
        columns["weight"] = np.ones(len(edges), np.float32) if edges.weight is None else edges.weight
    shuffled = dict(zip(columns, pool.map(lambda column: column.take(order), columns.values()), strict=True))
    coded = CodedEdges(shuffled["head"], shuffled["relation"], shuffled["tail"], None)
    sides = ("head", "tail")
    shuffled.update(zip(sides, pool.map(lambda side: _rows(coded, numbering, side), sides), strict=True))
    bucket = _buckets(shuffled, schema)
    if bucket is None:
        return BucketedEdges(shuffled, np.array([0, len(edges)], np.int64))
    sizes = np.bincount(bucket, minlength=schema.partitions**2)
    # NumPy sorts whole numbers of 16 bits by counting.
    by_bucket = np.argsort(bucket, kind="stable")
    ordered = pool.map(lambda column: column.take(by_bucket), shuffled.values())
    return BucketedEdges(dict(zip(shuffled, ordered, strict=True)), np.concatenate([[0], np.cumsum(sizes)]))


def count_uses(columns: dict[str, npt.NDArray[Any]], schema: GraphSchema, name: str) -> npt.NDArray[np.int64]:
    """Return how often each entity of a type is a head or tail, int64, shape (count,)."""
    edges = CodedEdges(columns["head"], columns["relation"], columns["tail"], None)
    count = schema.entity_type(name).count
    uses = np.zeros(count, np.int64)
    for rows, selected in sides_of(edges, schema.relations, name):
        uses += np.bincount(rows if selected.all() else rows[selected], minlength=count)
    return uses


def _rows(edges: CodedEdges, numbering: Numbering, side: str) -> Rows:
    codes = edges.head if side == "head" else edges.tail
    types = {getattr(relation, side) for relation in numbering.schema.relations}
    if len(types) == 1:
        return numbering.rows[types.pop()].take(codes)
    rows = np.empty(len(codes), np.int64)
    for name in sorted(types):
        selected = sides_of(edges, numbering.schema.relations, name)[side == "tail"][1]
        rows[selected] = numbering.rows[name][codes[selected]]
    return rows


def _buckets(columns: dict[str, npt.NDArray[Any]], schema: GraphSchema) -> npt.NDArray[Any] | None:
    if schema.partitions == 1:
        return None
    turn = np.arange(len(columns["head"]), dtype=np.int64)
    head = _parts(columns["head"], columns["relation"], schema, "head", turn % schema.partitions)
    tail = _parts(
        columns["tail"], columns["relation"], schema, "tail", turn // schema.partitions % schema.partitions
    )
    bucket = head * schema.partitions + tail
    return bucket.astype(np.uint16 if schema.partitions <= 256 else np.int64)


def _parts(rows: Rows, relation: Rows, schema: GraphSchema, side: str, free: Rows) -> Rows:
    # The size of an unpartitioned type's only partition stands for "any": it is told apart by 0.
    sizes = np.zeros(len(schema.relations), np.int64)
    for index, kind in enumerate(schema.relations):
        entity_type = schema.entity_type(getattr(kind, side))
        if entity_type.partitioned:
            sizes[index] = partition_bounds(entity_type.count, schema.partitions)[1]
    size = sizes[relation]
    return np.where(size > 0, rows // np.maximum(size, 1), free)
