"""Edge files, features and other sources."""

from dataclasses import dataclass

from daskgraph.errors.base import DaskgraphError, UsageError, shortened


@dataclass(eq=False)
class SourceError(DaskgraphError):
    """A source of edges can not be used as a whole."""

    path: str
    """The file, directory or kind of object."""
    reason: str
    """What is wrong, and what to do."""

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(eq=False)
class EdgeFileError(DaskgraphError):
    """One line of an edge file can not be used."""

    path: str
    """The file."""
    line: int
    """Line number, from 1."""
    content: str
    """The line itself."""
    reason: str
    """What is wrong with it."""

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}: {self.reason}: {shortened(self.content)}"


@dataclass(eq=False)
class ShareError(UsageError):
    """A share of the train edges that can not be held out."""

    split: str
    """The split it is for."""
    share: float
    """The share as given."""
    reason: str
    """What is wrong with it, and what is allowed."""

    def __str__(self) -> str:
        return f"{self.split} = {self.share:g} {self.reason}"


@dataclass(eq=False)
class NotFeaturizedError(UsageError):
    """Features for a type whose entities are not made of any."""

    entity_type: str
    """The type as given."""
    featurized: tuple[str, ...]
    """All types that are featurised."""

    def __str__(self) -> str:
        key = f"entities.{self.entity_type}.featurized"
        if not self.featurized:
            return f"features of {self.entity_type!r} were given: set {key} = true, or leave them out"
        known = ", ".join(self.featurized)
        return f"features of {self.entity_type!r} were given, and {key} is not set; it is for: {known}"


@dataclass(eq=False)
class NoFeaturesError(UsageError):
    """A featurised type without a source of features."""

    entity_type: str
    """The type."""

    def __str__(self) -> str:
        name = self.entity_type
        return f"entities.{name}.featurized is set, and no features are given: add --features {name}=FILE"


@dataclass(eq=False)
class MissingFeaturesError(DaskgraphError):
    """Entities of a featurised type that have no features, and so could have no vector."""

    entity_type: str
    """The type."""
    path: str
    """Where features were looked for."""
    count: int
    """How many entities have none."""
    total: int
    """How many entities there are."""
    names: tuple[str, ...]
    """The first of them."""

    def __str__(self) -> str:
        shown = ", ".join(map(repr, self.names)) + (", …" if self.count > len(self.names) else "")
        return (
            f"{self.path}: {self.count:,} of {self.total:,} entities of type {self.entity_type!r} have no "
            f"features: {shown}; add some (one that all of them share will do), or remove their edges"
        )
