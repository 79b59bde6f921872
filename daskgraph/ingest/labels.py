"""What people call the entities: a file of id, label and perhaps description."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from daskgraph.errors import EdgeFileError, SourceError
from daskgraph.ingest.blocks import check_file, read_blocks
from daskgraph.ingest.layout import split_line
from daskgraph.ingest.strings import listed_strings, numbers_of
from daskgraph.ingest.text import decoded

_HEADERS = {("id", "label"), ("id", "name"), ("entity", "label"), ("entity", "name")}


@dataclass(frozen=True)
class Labels:
    """Labels and descriptions by id, as columns; the first line of an id counts."""

    ids: pa.Array
    """Ids of entities, of which the graph may not have all."""
    labels: pa.Array
    """What they are called."""
    descriptions: pa.Array | None
    """What else is said of them; empty where nothing is; None: of nobody."""

    def of(self, names: pa.Array) -> tuple[pa.Array, pa.Array | None]:
        """Return labels and descriptions of entities in the order of their names, empty for those without."""
        places = pc.index_in(names, value_set=self.ids)
        found = [
            None if column is None else pc.fill_null(column.take(places), "")
            for column in (self.labels, self.descriptions)
        ]
        return found[0], found[1]


def read_labels(source: Any) -> Labels:
    """Read a labels file (tabs or commas between the columns; plain, gzip or zstd), or take a mapping, or a
    DataFrame of two or three columns.

    Raises
    ------
    SourceError
        The file is missing, empty, or may not be read.
    EdgeFileError
        A line has no label, or bad UTF-8.
    """
    if isinstance(source, Mapping):
        rows = [(str(name), str(label), "") for name, label in source.items()]
    elif hasattr(source, "columns"):
        rows = list(_table_rows(source))
    else:
        rows = list(_rows(Path(source)))
    first = {name: (label, description) for name, label, description in reversed(rows)}
    ids = listed_strings(list(first))
    labels = listed_strings([label for label, _ in first.values()])
    descriptions = listed_strings([description for _, description in first.values()])
    return Labels(
        ids, labels, descriptions if any(description for _, description in first.values()) else None
    )


def sort_order(names: pa.Array) -> npt.NDArray[np.integer[Any]]:
    """Return the permutation that sorts strings by their bytes, int32 where that is enough."""
    order = numbers_of(pc.sort_indices(names), np.uint64)
    return order.astype(np.int32 if len(order) < 1 << 31 else np.int64)


def _table_rows(table: Any) -> Iterator[tuple[str, str, str]]:
    if not 2 <= len(table.columns) <= 3:
        reason = "two or three columns are expected: id, label and perhaps description"
        raise SourceError(type(table).__name__, reason)
    for row in table.itertuples(index=False):
        name, label, *more = map(str, row)
        yield name, label, more[0] if more else ""


def _rows(path: Path) -> Iterator[tuple[str, str, str]]:
    packing = check_file(path)
    if packing == "parquet":
        raise SourceError(str(path), "labels are expected as lines of text: id, label, description")
    delimiter = "\t"
    for block in read_blocks(path, packing):
        for number, line in enumerate(bytes(block.text).split(b"\n"), block.line):
            text = decoded(path, number, line)
            if number == 1:
                delimiter = "\t" if "\t" in text else ","
            fields = split_line(text, delimiter, delimiter == ",")
            if not text or (number == 1 and tuple(field.casefold() for field in fields[:2]) in _HEADERS):
                continue
            if len(fields) < 2 or not fields[0]:
                raise EdgeFileError(str(path), number, text, "an id and a label are expected")
            yield fields[0], fields[1], fields[2] if len(fields) > 2 else ""
