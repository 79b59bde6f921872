"""Random walks over an untyped graph; the pairs of nodes that meet in them become a graph to train.

They are written once, as the train edges of a store of their own beside the model: partitions, buckets,
leases and resumption then serve pairs as they serve edges, in memory or beyond it, here or on a cluster.

edges ─▶ lists of neighbours ─▶ walks ─▶ pairs ─▶ a file for each bucket ─▶ chunks of the store
"""

import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from daskgraph.config import Config
from daskgraph.errors import AlreadyExistsError, ConfigValueError, NeighborsTooBigError
from daskgraph.events import Callback, WalksFinished, WalksProgress, WalksStarted
from daskgraph.graph import Edges
from daskgraph.sizes import memory_limit
from daskgraph.store import GraphStore, GraphWriter
from daskgraph.store.files import remove_tree
from daskgraph.threads import available_threads
from daskgraph_kernels.rng import derive_key
from daskgraph_kernels.walks import Neighbors, add_neighbors, co_occurrences, sum_weights, walk

Ids = npt.NDArray[np.int64]

SLICE = 1 << 20
"""Edges that are read at a time."""

BLOCK = 1 << 20
"""Pairs that are made at a time, at most."""

_WALKS, _PAIRS = 0x3A1C, 0x3A1D


class Block(NamedTuple):
    """Pairs of some walks."""

    walks: int
    """How many walks."""

    head: Ids
    tail: Ids


def check(config: Config, graph: GraphStore) -> None:
    """Refuse to walk on a graph whose nodes or edges are not all of one kind.

    Raises
    ------
    ConfigValueError
        The graph has several entity types or relations, or entities made of features.
    """
    types = graph.schema.entity_types
    if config.walks.per_node and (
        len(types) > 1 or len(graph.schema.relations) > 1 or any(kind.featurized for kind in types)
    ):
        allowed = f"is for untyped graphs, and {graph.path} has several types or relations; leave it at 0"
        raise ConfigValueError("walks.per_node", config.walks.per_node, allowed)


def walked(graph: GraphStore, path: Path, config: Config, callback: Callback) -> GraphStore:
    """Return the store of the pairs that meet in a graph's walks, written first if it is not there yet.

    Parameters
    ----------
    graph
        The graph.
    path
        Where the store of the pairs is, or will be.
    config
        How to walk; seed, memory and threads are those of the training.
    callback
        Told how far it is.

    Raises
    ------
    NeighborsTooBigError
        The lists of neighbours do not fit in `training.memory`.
    AlreadyExistsError
        Something else is at `path`.
    """
    described = {
        "walks": config.walks.model_dump(),
        "training": {"seed": config.training.seed},
        "of": graph.fingerprint,
    }
    if path.exists():
        found = GraphStore.open(path)
        if found.config == described:
            return found
        if "of" not in found.config:
            raise AlreadyExistsError(str(path))
        remove_tree(path)
    started = time.perf_counter()
    neighbors = read_neighbors(graph, memory_limit(config))
    walks = config.walks.per_node * graph.schema.entity_types[0].count
    callback(WalksStarted(walks))
    spool = _Spool(path.with_name(f"{path.name}.spool"), graph)
    try:
        with ThreadPoolExecutor(available_threads(config.training.threads), "daskgraph-walks") as pool:
            for block in _blocks(neighbors, config, walks, pool):
                spool.add(block.head, block.tail)
                callback(WalksProgress(block.walks))
        _write(path, graph, spool, described)
    finally:
        spool.remove()
    callback(WalksFinished(walks, int(spool.counts.sum()), time.perf_counter() - started))
    return GraphStore.open(path)


