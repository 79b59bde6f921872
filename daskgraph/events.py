"""What happens during long work, told to a callback: the library itself never prints."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class Event:
    """Base of everything a callback is told."""


Callback = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Do nothing: the callback where none was given."""


@dataclass(frozen=True)
class Notice(Event):
    """A sentence for whoever watches, such as a choice that was made for them."""

    text: str
    """The sentence, on one line."""


@dataclass(frozen=True)
class ImportStarted(Event):
    """An import begins."""

    paths: Sequence[str]
    """Files, or kinds of objects, that are read."""


@dataclass(frozen=True)
class ImportProgress(Event):
    """An import has come this far."""

    edges: int
    """Edges read so far."""
    bytes_done: int
    """Bytes of the sources read so far, over all passes."""
    bytes_total: int
    """Bytes to read, over all passes; 0 where it is not known."""


@dataclass(frozen=True)
class ImportFinished(Event):
    """A graph store is complete."""

    summary: Mapping[str, Any]
    """What `import_edges` returns."""


@dataclass(frozen=True)
class CompileStarted(Event):
    """Kernels are compiled or loaded from the cache."""


@dataclass(frozen=True)
class CompileFinished(Event):
    """Kernels are ready."""

    seconds: float
    """How long that took."""


@dataclass(frozen=True)
class TrainingStarted(Event):
    """A training begins or goes on."""

    entities: int
    """Entities of all types."""
    relations: int
    """Relations."""
    edges: int
    """Edges an epoch."""
    epochs: int
    """Epochs when all is done, counted from the model's first."""
    first_epoch: int
    """The epoch this call begins with, from 1."""
    threads: int
    """Threads that train here, 0 where others do."""
    partitions: int = 1
    """Partitions of every partitioned type."""
    buffer: int = 1
    """How many of them a worker holds."""
    sweeps: int = 1
    """How often all of them meet in an epoch after the first."""
    done: float = 0.0
    """Share of the first epoch's edges that are trained already."""


@dataclass(frozen=True)
class EdgesTrained(Event):
    """Some edges were trained since the last such event."""

    epoch: int
    """The epoch, from 1."""
    edges: int
    """How many edges."""
    loss: float
    """Their summed loss."""


@dataclass(frozen=True)
class EpochFinished(Event):
    """Every edge was trained once more."""

    epoch: int
    """The epoch, from 1."""
    edges: int
    """Edges of the epoch."""
    loss: float
    """Mean loss of an edge."""
    seconds: float
    """How long the epoch took."""
    edges_per_second: float
    """Its rate."""


@dataclass(frozen=True)
class Committed(Event):
    """All training so far is safe in the model store."""

    epoch: int
    """The epoch, from 1."""
    seconds: float
    """How long the commit took."""


@dataclass(frozen=True)
class TrainingFinished(Event):
    """All epochs are done."""

    summary: Mapping[str, Any]
    """What `Model.summary` holds."""


@dataclass(frozen=True)
class WalksStarted(Event):
    """Random walks begin, whose pairs of nodes will be trained."""

    walks: int
    """How many walks."""


@dataclass(frozen=True)
class WalksProgress(Event):
    """Some walks were made since the last such event."""

    walks: int
    """How many walks."""


@dataclass(frozen=True)
class WalksFinished(Event):
    """All pairs are written."""

    walks: int
    """How many walks."""
    pairs: int
    """Pairs of nodes that stood near each other."""
    seconds: float
    """How long it took."""


@dataclass(frozen=True)
class EvaluationStarted(Event):
    """An evaluation begins."""

    split: str
    """The split evaluated."""
    edges: int
    """Its edges."""


@dataclass(frozen=True)
class EvaluationProgress(Event):
    """Some edges were evaluated since the last such event."""

    edges: int
    """How many edges."""


@dataclass(frozen=True)
class ClassificationStarted(Event):
    """A classification of nodes begins."""

    trials: int
    """Classifiers of all labels are trained so often, on other nodes each time."""


@dataclass(frozen=True)
class ClassificationProgress(Event):
    """Some trials are done since the last such event."""

    trials: int
    """How many."""


@dataclass(frozen=True)
class EvaluationFinished(Event):
    """An evaluation is done."""

    split: str
    """The split evaluated."""
    mrr: float
    """Mean reciprocal rank."""
    hits10: float
    """Share of ranks that are 10 or better."""
    seconds: float
    """How long it took."""
    protocol: str
    """What it was measured against."""
