"""Evaluations and classifications that can not be made."""

from dataclasses import dataclass

from daskgraph.errors.base import DaskgraphError, UsageError


@dataclass(eq=False)
class OtherProtocolError(UsageError):
    """Figures were to be compared that say different things."""

    one: str
    """How the one were made."""
    other: str
    """And how the other."""

    def __str__(self) -> str:
        return f"figures of {self.one} and of {self.other} can not be compared; evaluate both in one way"


@dataclass(eq=False)
class MissingPackageError(DaskgraphError):
    """A package is missing that only some of what daskgraph does needs."""

    what: str
    """What was asked for."""
    package: str
    """What it needs."""
    extra: str
    """Which of daskgraph's extras brings it."""

    def __str__(self) -> str:
        return (
            f"{self.what} needs {self.package}, which is not installed: pip install 'daskgraph[{self.extra}]'"
        )


@dataclass(eq=False)
class TooFewLabelledError(UsageError, ValueError):
    """A share of the labelled nodes that is none of them, or all."""

    fraction: float
    """The share."""
    nodes: int
    """How many nodes are labelled."""

    def __str__(self) -> str:
        return (
            f"a fraction of {self.fraction:g} leaves none of {self.nodes} labelled nodes to train on, or none"
            " to try; give other --fractions, or more labels"
        )


@dataclass(eq=False)
class NothingLabelledError(DaskgraphError):
    """Labels of nodes of which the graph has none."""

    source: str
    """Where they are from."""
    kind: str
    """The entity type that was asked for."""

    def __str__(self) -> str:
        return (
            f"{self.source}: none of its nodes is an entity of type {self.kind!r}; the first column should"
            " hold the ids that the edges have"
        )