def read_neighbors(graph: GraphStore, limit: int) -> Neighbors:
    """Read the train edges of an untyped graph, in both directions, without loops.

    Raises
    ------
    NeighborsTooBigError
        They would take more than `limit` bytes.
    """
    from scipy.sparse import csr_matrix

    count, weighted = graph.schema.entity_types[0].count, graph.schema.weighted
    ends = np.zeros(count, np.int64)
    for edges in _slices(graph):
        for side in (edges.head, edges.tail):
            ends += np.bincount(side, minlength=count)
    offsets = np.concatenate([[0], np.cumsum(ends)])
    wide = np.int32 if max(int(offsets[-1]), count) < 1 << 31 else np.int64
    taken = int(offsets[-1]) * (np.dtype(wide).itemsize + (8 if weighted else 1)) + 24 * count
    if taken > limit:
        raise NeighborsTooBigError(taken, limit)
    ids = np.empty(int(offsets[-1]), wide)
    weights = np.empty(len(ids) if weighted else 0)
    places = offsets[:-1].copy()
    for edges in _slices(graph):
        weight = np.empty(0, np.float32) if edges.weight is None else edges.weight
        add_neighbors(edges.head, edges.tail, weight, places, ids, weights)
    values: npt.NDArray[Any] = weights if weighted else np.zeros(len(ids), np.int8)
    matrix = csr_matrix((values, ids, offsets.astype(wide)), (count, count))
    matrix.sort_indices()
    if weighted:
        sum_weights(matrix.indptr, matrix.data)
    return Neighbors(matrix.indptr, matrix.indices, matrix.data if weighted else weights)


def kept_shares(neighbors: Neighbors, thinning: float) -> npt.NDArray[np.float64]:
    """Return what share of its pairs every node keeps, float64, (nodes,), or (0,) where all keep all.

    Walks come by in proportion to a node's degree, or sum of weights. Without thinning, so do its pairs:
    vectors then tell most of all where the few busiest nodes are.
    """
    if not thinning:
        return np.empty(0)
    degrees = np.diff(neighbors.offsets).astype(np.float64)
    if len(neighbors.weights):
        last = np.maximum(neighbors.offsets[1:], 1) - 1
        degrees = np.where(degrees > 0, neighbors.weights[last], 0.0)
    return _shares(degrees, thinning)


def kept_pairs(graph: GraphStore, thinning: float) -> float:
    """Return about what share of an untyped graph's pairs thinning leaves: by degrees, without weights."""
    return kept_share(graph.degrees(graph.schema.entity_types[0].name), thinning) if thinning else 1.0


def kept_share(degrees: Ids, thinning: float) -> float:
    """Return about what share of pairs thinning leaves, by the degrees of all nodes.

    >>> kept_share(np.array([16, 1, 1, 1, 1, 1, 1, 1, 1]), 0.5)
    0.25
    """
    known = degrees.astype(np.float64)
    shares = _shares(known, thinning)
    return float(shares @ known / known.sum()) ** 2 if len(shares) else 1.0


def _shares(degrees: npt.NDArray[np.float64], thinning: float) -> npt.NDArray[np.float64]:
    """Return what share of its pairs a node of each degree keeps, (nodes,), or (0,) where none has edges."""
    walked = degrees[degrees > 0]
    if not len(walked):
        return np.empty(0)
    typical = np.median(walked)
    shares: npt.NDArray[np.float64] = (typical / np.maximum(degrees, typical)) ** thinning
    return shares


def _slices(graph: GraphStore) -> Iterator[Edges]:
    """Give the train edges but for loops."""
    for start in range(0, graph.splits["train"], SLICE):
        edges = graph.read_edges("train", start, min(start + SLICE, graph.splits["train"]))
        kept = edges.head != edges.tail
        weight = None if edges.weight is None else edges.weight[kept]
        yield Edges(edges.head[kept], edges.relation[kept], edges.tail[kept], weight)


