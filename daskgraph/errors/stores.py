"""Graphs, models and exports on disk."""

from dataclasses import dataclass

from daskgraph.errors.base import DaskgraphError, UsageError


@dataclass(eq=False)
class NotAStoreError(DaskgraphError):
    """A path that is no graph or model of daskgraph."""

    path: str
    """The path."""
    wanted: str = "graph or model store"
    """What was looked for."""
    exists: bool = True
    """Whether there is anything at the path."""

    def __str__(self) -> str:
        missing = "" if self.exists else ": there is nothing of that name"
        return f"{self.path} is no {self.wanted} of daskgraph{missing}"


@dataclass(eq=False)
class StoreVersionError(DaskgraphError):
    """A store in a format that this version can not read."""

    path: str
    """The store."""
    found: object
    """Its format version."""
    supported: int
    """The version that can be read."""

    def __str__(self) -> str:
        return (
            f"{self.path} has format version {self.found}, this daskgraph reads version {self.supported}; "
            "use the daskgraph that wrote it, or import and train again"
        )


@dataclass(eq=False)
class DamagedStoreError(DaskgraphError):
    """A store with a part that is missing or does not match its checksum."""

    path: str
    """The store."""
    part: str
    """The array or chunk."""
    reason: str
    """What is wrong with it."""
    remedy: str = ""
    """What to do."""

    def __str__(self) -> str:
        return f"{self.path}: {self.part} is damaged: {self.reason}{self.remedy and '; '}{self.remedy}"


@dataclass(eq=False)
class UnknownSnapshotError(DaskgraphError, KeyError):
    """A snapshot that the model does not have."""

    path: str
    """The model's path."""
    name: str
    """The snapshot as given."""
    known: tuple[str, ...]
    """Snapshots there are."""

    def __str__(self) -> str:
        kept = f"it has: {', '.join(self.known)}" if self.known else "it has none (training.keep makes them)"
        return f"{self.path} has no snapshot {self.name!r}; {kept}"


@dataclass(eq=False)
class NoWholeSnapshotError(DaskgraphError):
    """A model that is to be restored has no snapshot without damage."""

    path: str
    """The model's path."""
    tried: tuple[str, ...]
    """Its snapshots, all damaged."""

    def __str__(self) -> str:
        kept = f"all are damaged: {', '.join(self.tried)}" if self.tried else "none was kept (training.keep)"
        return f"{self.path} can not be restored: of its snapshots {kept}; train it anew"


@dataclass(eq=False)
class OtherGraphError(DaskgraphError):
    """A model was trained on another graph than the one given or found."""

    model: str
    """The model's path."""
    graph: str
    """The graph's path."""

    def __str__(self) -> str:
        return (
            f"{self.model} was trained on another graph than {self.graph}; "
            "give the graph it was trained on, or a new model path with -o"
        )


@dataclass(eq=False)
class GraphNotFoundError(DaskgraphError):
    """A model's graph is at none of the places where it was."""

    model: str
    """The model's path."""
    tried: tuple[str, ...]
    """Where it was looked for."""

    def __str__(self) -> str:
        return f"the graph of {self.model} is not found; looked for {' and '.join(self.tried)}"


@dataclass(eq=False)
class UntrainedModelError(DaskgraphError):
    """A model that was made, but of which nothing is trained yet."""

    path: str
    """The model's path."""

    def __str__(self) -> str:
        return f"{self.path} holds no vectors yet; train it first, by the command that made it"


@dataclass(eq=False)
class StoreLockedError(DaskgraphError):
    """Another training has the model."""

    path: str
    """The model's path."""
    holder: str
    """Host and process that hold it."""

    def __str__(self) -> str:
        return f"{self.path} is being trained by {self.holder}; wait for it or stop it"


@dataclass(eq=False)
class StaleLeaseError(DaskgraphError):
    """A lease was taken back while its holder was away; what it writes now is not wanted."""

    path: str
    """The model's path."""
    lease: str
    """Name of the lease."""

    def __str__(self) -> str:
        return f"{self.path}: lease {self.lease} was taken back; what it has trained since is discarded"


@dataclass(eq=False)
class AlreadyExistsError(DaskgraphError):
    """A path to be written exists, and is not replaced silently."""

    path: str
    """The path."""

    def __str__(self) -> str:
        return f"{self.path} exists already; remove it or choose another path with -o"


@dataclass(eq=False)
class DiskFullError(DaskgraphError):
    """No space left."""

    path: str
    """What was being written."""

    def __str__(self) -> str:
        return f"no space left on the disk while writing {self.path}"


@dataclass(eq=False)
class NotWritableError(DaskgraphError):
    """A path that may not be written."""

    path: str
    """What was to be written."""
    reason: str = "permission denied"
    """What the system says."""

    def __str__(self) -> str:
        return f"{self.path} can not be written: {self.reason}"


@dataclass(eq=False)
class NotReadableError(DaskgraphError):
    """A file that is there and can not be read, however often it is tried."""

    path: str
    """What was to be read."""
    reason: str
    """What the system says."""

    def __str__(self) -> str:
        return f"{self.path} can not be read: {self.reason}"


@dataclass(eq=False)
class ExportError(UsageError):
    """A file that can not hold what is to be exported."""

    path: str
    """The file."""
    reason: str
    """What is wrong, and what to do."""

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"
