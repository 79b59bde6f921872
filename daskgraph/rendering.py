"""Rows with their names as the bytes of a file's format, block by block: made here, or by a cluster.

What a worker makes is a part: a file that holds several blocks, each after its length.
"""

import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from daskgraph.spreading import Spread, spans
from daskgraph.store import GraphStore, ModelStore, Names
from daskgraph.store.files import writing
from daskgraph.vectors import Floats, Span, StoredVectors, Vectors, blocks, count_of

BLOCK_BYTES = 1 << 22
"""Bytes of vectors that are made ready at a time."""

PART_BYTES = 1 << 26
"""Bytes of vectors in a worker's part."""

_LENGTH = 8


class Block(NamedTuple):
    """Entities of one type in the order of their rows."""

    graph: GraphStore
    kind: str
    start: int
    names: list[str]
    vectors: Floats

    @property
    def typed(self) -> bool:
        """Whether its type has to be told."""
        return len(self.graph.schema.entity_types) > 1


class Elsewhere(NamedTuple):
    """Who makes parts, and where."""

    spread: Spread
    model: str
    """Path of the model."""

    folder: Path
    """Where parts are put."""


Render = Callable[[Block], bytes]


def rendered(
    vectors: Vectors, graph: GraphStore, kind: str, ending: str, elsewhere: Elsewhere | None
) -> Iterator[bytes]:
    """Give all rows of a type as a format has them.

    Parameters
    ----------
    vectors
        The model.
    graph
        The graph, which knows their names.
    kind
        The type.
    ending
        The format, one of `FORMATS`.
    elsewhere
        Who makes them; None: this process.
    """
    if elsewhere is None:
        yield from _rendered(vectors, graph, kind, ending, (0, count_of(vectors, kind)))
        return
    spread, model, folder = elsewhere
    largest = PART_BYTES // (4 * vectors.model.dimension(kind))
    cut = spans(count_of(vectors, kind), vectors.step(kind), spread.workers, largest)
    asked = [(model, str(graph.path.absolute()), kind, ending, span, str(folder.absolute())) for span in cut]
    for part in map(Path, spread(render_part, asked)):
        yield from _blocks_of(part)
        part.unlink()


def render_part(model: str, graph: str, kind: str, ending: str, span: Span, folder: str) -> str:
    """Write a part of some rows, by the paths of both stores, into a folder; return its path."""
    vectors = StoredVectors(ModelStore.open(model))
    # Never the name of another's part, though that were the same rows: who began it may be alive.
    path = Path(folder) / uuid.uuid4().hex
    with writing(path), path.open("xb") as file:
        for block in _rendered(vectors, GraphStore.open(graph), kind, ending, span):
            file.write(len(block).to_bytes(_LENGTH, "little"))
            file.write(block)
    return str(path)


def _rendered(vectors: Vectors, graph: GraphStore, kind: str, ending: str, span: Span) -> Iterator[bytes]:
    names, render = graph.names(kind), FORMATS[ending]
    size = max(1, BLOCK_BYTES // (4 * vectors.model.dimension(kind)))
    for start, rows in blocks(vectors, kind, size, span):
        found = names.names(np.arange(start, start + len(rows)))
        yield render(Block(graph, kind, start, found, rows))


def _blocks_of(part: Path) -> Iterator[bytes]:
    with part.open("rb") as file:
        while length := file.read(_LENGTH):
            yield file.read(int.from_bytes(length, "little"))


def _tsv(block: Block) -> bytes:
    prefix = f"{block.kind}\t" if block.typed else ""
    return _lines(prefix, [re.sub(r"[^\S ]", "_", name) for name in block.names], block, "\t")


def _kv(block: Block) -> bytes:
    prefix = f"{block.kind}:" if block.typed else ""
    return _lines(prefix, [re.sub(r"\s", "_", name) for name in block.names], block, " ")


def _lines(prefix: str, names: list[str], block: Block, separator: str) -> bytes:
    import pyarrow as pa
    from pyarrow import compute

    columns = compute.cast(pa.array(block.vectors.reshape(-1)), pa.string())
    numbers = pa.FixedSizeListArray.from_arrays(columns, block.vectors.shape[1])
    lines = compute.binary_join(numbers.cast(pa.list_(pa.string())), separator).to_pylist()
    found = (f"{prefix}{name}{separator}{line}\n" for name, line in zip(names, lines, strict=True))
    return "".join(found).encode()


def _numbers(block: Block) -> bytes:
    return np.ascontiguousarray(block.vectors, "<f4").tobytes()


def _table(block: Block) -> bytes:
    """Return an Arrow stream of one table: [type,] entity, [label,] vector."""
    import pyarrow as pa

    labels = block.graph.labels(block.kind)
    flat = pa.array(block.vectors.reshape(-1))
    dimension = block.vectors.shape[1]
    columns = {
        "type": pa.array([block.kind] * len(block.names), pa.string()),
        "entity": pa.array(block.names, pa.string()),
        "label": pa.array(_labels(labels, block), pa.string()),
        "vector": pa.FixedSizeListArray.from_arrays(flat, dimension),
    }
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def _labels(labels: Names | None, block: Block) -> list[str | None]:
    if labels is None:
        return [None] * len(block.names)
    return [label or None for label in labels.names(np.arange(block.start, block.start + len(block.names)))]


FORMATS: dict[str, Render] = {".tsv": _tsv, ".kv": _kv, ".parquet": _table, ".npz": _numbers}
