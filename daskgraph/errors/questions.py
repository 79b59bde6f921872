"""What a graph or model is asked for, and does not have."""

from dataclasses import dataclass

from daskgraph.errors.base import DaskgraphError, UsageError, nearest_name, suggestion


@dataclass(eq=False)
class UnknownEntityError(DaskgraphError, KeyError):
    """An entity that the graph does not hold."""

    name: str
    """The id or label as given."""
    nearest: str | None = None
    """The id or label that was probably meant."""
    wanted: str | None = None
    """The type it must be of, where there are several."""
    others: tuple[str, ...] = ()
    """Other types that have an entity of that id or label."""

    def __str__(self) -> str:
        kind = f"entity of type {self.wanted!r}" if self.wanted else "entity"
        hint = f"; did you mean {self.nearest!r}?" if self.nearest else ""
        if self.others:
            hint = f"; it is of type {' and '.join(map(repr, self.others))}"
        return f"no {kind} has the id or label {self.name!r}{hint}"


@dataclass(eq=False)
class AmbiguousEntityError(DaskgraphError, KeyError):
    """An id that several types have, or a label that several entities share."""

    name: str
    """The id or label as given."""
    candidates: tuple[str, ...]
    """The ids of the entities that have it, perhaps with their descriptions."""

    def __str__(self) -> str:
        return f"several entities are called {self.name!r}; ask by id: {', '.join(self.candidates)}"


@dataclass(eq=False)
class UnknownRelationError(DaskgraphError, KeyError):
    """A relation that the graph does not hold."""

    name: str
    """The name as given."""
    known: tuple[str, ...] = ()
    """Relations there are."""

    def __str__(self) -> str:
        nearest = nearest_name(self.name, self.known)
        if nearest:
            return f"no relation is named {self.name!r}; did you mean {nearest!r}?"
        shown = ", ".join(self.known[:10]) + (", …" if len(self.known) > 10 else "")
        return f"no relation is named {self.name!r}; the graph has: {shown}"


@dataclass(eq=False)
class UnknownEntityTypeError(DaskgraphError, KeyError):
    """An entity type that the graph does not hold, or none where there are several."""

    name: str | None
    """The type as given."""
    known: tuple[str, ...] = ()
    """Types there are."""

    def __str__(self) -> str:
        if self.name is None:
            known = ", ".join(self.known)
            return f"there are several entity types: {known}; name one (entity_type, --entity-type)"
        return f"there is no entity type {self.name!r}; {suggestion(self.name, self.known)}"


@dataclass(eq=False)
class UnknownSplitError(DaskgraphError, KeyError):
    """A split that the graph does not hold."""

    name: str
    """The split as given."""
    known: tuple[str, ...]
    """Splits there are."""

    def __str__(self) -> str:
        hint = f"; import edges with --{self.name} FILE, or hold some out with --{self.name} 0.05"
        added = hint if self.name in ("valid", "test") else ""
        return f"the graph has no split {self.name!r}; it has: {', '.join(self.known)}{added}"


@dataclass(eq=False)
class QuestionError(UsageError):
    """A question that leaves open, or gives away, what is asked for."""

    reason: str
    """What is wrong, and what to do."""

    def __str__(self) -> str:
        return self.reason
