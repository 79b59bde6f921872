"""The partitions of the running lease in memory: read from the model, initialised at first use, staged
when changed.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daskgraph.model import Model
from daskgraph.store import GraphStore, ModelStore
from daskgraph.store.staging import Staging
from daskgraph_kernels.rng import derive_key, fill_normal

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

_INITIAL = 0x1417


@dataclass
class TypeTable:
    """The rows of one entity type that are in memory, partition after partition."""

    bounds: Ids
    """Row bounds of the type's partitions, int64, (parts + 1,)."""

    rows: Floats
    """Embeddings, float32, (capacity, dimension)."""

    sums: Floats
    """Adagrad sums, float32, (capacity,)."""

    places: dict[int, int]
    """Where each held partition begins in `rows`."""

    @property
    def ranges(self) -> Ids:
        """Held rows as ranges of places, int64, (held, 2)."""
        spans = [(place, place + self.size(part)) for part, place in sorted(self.places.items())]
        return np.array(spans, np.int64).reshape(-1, 2)

    def size(self, partition: int) -> int:
        """Return the number of rows of a partition."""
        return int(self.bounds[partition + 1] - self.bounds[partition])

    def shift(self, partition: int) -> int:
        """Return what turns a row of a partition into its place in memory."""
        return int(self.places[partition] - self.bounds[partition])

    def view(self, partition: int) -> tuple[Floats, Floats]:
        """Return the embeddings and sums of a held partition, to read and to change."""
        place = self.places[partition]
        stop = place + self.size(partition)
        return self.rows[place:stop], self.sums[place:stop]


def partitions_held(model: Model, graph: GraphStore) -> int:
    """Return how many partitions a worker holds at once: `training.buffer`, or what `training.memory` allows.

    Tables may take half of the memory; if they do not all fit there, the partitions of a lease and two
    that are
    being read or written do.
    """
    partitions, training = model.schema.partitions, model.config.training
    if training.buffer:
        return min(partitions, max(2, training.buffer))
    room = (training.memory_bytes or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")) // 2
    whole = largest = 0
    for kind in model.schema.entity_types:
        sizes = np.diff(graph.partition_bounds(kind.name)) * 4 * (model.dimension(kind.name) + 1)
        if kind.partitioned:
            whole, largest = whole + int(sizes.sum()), largest + int(sizes.max(initial=0))
        else:
            room -= int(sizes.sum())
    if whole <= room:
        return partitions
    return min(partitions, max(2, room // largest - 2))


class Buffer:
    """Tables of every entity type, with room for the partitions of one lease.

    Parameters
    ----------
    store
        The model that partitions are read from.
    graph
        The graph, which knows their row bounds.
    model
        Dimensions and initial scale.
    capacity
        How many partitions of a type are held at most.
    """

    def __init__(self, store: ModelStore, graph: GraphStore, model: Model, capacity: int) -> None:
        self._store = store
        self._model = model
        self.reads = 0
        self.tables: dict[str, TypeTable] = {}
        for kind in model.schema.entity_types:
            bounds = graph.partition_bounds(kind.name)
            rows = kind.count
            if capacity < len(bounds) - 1:
                rows = capacity * int(np.diff(bounds).max())
            dimension = model.dimension(kind.name)
            self.tables[kind.name] = TypeTable(
                bounds, np.empty((rows, dimension), np.float32), np.empty(rows, np.float32), {}
            )

    def hold(self, partitions: Sequence[int]) -> None:
        """Make these partitions, and no others, the held ones; what is held already stays in place."""
        for name, table in self.tables.items():
            wanted = _wanted(table, partitions)
            for gone in set(table.places) - set(wanted):
                del table.places[gone]
            for partition in wanted:
                if partition not in table.places:
                    table.places[partition] = _free_place(table, partition)
                    self._read(name, table, partition)

    def stage(self, staging: Staging) -> None:
        """Write every held partition to a staging."""
        for name, table in self.tables.items():
            for partition in sorted(table.places):
                embeddings, sums = table.view(partition)
                staging.write_rows(name, int(table.bounds[partition]), embeddings, sums)

    def _read(self, name: str, table: TypeTable, partition: int) -> None:
        embeddings, sums = table.view(partition)
        start, stop = int(table.bounds[partition]), int(table.bounds[partition + 1])
        if self._store.has_rows(name, start, stop):
            self._store.read_rows(name, start, stop, out=(embeddings, sums))
            self.reads += 1
        else:
            self._initialise(name, start, embeddings)
            sums[:] = 0

    def _initialise(self, name: str, start: int, embeddings: Floats) -> None:
        """Draw first embeddings: a row's depend on the seed, its type and its number alone."""
        types = [kind.name for kind in self._model.schema.entity_types]
        config = self._model.config
        fill_normal(derive_key(config.training.seed, _INITIAL, types.index(name)), start, embeddings)
        embeddings *= np.float32(config.model.init_scale)


def _wanted(table: TypeTable, partitions: Sequence[int]) -> list[int]:
    """The partitions of a type that a lease holds: the only one where the type is not partitioned."""
    return [0] if len(table.bounds) == 2 else sorted(partitions)


def _free_place(table: TypeTable, partition: int) -> int:
    """Where a partition may go: where it stands in the type if all fit, else any free stretch of the
    largest size.
    """
    if len(table.rows) == table.bounds[-1]:
        return int(table.bounds[partition])
    stretch = int(np.diff(table.bounds).max())
    taken = set(table.places.values())
    return next(place for place in range(0, len(table.rows), stretch) if place not in taken)
