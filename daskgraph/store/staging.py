"""Changed rows on their way into a model: whole chunks, written aside, then moved into place.

    staging/<lease>.<token>/embeddings/…/c.7.0      1. written by whoever trains, fsynced at the end
    staging/<lease>.<token>/progress                2. the progress record; from now on the commit counts
    embeddings/…/c.7.0                              3. chunks moved into place, one by one
    progress                                        4. the record replaced, as the last step

Who dies before 2 has changed nothing. Who dies after it has its moves finished by the next `sweep`.
Nobody else ever makes a folder of that name, and nothing here makes it again: whoever was frozen while
another took over finds it gone at whatever step it wakes, and can move nothing into the model.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from daskgraph.errors import StaleLeaseError
from daskgraph.store.files import (
    METADATA,
    remove_tree,
    replace_group,
    sync,
    sync_all,
    write_group,
    writing,
)
from daskgraph.store.lock import NAME as LOCK
from daskgraph.store.snapshots import ASIDE
from daskgraph.store.zarr_arrays import StoredArray

RECORD = "progress"


class Staging:
    """Where one lease writes; `ModelStore.staging` makes it, `ModelStore.commit` moves it into place.

    Parameters
    ----------
    root
        The model store.
    lease
        Name of the lease: letters, digits, dots, dashes and underscores.
    token
        What another process that staged under this name has got; None: begin anew.

    Raises
    ------
    StaleLeaseError
        What that process had staged was removed, or another has begun.
    """

    def __init__(self, root: Path, lease: str, token: str | None = None) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", lease) or lease.startswith((LOCK, ASIDE)):
            raise ValueError(
                f"a lease is named by letters, digits, dots, dashes and underscores, not {lease!r}"
            )
        self.lease = lease
        self.root = root
        self.token = token or uuid.uuid4().hex
        self.folder = root / "staging" / f"{lease}.{self.token}"
        self._arrays: dict[str, StoredArray] = {}
        self._unsynced: set[Path] = set()
        if token is not None:
            self._check()
            return
        with writing(self.folder):
            remove(root, lease)
            write_group(self.folder, {})

    def write_rows(
        self,
        entity_type: str,
        start: int,
        embeddings: npt.NDArray[np.float32],
        sums: npt.NDArray[np.float32],
    ) -> None:
        """Write the rows of a type from `start` on: whole chunks, durable after `sync`.

        Parameters
        ----------
        entity_type
            Name of the type.
        start
            First row; a partition begins there, or one of its chunks.
        embeddings
            float32, shape (rows, dimension).
        sums
            Adagrad sums of the same rows, float32, shape (rows,).

        Raises
        ------
        DiskFullError, NotWritableError
            The system refuses; the model is as it was.
        StaleLeaseError
            The lease was taken back, and what it had staged was removed.
        """
        self._write(f"embeddings/{entity_type}", start, embeddings)
        self._write(f"optimizer/{entity_type}", start, sums)

    def write_means(
        self, entity_type: str, count: int, rows: Callable[[int, int], npt.NDArray[np.float32]]
    ) -> None:
        """Write all rows of a featurised type; `rows(start, stop)` makes them, chunk by chunk."""
        name = f"embeddings/{entity_type}"
        step = self._array(name).chunk_rows
        for start in range(0, count, step):
            self._write(name, start, rows(start, min(start + step, count)))

    def read_rows(
        self,
        entity_type: str,
        start: int,
        stop: int,
        out: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]],
    ) -> None:
        """Read rows that were written here, embeddings and sums, into arrays as those of `write_rows`.

        Raises
        ------
        DamagedStoreError
            They were not written here, or are damaged.
        """
        for array, values in zip(("embeddings", "optimizer"), out, strict=True):
            self._array(f"{array}/{entity_type}").read(start, stop, values)

    def write_parameters(self, parameters: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Write whole parameter arrays by their path in the store; durable after `sync`."""
        for name, values in parameters.items():
            self._write(name, 0, values)

    def sync(self) -> None:
        """Make durable what was written here by this object.

        Partitions are written many times between two commits: only what they are then has to last.
        """
        self._check()
        unsynced, self._unsynced = self._unsynced, set()
        with self.unless_taken_back(), writing(self.folder):
            sync_all(sorted(unsynced))
            sync_all(sorted({path.parent for path in unsynced}))

    def seal(self, record: Mapping[str, Any]) -> None:
        """Make all that was written a commit, by the progress record that goes with it."""
        self.sync()
        with self.unless_taken_back(), writing(self.folder):
            # Chunks are on the disk already; here the folders' lists of them follow.
            sync_all(Path(folder) for folder, _, _ in os.walk(self.folder))
            aside = self.folder / f"{RECORD}-aside"
            write_group(aside, record)
            aside.rename(self.folder / RECORD)
            sync(self.folder)

    @contextmanager
    def unless_taken_back(self) -> Iterator[None]:
        """Raise StaleLeaseError where a file is missing because the lease was taken back."""
        try:
            yield
        except FileNotFoundError:
            self._check()
            raise

    def _write(self, name: str, start: int, values: npt.NDArray[np.float32]) -> None:
        self._check()
        with self.unless_taken_back():
            self._write_chunks(name, start, values)

    def _write_chunks(self, name: str, start: int, values: npt.NDArray[np.float32]) -> None:
        array = self._array(name)
        stop, step = start + len(values), array.chunk_rows
        if start % step or (stop % step and stop != array.shape[0]) or values.shape[1:] != array.shape[1:]:
            raise ValueError(
                f"rows {start} to {stop} of shape {values.shape[1:]} are no whole chunks of {name}, "
                f"which has {array.shape[0]} rows of shape {array.shape[1:]} in chunks of {step}"
            )
        if not len(values):
            return
        folder = self.folder.joinpath(*name.split("/"))
        with writing(folder):
            array.write(start, values)
        self._unsynced.update(array.chunk_paths(start, stop))

    def _array(self, name: str) -> StoredArray:
        if name not in self._arrays:
            self._arrays[name] = self._twin(name)
        return self._arrays[name]

    def _check(self) -> None:
        if not (self.folder / METADATA).exists():
            raise StaleLeaseError(str(self.root), self.lease)

    def _twin(self, name: str) -> StoredArray:
        source = self.root.joinpath(*name.split("/")) / METADATA
        folder = self.folder.joinpath(*name.split("/"))
        with writing(folder):
            for parent in reversed(folder.relative_to(self.folder).parents[:-1]):
                write_group(self.folder / parent, {})
            folder.mkdir(exist_ok=True)
            shutil.copyfile(source, folder / METADATA)
        return StoredArray(folder, mode="r+")


