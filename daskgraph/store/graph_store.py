"""A graph on disk, for reading: names, partitions, and edges in buckets."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from daskgraph.errors import UnknownSplitError
from daskgraph.graph import Edges, Features, GraphSchema
from daskgraph.store.files import disk_bytes
from daskgraph.store.format import GRAPH, read_header
from daskgraph.store.names import Names
from daskgraph.store.zarr_arrays import StoredArray

COLUMNS = ("head", "relation", "tail")


class GraphStore:
    """A graph store, opened for reading; `GraphStore.open` makes it.

    Parameters
    ----------
    path
        Where the store is.
    attributes
        Its root attributes.
    """

    def __init__(self, path: Path, attributes: dict[str, Any]) -> None:
        self.path = path
        self._attributes = attributes
        self._arrays: dict[str, StoredArray] = {}

    @classmethod
    def open(cls, path: str | Path) -> GraphStore:
        """Open a graph store.

        Raises
        ------
        NotAStoreError
            The path is missing or no graph store.
        StoreVersionError
            The store has another format version.
        """
        return cls(Path(path), read_header(Path(path), GRAPH))

    @property
    def fingerprint(self) -> str:
        """Hash of all that a model depends on: names, numbering, partitions and edges."""
        return str(self._attributes["fingerprint"])

    @property
    def config(self) -> dict[str, Any]:
        """The config the graph was imported with."""
        return dict(self._attributes["config"])

    @property
    def sources(self) -> list[dict[str, Any]]:
        """What was imported: for every source its `split`, or the type whose `features` it holds, its `name`,
        and for files `bytes` and `modified`.
        """
        return list(self._attributes["sources"])

    @property
    def splits(self) -> dict[str, int]:
        """Number of edges by split: train first, then valid and test where they were given."""
        return dict(self._attributes["splits"])

    @cached_property
    def schema(self) -> GraphSchema:
        """Entity types, relations and partitions."""
        return GraphSchema.from_dict(self._attributes["schema"], self.relation_names)

    @cached_property
    def relation_names(self) -> tuple[str, ...]:
        """Names of the relations, in the order of their indices."""
        return tuple(Names(self.path / "names" / "relations"))

    @cached_property
    def disk_bytes(self) -> int:
        """Size of the store on disk."""
        return disk_bytes(self.path)

    def bucket_offsets(self, split: str) -> npt.NDArray[np.int64]:
        """Return where each bucket begins: bucket (i, j) is the edges offsets[i * P + j] to the next.

        Returns
        -------
        int64, shape (P * P + 1,).

        Raises
        ------
        UnknownSplitError
            The graph has no such split.
        """
        offsets = self._split_array(split, "offsets")
        return offsets.read(0, len(offsets))

    def edge_chunk(self, split: str) -> int:
        """Return how many edges of a split are stored, and best read, together."""
        return self._split_array(split, "head").chunk_rows

    def partition_bounds(self, entity_type: str) -> npt.NDArray[np.int64]:
        """Return the row bounds of a type's partitions, int64, shape (parts + 1,)."""
        bounds = self._array(f"partitions/{entity_type}")
        return bounds.read(0, len(bounds))

    def read_edges(self, split: str, start: int, stop: int) -> Edges:
        """Read the edges start to stop of a split, in the order of the store.

        Raises
        ------
        UnknownSplitError
            The graph has no such split.
        DamagedStoreError
            A chunk is missing or damaged; it is named.
        """
        if not 0 <= start <= stop <= self.splits.get(split, stop):
            raise IndexError(f"edges {start} to {stop} are not within the {self.splits[split]} of {split!r}")
        head, relation, tail = (self._read_column(split, column, start, stop) for column in COLUMNS)
        weight = self._split_array(split, "weight").read(start, stop) if self.schema.weighted else None
        return Edges(head, relation, tail, weight)

    def _read_column(self, split: str, column: str, start: int, stop: int) -> npt.NDArray[np.int64]:
        if column == "relation" and len(self.schema.relations) == 1:
            return np.zeros(stop - start, np.int64)
        return self._split_array(split, column).read(start, stop).astype(np.int64, copy=False)

    def degrees(self, entity_type: str, start: int = 0, stop: int | None = None) -> npt.NDArray[np.int64]:
        """Return how often entities of a type, all or start to stop, are used in the train split, int64."""
        degrees = self._array(f"degrees/{entity_type}")
        return degrees.read(start, len(degrees) if stop is None else stop).astype(np.int64, copy=False)

    def features(self, entity_type: str) -> Features | None:
        """Return which features a type's entities have, or None if it is not featurised."""
        if not self.schema.entity_type(entity_type).featurized:
            return None
        parts = (self._array(f"features/{entity_type}/{part}") for part in Features._fields)
        return Features(*(part.read(0, len(part)).astype(np.int64, copy=False) for part in parts))

    def feature_names(self, entity_type: str) -> Names:
        """Return the names of a featurised type's features."""
        return self._names("features", entity_type, "names")

    def names(self, entity_type: str) -> Names:
        """Return the ids of a type's entities."""
        return self._names("names", entity_type)

    def labels(self, entity_type: str) -> Names | None:
        """Return the labels of a type's entities (empty where one has none), or None if there are none."""
        return self._names("labels", entity_type) if self._has("labels", entity_type) else None

    def descriptions(self, entity_type: str) -> Names | None:
        """Return what else the labels' file said of each entity, or None if it said nothing."""
        return self._names("descriptions", entity_type) if self._has("descriptions", entity_type) else None

    @cached_property
    def _opened_names(self) -> dict[str, Names]:
        return {}

    def _names(self, kind: str, entity_type: str, *below: str) -> Names:
        self.schema.entity_type(entity_type)
        key = "/".join((kind, entity_type, *below))
        if key not in self._opened_names:
            self._opened_names[key] = Names(self.path.joinpath(kind, entity_type, *below))
        return self._opened_names[key]

    def _has(self, kind: str, entity_type: str) -> bool:
        return (self.path / kind / entity_type / "offsets").is_dir()

    def _split_array(self, split: str, column: str) -> StoredArray:
        if split not in self.splits:
            raise UnknownSplitError(split, tuple(self.splits))
        return self._array(f"edges/{split}/{column}")

    def _array(self, name: str) -> StoredArray:
        if name not in self._arrays:
            self._arrays[name] = StoredArray(
                self.path.joinpath(*name.split("/")), remedy=lambda: "import it again"
            )
        return self._arrays[name]
