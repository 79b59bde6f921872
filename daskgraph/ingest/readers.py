"""Any source of edges, as a stream of blocks."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa

from daskgraph.errors import SourceError
from daskgraph.ingest.blocks import ahead, check_file
from daskgraph.ingest.layout import find_header_roles
from daskgraph.ingest.objects import ROWS, checked_block, name_of, read_object
from daskgraph.ingest.tables import EdgeBlock, check_types
from daskgraph.ingest.text import read_text


def is_path(source: Any) -> bool:
    """Tell whether a source is the path of a file."""
    return isinstance(source, str | os.PathLike)


def describe(source: Any) -> dict[str, Any]:
    """Return what a store keeps of a source: its name, and a file's size and time of change."""
    if not is_path(source):
        return {"name": name_of(source)}
    status = Path(source).stat()
    return {"name": str(source), "bytes": status.st_size, "modified": status.st_mtime}


def check_source(source: Any) -> None:
    """Raise SourceError if a file is missing, empty, or may not be read."""
    if is_path(source):
        check_file(Path(source))


def read_edges(
    source: Any, columns: Sequence[str] | None = None, same_type: bool = True
) -> Generator[EdgeBlock]:
    """Yield the edges of a source: a file (TSV, CSV, Parquet; plain, gzip, zstd) or an object in memory.

    Raises
    ------
    SourceError
        The source can not be used as a whole, or holds no edges.
    EdgeFileError
        A line of a file is wrong.
    """
    if not is_path(source):
        blocks, name = read_object(source, columns, same_type), name_of(source)
    else:
        path, name = Path(source), str(source)
        packing = check_file(path)
        blocks = _read_parquet(path, columns) if packing == "parquet" else read_text(path, packing, columns)
    count = 0
    # Parsing goes on while names are numbered.
    for block in ahead(blocks):
        count += len(block)
        yield block
    if not count:
        raise SourceError(name, "it holds no edges")


def heads_take_tails(source: Any, columns: Sequence[str] | None = None) -> bool:
    """Tell whether a source has heads and tails, and names no relation between them.

    An undirected NetworkX graph has none of these: either end of an edge may stand first.

    Raises
    ------
    SourceError, EdgeFileError
        As of `read_edges`.
    """
    if hasattr(source, "is_directed") and not source.is_directed():
        return False
    with closing(read_edges(source, columns, same_type=False)) as blocks:
        return next(blocks).relation is None


def _read_parquet(path: Path, columns: Sequence[str] | None) -> Iterator[EdgeBlock]:
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            roles = find_header_roles(str(path), schema.names, columns)
            check_types(str(path), schema, roles)
            total = path.stat().st_size
            rows = 0
            wanted = [schema.names[place] for place in roles.values()]
            for batch in ahead(file.iter_batches(ROWS, columns=wanted)):
                piece = {
                    role: pa.chunked_array([batch.column(batch.schema.get_field_index(schema.names[place]))])
                    for role, place in roles.items()
                }
                position = total * (rows + len(batch)) // file.metadata.num_rows
                yield checked_block(str(path), piece, rows, position)
                rows += len(batch)
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(str(path), f"it can not be read: {str(error).splitlines()[0]}") from error