def apply(root: Path, lease: Path) -> None:
    """Move the chunks of a sealed lease into place, then its progress record; may be repeated."""
    touched: set[Path] = set()
    with writing(root):
        for staged in _chunks(lease):
            target = root / staged.relative_to(lease)
            os.replace(staged, target)
            touched.add(target.parent)
        sync_all(sorted(touched))
        record = lease / RECORD / METADATA
        os.replace(record, root / RECORD / METADATA)
        sync(root / RECORD)
        remove_tree(lease)


def remove(root: Path, lease: str) -> None:
    """Remove what a lease has staged, whoever staged it."""
    for folder in (root / "staging").glob(f"{lease}.{'[0-9a-f]' * 32}"):
        remove_tree(folder)


def sweep(root: Path) -> None:
    """Finish what was sealed before its process died, and remove all else that is there."""
    with writing(root):
        for lease in sorted((root / "staging").iterdir()):
            if lease.name in (LOCK, METADATA):
                continue
            if (lease / RECORD / METADATA).exists() and not lease.name.startswith(ASIDE):
                apply(root, lease)
            else:
                remove_tree(lease)


def replace_attributes(root: Path, attributes: Mapping[str, Any]) -> None:
    """Replace the root attributes of a model in one step."""
    with writing(root):
        replace_group(root, attributes, root / "staging")


def _chunks(lease: Path) -> Iterator[Path]:
    for folder, _, files in os.walk(lease):
        yield from (Path(folder) / name for name in sorted(files) if name.startswith("c."))
