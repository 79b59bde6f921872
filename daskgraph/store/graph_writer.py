"""A graph store being written: beside its path, and renamed when whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from daskgraph.errors import AlreadyExistsError
from daskgraph.graph import Features, GraphSchema, edge_chunk, partition_bounds
from daskgraph.store.files import whole, write_group
from daskgraph.store.format import GRAPH, header
from daskgraph.store.names import write_names
from daskgraph.store.zarr_arrays import StoredArray, create_array, sync_array, write_array

GROUPS = ("names", "labels", "descriptions", "partitions", "degrees", "features", "edges")

Strings = tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]
"""Offsets and UTF-8 bytes of strings, as Arrow has them."""


class GraphWriter:
    """Writes one graph store; `GraphWriter.create` gives it.

    Every array is given once; edges of a split come in any number of pieces, in the store's order.
    The fingerprint is the hash of the hashes of pieces of fixed size, so that several writers could
    compute it together.
    """

    def __init__(self, folder: Path, schema: GraphSchema) -> None:
        self.schema = schema
        self.splits: dict[str, int] = {}
        self._folder = folder
        self._digests: list[str] = []
        write_group(folder, {})
        for group in GROUPS:
            write_group(folder / group, {})

    @classmethod
    @contextmanager
    def create(cls, path: str | Path, schema: GraphSchema) -> Iterator[GraphWriter]:
        """Give a writer; the store appears at `path` when the block ends without error, or not at all.

        Raises
        ------
        AlreadyExistsError
            There is something at `path`.
        NotWritableError, DiskFullError
            The system refuses.
        """
        target = Path(path)
        if target.exists():
            raise AlreadyExistsError(str(path))
        with whole(target) as folder:
            yield cls(folder, schema)

    def write_names(self, entity_type: str, strings: Strings, order: npt.NDArray[np.integer[Any]]) -> None:
        """Write the ids of a type's entities and the permutation that sorts them by their bytes."""
        self._write_names("names", entity_type, strings, order)

    def write_labels(self, entity_type: str, strings: Strings, order: npt.NDArray[np.integer[Any]]) -> None:
        """Write the labels of a type's entities, empty where one has none, and what sorts them."""
        self._write_names("labels", entity_type, strings, order)

    def write_descriptions(self, entity_type: str, strings: Strings) -> None:
        """Write the descriptions of a type's entities, empty where one has none."""
        self._write_names("descriptions", entity_type, strings, None)

    def write_degrees(self, entity_type: str, degrees: npt.NDArray[np.integer[Any]]) -> None:
        """Write how often each entity of a type is used in the train split."""
        write_array(self._folder / "degrees" / entity_type, smallest(degrees, int(degrees.max(initial=0))))

    def write_features(
        self, entity_type: str, features: Features, strings: Strings, order: npt.NDArray[np.integer[Any]]
    ) -> None:
        """Write which features a type's entities have, the features' names, and what sorts these."""
        folder = self._folder / "features" / entity_type
        write_group(folder, {})
        write_array(folder / "offsets", features.offsets)
        write_array(folder / "ids", smallest(features.ids, self.schema.entity_type(entity_type).features))
        write_group(folder / "names", {})
        write_names(folder / "names", strings[0].astype(np.int64, copy=False), strings[1], order)
        for part, values in (*features._asdict().items(), ("bounds", strings[0]), ("bytes", strings[1])):
            self._digest(f"features/{entity_type}/{part}", values)

    def edges(self, split: str, count: int, offsets: npt.NDArray[np.int64]) -> EdgeWriter:
        """Begin a split of `count` edges whose buckets begin at `offsets`, int64, shape (P * P + 1,)."""
        self.splits[split] = count
        self._digest(f"offsets/{split}", offsets)
        folder = self._folder / "edges" / split
        write_group(folder, {})
        write_array(folder / "offsets", offsets.astype(np.int64, copy=False))
        return EdgeWriter(self, folder, count)

    def finish(self, config: Mapping[str, Any], sources: Sequence[Mapping[str, Any]]) -> None:
        """Write what is known of the whole: partitions, relations and the root attributes."""
        for entity_type in self.schema.entity_types:
            bounds = partition_bounds(entity_type.count, self.schema.parts(entity_type.name))
            write_array(self._folder / "partitions" / entity_type.name, bounds)
            self._digest(f"partitions/{entity_type.name}", bounds)
        encoded = [relation.name.encode() for relation in self.schema.relations]
        offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
        data = np.frombuffer(b"".join(encoded), np.uint8)
        order = np.array(sorted(range(len(encoded)), key=encoded.__getitem__), np.int32)
        self._write_names("names", "relations", (offsets, data), order)
        attributes = {
            "daskgraph": header(GRAPH),
            "fingerprint": self._fingerprint(),
            "schema": self.schema.to_dict(),
            "splits": self.splits,
            "config": dict(config),
            "sources": [dict(source) for source in sources],
        }
        write_group(self._folder, attributes)

    def _write_names(self, kind: str, name: str, strings: Strings, order: Any) -> None:
        offsets, data = strings
        folder = self._folder / kind / name
        write_group(folder, {})
        write_names(folder, offsets.astype(np.int64, copy=False), data, order)
        if kind == "names":
            self._digest(f"{kind}/{name}/offsets", offsets)
            self._digest(f"{kind}/{name}/bytes", data)

    def _digest(self, name: str, values: npt.NDArray[Any]) -> None:
        content = hashlib.sha256(np.ascontiguousarray(values).view(np.uint8).data)
        self._digests.append(f"{name} {values.dtype.str} {content.hexdigest()}")

    def _fingerprint(self) -> str:
        lines = [json.dumps(self.schema.to_dict(), sort_keys=True), *sorted(self._digests)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


class EdgeWriter:
    """Writes the edges of one split in pieces of `chunk` edges; only the last may be shorter."""

    def __init__(self, graph: GraphWriter, folder: Path, count: int) -> None:
        self.chunk = edge_chunk(count, graph.schema.partitions**2)
        self._graph = graph
        self._folder = folder
        self._columns: dict[str, StoredArray] = {}
        for name, dtype in _column_types(graph.schema).items():
            create_array(folder / name, (count,), min(self.chunk, max(1, count)), dtype)
            self._columns[name] = StoredArray(folder / name, mode="r+")

    def column_type(self, name: str) -> np.dtype[Any]:
        """Return the type a column is stored in: what is written in it needs no conversion."""
        return np.dtype(self._columns[name].zarr.dtype)

    def write(self, name: str, start: int, values: npt.NDArray[Any]) -> None:
        """Write a run of whole chunks of one column; different runs may be written at the same time."""
        values = values.astype(self.column_type(name), copy=False)
        self._columns[name].write(start, values)
        for first in range(0, len(values), self.chunk):
            piece = f"{self._folder.name}/{name}/{(start + first) // self.chunk}"
            self._graph._digest(piece, values[first : first + self.chunk])

    def finish(self) -> None:
        """Return once all is on the disk."""
        for name in self._columns:
            sync_array(self._folder / name)


def smallest(values: npt.NDArray[np.integer[Any]], greatest: int) -> npt.NDArray[np.integer[Any]]:
    """Return whole numbers as int32 where they fit, else as int64."""
    return values.astype(np.int32 if greatest < 1 << 31 else np.int64, copy=False)


def _column_types(schema: GraphSchema) -> dict[str, npt.DTypeLike]:
    entities = max((entity_type.count for entity_type in schema.entity_types), default=0)
    row = np.int32 if entities < 1 << 31 else np.int64
    types: dict[str, npt.DTypeLike] = {"head": row, "relation": np.int32, "tail": row}
    return types | {"weight": np.float32} if schema.weighted else types
