"""The bytes of a file, plain, gzip or zstd, as blocks of whole lines."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from daskgraph.errors import SourceError

BLOCK = 1 << 25
"""Bytes of a block."""

_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"PAR1": "parquet"}
_BOM = b"\xef\xbb\xbf"
_NEWLINE = ord("\n")

STRETCH = 1 << 18
"""Bytes that are searched together, so that they stay in the cache."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Block:
    """Some whole lines of a file."""

    text: memoryview
    """The lines, each with its end; the file's last may lack it."""
    line: int
    """Number of the first of them, from 1."""
    position: int
    """How many bytes of the file were read for it and all before it."""


def check_file(path: Path) -> str | None:
    """Return how a file is packed: gzip, zstd, parquet, or None.

    Raises
    ------
    SourceError
        It is missing, empty, a folder, or may not be read.
    """
    if path.is_dir():
        raise SourceError(str(path), "it is a folder, where a file of edges is expected")
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except FileNotFoundError:
        raise SourceError(str(path), "there is no such file") from None
    except OSError as error:
        raise SourceError(
            str(path), f"it can not be read: {(error.strerror or str(error)).lower()}"
        ) from None
    if not start:
        raise SourceError(str(path), "it is empty")
    kind = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)
    if path.suffix.lower() == ".parquet" and kind != "parquet":
        raise SourceError(str(path), "it is no Parquet file; text should be named .tsv, .csv or .txt")
    return kind


def read_blocks(path: Path, packing: str | None, size: int = BLOCK) -> Iterator[Block]:
    """Yield a file's lines in blocks of about `size` bytes, without a byte order mark.

    Raises
    ------
    SourceError
        The file can not be unpacked to its end.
    """
    line, rest = 1, np.zeros(0, np.uint8)
    with _opened(path, packing) as (raw, stream):
        while True:
            # Filled in place: new memory costs as much as reading.
            buffer = np.empty(len(rest) + size, np.uint8)
            buffer[: len(rest)] = rest
            filled = len(rest) + _fill(path, stream, buffer[len(rest) :].data)
            last = filled < len(buffer)
            end = filled if last else _end_of_lines(buffer)
            rest = buffer[end:filled].copy()
            start = len(_BOM) if line == 1 and buffer[: len(_BOM)].tobytes() == _BOM else 0
            if end > start:
                yield Block(buffer[start:end].data, line, raw.tell())
                line += _count_lines(buffer[start:end])
            if last:
                return


def _fill(path: Path, stream: Any, space: memoryview) -> int:
    done = 0
    try:
        while done < len(space) and (count := stream.readinto(space[done:])):
            done += count
    except (OSError, pa.ArrowInvalid) as error:
        raise SourceError(str(path), f"it can not be read: {_one_line(error)}") from error
    return done


def _end_of_lines(text: npt.NDArray[np.uint8]) -> int:
    for start in range((len(text) - 1) // STRETCH * STRETCH, -1, -STRETCH):
        ends = np.flatnonzero(text[start : start + STRETCH] == _NEWLINE)
        if len(ends):
            return start + int(ends[-1]) + 1
    return 0


def _count_lines(text: npt.NDArray[np.uint8]) -> int:
    stretches = range(0, len(text), STRETCH)
    return sum(int(np.count_nonzero(text[start : start + STRETCH] == _NEWLINE)) for start in stretches)


def ahead(items: Iterator[Item], depth: int = 1) -> Iterator[Item]:
    """Yield the same, made by a thread that is up to `depth` items ahead of who takes them."""
    ready: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: Item | None, error: BaseException | None) -> None:
        while not stopped.is_set():
            with suppress(queue.Full):
                ready.put((item, error), timeout=0.1)
                return

    def make() -> None:
        try:
            for item in items:
                put(item, None)
                if stopped.is_set():
                    return
            put(None, StopIteration())
        except BaseException as error:
            put(None, error)

    thread = threading.Thread(target=make, name="daskgraph-read", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]
    finally:
        stopped.set()
        thread.join()


def squeeze(block: memoryview) -> bytes:
    """Make one space of every run of spaces and tabs, and none at the ends of lines."""
    text = bytes(block)
    if (
        b"  " in text
        or b"\t" in text
        or b" \n" in text
        or b"\n " in text
        or b" \r" in text
        or text[:1] == b" "
    ):
        text = re.sub(rb"[ \t]+", b" ", text)
        text = re.sub(rb"(?m)^ | (?=\r?$)", b"", text)
    return text


@contextmanager
def _opened(path: Path, packing: str | None) -> Iterator[tuple[Any, Any]]:
    with pa.OSFile(str(path), "rb") as raw:
        if packing is None:
            yield raw, raw
        else:
            with pa.CompressedInputStream(raw, packing) as stream:
                yield raw, stream


def _one_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
