"""What edges are ranked against: only figures of one protocol may be compared."""

from dataclasses import dataclass

from daskgraph.errors import OtherProtocolError

SAMPLINGS = ("uniform", "frequency")
"""How candidates may be drawn where not all entities are."""


@dataclass(frozen=True)
class Protocol:
    """How the edges of a split are ranked.

    Raises
    ------
    ValueError
        `candidates` or `sampling` is none of those that there are.
    """

    graph: str
    """Fingerprint of the graph."""

    split: str
    """Whose edges are ranked."""

    candidates: str | int = "all"
    """"all" entities, or how many are drawn from all, or from all of the relation where `constrained`."""

    sampling: str = "uniform"
    """How they are drawn: every entity with the same chance, or in proportion to its train edges."""

    filtered: bool = True
    """Whether other true answers are taken out of the candidates."""

    constrained: bool = False
    """Whether only entities are candidates that stand on this side of the relation in train edges."""

    seed: int = 0
    """What the draws depend on."""

    def __post_init__(self) -> None:
        number = isinstance(self.candidates, int) and not isinstance(self.candidates, bool)
        if self.candidates != "all" and (not number or int(self.candidates) < 1):
            raise ValueError(f"candidates should be 'all' or a number of entities, not {self.candidates!r}")
        if self.sampling not in SAMPLINGS:
            raise ValueError(f"sampling should be one of {', '.join(SAMPLINGS)}, not {self.sampling!r}")
        if self.sampling != "uniform" and self.candidates == "all":
            raise ValueError(f"sampling by {self.sampling} draws candidates: say how many, not 'all'")

    @property
    def name(self) -> str:
        """The protocol in a few words, such as "filtered, against all entities"."""
        kind = "filtered" if self.filtered else "raw"
        entities = "entities of the relation" if self.constrained else "entities"
        if self.candidates == "all":
            return f"{kind}, against all {entities}"
        if self.sampling == "uniform":
            return f"{kind}, against {self.candidates} sampled {entities}"
        return f"{kind}, against {self.candidates} {entities} sampled by frequency"

    @property
    def comparable(self) -> str:
        """With which other figures those of this protocol may be compared."""
        kind, _, against = self.name.partition(", against ")
        if self.candidates == "all":
            return f"with other {kind} ranks against {against}"
        return f"only with {kind} ranks against the same {against} (seed {self.seed})"

    def check_same(self, other: "Protocol") -> None:
        """Refuse to compare figures of two protocols.

        Raises
        ------
        OtherProtocolError
            They differ in anything that a rank depends on.
        """
        if self._essence() != other._essence():
            raise OtherProtocolError(self._described(), other._described())

    def _essence(self) -> tuple[object, ...]:
        drawn = () if self.candidates == "all" else (self.sampling, self.seed)
        return self.graph, self.split, self.candidates, self.filtered, self.constrained, *drawn

    def _described(self) -> str:
        drawn = "" if self.candidates == "all" else f" (seed {self.seed})"
        return f"{self.split} of graph {self.graph[:8]}, {self.name}{drawn}"
