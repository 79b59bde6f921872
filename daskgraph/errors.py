"""Every error daskgraph raises on purpose: one class per cause, one line per message.

A message says what was given, what is allowed and, where known, what to do. The fields stay readable as
attributes, and every error survives pickling, since errors travel between processes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar


class DaskgraphError(Exception):
    """Base of all errors raised on purpose."""

    exit_status: ClassVar[int] = 1
    """What the command line exits with."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        # The default would call the class with `args`, which lacks whatever was given by keyword.
        if not is_dataclass(self):
            return type(self), self.args
        return type(self), tuple(getattr(self, field.name) for field in fields(self))


class UsageError(DaskgraphError):
    """The request itself is wrong: nothing was started."""

    exit_status = 2


def nearest_name(name: str, known: Sequence[str]) -> str | None:
    """Return the known name that `name` was probably meant to be, or None."""
    from difflib import get_close_matches

    folded = {candidate.casefold(): candidate for candidate in known}
    matches = get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def suggestion(name: str, known: Sequence[str]) -> str:
    """Return "did you mean …?" where a known name is near, else the list of known names."""
    nearest = nearest_name(name, known)
    if nearest is not None:
        return f"did you mean {nearest!r}?"
    return f"known are: {', '.join(known)}" if known else "none is known"


def shown_size(count: int) -> str:
    """Return a number of bytes as people read and write it, rounded up, so that it can be taken as advice.

    >>> shown_size(1500)
    '1.5KiB'
    """
    for unit, base in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= base:
            return f"{-(-10 * count // base) / 10:.1f}{unit}"
    return f"{count}B"


# ---- Config ----------------------------------------------------------------------------------------------


_IMPORT = " (in a shell: daskgraph --import MODULE …)"


class ConfigError(UsageError):
    """The config is wrong."""


@dataclass(eq=False)
class UnknownKeyError(ConfigError):
    """A key that does not exist, usually misspelt."""

    path: str
    """Dotted path of the key."""
    nearest: str | None
    """Dotted path of the key that was probably meant."""
    known: tuple[str, ...] = ()
    """Names allowed in that place."""

    def __str__(self) -> str:
        if self.nearest is not None:
            return f"config: unknown key {self.path}; did you mean {self.nearest}?"
        return f"config: unknown key {self.path}; known here are: {', '.join(self.known)}"


@dataclass(eq=False)
class ConfigValueError(ConfigError):
    """A key has a value that is not allowed."""

    path: str
    """Dotted path of the key."""
    given: object
    """The value as given."""
    allowed: str
    """What would be right, as the end of a sentence."""

    def __str__(self) -> str:
        return f"config: {self.path} = {_shortened(self.given)} {self.allowed}"


@dataclass(eq=False)
class UnknownVariantError(ConfigError):
    """An operator, comparator, loss or regularizer that does not exist."""

    path: str
    """Dotted path of the key."""
    given: str
    """The name as given."""
    known: tuple[str, ...]
    """All names there are."""

    def __str__(self) -> str:
        nearest = nearest_name(self.given, self.known)
        hint = f"did you mean {nearest!r}? " if nearest else ""
        own = "" if nearest else f"; one of your own must be registered first{_IMPORT}"
        return (
            f"config: {self.path} = {self.given!r} is unknown; {hint}known are: {', '.join(self.known)}{own}"
        )


@dataclass(eq=False)
class UnregisteredError(UsageError):
    """A store whose config names a variant that was registered elsewhere, and was not here."""

    store: str
    """Its path."""
    path: str
    """Dotted path of the key."""
    given: str
    """The name as stored."""

    def __str__(self) -> str:
        return (
            f"{self.store} has {self.path} = {self.given!r}, which is not registered in this process: import "
            f"the module that registers it{_IMPORT}, or choose another path with -o"
        )


@dataclass(eq=False)
class NameTakenError(UsageError):
    """An operator, comparator or loss was to be registered under a name that exists."""

    kind: str
    """Which of the three."""
    name: str
    """The name."""
    known: tuple[str, ...]
    """All names there are."""

    def __str__(self) -> str:
        return f"the {self.kind} {self.name!r} exists already; take another name than {', '.join(self.known)}"


