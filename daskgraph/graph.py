"""What a graph is made of: entity types, relation types, edges. Plain data, no files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from daskgraph.errors import UnknownEntityTypeError, UnknownRelationError

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

UNTYPED_ENTITY = "entity"
"""The entity type of a graph without types."""

UNTYPED_RELATION = "edge"
"""The relation of a graph without relations."""

SMALLEST_EDGE_CHUNK, USUAL_EDGE_CHUNK, GREATEST_EDGE_CHUNK = 1 << 13, 1 << 18, 1 << 20
"""Edges that are stored together: the greatest only where a column had too many chunks else."""

MOST_EDGE_CHUNKS = 1 << 12
"""Chunks of a column, but where they are as great as they may be."""


@dataclass(frozen=True)
class EntityType:
    """A kind of entity; its entities are the rows 0 to count - 1."""

    name: str
    """Name of the type."""

    count: int
    """Number of its entities."""

    partitioned: bool = True
    """Whether its rows are split into the graph's partitions, or stay whole."""

    featurized: bool = False
    """Whether an entity is the mean of its features' embeddings."""

    features: int = 0
    """Number of its features, if it is featurised."""

    feature_pairs: int = 0
    """How many features its entities have together."""


@dataclass(frozen=True)
class RelationType:
    """A kind of edge, from entities of one type to entities of one type."""

    name: str
    """Name of the relation."""

    head: str
    """Entity type of its heads."""

    tail: str
    """Entity type of its tails."""


class Edges(NamedTuple):
    """Edges as columns of equal length; heads and tails are rows within their entity type."""

    head: Ids
    relation: Ids
    tail: Ids
    weight: Floats | None = None

    def part(self, start: int, stop: int) -> Edges:
        """Return edges start to stop."""
        weight = None if self.weight is None else self.weight[start:stop]
        return Edges(self.head[start:stop], self.relation[start:stop], self.tail[start:stop], weight)


class Features(NamedTuple):
    """Which features the entities of a type have: those of row i are ids[offsets[i]:offsets[i + 1]]."""

    offsets: Ids
    """Where each entity's features begin, and where the last one's end, int64, (entities + 1,)."""

    ids: Ids
    """Numbers of features, int64, ascending for each entity."""


@dataclass(frozen=True)
class GraphSchema:
    """The types of a graph and how its rows are split."""

    entity_types: tuple[EntityType, ...]
    """All entity types."""

    relations: tuple[RelationType, ...]
    """All relations; an edge holds the index in this tuple."""

    partitions: int = 1
    """Number of partitions of every partitioned type."""

    weighted: bool = False
    """Whether edges have weights."""

    @cached_property
    def _types(self) -> dict[str, EntityType]:
        return {entity_type.name: entity_type for entity_type in self.entity_types}

    @cached_property
    def _relation_indices(self) -> dict[str, int]:
        return {relation.name: index for index, relation in enumerate(self.relations)}

    def entity_type(self, name: str) -> EntityType:
        """Return the entity type of that name. Raises UnknownEntityTypeError."""
        if name not in self._types:
            raise UnknownEntityTypeError(name, tuple(self._types))
        return self._types[name]

    def relation_index(self, name: str) -> int:
        """Return the index of the relation of that name. Raises UnknownRelationError."""
        if name not in self._relation_indices:
            raise UnknownRelationError(name, tuple(self._relation_indices))
        return self._relation_indices[name]

    def parts(self, name: str) -> int:
        """Return the number of partitions of an entity type: 1 where it is not partitioned."""
        return self.partitions if self.entity_type(name).partitioned else 1

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain data that JSON can hold; relation names are left out.

        Names of relations can be many: a store keeps them as an array.
        """
        order = {entity_type.name: index for index, entity_type in enumerate(self.entity_types)}
        return {
            "entity_types": [asdict(entity_type) for entity_type in self.entity_types],
            "relations": [[order[relation.head], order[relation.tail]] for relation in self.relations],
            "partitions": self.partitions,
            "weighted": self.weighted,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], relation_names: tuple[str, ...]) -> GraphSchema:
        """Return the schema that `to_dict` wrote, with the names of its relations."""
        types = tuple(EntityType(**entity_type) for entity_type in data["entity_types"])
        relations = tuple(
            RelationType(name, types[head].name, types[tail].name)
            for name, (head, tail) in zip(relation_names, data["relations"], strict=True)
        )
        return cls(types, relations, data["partitions"], data["weighted"])


def partition_bounds(count: int, parts: int) -> Ids:
    """Split `count` rows into contiguous partitions of equal size; the last may be shorter.

    Returns
    -------
    Row bounds, int64, shape (parts + 1,): partition i is the rows bounds[i] to bounds[i + 1].
    """
    return np.minimum(np.arange(parts + 1, dtype=np.int64) * partition_size(count, parts), count)


def partition_size(count: int, parts: int, imbalance: float = 0.01) -> int:
    """Return the rows of a partition, but perhaps for the last.

    The size is a multiple of the greatest power of two (up to 1024) that makes the last partition
    at most `imbalance` of a partition shorter than it had to be, so that a partition can be cut
    into equal chunks of many sizes.
    """
    size = -(-count // parts)
    for exponent in range(10, 0, -1) if parts > 1 else ():
        step = 1 << exponent
        rounded = -(-size // step) * step
        if (rounded - size) * parts <= imbalance * rounded:
            return rounded
    return size


def edge_chunk(count: int, buckets: int) -> int:
    """Return how many of a split's edges are stored together: a power of two.

    Who trains a bucket reads whole chunks: much greater ones would be decoded in vain for each small bucket,
    and smaller ones cost files.
    """
    wished = max(min(count // max(1, buckets), USUAL_EDGE_CHUNK), count // MOST_EDGE_CHUNKS)
    return min(max(1 << max(0, wished - 1).bit_length(), SMALLEST_EDGE_CHUNK), GREATEST_EDGE_CHUNK)
