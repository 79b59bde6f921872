"""What a training would take: sizes of a source or given ones, rates of this machine, one plan."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from daskgraph import presets
from daskgraph.api.sources import (
    chosen_types,
    default_model_path,
    import_settings,
    open_graph_store,
    source_files,
)
from daskgraph.config import Config, merge, merge_stored
from daskgraph.errors import DiskTooSmallError, QuestionError, suggestion
from daskgraph.graph import UNTYPED_ENTITY, UNTYPED_RELATION, EntityType, GraphSchema, RelationType
from daskgraph.ingest import estimate
from daskgraph.model import Model
from daskgraph.planning import Plan, Rounds, choose, choose_buffer, expected_pairs, make_plan
from daskgraph.schedule import count_reads
from daskgraph.schedule.orders import held_sets
from daskgraph.sizes import choose_sweeps, memory_limit, sizes_of, worker_config
from daskgraph.store import GraphStore
from daskgraph.threads import available_threads
from daskgraph.tune import calibrate
from daskgraph.walks import kept_pairs, kept_share

Nodes = int | Mapping[str, int]

NAME_BYTES = 16.0
"""What an entity's id may take where none is known."""


class Subject(NamedTuple):
    """What a plan is made for."""

    config: Config
    """All keys."""
    schema: GraphSchema
    """Types and their counts."""
    edges: int
    """Edges of the train split."""
    graph_bytes: int = 0
    """What its graph will take on the disk, where it is still to be imported."""
    partitions: int | None = None
    """Its partitions, where they are decided; None: to be chosen."""
    notes: tuple[str, ...] = ()
    """What to know about these numbers."""
    held_out: Mapping[str, int] = MappingProxyType({})
    """Edges of the other splits, or about so many."""
    kept: Callable[[float], float] | None = None
    """From `walks.thinning` to the share of pairs that it leaves, where degrees are known."""


def plan_source(
    source: Any,
    given: Mapping[str, Any],
    *,
    columns: Sequence[str] | None,
    workers: int | None,
    path: str | Path | None,
    preset: str | None,
) -> Plan:
    """Plan the training of a source that there is."""
    target = default_model_path(source) if path is None else Path(path)
    graph = open_graph_store(source)
    if graph is None:
        types = chosen_types(preset, source, given, columns)
        subject = _of_files(source, merge(types.settings, given), columns)
        subject = _noted(subject, preset, types)
    else:
        subject = _of_graph(graph, given)
    return _plan(_chosen(subject, preset), workers, target.absolute().parent)


def plan_numbers(
    nodes: Nodes,
    edges: int,
    relations: int,
    given: Mapping[str, Any],
    *,
    workers: int | None,
    path: str | Path | None,
    preset: str | None,
) -> Plan:
    """Plan the training of a graph that is known by its numbers alone."""
    types_of_preset = presets.types_for(preset, given).settings
    fits = not isinstance(nodes, int) and set(nodes) == set(types_of_preset.get("entities", ()))
    config = merge(types_of_preset if fits else {}, given)
    counts = _counts(nodes, config)
    types = tuple(
        EntityType(name, count, config.entities[name].partitioned if name in config.entities else True)
        for name, count in counts.items()
    )
    kinds = tuple(RelationType(kind.name, kind.head, kind.tail) for kind in config.relations) or tuple(
        RelationType(f"{UNTYPED_RELATION} {number}", UNTYPED_ENTITY, UNTYPED_ENTITY)
        for number in range(relations)
    )
    schema = GraphSchema(types, kinds)
    subject = Subject(config, schema, edges, _graph_bytes(schema, edges, NAME_BYTES), _asked(config))
    return _plan(_chosen(subject, preset), workers, Path("." if path is None else path).absolute().parent)


def _of_graph(graph: GraphStore, given: Mapping[str, Any]) -> Subject:
    config = merge_stored(import_settings(graph, given), given, graph.path)
    own, edges = graph.schema.partitions, graph.splits["train"]
    held_out = {split: count for split, count in graph.splits.items() if split != "train"}
    asked, kept = _asked(config), partial(kept_pairs, graph)
    if asked is None or asked == own:
        return Subject(config, graph.schema, edges, partitions=own, held_out=held_out, kept=kept)
    note = f"{graph.path} has {own} partitions; this is the plan for importing it again in {asked}"
    return Subject(config, graph.schema, edges, graph.disk_bytes, asked, (note,), held_out, kept)


def _of_files(source: Any, config: Config, columns: Sequence[str] | None) -> Subject:
    files = source_files(source)
    given = {"train": files.train, "valid": files.valid, "test": files.test}
    found = estimate({split: [file] for split, file in given.items() if file is not None}, config, columns)
    notes: tuple[str, ...] = ()
    if found.sample is not None:
        notes = (
            f"entities and edges are estimated from the first {found.sample:,} edges; import for exact ones",
        )
    graph_bytes = _graph_bytes(found.schema, found.edges, found.name_bytes)
    held_out = {
        split: round(found.edges * _size_of(file) / _size_of(files.train))
        for split, file in (("valid", files.valid), ("test", files.test))
        if file is not None
    }
    kept = None if found.degrees is None else partial(kept_share, found.degrees)
    return Subject(config, found.schema, found.edges, graph_bytes, _asked(config), notes, held_out, kept)


