"""What entities are made of: pairs of an entity and one of its features, numbered as the entities are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from daskgraph.errors import EdgeFileError, MissingFeaturesError, SourceError
from daskgraph.graph import Features
from daskgraph.ingest.layout import HEAD, TAIL
from daskgraph.ingest.objects import name_of
from daskgraph.ingest.readers import is_path, read_edges
from daskgraph.ingest.strings import (
    Codes,
    Strings,
    arrow_indices,
    arrow_strings,
    listed_strings,
    numbers_of,
    strings_of,
)

SHOWN = 5
"""Entities that are named where many have no features, or are not in the graph."""


@dataclass(frozen=True)
class FeaturePairs:
    """All pairs of one source, as codes of names."""

    source: str
    """What the source is called in messages."""
    entity: Codes
    """Place of each pair's entity among the entities, int64."""
    feature: Codes
    """Place of each pair's feature among the features, int64."""
    entities: pa.Array
    """Distinct ids of entities, of which the graph may not have all."""
    features: pa.Array
    """Distinct names of features."""


@dataclass(frozen=True)
class NumberedFeatures:
    """The features of one entity type."""

    lists: Features
    """Which features every entity has."""
    names: pa.Array
    """The features' names in the order of their numbers, which is that of their bytes."""
    unknown: int
    """Entities of the source that are not in the graph."""
    unknown_names: tuple[str, ...]
    """The first of them."""


def read_features(source: Any, called: str = "feature") -> FeaturePairs:
    """Read pairs of an entity and a feature.

    Parameters
    ----------
    source
        A file of two columns (TSV, CSV, Parquet; plain, gzip, zstd), a DataFrame of two columns, a SciPy
        sparse matrix of ones, or a mapping from an entity to its features.
    called
        What the second is called in messages.

    Raises
    ------
    SourceError
        The source can not be used as a whole.
    EdgeFileError
        A line of a file is wrong.
    """
    name = str(source) if is_path(source) else name_of(source)
    blocks = _mapped(source, called) if isinstance(source, Mapping) else _read(source, name, called)
    entities, features = [], []
    for head, tail in blocks:
        entities += head
        features += tail
    (entity, distinct), (feature, named) = _coded(entities), _coded(features)
    return FeaturePairs(name, entity, feature, distinct, named)


def number_features(entity_type: str, pairs: FeaturePairs, names: pa.Array) -> NumberedFeatures:
    """Give the entities of a type, whose names are in the order of their rows, their features.

    A pair that is given twice counts once.

    Raises
    ------
    MissingFeaturesError
        Some entity has none.
    """
    rows = numbers_of(pc.fill_null(pc.index_in(pairs.entities, value_set=names), -1), np.int32)
    row = rows[pairs.entity].astype(np.int64)
    used = np.zeros(len(pairs.features), np.bool_)
    used[pairs.feature[row >= 0]] = True
    own = pairs.features.take(arrow_indices(np.flatnonzero(used)))
    order = numbers_of(pc.sort_indices(own), np.uint64).astype(np.int64)
    numbers = np.zeros(len(used), np.int64)
    numbers[np.flatnonzero(used)[order]] = np.arange(len(order))
    keys = np.unique((row * max(1, len(own)) + numbers[pairs.feature])[row >= 0])
    counts = np.bincount(keys // max(1, len(own)), minlength=len(names))
    missing = np.flatnonzero(counts == 0)
    if len(missing):
        shown = names.take(arrow_indices(missing[:SHOWN])).to_pylist()
        raise MissingFeaturesError(entity_type, pairs.source, len(missing), len(names), tuple(shown))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    lists = Features(offsets, keys % max(1, len(own)))
    unknown = np.flatnonzero(rows < 0)
    shown = pairs.entities.take(arrow_indices(unknown[:SHOWN])).to_pylist()
    return NumberedFeatures(lists, own.take(arrow_indices(order)), len(unknown), tuple(shown))


def _read(source: Any, name: str, called: str) -> Iterator[tuple[list[Strings], list[Strings]]]:
    try:
        for block in read_edges(source, (HEAD, TAIL) if is_path(source) else None, same_type=False):
            if block.relation is not None or block.weight is not None:
                raise SourceError(name, _width(called))
            yield block.head, block.tail
    except (SourceError, EdgeFileError) as error:
        # Readers know edges only; and here are no columns to choose.
        words = {"head": "entity", "tail": called, "edges": f"{called}s"}
        reason = re.sub(r"\b(head|tail|edges)\b", lambda found: words[found[0]], error.reason)
        raise replace(error, reason=_width(called) if "--columns" in reason else reason) from error


def _width(called: str) -> str:
    return f"two columns are expected, an entity and one of its {called}s, without weights"


def _mapped(source: Mapping[Any, Any], called: str) -> Iterator[tuple[list[Strings], list[Strings]]]:
    entities, features = [], []
    for entity, own in source.items():
        for feature in _listed(own):
            entities.append(str(entity))
            features.append(str(feature))
    pairs = listed_strings(entities), listed_strings(features)
    if not entities:
        raise SourceError(name_of(source), f"it holds no {called}s")
    yield [strings_of(pairs[0])], [strings_of(pairs[1])]


def _listed(features: Any) -> Iterable[Any]:
    return features if isinstance(features, Iterable) and not isinstance(features, str) else (features,)


def _coded(parts: list[Strings]) -> tuple[Codes, pa.Array]:
    """Return the place of every string among the distinct ones, and these."""
    column = pa.chunked_array([arrow_strings(part).dictionary_encode() for part in parts])
    chunks = column.unify_dictionaries().chunks
    codes = np.concatenate([numbers_of(chunk.indices, np.int32) for chunk in chunks])
    return codes.astype(np.int64), chunks[0].dictionary
