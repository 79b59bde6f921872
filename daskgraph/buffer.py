"""The partitions of the running lease in memory; behind it, the next are read and changed ones written.

Every partition is in a slot. There are half as many slots more as a lease has partitions: what leaves is
written from them, what comes is read into them, by one thread, one after the other.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
import numpy.typing as npt

from daskgraph.graph import Features
from daskgraph.model import Model
from daskgraph.planning.memory import slots
from daskgraph.store import GraphStore, ModelStore
from daskgraph.store.staging import Staging
from daskgraph_kernels.aligned import zeros

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


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

    chances: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """For every held row, in the order of `ranges`, the sum of all chances to be drawn up to its own; (0,)
    where all are alike.
    """

    features: Features | None = None
    """What entities are means of, where the type is featurised: then it has no rows, and all are held."""

    @property
    def ranges(self) -> Ids:
        """Held rows as ranges of places, int64, (held, 2)."""
        spans = [(place, place + self.size(part)) for part, place in sorted(self.places.items())]
        return np.array(spans, np.int64).reshape(-1, 2)

    @property
    def partitioned(self) -> bool:
        """Whether the type has more than one partition."""
        return len(self.bounds) > 2

    def size(self, partition: int) -> int:
        """Return the number of rows of a partition."""
        return int(self.bounds[partition + 1] - self.bounds[partition])

    def place(self, slot: int) -> int:
        """Return where the partition in a slot begins."""
        if len(self.rows) == self.bounds[-1]:
            return int(self.bounds[slot])
        return slot * int(np.diff(self.bounds).max())

    def view(self, partition: int, place: int) -> tuple[Floats, Floats]:
        """Return the embeddings and sums of a partition that begins at a place, to read and to change."""
        stop = place + self.size(partition)
        return self.rows[place:stop], self.sums[place:stop]


class Buffer:
    """Tables of every entity type, with room for the partitions of one lease and half of the next.

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
    lease
        Under which name changes are staged.
    """

    def __init__(
        self, store: ModelStore, graph: GraphStore, model: Model, capacity: int, lease: str = "inline"
    ) -> None:
        self._store, self._graph, self._model, self._lease = store, graph, model, lease
        self._staging: Staging | None = None
        self._staged: set[int] = set()
        self._changed: set[int] = set()
        self._held: dict[int, int] = {}
        self._ahead: dict[int, Future[int]] = {}
        self._moving = Lock()
        self._disk = ThreadPoolExecutor(1, "daskgraph-disk")
        self._writes: list[Future[None]] = []
        self.reads = 0
        self.tables: dict[str, TypeTable] = {}
        partitions = model.schema.partitions
        self._slots = slots(partitions, capacity)
        self._free = list(reversed(range(self._slots)))
        for kind in model.schema.entity_types:
            bounds, features = graph.partition_bounds(kind.name), graph.features(kind.name)
            whole = self._slots >= len(bounds) - 1
            rows = kind.count if whole else self._slots * int(np.diff(bounds).max())
            rows = 0 if features is not None else rows
            self.tables[kind.name] = TypeTable(
                bounds,
                zeros(rows, model.dimension(kind.name)),
                zeros(rows),
                {} if features is None else {0: 0},
                features=features,
            )
            if features is not None:
                self._weigh(kind.name)

    @property
    def holds_all(self) -> bool:
        """Whether every partition has a slot."""
        return self._slots >= self._model.schema.partitions

    def hold(self, partitions: Sequence[int], kept: Sequence[int] | None = None) -> None:
        """Make these partitions, and no others, the held ones, to be changed; what is held stays in place.

        Parameters
        ----------
        partitions
            The partitions.
        kept
            Those of them that nobody else has changed since they were read; None: all that are held.

        Raises
        ------
        DamagedStoreError, DiskFullError, NotWritableError, StaleLeaseError
            Something could not be read, or what left could not be written.
        """
        for gone in self._held.keys() - set(partitions):
            self._leave(gone)
        for stale in () if kept is None else self._held.keys() - set(kept):
            self._free.append(self._held.pop(stale))
        self._writes = [write for write in self._writes if not _is_done(write)]
        for partition in partitions:
            if partition not in self._held and partition not in self._ahead:
                self._read_soon(partition)
        for partition in self._ahead.keys() & set(partitions):
            slot = self._ahead[partition].result()
            with self._moving:
                self._held[partition] = slot
                del self._ahead[partition]
        self._changed.update(partitions)
        self._place()

    def read_ahead(self, partitions: Sequence[int]) -> None:
        """Begin to read what the next lease needs, as far as there is room."""
        for unwanted in self._ahead.keys() - set(partitions):
            self._free.append(self._ahead.pop(unwanted).result())
        for partition in partitions:
            # The slots of what leaves are free by the time that the same thread comes to read into them.
            full = len(self._held) + len(self._ahead) >= self._slots
            if not full and partition not in self._held and partition not in self._ahead:
                self._read_soon(partition)

    def whole(self) -> dict[str, Floats]:
        """Return rows and sums of the types that are not partitioned, by "rows/TYPE" and "sums/TYPE".

        Those of features are parameters.
        """
        kept = {
            name: table
            for name, table in self.tables.items()
            if not table.partitioned and table.features is None
        }
        return {f"rows/{name}": table.rows for name, table in kept.items()} | {
            f"sums/{name}": table.sums for name, table in kept.items()
        }

    def has(self, partitions: Iterable[int]) -> bool:
        """Tell whether all these partitions are held or being read."""
        with self._moving:
            return set(partitions) <= self._held.keys() | self._ahead.keys()

    def place(self, name: str, partition: int) -> int:
        """Return where a partition of a type begins in its table; it may still be being read."""
        table = self.tables[name]
        return table.place(self._slot(partition)) if table.partitioned else 0

    def stage(self) -> Staging:
        """Write all that changed since the last commit, and return where; `committed` ends that.

        Raises
        ------
        DiskFullError, NotWritableError, StaleLeaseError
            Something could not be written.
        """
        wait(self._ahead.values())
        for write in self._writes:
            write.result()
        staging = self._open_staging()
        for name, table in self.tables.items():
            if not table.partitioned and table.features is None:
                staging.write_rows(name, 0, table.rows, table.sums)
        for partition in sorted(self._changed & self._held.keys()):
            self._write(partition, self._held[partition])
        return staging

    def committed(self) -> None:
        """Know that what was staged is part of the model."""
        self._staging, self._writes = None, []
        self._staged.clear()
        self._changed.clear()

    def close(self) -> None:
        """End the thread that reads and writes."""
        self._disk.shutdown(cancel_futures=True)

    def _leave(self, partition: int) -> None:
        slot = self._held.pop(partition)
        if partition in self._changed:
            self._changed.discard(partition)
            self._writes.append(self._disk.submit(self._write_and_free, partition, slot))
        else:
            self._free.append(slot)

    def _read_soon(self, partition: int) -> None:
        self.reads += bool(self._held or self._writes)
        self._ahead[partition] = self._disk.submit(self._read, partition)

    def _slot(self, partition: int) -> int:
        # Asked by the thread that prepares edges, too.
        with self._moving:
            slot = self._held.get(partition)
            coming = self._ahead.get(partition)
        if slot is not None:
            return slot
        if coming is not None:
            return coming.result()
        raise KeyError(f"partition {partition} is not in memory")

    def _place(self) -> None:
        for name, table in self.tables.items():
            if table.partitioned:
                places = {partition: table.place(slot) for partition, slot in self._held.items()}
                changed, table.places = places.keys() != table.places.keys(), places
                if changed:
                    self._weigh(name)
            elif not table.places:
                self._read_rows(name, 0, 0)
                table.places = {0: 0}
                self._weigh(name)

    def _weigh(self, name: str) -> None:
        """Sum up the chances of held rows, where not all are alike."""
        power, bounds = self._model.config.negatives.frequency, self.tables[name].bounds
        if power:
            held = [
                self._graph.degrees(name, int(bounds[partition]), int(bounds[partition + 1]))
                for partition in sorted(self.tables[name].places)
            ]
            self.tables[name].chances = np.cumsum(chances_of(np.concatenate([*held, []]), power))

    def _open_staging(self) -> Staging:
        if self._staging is None:
            self._staging = self._store.staging(self._lease)
        return self._staging

    def _write_and_free(self, partition: int, slot: int) -> None:
        self._write(partition, slot)
        self._free.append(slot)

    def _write(self, partition: int, slot: int) -> None:
        staging = self._open_staging()
        for name, table in self.tables.items():
            if table.partitioned:
                embeddings, sums = table.view(partition, table.place(slot))
                staging.write_rows(name, int(table.bounds[partition]), embeddings, sums)
        self._staged.add(partition)

    def _read(self, partition: int) -> int:
        slot = partition if self.holds_all else self._free.pop()
        for name, table in self.tables.items():
            if table.partitioned:
                self._read_rows(name, partition, table.place(slot))
        return slot

    def _read_rows(self, name: str, partition: int, place: int) -> None:
        table = self.tables[name]
        embeddings, sums = table.view(partition, place)
        start, stop = int(table.bounds[partition]), int(table.bounds[partition + 1])
        if table.partitioned and partition in self._staged and self._staging is not None:
            self._staging.read_rows(name, start, stop, out=(embeddings, sums))
        elif self._store.has_rows(name, start, stop):
            self._store.read_rows(name, start, stop, out=(embeddings, sums))
        else:
            self._model.initial_rows(name, start, embeddings)
            sums[:] = 0


def chances_of(degrees: npt.NDArray[np.float64], power: float) -> npt.NDArray[np.float64]:
    """Return the chances of entities that are used so often; all are alike where none is used."""
    return degrees**power if degrees.any() else np.ones(len(degrees))


def _is_done(write: "Future[None]") -> bool:
    """Tell whether a write is done; raises what stopped it."""
    if write.done():
        write.result()
    return write.done()
