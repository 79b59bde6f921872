"""The edges of a lease, slice by slice: read, placed and cut into batches ahead of the training."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from daskgraph.buffer import Buffer
from daskgraph.graph import Edges
from daskgraph.model import Model
from daskgraph.schedule import Bucket, Lease, Stretch
from daskgraph.sizes import keeps_edges, slice_edges
from daskgraph.store import GraphStore
from daskgraph.trainer.batches import GroupBatches, cut
from daskgraph_kernels.rng import derive_key

Ids = npt.NDArray[np.int64]

_READERS = 4

_FIRST = 8
"""The first slice of a lease is so many times smaller, the next twice that: kernels may be waiting for it."""

_BLOCKS, _ORDER, _TURN = 0xB10C5, 0x0D3, 0x7042


class Slice(NamedTuple):
    """Edges that are trained together."""

    parts: list[GroupBatches]
    """Their batches, by group."""

    place: tuple[int, ...]
    """What tells this slice from all others."""

    stretches: tuple[Stretch, ...]
    """How much of each of its buckets is trained after it."""


class Feed:
    """Reads the edges of graphs for one worker.

    Parameters
    ----------
    graph
        The graph.
    model
        How its edges are cut into batches.
    buffer
        Where the rows of heads and tails are in memory.
    """

    def __init__(self, graph: GraphStore, model: Model, buffer: Buffer) -> None:
        self._graph, self._model, self._buffer = graph, model, buffer
        self._offsets = graph.bucket_offsets("train")
        self._size = slice_edges(model)
        self._pool = ThreadPoolExecutor(_READERS, "daskgraph-edges")
        edges = graph.splits["train"]
        self._all = graph.read_edges("train", 0, edges) if keeps_edges(edges, model.schema) else None

    def close(self) -> None:
        """End the threads that read."""
        self._pool.shutdown(cancel_futures=True)

    def slices(self, lease: Lease, block: int) -> Iterator[Slice]:
        """Give the slices of a lease that are left to train.

        Parameters
        ----------
        lease
            Its partitions are held, or read ahead.
        block
            Edges of a block. A bucket's blocks come in an order of its own every epoch, so that edges meet in
            other slices each time.
        """
        pieces: list[tuple[Bucket, int, int]] = []
        stretches: dict[Bucket, Stretch] = {}
        edges, wished = 0, self._size // _FIRST
        for stretch in lease.stretches:
            blocks = self._blocks(lease, stretch.bucket, block)
            if not blocks:
                stretches[stretch.bucket] = stretch._replace(finished=True)
            for number in range(stretch.blocks, len(blocks)):
                start, stop = blocks[number]
                pieces.append((stretch.bucket, start, stop))
                edges += stop - start
                stretches[stretch.bucket] = Stretch(stretch.bucket, number + 1, number + 1 == len(blocks))
                if edges >= wished:
                    yield self._slice(lease, pieces, stretches)
                    pieces, stretches, edges = [], {}, 0
                    wished = min(2 * wished, self._size)
        if stretches:
            yield self._slice(lease, pieces, stretches)

    def _blocks(self, lease: Lease, bucket: Bucket, size: int) -> list[tuple[int, int]]:
        """Return the blocks of a bucket that a lease trains, each by its first edge and its end.

        A sweep trains a stretch of the bucket's edges, which are a ring that begins elsewhere every epoch.
        """
        number = self._number(bucket)
        first, last = int(self._offsets[number]), int(self._offsets[number + 1])
        edges, key = last - first, self._key(_BLOCKS, lease.epoch, number, lease.sweep)
        if lease.sweeps == 1:
            return _shuffled_blocks([(first, last)], size, key)
        turn = int(self._key(_TURN, lease.epoch, number) % np.uint64(max(1, edges)))
        start, stop = (turn + edges * sweep // lease.sweeps for sweep in (lease.sweep, lease.sweep + 1))
        before_end = first + start, min(first + stop, last)
        after_begin = max(first, first + start - edges), first + stop - edges
        return _shuffled_blocks([before_end, after_begin], size, key)

    def _slice(
        self, lease: Lease, pieces: list[tuple[Bucket, int, int]], stretches: dict[Bucket, Stretch]
    ) -> Slice:
        if not pieces:
            return Slice([], (), tuple(stretches.values()))
        (bucket, start, _), *_ = pieces
        place = (lease.epoch, self._number(bucket), start)
        # Reading a piece is mostly waiting, for the disk and for a core.
        read = list((self._pool.map if self._all is None else map)(self._read, pieces))
        config = self._model.config
        parts = cut(
            _joined(read),
            self._model.group_index,
            config.training.batch_size,
            config.model.reciprocal,
            int(self._key(_ORDER, *place)),
        )
        return Slice(parts, place, tuple(stretches.values()))

    def _read(self, piece: tuple[Bucket, int, int]) -> Edges:
        bucket, start, stop = piece
        if self._all is None:
            return self._placed(self._graph.read_edges("train", start, stop), bucket)
        return self._placed(self._all.part(start, stop), bucket)

    def _placed(self, edges: Edges, bucket: Bucket) -> Edges:
        """Turn rows of types into places in memory."""
        relations, tables = self._model.schema.relations, self._buffer.tables
        shifts = [
            {name: self._shift(name, partition if table.partitioned else 0) for name, table in tables.items()}
            for partition in bucket
        ]
        head = np.array([shifts[0][relation.head] for relation in relations], np.int64)
        tail = np.array([shifts[1][relation.tail] for relation in relations], np.int64)
        if not (head.any() or tail.any()):
            return edges
        if len(relations) == 1:
            return edges._replace(head=edges.head + head[0], tail=edges.tail + tail[0])
        return edges._replace(head=edges.head + head[edges.relation], tail=edges.tail + tail[edges.relation])

    def _shift(self, name: str, partition: int) -> int:
        """Return what turns a row of a partition into its place in memory."""
        return self._buffer.place(name, partition) - int(self._buffer.tables[name].bounds[partition])

    def _number(self, bucket: Bucket) -> int:
        return bucket[0] * self._model.schema.partitions + bucket[1]

    def _key(self, *what: int) -> np.uint64:
        return derive_key(self._model.config.training.seed, *what)


def _shuffled_blocks(spans: list[tuple[int, int]], size: int, key: np.uint64) -> list[tuple[int, int]]:
    """Cut spans of edges at multiples of a size, and return the pieces in random order."""
    blocks = [
        piece
        for first, last in spans
        if first < last
        for piece in pairwise([first, *range(first - first % size + size, last, size), last])
    ]
    if len(blocks) < 2:
        # So it is in most buckets of many partitions, and drawing takes longer than reading.
        return blocks
    random = np.random.Generator(np.random.Philox(int(key)))
    return [blocks[index] for index in random.permutation(len(blocks)).tolist()]


def _joined(pieces: list[Edges]) -> Edges:
    if len(pieces) == 1:
        return pieces[0]
    head, relation, tail = (np.concatenate([piece[column] for piece in pieces]) for column in range(3))
    weights = [piece.weight for piece in pieces if piece.weight is not None]
    return Edges(head, relation, tail, np.concatenate(weights) if weights else None)