@dataclass(eq=False)
class RegistrationError(UsageError):
    """An operator, comparator or loss that can not work was to be registered."""

    name: str
    """Its name."""
    reason: str
    """What is wrong, and what is allowed."""

    def __str__(self) -> str:
        return f"{self.name!r} can not be registered: {self.reason}"


@dataclass(eq=False)
class KernelError(UsageError):
    """A function of a registered operator, comparator or loss that Numba can not compile."""

    name: str
    """Name of the operator, comparator or loss."""
    use: str
    """Which of its functions."""
    reason: str
    """What Numba says."""
    called: str
    """How the function is called."""

    def __str__(self) -> str:
        return (
            f"{self.use} of {self.name!r} can not be compiled: {self.reason}; it is called as {self.called}"
        )


@dataclass(eq=False)
class ModuleImportError(UsageError):
    """A module of the user's own that can not be imported."""

    module: str
    """Its name as given."""
    reason: str
    """What is wrong, and what to do."""

    def __str__(self) -> str:
        return f"--import {self.module}: {self.reason}"


@dataclass(eq=False)
class UnknownTypeError(ConfigError):
    """A relation names an entity type that has no table."""

    path: str
    """Dotted path of the key."""
    given: str
    """The type as given."""
    known: tuple[str, ...]
    """All declared entity types."""

    def __str__(self) -> str:
        hint = suggestion(self.given, self.known)
        return f"config: {self.path} = {self.given!r} has no table [entities.{self.given}]; {hint}"


@dataclass(eq=False)
class ConfigFileError(ConfigError):
    """A config file is missing, unreadable or no TOML."""

    path: str
    """The file."""
    line: int | None
    """Line number, from 1, where one line is to blame."""
    reason: str
    """What is wrong."""

    def __str__(self) -> str:
        where = self.path if self.line is None else f"{self.path}, line {self.line}"
        return f"{where}: {self.reason}"


@dataclass(eq=False)
class OverrideError(ConfigError):
    """An override that is no `section.key=value`."""

    text: str
    """The override as given."""

    def __str__(self) -> str:
        return f"override {self.text!r} should be section.key=value, such as training.epochs=20"


# ---- Edge files and other sources --------------------------------------------------------------------------


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
        return f"{self.path}, line {self.line}: {self.reason}: {_shortened(self.content)}"


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


# ---- Stores ------------------------------------------------------------------------------------------------


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


# ---- Plans -------------------------------------------------------------------------------------------------


class DoesNotFitError(DaskgraphError):
    """A training takes more than there is."""


@dataclass(eq=False)
class MemoryTooSmallError(DoesNotFitError):
    """Memory that is too small for a training of this kind, however few vectors it holds."""

    limit: int
    """Bytes that a worker may use."""
    needed: int
    """Bytes that it takes without any vectors."""
    process: int
    """What of these an idle process takes."""
    parts: Mapping[str, int]
    """What of these edges, workspaces and parameters take."""

    def __str__(self) -> str:
        largest = max(self.parts, key=self.parts.__getitem__)
        what = f"an idle process {shown_size(self.process)}, {largest} {shown_size(self.parts[largest])}"
        lower = {
            "edges": "",
            "workspaces": ", or lower negatives.uniform, training.batch_size or training.threads",
            "parameters": ", or take an operator with fewer numbers",
        }
        return (
            f"training.memory of {shown_size(self.limit)} is too small: without any vectors, a worker takes "
            f"{shown_size(self.needed)} ({what}); give more{lower[largest]}"
        )


@dataclass(eq=False)
class NeighborsTooBigError(DoesNotFitError):
    """A graph that is too big to be walked on in memory."""

    needed: int
    """Bytes of all lists of neighbours."""
    limit: int
    """`training.memory` in bytes."""

    def __str__(self) -> str:
        return (
            f"walks need the neighbours of all nodes in memory, {shown_size(self.needed)}, and"
            f" training.memory is {shown_size(self.limit)}; give more, or train the edges themselves with"
            " walks.per_node=0"
        )


