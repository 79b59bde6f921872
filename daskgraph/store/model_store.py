"""A model on disk: embeddings, parameters, optimizer sums, progress; changed by commits only."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from daskgraph.errors import (
    AlreadyExistsError,
    DamagedStoreError,
    GraphNotFoundError,
    NotAStoreError,
    OtherGraphError,
    StaleLeaseError,
)
from daskgraph.graph import GraphSchema
from daskgraph.store import staging as stage
from daskgraph.store.files import disk_bytes, read_group, whole, write_group, writing
from daskgraph.store.format import MODEL, header, read_header
from daskgraph.store.graph_store import GraphStore
from daskgraph.store.lock import Lock
from daskgraph.store.snapshots import Snapshots, adopt, verify
from daskgraph.store.staging import RECORD, Staging
from daskgraph.store.zarr_arrays import StoredArray, chunk_rows, create_array

GROUPS = ("embeddings", "features", "relations", "global", "staging", "snapshots")
OPTIMIZED = ("features", "relations", "global")

Matrix = npt.NDArray[np.float32]


class ModelStore:
    """A model store; `ModelStore.create` and `ModelStore.open` make it.

    Its arrays never change in place: whoever trains writes whole chunks to a `staging` and commits it.

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
        self._lock: Lock | None = None

    @classmethod
    def create(
        cls,
        path: str | Path,
        config: Mapping[str, Any],
        graph: GraphStore,
        parameters: Mapping[str, Sequence[int]],
        init: Mapping[str, Any] | None = None,
    ) -> ModelStore:
        """Make a model of a graph, with arrays of the right shapes and nothing in them.

        Parameters
        ----------
        path
            Where the store will be; its folder must exist.
        config
            The whole config as plain data; the dimensions of types are taken from it.
        graph
            The graph it will be trained on.
        parameters
            Shape of every array beside embeddings and their sums, by its path in the store, such as
            "relations/translation", "optimizer/relations/translation", "global/entity" or "features/entity".
        init
            What it begins with, for the record.

        Raises
        ------
        AlreadyExistsError
            There is something at `path`.
        NotWritableError, DiskFullError
            The system refuses; nothing is left.
        """
        target = Path(path)
        if target.exists():
            raise AlreadyExistsError(str(path))
        with whole(target) as folder:
            _create_groups(folder)
            for entity_type in graph.schema.entity_types:
                dimension = _dimension(config, entity_type.name)
                rows = chunk_rows(graph.partition_bounds(entity_type.name), dimension * 4)
                _create(folder, f"embeddings/{entity_type.name}", (entity_type.count, dimension), rows)
                # Where entities are means, it is their features that are trained.
                if not entity_type.featurized:
                    _create(folder, f"optimizer/{entity_type.name}", (entity_type.count,), rows)
            for name, shape in parameters.items():
                _create(folder, name, shape, _parameter_rows(shape))
            write_group(folder / RECORD, {"progress": {}, "history": []})
            attributes = {"parameters": list(parameters)} | ({"init": dict(init)} if init else {})
            write_group(folder, _attributes(target, config, graph) | attributes)
        return cls.open(path)

    @classmethod
    def open(cls, path: str | Path) -> ModelStore:
        """Open a model store.

        Raises
        ------
        NotAStoreError
            The path is missing or no model store.
        StoreVersionError
            The store has another format version.
        """
        return cls(Path(path), read_header(Path(path), MODEL))

    @property
    def config(self) -> dict[str, Any]:
        """The whole config as plain data."""
        return dict(self._attributes["config"])

    @property
    def init(self) -> dict[str, Any] | None:
        """What it began with, if not with random vectors: `path` of another model, and `optimizer`."""
        found: dict[str, Any] | None = self._attributes.get("init")
        return found

    @property
    def graph_fingerprint(self) -> str:
        """Fingerprint of the graph it is trained on."""
        return str(self._attributes["graph"]["fingerprint"])

    @property
    def graph_path(self) -> Path:
        """Where its graph was when the model was made."""
        return Path(self._attributes["graph"]["path"])

    @cached_property
    def schema(self) -> GraphSchema:
        """Entity types, relations and partitions of its graph."""
        return GraphSchema.from_dict(self._attributes["schema"], tuple(self._attributes["relation_names"]))

    @property
    def progress(self) -> dict[str, Any]:
        """The progress record of the last commit; empty before the first."""
        return dict(self._record()["progress"])

    @property
    def history(self) -> list[dict[str, Any]]:
        """The entries of all commits that gave one, oldest first."""
        return list(self._record()["history"])

    @property
    def parameters(self) -> tuple[str, ...]:
        """Paths of all arrays beside embeddings and their sums."""
        return tuple(self._attributes["parameters"])

    @property
    def disk_bytes(self) -> int:
        """Size of the store on disk; what snapshots share counts once."""
        return disk_bytes(self.path)

    @cached_property
    def snapshots(self) -> Snapshots:
        """Its earlier states that are kept."""
        return Snapshots(self.path)

    def set_config(self, config: Mapping[str, Any]) -> None:
        """Replace the stored config, in one step."""
        attributes = {**self._attributes, "config": dict(config)}
        stage.replace_attributes(self.path, attributes)
        self._attributes = attributes

    def open_graph(self) -> GraphStore:
        """Open the graph it is trained on: where it was, or where it lies relative to the model.

        Raises
        ------
        GraphNotFoundError
            There is no graph store at either place.
        OtherGraphError
            What is there now is another graph.
        """
        places = (self.graph_path, self.path.parent / self._attributes["graph"]["relative"])
        found: GraphStore | None = None
        for place in dict.fromkeys(Path(os.path.normpath(place)) for place in places):
            try:
                found = GraphStore.open(place)
            except NotAStoreError:
                continue
            if found.fingerprint == self.graph_fingerprint:
                return found
        if found is None:
            raise GraphNotFoundError(str(self.path), tuple(dict.fromkeys(map(str, places))))
        raise OtherGraphError(str(self.path), str(found.path))

    def check_graph(self, graph: GraphStore) -> None:
        """Raise OtherGraphError unless this is the graph the model is trained on."""
        if graph.fingerprint != self.graph_fingerprint:
            raise OtherGraphError(str(self.path), str(graph.path))

    def array(self, name: str) -> Any:
        """Return an array by its path in the store as a lazy Zarr array, for reading."""
        return self._array(name).zarr

    def chunk_rows(self, entity_type: str) -> int:
        """Return how many rows of a type make a chunk: `Staging.write_rows` takes whole chunks."""
        return self._array(f"embeddings/{entity_type}").chunk_rows

    def has_rows(self, entity_type: str, start: int, stop: int) -> bool:
        """Tell whether all these rows were ever committed."""
        paths = self._array(f"embeddings/{entity_type}").chunk_paths(start, stop)
        return all(path.exists() for path in paths)

    def read_rows(
        self, entity_type: str, start: int, stop: int, out: tuple[Matrix, Matrix] | None = None
    ) -> tuple[Matrix, Matrix]:
        """Read the embeddings and Adagrad sums of rows start to stop.

        Parameters
        ----------
        entity_type
            Name of the type.
        start, stop
            The rows.
        out
            Arrays to read into, of shapes (rows, dimension) and (rows,); much faster than new ones.

        Raises
        ------
        DamagedStoreError
            A chunk is missing or damaged; it is named.
        """
        embeddings, sums = out or (None, None)
        return (
            self._array(f"embeddings/{entity_type}").read(start, stop, embeddings),
            self._array(f"optimizer/{entity_type}").read(start, stop, sums),
        )

    def read_embeddings(self, entity_type: str, start: int, stop: int, out: Matrix | None = None) -> Matrix:
        """Read the embeddings of rows start to stop alone; as `read_rows`."""
        return self._array(f"embeddings/{entity_type}").read(start, stop, out)

    def read_parameters(self, names: Iterable[str] | None = None) -> dict[str, Matrix]:
        """Read arrays beside embeddings and their sums, by their paths; empty before the first commit.

        `names` chooses some of `parameters`; all are read by default.
        """
        wanted = self.parameters if names is None else tuple(names)
        if not self.progress and not all(self._is_written(name) for name in wanted):
            return {}
        arrays = {name: self._array(name) for name in wanted}
        return {name: array.read(0, len(array)) for name, array in arrays.items()}

    def lock(self) -> Lock:
        """Return the lock that whoever trains holds, as a context manager.

        Raises
        ------
        StoreLockedError
            On entering: another process is training this model.
        """
        self._lock = Lock(self.path, self.path / "staging")
        return self._lock

    def trainer(self) -> str | None:
        """Return in words who trains this model now; None where nobody does."""
        return Lock(self.path, self.path / "staging").holder()

    def sweep(self) -> None:
        """Finish a commit that was cut short, and remove what dead leases have staged; the lock is held."""
        stage.sweep(self.path)

    def staging(self, lease: str, token: str | None = None) -> Staging:
        """Return an empty place where a lease writes what it has changed, or the one with that token."""
        return Staging(self.path, lease, token)

    def remove_staging(self, lease: str) -> None:
        """Remove what a lease has staged, so that whoever wrote it can write no more."""
        stage.remove(self.path, lease)

    def commit(
        self, staging: Staging, progress: Mapping[str, Any], entries: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Make what a lease staged, its progress and entries of history part of the model: all or nothing.

        Raises
        ------
        StoreLockedError
            This process held the lock and has lost it to another.
        StaleLeaseError
            The lease was taken back.
        """
        self._check_lock()
        history = [*self.history, *map(dict, entries)]
        self._move_in(staging, {"progress": dict(progress), "history": history})

    def is_kept_as(self, name: str) -> bool:
        """Tell whether the snapshot of that name is the model as of its last commit."""
        if name not in self.snapshots.names():
            return False
        return ModelStore.open(self.snapshots.path(name))._record() == self._record()

    def restore(
        self,
        name: str,
        progress: Mapping[str, Any] | None = None,
        history: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """Make the arrays of a snapshot those of the model again: all or nothing; the lock is held.

        Parameters
        ----------
        name
            The snapshot.
        progress, history
            What is recorded with them; the snapshot's own record by default.

        Raises
        ------
        UnknownSnapshotError
            There is no such snapshot.
        DamagedStoreError
            The snapshot is damaged itself; the model is as it was.
        """
        snapshot = ModelStore.open(self.snapshots.path(name))
        verify(snapshot.path)
        record = {
            "progress": snapshot.progress if progress is None else dict(progress),
            "history": snapshot.history if history is None else [dict(entry) for entry in history],
        }
        staging = self.staging("restored")
        with staging.unless_taken_back(), writing(self.path):
            adopt(snapshot.path, self.path, staging.folder)
        self._move_in(staging, record)

    def _move_in(self, staging: Staging, record: Mapping[str, Any]) -> None:
        """Make what is staged part of the model, with its record."""
        try:
            staging.seal(record)
            with staging.unless_taken_back():
                stage.apply(self.path, staging.folder)
        except StaleLeaseError:
            # Whoever took it back says more than that it was.
            self._check_lock()
            raise

    def _check_lock(self) -> None:
        if self._lock is not None and self._lock.held:
            self._lock.check()

    def _record(self) -> dict[str, Any]:
        try:
            return read_group(self.path / RECORD)
        except (FileNotFoundError, ValueError) as error:
            reason = "its metadata is missing or no Zarr"
            raise DamagedStoreError(str(self.path), RECORD, reason, self._remedy()) from error

    def _remedy(self) -> str:
        kept = self.snapshots.names()
        if not kept:
            return "no snapshot of it is kept (training.keep), train it anew"
        return f"`daskgraph restore {self.path}` goes back to one of its snapshots {', '.join(kept)}"

    def _is_written(self, name: str) -> bool:
        array = self._array(name)
        return all(path.exists() for path in array.chunk_paths(0, len(array)))

    def _array(self, name: str) -> StoredArray:
        if name not in self._arrays:
            self._arrays[name] = StoredArray(self.path.joinpath(*name.split("/")), remedy=self._remedy)
        return self._arrays[name]


def _create_groups(folder: Path) -> None:
    write_group(folder, {})
    for group in (*GROUPS, "optimizer", *(f"optimizer/{group}" for group in OPTIMIZED)):
        write_group(folder.joinpath(*group.split("/")), {})


def _create(folder: Path, name: str, shape: Sequence[int], rows: int) -> None:
    create_array(
        folder.joinpath(*name.split("/")), shape, min(rows, max(1, shape[0])), "f4", compressed=False
    )


def _dimension(config: Mapping[str, Any], entity_type: str) -> int:
    own = config.get("entities", {}).get(entity_type, {}).get("dimension")
    return int(own or config["model"]["dimension"])


def _parameter_rows(shape: Sequence[int]) -> int:
    bounds = np.array([0, shape[0]], np.int64)
    return chunk_rows(bounds, 4 * int(np.prod(shape[1:], dtype=np.int64)))


def _attributes(path: Path, config: Mapping[str, Any], graph: GraphStore) -> dict[str, Any]:
    home, place = path.absolute().parent, graph.path.absolute()
    return {
        "daskgraph": header(MODEL),
        "config": dict(config),
        "graph": {
            "fingerprint": graph.fingerprint,
            "path": str(place),
            "relative": os.path.relpath(place, home),
        },
        "schema": graph.schema.to_dict(),
        "relation_names": list(graph.relation_names),
    }
