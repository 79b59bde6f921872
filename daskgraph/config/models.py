"""The keys of a config with their types and defaults; a line under each says what it means."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from daskgraph.config.quantities import parse_bytes, parse_seconds, parse_walltime

Count = Annotated[int, Field(ge=0, lt=2**63)]
Positive = Annotated[int, Field(ge=1, lt=2**63)]
NonNegative = Annotated[float, Field(ge=0)]
Rate = Annotated[float, Field(gt=0)]
Bias = Annotated[float, Field(ge=0.001, le=1000)]
Share = Annotated[float, Field(ge=0, lt=1)]
Name = Annotated[str, Field(min_length=1)]


def _size(value: str | int) -> str | int:
    if value != "auto" and parse_bytes(value) == 0:
        raise ValueError("should be more than nothing")
    return value


def _bytes(value: str | int) -> str | int:
    if parse_bytes(value) == 0:
        raise ValueError("should be more than nothing")
    return value


def _duration(value: str | float) -> str | float:
    parse_seconds(value)
    return value


def _walltime(value: str | float) -> str | float:
    parse_walltime(value)
    return value


class Section(BaseModel):
    """One table of the config."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class GraphConfig(Section):
    """How a graph is stored; fixed when it is imported."""

    partitions: Literal["auto"] | Positive = "auto"
    """Partitions of every partitioned entity type; "auto": as many as `training.memory` demands."""


class EntityConfig(Section):
    """One entity type."""

    partitioned: bool = True
    """Whether the type is split into partitions, or held whole by every worker, as featurised ones are."""
    featurized: bool = False
    """Whether an entity is the mean of its features' vectors instead of having one of its own."""
    dimension: Positive | None = None
    """Length of its vectors; None: `model.dimension`."""


class RelationConfig(Section):
    """One relation."""

    name: Name = "edge"
    """What it is called in the edge files."""
    head: Name = "entity"
    """Entity type of its heads."""
    tail: Name = "entity"
    """Entity type of its tails."""
    operator: str | None = None
    """What is done to a vector before it is compared; None: `model.operator`."""
    weight: Rate = 1.0
    """Factor on the loss of its edges."""
    all_candidates: bool = False
    """Whether every entity is a candidate for its edges."""


class WalksConfig(Section):
    """Random walks over an untyped graph: pairs of nodes that meet in them are trained, not its edges."""

    per_node: Count = 0
    """Walks that begin at every node; 0: none, the edges themselves are trained."""
    length: Annotated[int, Field(ge=2, lt=2**31)] = 40
    """Nodes of a walk."""
    window: Positive = 10
    """Farthest apart, in steps, that two nodes of a walk make a pair; nearer ones do so more often."""
    p: Bias = 1.0
    """node2vec's return parameter: below 1 a walk goes back more often, above 1 less."""
    q: Bias = 1.0
    """node2vec's in-out parameter: below 1 a walk goes outward more often, above 1 it stays near."""
    thinning: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Power of median degree over degree to which a node keeps its pairs, if it has more; 0: all are kept."""


class ModelConfig(Section):
    """What an edge's score is."""

    dimension: Positive = 100
    """Length of a vector."""
    operator: str = "none"
    """What a relation does to a vector before it is compared."""
    comparator: str = "dot"
    """How two vectors make a score."""
    reciprocal: bool = False
    """Whether every relation has a second operator for the other direction."""
    bias: bool = False
    """Whether the first number of a vector is added to the score instead of compared."""
    global_embedding: bool = False
    """Whether a vector shared by its type is added to every entity's."""
    max_norm: NonNegative = 0.0
    """Longest a vector may become; 0: any length."""
    init_scale: Rate = 0.001
    """Standard deviation of the first, random vectors."""
    dropout: Share = 0.0
    """Share of a vector's numbers that a training step sets to zero."""


class LossConfig(Section):
    """What training makes small."""

    function: str = "softmax"
    """How the scores of an edge and its candidates become a loss."""
    margin: NonNegative = 0.1
    """Lead of an edge over a candidate (ranking) or over 0 (hinge); offset of distances (logistic)."""
    adversarial_temperature: NonNegative = 0.0
    """How much more high-scoring candidates count, in all losses but softmax; 0: all count alike."""
    regularizer: str = "n3"
    """What keeps vectors short."""
    regularization: NonNegative = 0.0
    """Factor on the regularizer; 0: off."""


