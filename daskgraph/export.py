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
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from daskgraph.errors import AlreadyExistsError, ExportError, NotWritableError
from daskgraph.rendering import Elsewhere, rendered
from daskgraph.spreading import Spread
from daskgraph.store import GraphStore, ModelStore
from daskgraph.store.files import creating, sync, writing
from daskgraph.vectors import StoredVectors, Vectors


class _Contents(NamedTuple):
    """What is exported."""

    path: Path
    vectors: Vectors
    graph: GraphStore
    elsewhere: Elsewhere | None

    @property
    def kinds(self) -> list[str]:
        return [kind.name for kind in self.graph.schema.entity_types]

    @property
    def typed(self) -> bool:
        return len(self.kinds) > 1

    @property
    def dimensions(self) -> set[int]:
        return {self.vectors.model.dimension(kind) for kind in self.kinds}

    def rendered(self, kind: str) -> Iterator[bytes]:
        """Give the entities of a type in pieces that fit into memory, as the format has them."""
        return rendered(self.vectors, self.graph, kind, self.path.suffix.lower(), self.elsewhere)


def export(source: ModelStore, graph: GraphStore, path: str | Path, spread: Spread | None = None) -> None:
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
    spread
        Who makes its parts, beside it; None: this process, without parts.

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
    vectors = StoredVectors(source)
    with _whole_file(target) as partial, _parts(target, source, spread) as elsewhere:
        writer(_Contents(target, vectors, graph, elsewhere), partial)


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


@contextmanager
def _parts(target: Path, source: ModelStore, spread: Spread | None) -> Iterator[Elsewhere | None]:
    """Give the workers of a cluster a folder beside `target`."""
    if spread is None:
        yield None
        return
    folder = target.with_name(f"{target.name}.parts-{os.getpid()}")
    folder.mkdir()
    try:
        yield Elsewhere(spread, str(source.path.absolute()), folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_tsv(contents: _Contents, path: Path) -> None:
    with path.open("wb") as file:
        for kind in contents.kinds:
            file.writelines(contents.rendered(kind))


def _write_kv(contents: _Contents, path: Path) -> None:
    if len(contents.dimensions) > 1:
        raise ExportError(str(contents.path), "entity types have vectors of different lengths; use .npz")
    count = sum(kind.count for kind in contents.graph.schema.entity_types)
    with path.open("wb") as file:
        file.write(f"{count} {contents.dimensions.pop()}\n".encode())
        for kind in contents.kinds:
            file.writelines(contents.rendered(kind))


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
            for block in contents.rendered(kind):
                table = pa.ipc.open_stream(block).read_all()
                writer.write_table(table.select(schema.names).cast(schema))


def _write_npz(contents: _Contents, path: Path) -> None:
    relations = contents.graph.relation_names
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for kind in contents.kinds:
            count = contents.graph.schema.entity_type(kind).count
            longest = max((len(name) for name in contents.graph.names(kind)), default=1)
            text = np.dtype(f"<U{max(1, longest)}")
            names = contents.graph.names(kind)
            rows = ((start, min(start + (1 << 16), count)) for start in range(0, count, 1 << 16))
            pieces = (np.array(names.names(np.arange(*span)), text).tobytes() for span in rows)
            _write_member(archive, f"names/{kind}", (count,), text, pieces)
            shape = (count, contents.vectors.model.dimension(kind))
            _write_member(archive, f"embeddings/{kind}", shape, np.dtype("<f4"), contents.rendered(kind))
        named = np.array(relations, str)
        _write_member(archive, "names/relations", named.shape, named.dtype, iter([named.tobytes()]))
        for name, array in contents.vectors.model.unpack(contents.vectors.parameters).items():
            if name.startswith("relations/"):
                numbers = np.ascontiguousarray(array, "<f4").tobytes()
                _write_member(archive, name, array.shape, np.dtype("<f4"), iter([numbers]))


def _write_member(
    archive: zipfile.ZipFile,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    pieces: Iterator[bytes],
) -> None:
    """Write an array as a member of an .npz file, piece by piece."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array_header_1_0(file, header)
        for piece in pieces:
            file.write(piece)


_WRITERS: dict[str, Callable[[_Contents, Path], None]] = {
    ".tsv": _write_tsv,
    ".parquet": _write_parquet,
    ".npz": _write_npz,
    ".kv": _write_kv,
}
