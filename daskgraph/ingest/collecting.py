"""The first pass of an import: every source is read once, and every name becomes a code."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from daskgraph.config import Config
from daskgraph.errors import SourceError, suggestion
from daskgraph.events import Callback, ImportProgress
from daskgraph.graph import UNTYPED_RELATION, Floats
from daskgraph.ingest.dictionary import Dictionary
from daskgraph.ingest.objects import name_of
from daskgraph.ingest.readers import is_path, read_edges
from daskgraph.ingest.strings import Codes
from daskgraph.ingest.tables import EdgeBlock


@dataclass
class CodedEdges:
    """The edges of one split, in the order of their sources, with codes for names."""

    head: Codes
    """Codes of the heads, int64, shape (edges,)."""
    relation: npt.NDArray[np.int32]
    """Indices of the relations, int32, shape (edges,)."""
    tail: Codes
    """Codes of the tails, int64, shape (edges,)."""
    weight: Floats | None
    """Weights, float32, shape (edges,), if any source of the split has some."""

    def __len__(self) -> int:
        return len(self.head)


@dataclass(frozen=True)
class Collected:
    """All edges of all splits, and what their codes mean."""

    splits: dict[str, CodedEdges]
    """Edges by split."""
    entities: Dictionary
    """The entities' names."""
    relations: tuple[str, ...]
    """The relations' names: as configured, or sorted."""


@dataclass
class RelationNames:
    """Gives relations their indices: those of the config alone, or any that come."""

    configured: tuple[str, ...]
    """Names of the config; empty: any name is a relation."""
    indices: dict[str, int] = field(default_factory=dict)
    """Index by name, in the order in which they came."""

    def __post_init__(self) -> None:
        self.indices.update({name: index for index, name in enumerate(self.configured)})

    def encode(self, source: str, block: EdgeBlock) -> npt.NDArray[np.int32]:
        """Return the relation index of each edge; SourceError for a name that is not configured."""
        if block.relation is None:
            return np.full(len(block), self._index(source, self._only(source)), np.int32)
        codes, names = block.relation
        return np.array([self._index(source, name) for name in names], np.int32)[codes]

    def finish(self) -> tuple[tuple[str, ...], npt.NDArray[np.int32]]:
        """Return the names in their final order, and the final index of each given so far."""
        names = self.configured or tuple(sorted(self.indices))
        final = {name: index for index, name in enumerate(names)}
        return names, np.array([final[name] for name in self.indices], np.int32)

    def _index(self, source: str, name: str) -> int:
        if self.configured and name not in self.indices:
            hint = suggestion(name, self.configured)
            raise SourceError(source, f"its relation {name!r} is none of [[relations]]; {hint}")
        return self.indices.setdefault(name, len(self.indices))

    def _only(self, source: str) -> str:
        if len(self.configured) > 1:
            known = ", ".join(self.configured)
            raise SourceError(source, f"it names no relations, and [[relations]] has several: {known}")
        return self.configured[0] if self.configured else UNTYPED_RELATION


def collect(
    splits: Mapping[str, Sequence[Any]],
    config: Config,
    columns: Sequence[str] | None,
    pool: Executor,
    callback: Callback,
    limit: int | None = None,
) -> Collected:
    """Read all sources of all splits.

    Parameters
    ----------
    splits
        Sources by split.
    config
        Tells the relations, where it has some.
    columns
        What the columns of the sources are.
    pool
        Threads for the names.
    callback
        Is told how far it is.
    limit
        Stop reading a split after so many edges; None: read all.

    Raises
    ------
    SourceError, EdgeFileError
        As of `read_edges`.
    """
    entities = Dictionary(pool)
    relations = RelationNames(tuple(relation.name for relation in config.relations))
    same_type = all(relation.head == relation.tail for relation in config.relations)
    report = _reporter(splits, callback)
    coded = {}
    for split, sources in splits.items():
        blocks = _limited(_named_blocks(sources, columns, same_type, report), limit)
        coded[split] = _joined([_encode(block, name, entities, relations) for name, block in blocks])
    names, final = relations.finish()
    for edges in coded.values():
        edges.relation = final[edges.relation]
    return Collected(coded, entities, names)


def _named_blocks(
    sources: Sequence[Any],
    columns: Sequence[str] | None,
    same_type: bool,
    report: Callable[[Any, EdgeBlock], None],
) -> Generator[tuple[str, EdgeBlock]]:
    for source in sources:
        name = str(source) if is_path(source) else name_of(source)
        with closing(read_edges(source, columns, same_type)) as blocks:
            for block in blocks:
                report(source, block)
                yield name, block


def _limited(named: Generator[tuple[str, EdgeBlock]], limit: int | None) -> Iterator[tuple[str, EdgeBlock]]:
    edges = 0
    with closing(named):
        for name, block in named:
            yield name, block
            edges += len(block)
            if limit is not None and edges >= limit:
                return


def _encode(block: EdgeBlock, name: str, entities: Dictionary, relations: RelationNames) -> CodedEdges:
    relation = relations.encode(name, block)
    codes = entities.encode([*block.head, *block.tail])
    return CodedEdges(codes[: len(block)], relation, codes[len(block) :], block.weight)


def _joined(pieces: list[CodedEdges]) -> CodedEdges:
    weighted = any(piece.weight is not None for piece in pieces)
    weights = [
        np.ones(len(piece), np.float32) if piece.weight is None else piece.weight
        for piece in (pieces if weighted else ())
    ]
    return CodedEdges(
        np.concatenate([piece.head for piece in pieces]),
        np.concatenate([piece.relation for piece in pieces]),
        np.concatenate([piece.tail for piece in pieces]),
        np.concatenate(weights) if weighted else None,
    )


def _reporter(splits: Mapping[str, Sequence[Any]], callback: Callback) -> Callable[[Any, EdgeBlock], None]:
    files = [source for sources in splits.values() for source in sources if is_path(source)]
    total = sum(Path(source).stat().st_size for source in files)
    positions: dict[int, int] = {}
    edges = 0

    def report(source: Any, block: EdgeBlock) -> None:
        nonlocal edges
        edges += len(block)
        positions[id(source)] = block.position
        callback(ImportProgress(edges, sum(positions.values()), total))

    return report
