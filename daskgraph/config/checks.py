"""What a config must keep beyond the type of each key: known names, and keys that fit each other."""

import re
from collections.abc import Iterator

from daskgraph.config.models import Config, RelationConfig
from daskgraph.errors import ConfigValueError, UnknownTypeError, UnknownVariantError

UNTYPED = "entity"
"""The one entity type of a graph whose config declares none."""

SHORTEST_WALLTIME = 600.0
"""Seconds of the shortest job: it starts, trains, and hands back its lease with minutes to spare."""

# A type's name becomes a folder of the store.
_TYPE_NAME = re.compile(r"\w[\w.-]*")


def known_variants() -> dict[str, tuple[str, ...]]:
    """Return the names of all operators, comparators, losses and regularizers."""
    from daskgraph_kernels import names

    return {
        "operator": tuple(names.OPERATORS),
        "comparator": tuple(names.COMPARATORS),
        "loss": tuple(names.LOSSES),
        "regularizer": tuple(names.REGULARIZERS),
    }


def check(config: Config) -> None:
    """Raise ConfigError for the first thing that is wrong."""
    _check_variants(config)
    _check_types(config)
    _check_dimensions(config)
    _check_candidates(config)
    _check_stand_for_all(config)
    _check_temperature(config)
    _check_patience(config)
    _check_sampling(config)
    _check_jobs(config)


def _check_variants(config: Config) -> None:
    known = known_variants()
    chosen = [
        ("model.operator", config.model.operator, "operator"),
        ("model.comparator", config.model.comparator, "comparator"),
        ("loss.function", config.loss.function, "loss"),
        ("loss.regularizer", config.loss.regularizer, "regularizer"),
        *(
            (f"{path}.operator", config.operator_of(relation), "operator")
            for path, relation in _relations(config)
        ),
    ]
    for path, name, kind in chosen:
        if name not in known[kind]:
            raise UnknownVariantError(path, name, known[kind])


def _check_types(config: Config) -> None:
    known = tuple(config.entities) or (UNTYPED,)
    used = set() if config.relations else {UNTYPED}
    names: set[str] = set()
    for path, relation in _relations(config):
        if relation.name in names:
            raise ConfigValueError(f"{path}.name", relation.name, "is the name of an earlier relation too")
        names.add(relation.name)
        for side, given in (("head", relation.head), ("tail", relation.tail)):
            if given not in known:
                raise UnknownTypeError(f"{path}.{side}", given, known)
            used.add(given)
    for name in config.entities:
        if not _TYPE_NAME.fullmatch(name):
            allowed = "should be named with letters, digits, '_', '-' and '.' only"
            raise ConfigValueError(f"entities.{name!r}", {}, allowed)
        if name not in used:
            allowed = "is used by no relation; name it as head or tail in [[relations]]"
            raise ConfigValueError(f"entities.{name}", {}, allowed)


def _check_dimensions(config: Config) -> None:
    from daskgraph_kernels import names

    relations = list(_relations(config)) or [("relations", RelationConfig())]
    for path, relation in relations:
        head, tail = config.dimension_of(relation.head), config.dimension_of(relation.tail)
        if head != tail:
            types = f"{relation.head!r} and {relation.tail!r}"
            allowed = f"joins {types} of dimensions {head} and {tail}; they must be equal"
            raise ConfigValueError(path, relation.name, allowed)
        for name in (config.operator_of(relation), config.model.comparator):
            if name in names.EVEN and head % 2:
                path = _dimension_path(config, relation.head)
                raise ConfigValueError(path, head, f"should be even for {name}")


def _check_candidates(config: Config) -> None:
    negatives = config.negatives
    if negatives.in_batch or negatives.uniform or negatives.all:
        return
    if not config.relations or not all(relation.all_candidates for relation in config.relations):
        allowed = "leaves no candidates; set it, or negatives.in_batch or negatives.all"
        raise ConfigValueError("negatives.uniform", 0, allowed)


def _check_stand_for_all(config: Config) -> None:
    if not config.negatives.stand_for_all:
        return
    for key, fits in (
        ("loss.function = softmax", config.loss.function == "softmax"),
        ("negatives.in_batch = false", not config.negatives.in_batch),
        ("negatives.frequency = 0", not config.negatives.frequency),
        ("negatives.uniform > 0", config.negatives.uniform > 0),
    ):
        if not fits:
            raise ConfigValueError("negatives.stand_for_all", True, f"needs {key}")


def _check_temperature(config: Config) -> None:
    if config.loss.function == "softmax" and config.loss.adversarial_temperature:
        allowed = "has no place in softmax, which weighs candidates by their scores already; leave it at 0"
        raise ConfigValueError("loss.adversarial_temperature", config.loss.adversarial_temperature, allowed)


def _check_patience(config: Config) -> None:
    if config.evaluation.patience and not config.evaluation.every:
        allowed = "counts evaluations, and there are none while evaluation.every is 0; set that too"
        raise ConfigValueError("evaluation.patience", config.evaluation.patience, allowed)


def _check_sampling(config: Config) -> None:
    if config.evaluation.sampling != "uniform" and config.evaluation.candidates == "all":
        allowed = "draws candidates; say how many with evaluation.candidates"
        raise ConfigValueError("evaluation.sampling", config.evaluation.sampling, allowed)


def _check_jobs(config: Config) -> None:
    cluster = config.cluster
    if cluster.kind != "slurm":
        return
    if cluster.minimum > cluster.workers:
        allowed = f"is more than cluster.workers, {cluster.workers}; training would never begin"
        raise ConfigValueError("cluster.minimum", cluster.minimum, allowed)
    if (config.training.memory_bytes or 0) > cluster.worker_memory_bytes:
        allowed = (
            f"is more than nine tenths of cluster.memory, {cluster.memory}, which a job's worker may use"
        )
        raise ConfigValueError("training.memory", config.training.memory, allowed)
    if cluster.walltime_seconds < SHORTEST_WALLTIME:
        allowed = "is too short to train between the start of a job and its end; give 10min or more"
        raise ConfigValueError("cluster.walltime", cluster.walltime, allowed)


def _relations(config: Config) -> Iterator[tuple[str, RelationConfig]]:
    for number, relation in enumerate(config.relations):
        yield f"relations.{number}", relation


def _dimension_path(config: Config, entity_type: str) -> str:
    declared = config.entities.get(entity_type)
    own = declared is not None and declared.dimension is not None
    return f"entities.{entity_type}.dimension" if own else "model.dimension"
