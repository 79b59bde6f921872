"""Vectors in files that others read.

    .tsv      a line an entity: [type,] id, numbers; tab-separated, no header
    .parquet  columns [type,] entity, [label,] vector (a list of float32)
    .npz      NumPy arrays by their paths in the store: names/<type>, embeddings/<type>, names/relations,
              relations/<parameter>; the only format that holds the relations
    .kv       gensim's KeyedVectors text format (word2vec): a header "count dimension", then a line an entity:
              id, numbers; space-separated

Types are told only where there are several: in a column, and in .kv by "type:" before the id. In .kv white
space in an id becomes "_" (gensim splits lines at spaces), in .tsv white space but the plain space does.
Vectors are the model's meaning: the common vector of their type added, no longer than `model.max_norm`.
"""

import os
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from daskgraph.errors import AlreadyExistsError, ExportError, NotWritableError
from daskgraph.store import GraphStore, ModelStore, Names
from daskgraph.store.files import creating, sync, writing
from daskgraph.vectors import Floats, StoredVectors, Vectors, blocks

BLOCK_BYTES = 1 << 22
"""Bytes of vectors that are written at a time."""


class _Block(NamedTuple):
    """Entities of one type in the order of their rows."""

    kind: str
    start: int
    names: list[str]
    vectors: Floats