@dataclass(eq=False)
class UnpartitionedTooBigError(DoesNotFitError):
    """Entity types without partitions that are too big to be held whole."""

    sizes: Mapping[str, int]
    """Bytes of each such type."""
    limit: int
    """Bytes that a worker may use."""
    needed: int
    """Bytes that would do."""
    featurized: tuple[str, ...] = ()
    """Which of them are featurised, and can not have partitions."""

    def __str__(self) -> str:
        largest = max(self.sizes, key=self.sizes.__getitem__)
        way_out = "fewer features" if largest in self.featurized else f"entities.{largest}.partitioned = true"
        return (
            f"entity type {largest!r} takes {shown_size(self.sizes[largest])} in every worker, too much for "
            f"training.memory of {shown_size(self.limit)}; give {shown_size(self.needed)} or more, "
            f"or import again with {way_out}"
        )


@dataclass(eq=False)
class TooFewPartitionsError(DoesNotFitError):
    """Partitions so large that not even the fewest that a worker needs fit in its memory."""

    partitions: int
    """Partitions of the graph."""
    needed: int
    """Bytes that would do."""
    limit: int
    """Bytes that a worker may use."""
    fitting: int | None
    """How many partitions would fit, if any number does."""

    def __str__(self) -> str:
        change = f"import with -s graph.partitions={self.fitting}, or " if self.fitting else ""
        given = "1 partition" if self.partitions == 1 else f"{self.partitions} partitions"
        return (
            f"a graph in {given} takes {shown_size(self.needed)} to train, more than training.memory of "
            f"{shown_size(self.limit)}; {change}give more training.memory"
        )


@dataclass(eq=False)
class BufferTooBigError(DoesNotFitError):
    """More partitions in memory than fit there were asked for."""

    buffer: int
    """`training.buffer`."""
    needed: int
    """Bytes that it takes."""
    limit: int
    """Bytes that a worker may use."""
    fitting: int
    """How many would fit."""

    def __str__(self) -> str:
        return (
            f"training.buffer = {self.buffer} takes {shown_size(self.needed)}, more than training.memory of "
            f"{shown_size(self.limit)}; {self.fitting} would fit, and 0 takes as many as fit"
        )


@dataclass(eq=False)
class TooManyWorkersError(DoesNotFitError):
    """More workers than can hold different partitions at once."""

    workers: int
    """Workers that were asked for."""
    partitions: int
    """Partitions of the graph."""
    needed: int
    """Partitions that would do."""
    possible: int
    """Workers that these partitions allow."""

    def __str__(self) -> str:
        return (
            f"{self.workers} workers can not share {self.partitions} partitions, which are enough for "
            f"{self.possible}; import with -s graph.partitions={self.needed} or more"
        )


@dataclass(eq=False)
class DiskTooSmallError(DoesNotFitError):
    """A disk with less space than a training will write."""

    path: str
    """The folder."""
    needed: int
    """Bytes that will be written."""
    free: int
    """Bytes that are free."""

    def __str__(self) -> str:
        return (
            f"the disk of {self.path} has {shown_size(self.free)} free, and up to {shown_size(self.needed)} "
            "will be written; choose another place with -o, or a smaller model.dimension"
        )


# ---- SLURM -------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class SlurmMissingError(UsageError):
    """A program or package that jobs need, and this machine lacks."""

    name: str
    """What is not found."""
    remedy: str
    """What to do."""

    def __str__(self) -> str:
        return f"jobs of SLURM need {self.name}, which is not found here: {self.remedy}"


@dataclass(eq=False)
class SlurmCommandError(DaskgraphError):
    """A command of SLURM that fails."""

    command: str
    """The command."""
    reason: str
    """What it says."""

    def __str__(self) -> str:
        return f"{self.command} fails: {self.reason}"


@dataclass(eq=False)
class SubmissionRefusedError(UsageError):
    """Jobs that SLURM would never take."""

    reason: str
    """What sbatch says."""

    def __str__(self) -> str:
        hint = "change [cluster] in the config; --dry-run shows the script"
        return f"SLURM refuses the jobs: {self.reason}; {hint}"


@dataclass(eq=False)
class JobsFailedError(DaskgraphError):
    """Jobs that end by themselves, one after the other."""

    sentences: tuple[str, ...]
    """What became of each."""
    log: str
    """Path of what the last one has printed."""
    tail: str
    """Its last lines."""

    def __str__(self) -> str:
        last = f"; {self.log} ends with: {self.tail}" if self.tail else f"; see {self.log}"
        return f"jobs fail one after the other: {'; '.join(self.sentences)}{last}"