class NegativesConfig(Section):
    """Which candidates an edge is scored against."""

    in_batch: bool = True
    """The entities of the batch's other edges. Entities of many edges then rank lower: see the presets."""
    uniform: Count = 100
    """So many fresh entities a batch, on each side, all with the same chance unless `frequency` is given."""
    frequency: NonNegative = 0.0
    """Power of an entity's train edges to which its chance to be drawn is in proportion; 0: all alike."""
    stand_for_all: bool = False
    """Whether softmax counts a drawn one as often as there are entities for it; in_batch must be false."""
    mask_positives: bool = False
    """Whether the edge's own entity never counts as a candidate, even if drawn by chance."""
    all: bool = False
    """Every entity."""
    gradient_candidates: Count = 0
    """About so many of an edge get a gradient: likely ones, others by chance, right on average; 0: all."""
    corrupt: Literal["both", "head", "tail"] = "both"
    """The side that candidates take the place of."""


class TrainingConfig(Section):
    """How long and how fast to train."""

    epochs: Positive = 10
    """How often every edge is trained."""
    batch_size: Positive = 100
    """Edges of one gradient step."""
    learning_rate: Rate = 0.1
    """Adagrad's rate for entities."""
    relation_learning_rate: NonNegative = 0.0
    """Adagrad's rate for relations; 0: `learning_rate`."""
    decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Factor on both rates after each plateau; 1: they stay."""
    plateau: Positive = 1
    """So many evaluations without a better MRR are one; epochs without a lower loss, if none evaluates."""
    cooldown: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the epochs, the last ones, in which rates fall to a tenth; more epochs raise them again."""
    threads: Count = 0
    """Threads that train; 0: as many as this process may use."""
    memory: Annotated[str | int, AfterValidator(_size)] = "auto"
    """What a worker may use in all, such as "4GiB"; vectors take half of it at most. "auto": all it may."""
    buffer: Count = 0
    """Partitions a worker holds at a time; 0: from `memory`."""
    bucket_order: Literal[
        "auto", "comet", "random", "affinity", "inside_out", "outside_in", "chained", "beta"
    ] = "auto"
    """In which order partitions meet in memory; "auto": comet; beta reads the fewest."""
    sweeps: Count = 0
    """So often all partitions meet in an epoch after the first, each time for a part of its edges; 0: what
    costs little with comet, else once."""
    seed: Count = 0
    """Where all random numbers start."""
    checkpoint: Annotated[str | float, AfterValidator(_duration)] = "60s"
    """At most so much training is lost, whatever happens: then it is committed."""
    keep: Count = 0
    """So many of the last epochs are kept as snapshots, within the model; 0: none."""

    @property
    def order(self) -> str:
        """`bucket_order`, without "auto"."""
        return "comet" if self.bucket_order == "auto" else self.bucket_order

    @property
    def memory_bytes(self) -> int | None:
        """`memory` in bytes, None for "auto"."""
        return None if self.memory == "auto" else parse_bytes(self.memory)

    @property
    def checkpoint_seconds(self) -> float:
        """`checkpoint` in seconds."""
        return parse_seconds(self.checkpoint)


class EvaluationConfig(Section):
    """Evaluations while training."""

    every: Count = 0
    """Epochs between evaluations on the valid split; 0: none before the end."""
    at_end: bool = True
    """Whether the valid split is evaluated when training ends."""
    candidates: Literal["all"] | Positive = "all"
    """Entities an edge is ranked against: all, or so many sampled ones."""
    sampling: Literal["uniform", "frequency"] = "uniform"
    """How these are sampled: all with the same chance, or in proportion to their train edges."""
    patience: Count = 0
    """After so many evaluations without a better filtered MRR training stops, with the best epoch; 0: off."""


