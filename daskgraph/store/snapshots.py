"""Earlier states of a model, kept within it: each a model store of its own that shares the files it can.

Chunks never change in place: a commit renames new files over old ones. So a snapshot is hard links, takes
no time, and no room until the model moves on; where the file system knows no links it is a copy. It is made
in `staging`, where a half-made one is swept, and renamed when it is whole and on the disk.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from daskgraph.errors import UnknownSnapshotError
from daskgraph.store.files import METADATA, read_group, sync, sync_all, write_group, writing
from daskgraph.store.zarr_arrays import StoredArray

FOLDER = "snapshots"

BEST = "best"
"""Name of the snapshot of the epoch with the best figures; all others are named by their epoch."""

ASIDE = "snapshot-"
"""How folders in `staging` begin that become a snapshot, or have been one."""

_OWN = ("staging", FOLDER)
"""Groups whose content belongs to one store alone."""


class Snapshots:
    """The snapshots of one model; `ModelStore.snapshots` gives them.

    Parameters
    ----------
    root
        The model store.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self) -> list[str]:
        """Return the names of all snapshots: epochs ascending, then the others."""
        with suppress(FileNotFoundError):
            found = [path.name for path in (self._root / FOLDER).iterdir() if (path / METADATA).is_file()]
            return sorted(
                found, key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else name)
            )
        return []

    def path(self, name: str) -> Path:
        """Return where a snapshot is: a model store as any other.

        Raises
        ------
        UnknownSnapshotError
            The model has no such snapshot.
        """
        if name not in self.names():
            raise UnknownSnapshotError(str(self._root), name, tuple(self.names()))
        return self._root / FOLDER / name

    def epoch(self, name: str) -> int | None:
        """Return the epochs that a snapshot has had; None if there is no such one, or it is damaged."""
        with suppress(FileNotFoundError, ValueError):
            return int(read_group(self._root / FOLDER / name / "progress")["progress"]["epoch"])
        return None

    def take(self, name: str) -> None:
        """Keep the model as of its last commit under this name, in place of what was kept so before.

        Raises
        ------
        DiskFullError, NotWritableError
            The system refuses; there is the former snapshot, or none.
        """
        made, former, target = self._aside(), self._aside(), self._root / FOLDER / name
        with writing(target):
            _link_store(self._root, made)
            with suppress(FileNotFoundError):
                target.rename(former)
            made.rename(target)
            sync(target.parent)
            shutil.rmtree(former, ignore_errors=True)

    def remove(self, name: str) -> None:
        """Remove a snapshot, if there is one."""
        # It leaves its name at once: nobody meets it half removed, and whoever dies leaves it to the sweep.
        aside = self._aside()
        with writing(aside), suppress(FileNotFoundError):
            (self._root / FOLDER / name).rename(aside)
            shutil.rmtree(aside, ignore_errors=True)

    def keep_last(self, epoch: int, count: int) -> None:
        """Remove all snapshots of epochs but those of the last `count` that end with `epoch`."""
        for name in self.names():
            if name.isdecimal() and not epoch - count < int(name) <= epoch:
                self.remove(name)

    def _aside(self) -> Path:
        return self._root / "staging" / f"{ASIDE}{uuid.uuid4().hex}"


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, or a durable copy where the file system refuses that."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)
        sync(target)


def verify(root: Path) -> None:
    """Read every chunk of a model; DamagedStoreError for the first that is missing or damaged."""
    for folder, _ in _folders(root):
        if folder.parts and _is_array(root / folder):
            array = StoredArray(root / folder)
            for start in range(0, len(array), array.chunk_rows):
                array.read(start, min(start + array.chunk_rows, len(array)))


def adopt(snapshot: Path, root: Path, lease: Path) -> None:
    """Stage all chunks of a snapshot in a lease of the model, and mend the model's metadata."""
    for folder, files in _folders(snapshot):
        if not folder.parts:
            continue
        chunks = [name for name in files if name.startswith("c.")]
        if chunks:
            (lease / folder).mkdir(parents=True)
        for name in [METADATA, *chunks] if chunks else ():
            link_or_copy(snapshot / folder / name, lease / folder / name)
        if _is_array(snapshot / folder):
            _mend(snapshot / folder / METADATA, root / folder / METADATA, lease)
    for folder, _ in _folders(lease):
        # The lease's own would make one anew that was taken back meanwhile.
        if folder.parts and not (lease / folder / METADATA).exists():
            write_group(lease / folder, {})


def _mend(right: Path, file: Path, lease: Path) -> None:
    """Replace a file of metadata unless it is as it should be."""
    with suppress(FileNotFoundError):
        if file.read_bytes() == right.read_bytes():
            return
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = lease / f"mended-{uuid.uuid4().hex}"
    link_or_copy(right, aside)
    os.replace(aside, file)
    sync(file.parent)


def _link_store(root: Path, target: Path) -> None:
    """Make a model store at `target` that shares all of the store's files but its attributes."""
    for folder, files in _folders(root):
        (target / folder).mkdir()
        for name in files:
            link_or_copy(root / folder / name, target / folder / name)
    for own in _OWN:
        write_group(target / own, {})
    write_group(target, _moved(read_group(root)))
    sync_all(Path(place) for place, _, _ in os.walk(target))


def _folders(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Give every folder that snapshots share, relative to the store and before those in it, with its files.

    The files of the store's own folder are its attributes, which name places relative to it.
    """
    for path, folders, files in os.walk(root):
        folder = Path(path).relative_to(root)
        if not folder.parts:
            folders[:] = [own for own in folders if own not in _OWN]
        yield folder, sorted(files) if folder.parts else []


def _is_array(folder: Path) -> bool:
    document = json.loads((folder / METADATA).read_bytes())
    return bool(document.get("node_type") == "array")


def _moved(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model's attributes as they are two folders further down."""
    relative = os.path.join(os.pardir, os.pardir, attributes["graph"]["relative"])
    return {**attributes, "graph": {**attributes["graph"], "relative": relative}}
