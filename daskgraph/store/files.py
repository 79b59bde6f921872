"""Files that are either whole or not there: written aside, fsynced, renamed."""

from __future__ import annotations

import errno
import glob
import json
import os
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from daskgraph.errors import DiskFullError, NotReadableError, NotWritableError

METADATA = "zarr.json"
"""The file that makes a folder a Zarr group or array."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}


_GONE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)

WAITS = (0.1, 0.5, 2.0)
"""Seconds after which a read that failed is tried again."""

SYNCING = 8
"""Files that are brought to the disk at the same time."""

Result = TypeVar("Result")


def reading(path: Path, read: Callable[[], Result]) -> Result:
    """Return what `read` returns, trying again where the system fails; what is missing stays so.

    Raises
    ------
    NotReadableError
        It fails each time, or may not be read.
    """
    waits = list(WAITS)
    while True:
        try:
            return read()
        except _GONE:
            raise
        except OSError as error:
            if not waits or error.errno in _FORBIDDEN:
                raise NotReadableError(str(path), (error.strerror or str(error)).lower()) from error
        time.sleep(waits.pop(0))


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Name `path` in the errors of a full disk and of a place that may not be written."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFullError(str(path)) from error
        if error.errno in _FORBIDDEN:
            raise NotWritableError(str(path), (error.strerror or "permission denied").lower()) from error
        raise


@contextmanager
def creating(path: str | Path) -> Iterator[None]:
    """As `writing`, for the first file or folder: some places take none, such as /proc."""
    try:
        with writing(path):
            yield
    except FileNotFoundError as error:
        raise NotWritableError(
            str(path), f"nothing can be put into {Path(path).absolute().parent}"
        ) from error


def sync(path: Path) -> None:
    """Return once the file's content, or the folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_all(paths: Iterable[Path]) -> None:
    """Return once all these files and folders are on the disk."""
    listed = list(paths)
    if len(listed) == 1:
        sync(listed[0])
        return
    # A disk that waits for one file can take others with it: eight at a time take a fifth of the time.
    with ThreadPoolExecutor(SYNCING, "daskgraph-sync") as pool:
        for _ in pool.map(sync, listed):
            pass


def write_group(folder: Path, attributes: Mapping[str, Any]) -> None:
    """Make `folder` a Zarr group with these attributes, durably; what it lies in exists."""
    folder.mkdir(exist_ok=True)
    path = folder / METADATA
    with path.open("w", encoding="utf-8") as file:
        json.dump({"zarr_format": 3, "node_type": "group", "attributes": attributes}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    sync(folder)


def replace_group(folder: Path, attributes: Mapping[str, Any], aside: Path) -> None:
    """Replace the attributes of the group at `folder` in one step.

    The new ones are first written as a group of their own within `aside`, so that whoever walks the
    store meets nothing but groups and arrays, whenever the writer dies.
    """
    temporary = aside / f"aside-{uuid.uuid4().hex}"
    write_group(temporary, attributes)
    os.replace(temporary / METADATA, folder / METADATA)
    temporary.rmdir()
    sync(folder)


def read_group(folder: Path) -> dict[str, Any]:
    """Return the attributes of a group or array; FileNotFoundError or ValueError if it is none."""
    document = json.loads(reading(folder / METADATA, (folder / METADATA).read_bytes))
    if not isinstance(document, dict) or document.get("zarr_format") != 3:
        raise ValueError(f"{folder / METADATA} is no Zarr v3 metadata")
    attributes = document.get("attributes", {})
    return attributes if isinstance(attributes, dict) else {}


def disk_bytes(folder: Path) -> int:
    """Return what the files of a folder take on the disk; one with several names counts once."""
    found = (file.stat() for file in folder.rglob("*") if file.is_file())
    return sum({(status.st_dev, status.st_ino): status.st_size for status in found}.values())


def remove_tree(path: Path) -> None:
    """Remove a folder or file, if there is one; a folder disappears under its name first."""
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    doomed = path.with_name(f"{path.name}{_partial_suffix()}{os.getpid()}-{uuid.uuid4().hex[:8]}")
    with suppress(FileNotFoundError):
        path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Give a folder beside `target` to fill; it takes the target's name only when all went well.

    If not it is removed: no thread may be writing into it any more then, or parts of it would come back.
    """
    if not target.parent.is_dir():
        raise NotWritableError(str(target), f"there is no folder {target.parent}")
    sweep_partials(target)
    partial = target.with_name(f"{target.name}{_partial_suffix()}{os.getpid()}")
    with creating(target):
        partial.mkdir()
    with writing(target):
        try:
            yield partial
            for folder, _, _ in os.walk(partial):
                sync(Path(folder))
            partial.rename(target)
            sync(target.parent)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise


def sweep_partials(target: Path) -> None:
    """Remove what processes that died while writing `target` have left beside it."""
    for partial in target.parent.glob(f"{glob.escape(target.name + _partial_suffix())}*"):
        process = partial.name.rpartition("-")[2]
        if process.isdigit() and (int(process) == os.getpid() or not process_exists(int(process))):
            shutil.rmtree(partial, ignore_errors=True)


def process_exists(process: int) -> bool:
    """Tell whether a process of this host lives; one that ended and was not waited for does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process_state(process)[0] not in ("Z", "X")


def process_state(process: int) -> tuple[str, str]:
    """Return a process's state letter and its start time, as far as the system tells."""
    try:
        # The command's name, in parentheses, may hold spaces.
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", ""
    return fields[0], fields[19]


def _partial_suffix() -> str:
    return f".partial-{socket.gethostname()}-"