class ClusterConfig(Section):
    """Where training runs. From `minimum` on, keys are for jobs of SLURM."""

    kind: Literal["local", "slurm", "address"] = "local"
    """This machine, jobs of SLURM, or the Dask cluster at `address`."""
    address: str = ""
    """Address or scheduler file of a running Dask cluster."""
    workers: Positive = 1
    """Processes that train on this machine (1: this one, without a cluster), or jobs of SLURM."""
    patience: Annotated[str | float, AfterValidator(_duration)] = "10min"
    """After so long without any progress a training on a cluster is given up."""
    minimum: Positive = 1
    """Training begins when so many workers have come; others may come later."""
    cores: Positive = 4
    """CPUs of a job, and threads that train in it."""
    memory: Annotated[str | int, AfterValidator(_bytes)] = "8GiB"
    """Memory of a job; training uses at most nine tenths of it."""
    walltime: Annotated[str | float, AfterValidator(_walltime)] = "1h"
    """How long a job may run, also as SLURM writes it ("2-00:00:00"); another one follows it."""
    queue: str = ""
    """SLURM's partition; empty: the site's default."""
    account: str = ""
    """Who pays; empty: the user's default."""
    interface: str = ""
    """Network interface of driver and workers, such as "ib0"; empty: the one that leads outside."""
    directives: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    """Options of sbatch that every job has as well, such as "--constraint=skylake"."""
    skip_directives: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    """Options of sbatch that the site refuses, such as "--mem": they are left out."""
    prologue: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    """Lines of bash that every job begins with, such as "module load python"."""
    scratch: Name = "${SLURM_TMPDIR:-${TMPDIR:-/tmp}}"
    """Folder on the node, as bash writes it, for files of a job that go with it."""
    elastic: bool = False
    """Whether jobs without work for five minutes are given back, down to `minimum`, until the next epoch."""

    @property
    def patience_seconds(self) -> float:
        """`patience` in seconds."""
        return parse_seconds(self.patience)

    @property
    def memory_bytes(self) -> int:
        """`memory` in bytes."""
        return parse_bytes(self.memory)

    @property
    def worker_memory_bytes(self) -> int:
        """Bytes of a job's memory that its worker may use: the rest is its nanny's and the files'."""
        return self.memory_bytes * 9 // 10

    @property
    def walltime_seconds(self) -> float:
        """`walltime` in seconds."""
        return parse_walltime(self.walltime)

    @property
    def alone(self) -> bool:
        """Whether a training runs in the process that asks for it, where no client is given."""
        return self.kind == "local" and self.workers == 1

    @property
    def started(self) -> int:
        """Workers that a training starts itself; 1 where it finds them on a cluster that runs."""
        return 1 if self.kind == "address" else self.workers


class Config(Section):
    """All that can be chosen about a graph, its model and its training.

    Frozen: every change makes a new, checked config.

    >>> config = Config.from_dict({"model": {"dimension": 64}})
    >>> config.override(["training.epochs=3"]).training.epochs
    3
    """

    graph: GraphConfig = GraphConfig()
    """How the graph is stored."""
    entities: dict[str, EntityConfig] = {}
    """Entity types by name; may be empty for an untyped graph."""
    relations: Annotated[tuple[RelationConfig, ...], Field(strict=False)] = ()
    """Relations in their order; empty: those found in the edges, all with `model.operator`."""
    walks: WalksConfig = WalksConfig()
    """Random walks whose pairs of nodes are trained instead of edges."""
    model: ModelConfig = ModelConfig()
    """What an edge's score is."""
    loss: LossConfig = LossConfig()
    """What training makes small."""
    negatives: NegativesConfig = NegativesConfig()
    """Which candidates an edge is scored against."""
    training: TrainingConfig = TrainingConfig()
    """How long and how fast to train."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """Evaluations while training."""
    cluster: ClusterConfig = ClusterConfig()
    """Where training runs."""

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> "Config":
        """Return the config with these keys and the defaults of all others.

        Raises ConfigError, which names the key's dotted path, what was given and what is allowed.
        """
        from daskgraph.config.checks import check
        from daskgraph.config.refusals import refusal

        try:
            config = cls.model_validate(dict(mapping))
        except ValidationError as error:
            raise refusal(error, cls) from None
        check(config)
        return config

    @classmethod
    def from_toml(cls, path: str | Path) -> "Config":
        """Return the config that a TOML file gives.

        Raises ConfigError, which names the file and line for a mistake in the syntax.
        """
        from daskgraph.config.loading import read_toml

        return cls.from_dict(read_toml(path))

    def override(self, overrides: list[str]) -> "Config":
        """Return the config with some `section.key=value` changed; a relation is meant by its number.

        Values are written as in TOML; a bare word is a string. Raises ConfigError.
        """
        from daskgraph.config.loading import load, merge

        return merge(self.to_dict(), load(overrides=overrides))

    def to_dict(self) -> dict[str, Any]:
        """Return all keys as plain values that JSON can hold; `from_dict` takes them back."""
        return self.model_dump(mode="json")

    def explicit(self) -> dict[str, Any]:
        """Return only the keys that were given."""
        return self.model_dump(mode="json", exclude_unset=True)

    def dimension_of(self, entity_type: str) -> int:
        """Return the length of the vectors of one entity type."""
        own = self.entities[entity_type].dimension if entity_type in self.entities else None
        return self.model.dimension if own is None else own

    def operator_of(self, relation: RelationConfig) -> str:
        """Return the operator of one relation."""
        return self.model.operator if relation.operator is None else relation.operator
