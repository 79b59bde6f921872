"""How fast this machine is: a second of training on random edges, and some bytes to and from the disk."""

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from daskgraph.buffer import TypeTable
from daskgraph.errors import NotWritableError
from daskgraph.graph import Edges, EntityType, Features
from daskgraph.model import Model
from daskgraph.planning import Rates
from daskgraph.store.files import creating, sync_all, writing
from daskgraph.store.zarr_arrays import StoredArray, create_array
from daskgraph.trainer.batches import GroupBatches, cut
from daskgraph.trainer.trainer import Trainer

TABLE_BYTES = 64 << 20
"""Vectors to train on: more than caches hold, as in a training, and quickly made."""

CHUNK_BYTES, CHUNKS = 16 << 20, 4
"""What is written and read."""


def calibrate(
    model: Model, held: Mapping[str, int], threads: int, folder: Path, seconds: float = 1.0
) -> Rates:
    """Measure how fast a model would be trained here.

    Parameters
    ----------
    model
        What is trained: its kernels, batches and candidates are the very ones.
    held
        How many rows of each entity type are in memory.
    threads
        How many threads train.
    folder
        Where the model will be.
    seconds
        How long to train at least.

    Raises
    ------
    NotWritableError, DiskFullError
        Nothing can be written to the folder.
    """
    read, write = disk_rates(folder)
    return Rates(training_rate(model, held, threads, seconds), read, write)


def training_rate(model: Model, held: Mapping[str, int], threads: int, seconds: float = 1.0) -> float:
    """Return how many edges a second are trained; parameters as of `calibrate`."""
    small, shrunk = _smaller(model, held)
    random = np.random.default_rng(0)
    tables = {
        kind.name: _table(kind, small.dimension(kind.name), random) for kind in small.schema.entity_types
    }
    trainer = Trainer(small, small.initial(), threads)
    edges = 16 * threads * model.config.training.batch_size
    try:
        trainer.compile(tables)
        while True:
            parts = _random_batches(small, edges, random)
            started = time.perf_counter()
            trainer.train(tables, parts, (edges,), _ignore)
            taken = time.perf_counter() - started
            if taken >= seconds / 2:
                return edges / taken * shrunk
            # What is measured last takes at least half of the time, and is not the first.
            edges *= max(2, min(16, int(seconds / taken)))
    finally:
        trainer.close()


def disk_rates(folder: Path) -> tuple[float, float]:
    """Return bytes a second that are read, and that are written to stay, in the way of a model's chunks.

    Raises
    ------
    NotWritableError, DiskFullError
        Nothing can be written to the folder.
    """
    if not folder.is_dir():
        raise NotWritableError(str(folder), "there is no such folder")
    values = np.random.default_rng(0).random(CHUNKS * CHUNK_BYTES // 4, np.float32)
    with creating(folder / "chunks"):
        temporary = tempfile.TemporaryDirectory(prefix=".daskgraph-", dir=folder)
    with writing(folder), temporary:
        place = Path(temporary.name) / "chunks"
        create_array(place, values.shape, CHUNK_BYTES // 4, np.float32, compressed=False)
        array = StoredArray(place, mode="r+")
        started = time.perf_counter()
        array.write(0, values)
        sync_all(array.chunk_paths(0, len(values)))
        written = time.perf_counter()
        for path in array.chunk_paths(0, len(values)):
            _forget(path)
        reading = time.perf_counter()
        array.read(0, len(values), values)
        read = time.perf_counter()
    return values.nbytes / (read - reading), values.nbytes / (written - started)


def _smaller(model: Model, held: Mapping[str, int]) -> tuple[Model, float]:
    """Return the model of a graph small enough to be made in no time, and how much faster that one is."""
    row_bytes = {kind.name: 4 * (model.dimension(kind.name) + 1) for kind in model.schema.entity_types}
    wanted = sum(rows * row_bytes[name] for name, rows in held.items())
    share = min(1.0, TABLE_BYTES / max(1, wanted))
    types = tuple(
        _with_count(kind, max(1, min(held[kind.name], round(share * held[kind.name]))))
        for kind in model.schema.entity_types
    )
    small = Model(model.config, replace(model.schema, entity_types=types, partitions=1))
    every = all(group.all_candidates for group in model.groups)
    return small, share if every else 1.0


def _with_count(kind: EntityType, count: int) -> EntityType:
    """Return a type with so many entities, which have as many features each as before.

    Where features are not known yet, an entity is taken to have one of its own.
    """
    if not kind.featurized:
        return replace(kind, count=count)
    share = count / max(1, kind.count)
    features = max(1, round(share * (kind.features or kind.count)))
    pairs = max(count, round(share * kind.feature_pairs))
    return replace(kind, count=count, features=features, feature_pairs=pairs)


def _table(kind: EntityType, dimension: int, random: np.random.Generator) -> TypeTable:
    rows = 0 if kind.featurized else kind.count
    vectors = random.random((rows, dimension), np.float32)
    vectors -= np.float32(0.5)
    bounds, sums = np.array([0, kind.count], np.int64), np.zeros(rows, np.float32)
    chances = np.arange(1.0, kind.count + 1)
    return TypeTable(bounds, vectors, sums, {0: 0}, chances, _random_features(kind, random))


def _random_features(kind: EntityType, random: np.random.Generator) -> Features | None:
    if not kind.featurized:
        return None
    offsets = np.linspace(0, kind.feature_pairs, kind.count + 1).astype(np.int64)
    return Features(offsets, random.integers(kind.features, size=kind.feature_pairs))


def _random_batches(model: Model, count: int, random: np.random.Generator) -> list[GroupBatches]:
    """Cut random edges into batches; few relations, so that batches are as full as in a large graph."""
    config, schema = model.config, model.schema
    most = max(len(model.groups), count // (8 * config.training.batch_size))
    chosen = _spread(model.group_index, most)
    relation = np.sort(chosen[random.integers(len(chosen), size=count)])
    head, tail = np.empty((2, count), np.int64)
    for index in chosen.tolist():
        own = slice(*np.searchsorted(relation, [index, index + 1]))
        for rows, name in ((head, schema.relations[index].head), (tail, schema.relations[index].tail)):
            rows[own] = random.integers(schema.entity_type(name).count, size=own.stop - own.start)
    weight = np.ones(count, np.float32) if schema.weighted else None
    edges = Edges(head, relation, tail, weight)
    return cut(
        edges, model.group_index, config.training.batch_size, config.model.reciprocal, config.training.seed
    )


def _spread(group_index: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    """Return at most so many relations, some of every group, in ascending order."""
    order = np.argsort(group_index, kind="stable")
    places = np.linspace(0, len(order) - 1, min(most, len(order))).astype(np.int64)
    firsts = np.searchsorted(group_index[order], np.unique(group_index))
    return np.unique(order[np.concatenate([places, firsts])])


def _forget(path: Path) -> None:
    """Have the system drop a file from its cache, so that reading it reads the disk."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _ignore(edges: int, loss: float) -> None:
    """Take no notice of progress."""
