"""Edges from things in memory: DataFrames, Arrow tables, SciPy sparse matrices, NetworkX graphs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from daskgraph.errors import SourceError
from daskgraph.ingest.layout import HEAD, RELATION, TAIL, WEIGHT, find_header_roles
from daskgraph.ingest.tables import (
    BadValueError,
    EdgeBlock,
    check_types,
    edge_block,
    refuse_nulls,
    whole_numbers,
)

ROWS = 1 << 21
"""Edges of a block."""


def name_of(source: Any) -> str:
    """Return what an object is called in messages."""
    return type(source).__name__


def read_object(source: Any, columns: Sequence[str] | None, same_type: bool = True) -> Iterator[EdgeBlock]:
    """Yield the edges of an object in memory.

    Parameters
    ----------
    source
        A pandas DataFrame or Arrow table, with columns as a file has them; a SciPy sparse matrix, whose
        entry (i, j) is an edge from i to j, weighted unless all are 1; a NetworkX graph, with the edges'
        attributes `relation` and `weight` where there are any.
    columns
        As for files; for tables only.
    same_type
        Whether heads and tails are the same entities: a matrix then has to be square.

    Raises
    ------
    SourceError
        It is none of these, or holds what no edge may have.
    """
    if hasattr(source, "tocoo"):
        table = _matrix_columns(source, same_type)
    elif hasattr(source, "edges") and hasattr(source, "is_directed"):
        table = _network_columns(source)
    else:
        table = _table_columns(_arrow_table(source), columns, name_of(source))
    yield from _blocks(name_of(source), table)


def _blocks(name: str, table: dict[str, pa.ChunkedArray]) -> Iterator[EdgeBlock]:
    for start in range(0, len(table[HEAD]), ROWS):
        piece = {role: column.slice(start, ROWS) for role, column in table.items()}
        yield checked_block(name, piece, start)


def checked_block(
    name: str, columns: dict[str, pa.ChunkedArray], first_row: int, position: int = 0
) -> EdgeBlock:
    """Turn columns into edges; SourceError names the row that has what no edge may have."""
    try:
        refuse_nulls(columns)
        return edge_block(columns, position)
    except BadValueError as problem:
        raise SourceError(name, f"row {first_row + problem.row}: {problem.reason}") from None


def _arrow_table(source: Any) -> pa.Table:
    if isinstance(source, pa.Table):
        return source
    if hasattr(source, "to_arrow"):
        return source.to_arrow()
    if not hasattr(source, "dtypes"):
        expected = "an edge file, a DataFrame, a SciPy sparse matrix or a NetworkX graph is expected"
        raise SourceError(name_of(source), f"it is no source of edges: {expected}")
    try:
        return pa.Table.from_pandas(source, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise SourceError(name_of(source), str(error).splitlines()[0]) from error


def _table_columns(table: pa.Table, columns: Sequence[str] | None, name: str) -> dict[str, pa.ChunkedArray]:
    header = [str(column) for column in table.column_names]
    roles = find_header_roles(name, header, columns)
    check_types(name, table.schema, roles)
    return {role: table.column(place) for role, place in roles.items()}


def _matrix_columns(matrix: Any, same_type: bool) -> dict[str, pa.ChunkedArray]:
    if same_type and matrix.shape[0] != matrix.shape[1]:
        shape = " × ".join(map(str, matrix.shape))
        reason = f"of shape {shape} it joins two kinds of entities: name their types in [[relations]]"
        raise SourceError(name_of(matrix), reason)
    entries = matrix.tocoo()
    kept = entries.data != 0
    columns = {HEAD: whole_numbers(entries.row[kept]), TAIL: whole_numbers(entries.col[kept])}
    data = entries.data[kept]
    if np.iscomplexobj(data):
        raise SourceError(name_of(matrix), "its entries are complex, where weights are expected")
    if (data != 1).any():
        columns[WEIGHT] = pa.chunked_array([pa.array(data.astype(np.float64))])
    return columns


def _network_columns(network: Any) -> dict[str, pa.ChunkedArray]:
    names = {node: str(node) for node in network.nodes}
    if len(set(names.values())) != len(names):
        raise SourceError(
            name_of(network), "two of its nodes are the same when written as text, such as 1 and '1'"
        )
    edges = list(network.edges(data=True))
    columns = {
        HEAD: _strings(names[head] for head, _, _ in edges),
        TAIL: _strings(names[tail] for _, tail, _ in edges),
    }
    if any("relation" in data for _, _, data in edges):
        columns[RELATION] = _strings(str(data.get("relation", "edge")) for _, _, data in edges)
    if any("weight" in data for _, _, data in edges):
        try:
            weights = pa.array([float(data.get("weight", 1)) for _, _, data in edges], pa.float64())
        except (TypeError, ValueError) as error:
            raise SourceError(name_of(network), f"the weight of an edge is no number: {error}") from None
        columns[WEIGHT] = pa.chunked_array([weights])
    return columns


def _strings(values: Iterator[str]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(list(values), pa.large_string())])
