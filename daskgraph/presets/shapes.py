"""The shape of a graph: the few numbers by which settings are chosen."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from daskgraph.graph import GraphSchema

NOTHING: Mapping[str, Any] = {}

THINNING = 0.5
"""The power by which pairs of walks are thinned."""

WALKABLE = 500_000
"""Up to so many nodes walks begin at every one."""


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

    thinned: float = 1.0
    """What share of walks' pairs thinning leaves; 1 where that is not known."""

    featurized: bool = False
    """Whether entities of some type are made of features."""

    tested: int = 0
    """Test edges."""

    tails: frozenset[str] = frozenset()
    """The types that tails are of; none where that is not known."""

    @classmethod
    def of(
        cls,
        schema: GraphSchema,
        splits: Mapping[str, int],
        kept: Callable[[float], float] | None = None,
        given: Mapping[str, Any] = NOTHING,
    ) -> "Shape":
        """Return the shape of a graph.

        Parameters
        ----------
        schema
            Its types, with their counts.
        splits
            Edges by split.
        kept
            From `walks.thinning` to the share of its walks' pairs that is left, where that can be told.
        given
            Sections of a config, among which may be that key.
        """
        shape = cls(
            {kind.name: kind.count for kind in schema.entity_types},
            len(schema.relations),
            splits.get("train", 0),
            splits.get("valid", 0),
            all(relation.head != relation.tail for relation in schema.relations),
            featurized=any(kind.featurized for kind in schema.entity_types),
            tested=splits.get("test", 0),
            tails=frozenset(relation.tail for relation in schema.relations),
        )
        if kept is None or not shape.walkable:
            return shape
        return shape._replace(thinned=kept(given.get("walks", NOTHING).get("thinning", THINNING)))

    @property
    def walkable(self) -> bool:
        """Whether walks may begin at every node: one type, one relation, and not too many nodes."""
        plain = len(self.entities) == 1 and self.relations == 1 and not self.featurized
        return plain and self.most <= WALKABLE

    @property
    def of_tails(self) -> "Shape":
        """The same with the types alone that tails are of: of no other are candidates for them."""
        asked = {name: count for name, count in self.entities.items() if name in self.tails}
        return self._replace(entities=asked or self.entities)

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