def _size_of(file: Path) -> int:
    return max(1, file.stat().st_size)


def _plan(subject: Subject, workers: int | None, folder: Path) -> Plan:
    config = subject.config
    if workers is None:
        config = worker_config(config, available_threads(0))
        workers = config.cluster.started
    subject = _walked(subject)
    training, threads = config.training, available_threads(config.training.threads)
    model = Model(config, subject.schema)
    sizes, limit = sizes_of(model, subject.edges, threads), memory_limit(config)
    if subject.partitions is None:
        choice = choose(sizes, limit, buffer=training.buffer, workers=workers)
    else:
        choice = choose_buffer(sizes, limit, subject.partitions, buffer=training.buffer, workers=workers)
    held = {table.name: table.held(choice.partitions, choice.buffer) for table in sizes.tables}
    plan = make_plan(
        sizes,
        choice,
        epochs=training.epochs,
        workers=workers,
        rates=calibrate(model, held, threads, folder),
        extra_disk=subject.graph_bytes,
        count_rounds=_rounds_of(model, subject.edges, threads, workers),
        notes=subject.notes,
    )
    free = shutil.disk_usage(folder).free
    if plan.disk_bytes > free:
        raise DiskTooSmallError(str(folder), plan.disk_bytes, free)
    return plan


def _chosen(subject: Subject, preset: str | None) -> Subject:
    """Return the subject with what a preset chooses, but for keys that were given, and its reasons."""
    if preset is None:
        return subject
    splits = {"train": subject.edges, **subject.held_out}
    given = subject.config.explicit()
    shape = presets.Shape.of(subject.schema, splits, subject.kept, given)
    found = presets.choose(preset, shape, given, here=subject.config.cluster.alone)
    chosen = subject._replace(config=merge(found.settings, given))
    return _noted(chosen, preset, found)


def _noted(subject: Subject, name: str | None, preset: presets.Preset) -> Subject:
    """Return the subject with the reasons of a preset."""
    return subject._replace(notes=(*subject.notes, *(f"{name}: {reason}" for reason in preset.reasons)))


def _walked(subject: Subject) -> Subject:
    """Return the subject with the pairs of its walks in the place of its edges."""
    walks = subject.config.walks
    if not walks.per_node:
        return subject
    nodes = sum(kind.count for kind in subject.schema.entity_types)
    kept = subject.kept(walks.thinning) if subject.kept else 1.0
    pairs = expected_pairs(nodes, walks.per_node, walks.length, walks.window, kept)
    note = f"{walks.per_node * nodes:,} walks make up to {pairs:,} pairs of nodes, which are trained as edges"
    # While they are sorted by bucket they lie on the disk once more, as they are.
    taken = round(pairs * 2 * (8 + _row_bytes(nodes)))
    return subject._replace(
        edges=pairs, graph_bytes=subject.graph_bytes + taken, notes=(*subject.notes, note)
    )


def _rounds_of(model: Model, edges: int, threads: int, workers: int) -> Callable[[int, int], Rounds]:
    """Return what counts how partitions meet in an epoch."""
    order = model.config.training.order

    def count(partitions: int, buffer: int) -> Rounds:
        sets = list(held_sets(order, range(partitions), buffer, np.random.default_rng(0)))
        sweeps = choose_sweeps(
            model, edges, threads * workers, buffer, partitions, workers=workers if workers > 1 else 0
        )
        return Rounds(sweeps, sweeps * len(sets), sweeps * count_reads(sets))

    return count


def _asked(config: Config) -> int | None:
    return None if config.graph.partitions == "auto" else config.graph.partitions


def _counts(nodes: Nodes, config: Config) -> dict[str, int]:
    types = tuple(config.entities) or (UNTYPED_ENTITY,)
    if isinstance(nodes, int):
        if len(types) > 1:
            raise QuestionError(f"the config has entity types {', '.join(types)}: give the nodes of each")
        return {types[0]: nodes}
    for name in nodes:
        if name not in types:
            raise QuestionError(f"the config has no entity type {name!r}; {suggestion(name, types)}")
    missing = [name for name in types if name not in nodes]
    if missing:
        raise QuestionError(f"how many nodes of type {missing[0]!r} are there?")
    return {name: nodes[name] for name in types}


def _graph_bytes(schema: GraphSchema, edges: int, name_bytes: float) -> int:
    """Return about what a graph store takes: compressed rows of the edges' ends, and a name per entity."""
    entities = sum(kind.count for kind in schema.entity_types)
    ends = sum(_row_bytes(kind.count) for kind in schema.entity_types) / len(schema.entity_types)
    edge_bytes = 2 * ends + _row_bytes(len(schema.relations)) + 4 * schema.weighted
    return round(edges * edge_bytes + entities * (name_bytes + 10))


def _row_bytes(count: int) -> float:
    """Return what Zstandard makes of a random whole number below `count`, of four or eight bytes."""
    return min(8.0, max(1, count - 1).bit_length() / 8 * 1.15)