def _blocks(neighbors: Neighbors, config: Config, walks: int, pool: ThreadPoolExecutor) -> Iterator[Block]:
    """Give the pairs of all walks, in the order of the walks; some blocks are made ahead."""
    chosen, seed = config.walks, config.training.seed
    step = max(1, BLOCK // (chosen.length * chosen.window))
    keys = derive_key(seed, _WALKS), derive_key(seed, _PAIRS)
    shares = kept_shares(neighbors, chosen.thinning)

    def make(first: int) -> Block:
        path = np.empty((min(step, walks - first), chosen.length), np.int64)
        walk(neighbors, keys[0], first, chosen.p, chosen.q, path)
        head, tail = np.empty((2, path.size * chosen.window), np.int64)
        count = co_occurrences(keys[1], first, path, chosen.window, shares, head, tail)
        return Block(len(path), head[:count].copy(), tail[:count].copy())

    return _ahead(pool, make, range(0, walks, step))


def _ahead(pool: ThreadPoolExecutor, make: Callable[[int], Block], firsts: Iterable[int]) -> Iterator[Block]:
    making: deque[Future[Block]] = deque()
    for first in firsts:
        making.append(pool.submit(make, first))
        if len(making) > 8:
            yield making.popleft().result()
    while making:
        yield making.popleft().result()


class _Spool:
    """Pairs on their way, in a file for each bucket: a bucket is written to the store as a whole."""

    def __init__(self, folder: Path, graph: GraphStore) -> None:
        self._folder = folder
        self._bounds = graph.partition_bounds(graph.schema.entity_types[0].name)
        self._parts = graph.schema.partitions
        self.counts = np.zeros(self._parts**2, np.int64)
        self.remove()
        folder.mkdir()

    def add(self, head: Ids, tail: Ids) -> None:
        """Add pairs to the files of their buckets."""
        parts = [np.searchsorted(self._bounds[1:-1], side, side="right") for side in (head, tail)]
        bucket = parts[0] * self._parts + parts[1]
        order = np.argsort(bucket, kind="stable")
        found, first = np.unique(bucket[order], return_index=True)
        pairs = np.stack([head[order], tail[order]], axis=1)
        for number, part in zip(found.tolist(), np.split(pairs, first[1:]), strict=True):
            with (self._folder / str(number)).open("ab") as file:
                part.tofile(file)
            self.counts[number] += len(part)

    def read(self, most: int) -> Iterator[Ids]:
        """Give the pairs of all buckets in their order, in pieces (pairs, 2) of at most so many."""
        for number in np.flatnonzero(self.counts).tolist():
            with (self._folder / str(number)).open("rb") as file:
                while len(pairs := np.fromfile(file, np.int64, 2 * most)):
                    yield pairs.reshape(-1, 2)
            (self._folder / str(number)).unlink()

    def remove(self) -> None:
        """Remove all files."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _write(path: Path, graph: GraphStore, spool: _Spool, config: dict[str, Any]) -> None:
    kind = graph.schema.entity_types[0].name
    with GraphWriter.create(path, replace(graph.schema, weighted=False)) as writer:
        offsets = np.concatenate([[0], np.cumsum(spool.counts)])
        out = writer.edges("train", int(offsets[-1]), offsets)
        start = 0
        for pairs in _rechunked(spool.read(out.chunk), out.chunk):
            out.write("head", start, pairs[:, 0])
            out.write("relation", start, np.zeros(len(pairs), np.int64))
            out.write("tail", start, pairs[:, 1])
            start += len(pairs)
        out.finish()
        writer.write_degrees(kind, graph.degrees(kind))
        writer.finish(config, [])


def _rechunked(pieces: Iterable[Ids], size: int) -> Iterator[Ids]:
    """Give the same pairs in pieces of `size`; only the last may be shorter."""
    waiting: list[Ids] = []
    count = 0
    for piece in pieces:
        waiting.append(piece)
        count += len(piece)
        while count >= size:
            joined = np.concatenate(waiting)
            yield joined[:size]
            waiting, count = [joined[size:]], count - size
    if count:
        yield np.concatenate(waiting)
