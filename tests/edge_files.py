"""Edge files in every format, and what a store made of them holds, by name."""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from daskgraph.store import GraphStore

Row = tuple[Any, ...]


def text_of(rows: Sequence[Row], delimiter: str = "\t", end: str = "\n", last_end: bool = True) -> str:
    out = io.StringIO()
    if delimiter == ",":
        csv.writer(out, lineterminator=end).writerows(rows)
    else:
        out.writelines(delimiter.join(str(value) for value in row) + end for row in rows)
    return out.getvalue() if last_end else out.getvalue().removesuffix(end)


def write_packed(path: Path, content: bytes) -> Path:
    if path.name.endswith(".gz"):
        content = gzip.compress(content)
    elif path.name.endswith(".zst"):
        content = pa.compress(content, codec="zstd", asbytes=True)
    path.write_bytes(content)
    return path


def write_edges(path: Path, rows: Sequence[Row], header: Row | None = None, **style: Any) -> Path:
    if path.suffix == ".parquet":
        names = header or tuple(f"column {place}" for place in range(len(rows[0])))
        columns = [pa.array([row[place] for row in rows]) for place in range(len(rows[0]))]
        pq.write_table(pa.table(dict(zip(names, columns, strict=True))), path, row_group_size=7)
        return path
    delimiter = "," if ".csv" in path.name else " " if ".txt" in path.name else "\t"
    lines = [header, *rows] if header else rows
    return write_packed(path, text_of(lines, delimiter, **style).encode())


def named_edges(graph: GraphStore, split: str = "train") -> Counter[Row]:
    """Return how often the store holds each edge: head, relation, tail[, weight]."""
    edges = graph.read_edges(split, 0, graph.splits[split])
    schema = graph.schema
    found: Counter[Row] = Counter()
    for place in range(len(edges.head)):
        relation = schema.relations[edges.relation[place]]
        head = graph.names(relation.head).name(int(edges.head[place]))
        tail = graph.names(relation.tail).name(int(edges.tail[place]))
        weight = () if edges.weight is None else (float(edges.weight[place]),)
        found[head, relation.name, tail, *weight] += 1
    return found
