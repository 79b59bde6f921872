"""Arrow columns, wherever they come from, as the arrays that numbering takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from daskgraph.errors import SourceError
from daskgraph.graph import Floats
from daskgraph.ingest.layout import HEAD, RELATION, TAIL, WEIGHT
from daskgraph.ingest.strings import Strings, numbers_of, parts_of


@dataclass(frozen=True)
class EdgeBlock:
    """Some edges of a source, in its order."""

    head: list[Strings]
    """Ids of the heads, in parts."""
    tail: list[Strings]
    """Ids of the tails, in parts."""
    relation: tuple[npt.NDArray[np.int32], list[str]] | None
    """Index of each edge's relation in a list of names; None: the source tells no relations."""
    weight: Floats | None
    """Weights; None: the source tells none."""
    position: int
    """How far the source was read for it, in bytes."""

    def __len__(self) -> int:
        return sum(len(bounds) - 1 for bounds, _ in self.head)


@dataclass(eq=False)
class BadValueError(Exception):
    """A value that no edge may have."""

    row: int
    """The first row that has such a value, from 0."""
    reason: str
    """What is wrong with it."""


def edge_block(columns: dict[str, pa.ChunkedArray], position: int = 0) -> EdgeBlock:
    """Turn the columns of some edges, by role, into arrays. Raises BadValueError.

    Ids are strings or whole numbers; whole numbers become their decimal strings.
    """
    head, tail = parts_of(columns[HEAD]), parts_of(columns[TAIL])
    for role, parts in ((HEAD, head), (TAIL, tail)):
        if any((bounds[1:] == bounds[:-1]).any() for bounds, _ in parts):
            empty = np.concatenate([bounds[1:] == bounds[:-1] for bounds, _ in parts])
            _refuse_first(empty, f"the {role} is empty")
    relation = _relations_of(columns[RELATION]) if RELATION in columns else None
    weight = _weights_of(columns[WEIGHT]) if WEIGHT in columns else None
    return EdgeBlock(head, tail, relation, weight, position)


def check_types(source: str, schema: pa.Schema, roles: dict[str, int]) -> None:
    """Raise SourceError unless ids are strings or whole numbers, and weights are numbers."""
    for role, place in roles.items():
        field = schema.field(place)
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if role == WEIGHT:
            fits = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
            allowed = "numbers"
        else:
            fits = pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)
            fits = fits or pa.types.is_string_view(kind)
            allowed = "strings or whole numbers"
        # A column of nothing but missing values has no type; they are refused row by row.
        if not fits and not pa.types.is_null(kind):
            raise SourceError(
                source, f"its column {field.name!r} for the {role} holds {kind}, where {allowed} are expected"
            )


def refuse_nulls(columns: dict[str, pa.ChunkedArray]) -> None:
    """Raise BadValueError for the first missing value."""
    for role, column in columns.items():
        if column.null_count:
            _refuse_first(column.is_null().to_numpy(), f"the {role} is missing")


def _relations_of(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], list[str]]:
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    column = column.unify_dictionaries()
    if not column.num_chunks:
        return np.zeros(0, np.int32), []
    indices = [numbers_of(chunk.indices.cast(pa.int32()), np.int32) for chunk in column.chunks]
    names = [str(name) for name in column.chunk(0).dictionary.to_pylist()]
    codes = np.concatenate(indices)
    if "" in names:
        _refuse_first(codes == names.index(""), "the relation is empty")
    return codes, names


def _weights_of(column: pa.ChunkedArray) -> Floats:
    with np.errstate(over="ignore"):
        chunks = column.cast(pa.float64()).chunks
        weight: Floats = np.concatenate(
            [np.zeros(0), *(numbers_of(chunk, np.float64) for chunk in chunks)]
        ).astype(np.float32)
    _refuse_first(np.isnan(weight), "the weight is NaN")
    _refuse_first(np.isinf(weight), "the weight is not finite")
    _refuse_first(weight < 0, "the weight is negative")
    return weight


def _refuse_first(wrong: npt.NDArray[np.bool_], reason: str) -> None:
    if wrong.any():
        raise BadValueError(int(np.argmax(wrong)), reason)


def whole_numbers(values: npt.NDArray[np.integer[Any]]) -> pa.ChunkedArray:
    """Return whole numbers as an Arrow column of strings."""
    return pa.chunked_array([pc.cast(pa.array(values), pa.large_string())])
