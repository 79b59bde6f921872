"""Edges from lines of text: parsed by Arrow; a line it refuses is looked for and named."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from daskgraph.errors import EdgeFileError, SourceError
from daskgraph.ingest.blocks import Block, ahead, read_blocks, squeeze
from daskgraph.ingest.layout import RELATION, WEIGHT, Layout, detect_layout
from daskgraph.ingest.tables import BadValueError, EdgeBlock, edge_block

PEEKED_LINES, PEEKED_BYTES = 1000, 1 << 20
"""How much is looked at to find the layout."""

PARSED_TOGETHER = 1 << 22
"""Bytes that one of Arrow's threads parses."""


def read_text(path: Path, packing: str | None, columns: Sequence[str] | None) -> Iterator[EdgeBlock]:
    """Yield the edges of a text file.

    Raises
    ------
    SourceError
        The file can not be used as a whole.
    EdgeFileError
        A line has too few or too many columns, bad UTF-8, an empty id, or a weight that is none.
    """
    layout: Layout | None = None
    blocks = ahead(read_blocks(path, packing))
    try:
        for block in blocks:
            if layout is None:
                layout = detect_layout(str(path), peek(path, block), columns)
                block = without_lines(block, layout.skipped)
            # Looked at whole only where it begins with many empty lines.
            if bytes(block.text[:4096]).strip(b"\r\n") or bytes(block.text).strip(b"\r\n"):
                yield parse(path, block, layout)
    finally:
        blocks.close()  # type: ignore[attr-defined]


def peek(path: Path, block: Block) -> list[str]:
    """Return the first lines of a file as text; EdgeFileError for one that is no UTF-8."""
    lines = bytes(block.text[:PEEKED_BYTES]).split(b"\n", PEEKED_LINES)
    if len(lines) > 1 and (len(lines) > PEEKED_LINES or len(block.text) > PEEKED_BYTES):
        lines.pop()
    return [decoded(path, block.line + number, line) for number, line in enumerate(lines)]


def without_lines(block: Block, count: int) -> Block:
    """Return a block without its first lines."""
    skipped = b"\n".join(bytes(block.text[:PEEKED_BYTES]).split(b"\n")[:count])
    return replace(block, text=block.text[len(skipped) + 1 :], line=block.line + count) if count else block


def parse(path: Path, block: Block, layout: Layout) -> EdgeBlock:
    """Turn a block of lines into edges; SourceError and EdgeFileError as of `read_text`."""
    text = squeeze(block.text) if layout.delimiter == " " else block.text
    try:
        columns = _columns(text, layout)
        return edge_block(columns, block.position)
    except (pa.ArrowInvalid, BadValueError) as error:
        _blame(path, block, layout)
        raise SourceError(str(path), f"after line {block.line}: {str(error).splitlines()[0]}") from error


def _columns(text: bytes | memoryview, layout: Layout) -> dict[str, pa.ChunkedArray]:
    names = [str(place) for place in range(layout.width)]
    kinds = {WEIGHT: pa.float64(), RELATION: pa.dictionary(pa.int32(), pa.string())}
    roles = {role: names[place] for role, place in layout.roles.items()}
    table = pa.csv.read_csv(
        pa.BufferReader(pa.py_buffer(text)),
        read_options=pa.csv.ReadOptions(column_names=names, block_size=PARSED_TOGETHER),
        parse_options=pa.csv.ParseOptions(
            delimiter=layout.delimiter, quote_char='"' if layout.quoted else False
        ),
        convert_options=pa.csv.ConvertOptions(
            column_types={name: kinds.get(role, pa.large_string()) for role, name in roles.items()},
            include_columns=list(roles.values()),
            null_values=[],
            strings_can_be_null=False,
        ),
    )
    return {role: table[name] for role, name in roles.items()}


def _blame(path: Path, block: Block, layout: Layout) -> None:
    for number, line in enumerate(bytes(block.text).split(b"\n"), block.line):
        text = decoded(path, number, line)
        if not text:
            continue
        try:
            fields = layout.split(text)
        except csv.Error as error:
            raise EdgeFileError(str(path), number, text, str(error)) from None
        reason = _reason(fields, layout)
        if reason:
            raise EdgeFileError(str(path), number, text, reason)


def _reason(fields: list[str], layout: Layout) -> str | None:
    if len(fields) != layout.width:
        return f"{_counted(len(fields), 'column')} instead of {layout.width}"
    for role, place in layout.roles.items():
        if not fields[place]:
            return f"the {role} is empty"
    return _weight_reason(fields[layout.roles[WEIGHT]]) if WEIGHT in layout.roles else None


def _weight_reason(text: str) -> str | None:
    try:
        weight = float(text)
    except ValueError:
        return "the weight is no number"
    if np.isnan(weight):
        return "the weight is NaN"
    if abs(weight) > float(np.finfo(np.float32).max):
        return "the weight is not finite"
    return "the weight is negative" if weight < 0 else None


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def decoded(path: Path, number: int, line: bytes) -> str:
    """Return a line as text; EdgeFileError if it is not UTF-8."""
    try:
        return line.decode().removesuffix("\r")
    except UnicodeDecodeError:
        content = line.decode("utf-8", "backslashreplace")
        raise EdgeFileError(str(path), number, content, "it is not UTF-8") from None
