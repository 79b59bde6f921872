"""The shape of a graph: the few numbers by which settings are chosen."""

from collections.abc import Mapping
from typing import NamedTuple

from daskgraph.graph import GraphSchema


class Shape(NamedTuple):
    """What a preset looks at."""

    entities: Mapping[str, int]
    """Entities by type."""

    relations: int
    """How many relations."""

    edges: int
    """Train edges."""

    valid: int
    """Valid edges."""

    bipartite: bool
    """Whether every relation joins two different types."""

    @classmethod
    def of(cls, schema: GraphSchema, splits: Mapping[str, int]) -> "Shape":
        """Return the shape of a graph."""
        return cls(
            {kind.name: kind.count for kind in schema.entity_types},
            len(schema.relations),
            splits.get("train", 0),
            splits.get("valid", 0),
            all(relation.head != relation.tail for relation in schema.relations),
        )

    @property
    def most(self) -> int:
        """Entities of the largest type."""
        return max(self.entities.values(), default=1)

    @property
    def density(self) -> float:
        """Ends of edges an entity has, on average."""
        return 2 * self.edges / max(1, sum(self.entities.values()))


ANY = Shape({"entity": 1_000_000}, 1, 100_000_000, 1, False)
"""Of a graph that is still to be imported: a large one, for small ones fit whatever is chosen."""