@dataclass(eq=False)
class RunCancelledError(DaskgraphError):
    """Somebody has cancelled the run."""

    path: str
    """The model's path."""

    def __str__(self) -> str:
        return f"the run was cancelled (daskgraph cancel); train {self.path} again to go on"


@dataclass(eq=False)
class TerminatedError(DaskgraphError):
    """A signal has told the process to end."""

    signal: str
    """The signal's name."""

    exit_status: ClassVar[int] = 143

    def __str__(self) -> str:
        return f"ended by {self.signal}; the same command goes on from the last commit, if there was one"


# ---- Questions ---------------------------------------------------------------------------------------------


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
            return f"there are several entity types: {', '.join(self.known)}; name one"
        return f"there is no entity type {self.name!r}; {suggestion(self.name, self.known)}"


@dataclass(eq=False)
class UnknownSplitError(DaskgraphError, KeyError):
    """A split that the graph does not hold."""

    name: str
    """The split as given."""
    known: tuple[str, ...]
    """Splits there are."""

    def __str__(self) -> str:
        return f"the graph has no split {self.name!r}; it has: {', '.join(self.known)}"


@dataclass(eq=False)
class QuestionError(UsageError):
    """A question that leaves open, or gives away, what is asked for."""

    reason: str
    """What is wrong, and what to do."""

    def __str__(self) -> str:
        return self.reason


# ---- Exports -----------------------------------------------------------------------------------------------


@dataclass(eq=False)
class ExportError(UsageError):
    """A file that can not hold what is to be exported."""

    path: str
    """The file."""
    reason: str
    """What is wrong, and what to do."""

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


# ---- Training ----------------------------------------------------------------------------------------------


@dataclass(eq=False)
class InitError(UsageError):
    """A model that can not begin with the vectors of the other one that was given."""

    path: str
    """The other model's path."""
    reason: str
    """What is wrong, and what to do."""

    def __str__(self) -> str:
        return f"--init {self.path}: {self.reason}"


@dataclass(eq=False)
class FixedKeyError(UsageError):
    """A key of a model that exists was to be changed, and can not be."""

    path: str
    """Dotted path of the key."""
    stored: object
    """Its value in the model."""
    given: object
    """The value given now."""

    def __str__(self) -> str:
        change = f"from {_shortened(self.stored)} to {_shortened(self.given)}"
        return f"{self.path} can not change {change} in a trained model; leave it out, or train another model"


def _shortened(value: object, length: int = 120) -> str:
    text = repr(value)
    return text if len(text) <= length else text[: length - 1] + "…"


@dataclass(eq=False)
class LeaseFailedError(DaskgraphError):
    """The same part of a graph could not be trained, again and again."""

    lease: int
    """Number of the lease that failed last."""
    partitions: tuple[int, ...]
    """Its partitions."""
    reason: str
    """What happened, with its traceback where there is one."""

    def __str__(self) -> str:
        where = ", ".join(map(str, self.partitions))
        last = self.reason.strip().splitlines()[-1:]
        return (
            f"lease {self.lease} (partitions {where}) failed too often, the last time with: {' '.join(last)}"
        )


@dataclass(eq=False)
class SchedulerLostError(DaskgraphError):
    """A cluster whose scheduler is gone."""

    address: str
    """Where it was."""

    def __str__(self) -> str:
        return (
            f"the scheduler at {self.address} does not answer any more; what was committed is safe, "
            "train again on a cluster that runs"
        )


@dataclass(eq=False)
class NoProgressError(DaskgraphError):
    """A cluster on which nothing happens any more."""

    seconds: float
    """For how long."""
    holders: Mapping[str, tuple[int, ...]]
    """Partitions that each worker was training."""

    def __str__(self) -> str:
        held = "; ".join(f"{worker} holds partitions {parts}" for worker, parts in self.holders.items())
        what = held or "there is no worker: look why none could start"
        return (
            f"nothing has happened for {self.seconds:.0f} s ({what}); what was committed is safe, train again"
        )


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