class _Contents(NamedTuple):
    """What is exported."""

    path: Path
    vectors: Vectors
    graph: GraphStore

    @property
    def kinds(self) -> list[str]:
        return [kind.name for kind in self.graph.schema.entity_types]

    @property
    def typed(self) -> bool:
        return len(self.kinds) > 1

    @property
    def dimensions(self) -> set[int]:
        return {self.vectors.model.dimension(kind) for kind in self.kinds}

    def blocks(self, kind: str) -> Iterator[_Block]:
        """Give the entities of a type in pieces that fit into memory."""
        names = self.graph.names(kind)
        size = max(1, BLOCK_BYTES // (4 * self.vectors.model.dimension(kind)))
        for start, rows in blocks(self.vectors, kind, size):
            yield _Block(kind, start, names.names(np.arange(start, start + len(rows))), rows)


def export(source: ModelStore, graph: GraphStore, path: str | Path) -> None:
    """Write a model's vectors with their names to a .tsv, .parquet, .npz or .kv file.

    The file appears when it is whole; what a format holds stands at the head of this module.

    Parameters
    ----------
    source
        The model.
    graph
        The graph it was trained on.
    path
        The file; its ending is the format.

    Raises
    ------
    ExportError
        The ending is unknown, or the format can not hold this model.
    AlreadyExistsError, NotWritableError, DiskFullError
        Nothing is left then.
    """
    target = Path(path)
    writer = _WRITERS.get(target.suffix.lower())
    if writer is None:
        raise ExportError(str(path), f"the name should end in {', '.join(_WRITERS)}")
    source.check_graph(graph)
    contents = _Contents(target, StoredVectors(source), graph)
    with _whole_file(target) as partial:
        writer(contents, partial)


@contextmanager
def _whole_file(target: Path) -> Iterator[Path]:
    """Give a file beside `target` to write; it takes the target's name only when all went well."""
    if target.exists():
        raise AlreadyExistsError(str(target))
    if not target.parent.is_dir():
        raise NotWritableError(str(target), f"there is no folder {target.parent}")
    partial = target.with_name(f"{target.name}.partial-{os.getpid()}")
    with creating(target):
        partial.touch()
    with writing(target):
        try:
            yield partial
            sync(partial)
            partial.rename(target)
            sync(target.parent)
        finally:
            partial.unlink(missing_ok=True)


def _write_tsv(contents: _Contents, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for kind in contents.kinds:
            prefix = f"{kind}\t" if contents.typed else ""
            for block in contents.blocks(kind):
                _write_lines(
                    file, prefix, [re.sub(r"[^\S ]", "_", name) for name in block.names], block, "\t"
                )


def _write_kv(contents: _Contents, path: Path) -> None:
    if len(contents.dimensions) > 1:
        raise ExportError(str(contents.path), "entity types have vectors of different lengths; use .npz")
    count = sum(kind.count for kind in contents.graph.schema.entity_types)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{count} {contents.dimensions.pop()}\n")
        for kind in contents.kinds:
            prefix = f"{kind}:" if contents.typed else ""
            for block in contents.blocks(kind):
                _write_lines(file, prefix, [re.sub(r"\s", "_", name) for name in block.names], block, " ")


def _write_lines(file: IO[str], prefix: str, names: list[str], block: _Block, separator: str) -> None:
    import pyarrow as pa
    from pyarrow import compute

    columns = compute.cast(pa.array(block.vectors.reshape(-1)), pa.string())
    numbers = pa.FixedSizeListArray.from_arrays(columns, block.vectors.shape[1])
    lines = compute.binary_join(numbers.cast(pa.list_(pa.string())), separator).to_pylist()
    file.writelines(f"{prefix}{name}{separator}{line}\n" for name, line in zip(names, lines, strict=True))


def _write_parquet(contents: _Contents, path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    same = len(contents.dimensions) == 1
    vector = pa.list_(pa.float32(), contents.dimensions.pop() if same else -1)
    labelled = any(contents.graph.labels(kind) is not None for kind in contents.kinds)
    fields = [pa.field("type", pa.string())] if contents.typed else []
    fields.append(pa.field("entity", pa.string()))
    fields += [pa.field("label", pa.string())] if labelled else []
    schema = pa.schema([*fields, pa.field("vector", vector)])
    with parquet.ParquetWriter(path, schema) as writer:
        for kind in contents.kinds:
            labels = contents.graph.labels(kind)
            for block in contents.blocks(kind):
                flat = pa.array(block.vectors.reshape(-1))
                columns = {
                    "type": [kind] * len(block.names),
                    "entity": block.names,
                    "label": _labels(labels, block),
                    "vector": pa.FixedSizeListArray.from_arrays(flat, block.vectors.shape[1]).cast(vector),
                }
                writer.write_table(pa.table({name: columns[name] for name in schema.names}, schema=schema))


def _labels(labels: Names | None, block: _Block) -> list[str | None]:
    if labels is None:
        return [None] * len(block.names)
    return [label or None for label in labels.names(np.arange(block.start, block.start + len(block.names)))]


def _write_npz(contents: _Contents, path: Path) -> None:
    relations = contents.graph.relation_names
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for kind in contents.kinds:
            count = contents.graph.schema.entity_type(kind).count
            longest = max((len(name) for name in contents.graph.names(kind)), default=1)
            text = np.dtype(f"<U{max(1, longest)}")
            names = contents.graph.names(kind)
            rows = ((start, min(start + (1 << 16), count)) for start in range(0, count, 1 << 16))
            pieces = (np.array(names.names(np.arange(*span)), text) for span in rows)
            _write_member(archive, f"names/{kind}", (count,), text, pieces)
            shape = (count, contents.vectors.model.dimension(kind))
            vectors = (block.vectors for block in contents.blocks(kind))
            _write_member(archive, f"embeddings/{kind}", shape, np.dtype("<f4"), vectors)
        named = np.array(relations, str)
        _write_member(archive, "names/relations", named.shape, named.dtype, iter([named]))
        for name, array in contents.vectors.model.unpack(contents.vectors.parameters).items():
            if name.startswith("relations/"):
                _write_member(archive, name, array.shape, np.dtype("<f4"), iter([array]))


def _write_member(
    archive: zipfile.ZipFile,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    pieces: Iterator[np.ndarray[Any, Any]],
) -> None:
    """Write an array as a member of an .npz file, piece by piece."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array_header_1_0(file, header)
        for piece in pieces:
            file.write(np.ascontiguousarray(piece, dtype).tobytes())


_WRITERS: dict[str, Callable[[_Contents, Path], None]] = {
    ".tsv": _write_tsv,
    ".parquet": _write_parquet,
    ".npz": _write_npz,
    ".kv": _write_kv,
}
