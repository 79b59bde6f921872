"""How much of everything a model has in training: slices of edges, and the sizes that a plan is made of."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from daskgraph.config import Config, merge
from daskgraph.graph import GraphSchema, edge_chunk
from daskgraph.memory import available_memory
from daskgraph.model import Group, Model
from daskgraph.planning import Choice, Sizes, Table, choose, choose_buffer
from daskgraph_kernels import workspace
from daskgraph_kernels.adagrad import allocate_links

SLICE_BYTES = 32 << 20
"""Edges are trained in slices of about this size, unless they take long to train."""

SLICE_PRODUCTS = 1 << 36
"""Multiplications of a slice: some seconds of one core, so that there is often a time to commit."""

PRODUCTS_PER_SECOND, EDGE_SECONDS = 25e9, 2e-6
"""What a thread reaches in kernels, and the least that an edge takes. Rough, for sweeps must not depend on
chance."""

MOVED_BYTES_PER_SECOND, LEASE_SECONDS, SMALL_SECONDS = 8e8, 6e-3, 1.0
"""Partitions read and written at a time, by a disk; what changing leases takes; what nobody minds."""

SETTLE_SECONDS, HANDOVER_SECONDS = 0.5, 0.15
"""What it takes a cluster's workers to wait for each other at the end of a sweep, and one to commit so that
another can go on with its partitions. Measured."""

FEW_SECONDS = 10.0
"""Vectors that are moved in so little are not worth reading ahead."""

MOST_SWEEPS = 16
"""More come no closer to edges in random order."""

READING_COPIES, SORTING_BYTES = 4, 8
"""What an edge takes while its slice is made: copies that are read, joined and cut, and a fourth of what they
are cut by; and, where relations are sorted, some bytes more."""


def edge_bytes(weighted: bool) -> int:
    """Return what an edge takes in memory: three whole numbers, and perhaps a weight."""
    return 28 if weighted else 24


def slice_edges(model: Model) -> int:
    """Return how many edges a slice has: few where an edge takes long, but many batches of each relation."""
    config = model.config
    wished = SLICE_PRODUCTS // _edge_products(model)
    keys = len(model.groups) if config.model.reciprocal else len(model.relations)
    fitting = SLICE_BYTES // edge_bytes(model.schema.weighted)
    return max(1, min(fitting, max(wished, 16 * config.training.batch_size * keys)))


def keeps_edges(edges: int, schema: GraphSchema) -> bool:
    """Tell whether the edges of all partitions are kept in memory: they are few, and read many times."""
    return schema.partitions > 1 and edges * edge_bytes(schema.weighted) <= SLICE_BYTES


def _edge_products(model: Model) -> int:
    """Return about how many multiplications the scores of an edge take, on all sides that are corrupted."""
    config, negatives = model.config, model.config.negatives
    widest = max((model.dimension(kind.name) for kind in model.schema.entity_types), default=1)
    most = max((kind.count for kind in model.schema.entity_types), default=1)
    every = negatives.all or any(relation.all_candidates for relation in model.relations)
    candidates = most if every else negatives.uniform + negatives.in_batch * config.training.batch_size
    return (2 if negatives.corrupt == "both" else 1) * widest * candidates


def choose_sweeps(
    model: Model, edges: int, threads: int, buffer: int, partitions: int, *, workers: int = 0
) -> int:
    """Return how often all partitions meet in an epoch: `training.sweeps`, or as often as it costs little.

    More sweeps come closer to edges in random order, and move partitions as many times more. That may take a
    fifth of the time of the kernels, by rough rates, or a second.

    Parameters
    ----------
    model
        What is trained.
    edges
        Edges of the train split.
    threads
        How many threads train, of all workers.
    buffer, partitions
        Partitions that a worker holds, and all there are.
    workers
        How many change partitions beside each other; they all commit at the end of a sweep. 0: this process,
        which does not.
    """
    training = model.config.training
    if training.sweeps or training.order != "comet" or buffer >= partitions:
        return max(1, training.sweeps)
    groups = -(-partitions // max(1, buffer // 2))
    leases = groups * groups / 2
    computing = edges * max(EDGE_SECONDS, 3 * _edge_products(model) / PRODUCTS_PER_SECOND) / threads
    changing = leases * (LEASE_SECONDS + HANDOVER_SECONDS * (workers > 1)) + SETTLE_SECONDS * (workers > 0)
    moving = groups * _table_bytes(model) / MOVED_BYTES_PER_SECOND + changing
    affordable = max(1, workers) * max(computing / 5, SMALL_SECONDS) / moving
    filled = edges / (leases * training.batch_size)
    return max(1, min(MOST_SWEEPS, int(affordable), int(filled)))


def reads_ahead(model: Model) -> bool:
    """Tell whether the workers of a cluster leave partitions free, to be read ahead of their use.

    Otherwise they hold all that there are between them: candidates are drawn from twice as many entities,
    which makes small models a little better, and there are a fourth of the leases.
    """
    return _table_bytes(model) / MOVED_BYTES_PER_SECOND > FEW_SECONDS


def _table_bytes(model: Model) -> int:
    return sum(k.count * row_bytes(model, k.name) for k in model.schema.entity_types if k.partitioned)


def block_edges(model: Model, chunk: int) -> int:
    """Return how many edges a block has: a stored chunk, or a part of one where slices are smaller."""
    wished = slice_edges(model)
    while chunk > wished and chunk % 2 == 0:
        chunk //= 2
    return chunk


def memory_limit(config: Config) -> int:
    """Return the bytes that a worker may use: `training.memory`, or all that this process may have."""
    return config.training.memory_bytes or available_memory()


def worker_config(config: Config, threads: int) -> Config:
    """Return the config of each worker: with its part of this machine, or what a job of SLURM has.

    Parameters
    ----------
    config
        What was chosen.
    threads
        How many threads this machine has for all of them.
    """
    workers = config.cluster.workers
    if config.cluster.kind == "slurm":
        return _job_config(config)
    if config.cluster.kind != "local" or workers == 1:
        return config
    shared = {"threads": config.training.threads or max(1, threads // workers)}
    if config.training.memory == "auto":
        shared["memory"] = memory_limit(config) // workers
    return merge(config.to_dict(), {"training": shared})


def _job_config(config: Config) -> Config:
    """Return the config of a worker that has a job of SLURM to itself."""
    lent = {"threads": config.training.threads or config.cluster.cores}
    if config.training.memory == "auto":
        lent["memory"] = config.cluster.worker_memory_bytes
    return merge(config.to_dict(), {"training": lent})


def sizes_of(model: Model, edges: int, threads: int) -> Sizes:
    """Return the sizes of a model in training.

    Parameters
    ----------
    model
        What is trained.
    edges
        Edges of the train split.
    threads
        How many threads train.
    """

    def workspace_bytes(held: Mapping[str, int]) -> int:
        return threads * sum(_workspace_bytes(model, group, held) for group in model.groups)

    block = block_edges(model, edge_chunk(edges, model.schema.partitions**2))
    sorted_by = len(model.groups) > 1 if model.config.model.reciprocal else len(model.relations) > 1
    return Sizes(
        tables=tuple(
            Table(kind.name, kind.count, row_bytes(model, kind.name), kind.partitioned, kind.features)
            for kind in model.schema.entity_types
        ),
        edges=edges,
        edge_bytes=edge_bytes(model.schema.weighted),
        reading_bytes=READING_COPIES * edge_bytes(model.schema.weighted) + SORTING_BYTES * sorted_by,
        slice_edges=-(-slice_edges(model) // block) * block,
        parameter_bytes=_parameter_bytes(model),
        workspace_bytes=workspace_bytes,
        in_groups=model.config.training.order == "comet",
        kept_bytes=edges * edge_bytes(model.schema.weighted) * keeps_edges(edges, model.schema),
        batch_size=model.config.training.batch_size,
        # The best epoch is kept where training may end early.
        copies=model.config.training.keep + (model.config.evaluation.patience > 0),
        ahead=reads_ahead(model),
    )


def choose_partitions(config: Config, schema: GraphSchema, edges: int, threads: int) -> Choice:
    """Return what `graph.partitions = "auto"` stands for; `planning.choose` says how, and what it raises.

    The config is that of a worker, and the threads are its own.
    """
    sizes = sizes_of(Model(config, schema), edges, threads)
    workers = config.cluster.started
    return choose(sizes, memory_limit(config), buffer=config.training.buffer, workers=workers)


def choose_held(model: Model, edges: int, threads: int) -> int:
    """Return how many partitions a worker holds: `training.buffer`, or what `training.memory` allows.

    Raises
    ------
    DoesNotFitError
        The memory is too small; `planning.choose_buffer` says which error says so.
    """
    limit, config = memory_limit(model.config), model.config
    sizes = sizes_of(model, edges, threads)
    return choose_buffer(sizes, limit, model.schema.partitions, buffer=config.training.buffer).buffer


def row_bytes(model: Model, entity_type: str) -> int:
    """Return what an entity takes: vector, Adagrad sum, and its chance to be drawn where that counts."""
    drawn = 8 if model.config.negatives.frequency else 0
    return 4 * (model.dimension(entity_type) + 1) + drawn


def _parameter_bytes(model: Model) -> int:
    """Operators and common vectors, their sums, and both once more when they are written; feature lists."""
    sides = 2 if model.config.model.reciprocal else 1
    numbers = sides * len(model.relations) * model.parameter_size
    if model.config.model.global_embedding:
        numbers += sum(model.dimension(kind.name) for kind in model.schema.entity_types)
    lists = sum(kind.count + kind.feature_pairs for kind in model.schema.entity_types if kind.featurized)
    return 4 * 2 * 2 * numbers + 8 * lists


def _workspace_bytes(model: Model, group: Group, held: Mapping[str, int]) -> int:
    """Count one workspace, by making it: what is zero and never used takes no memory."""
    settings, config = model.settings(group), model.config
    extra = [held[name] if settings.all_candidates else settings.uniform for name in (group.head, group.tail)]
    sizes = workspace.Sizes(
        config.training.batch_size,
        extra[0] if settings.corrupt_head else 0,
        extra[1] if settings.corrupt_tail else 0,
    )
    dimension, parameters = model.dimension(group.tail), model.parameter_size
    uses = 2 * sizes.batch + sizes.head_extra + sizes.tail_extra
    pairs = max(_feature_pairs(model, name, uses) for name in (group.head, group.tail))
    links = allocate_links(pairs, pairs, dimension)
    work = workspace.allocate(
        settings, config.model.reciprocal, sizes, dimension, parameters, len(model.relations), links
    )
    return sum({id(array): array.nbytes for array in _arrays(work)}.values())


def _feature_pairs(model: Model, name: str, entities: int) -> int:
    """How many features so many entities of a type have together, on average."""
    kind = model.schema.entity_type(name)
    return -(-kind.feature_pairs * min(entities, kind.count) // max(1, kind.count))


def _arrays(work: Any) -> list[np.ndarray[Any, Any]]:
    if isinstance(work, np.ndarray):
        return [work]
    return [array for part in work for array in _arrays(part)] if isinstance(work, tuple) else []
