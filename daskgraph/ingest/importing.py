"""An import from sources to a graph store: collect, number, bucket, write."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any

from daskgraph.config import Config
from daskgraph.errors import (
    AlreadyExistsError,
    NoFeaturesError,
    NotFeaturizedError,
    NotWritableError,
    shown_size,
)
from daskgraph.events import Callback, ImportFinished, ImportStarted, Notice, ignore
from daskgraph.graph import GraphSchema
from daskgraph.ingest.buckets import bucket_edges, count_uses
from daskgraph.ingest.collecting import Collected, collect
from daskgraph.ingest.features import read_features
from daskgraph.ingest.holding_out import check_shares, hold_out, share_of
from daskgraph.ingest.labels import Labels, read_labels, sort_order
from daskgraph.ingest.layout import explain_columns
from daskgraph.ingest.numbering import Numbering, number
from daskgraph.ingest.objects import name_of
from daskgraph.ingest.readers import check_source, describe, is_path
from daskgraph.ingest.strings import strings_of
from daskgraph.sizes import memory_limit
from daskgraph.store import GraphStore, GraphWriter


def import_edges(
    sources: Any,
    path: str | Path,
    *,
    config: Config | None = None,
    columns: Sequence[str] | None = None,
    valid: Any = None,
    test: Any = None,
    labels: Any = None,
    features: Mapping[str, Any] | None = None,
    callback: Callback = ignore,
) -> dict[str, Any]:
    """Import edges into a new graph store.

    Parameters
    ----------
    sources
        The train edges: a file (TSV, CSV, Parquet; plain, gzip, zstd), a DataFrame, a SciPy sparse
        matrix, a NetworkX graph, or a list of such.
    path
        Where the store will be.
    config
        Its types, relations, partitions and seed count; untyped if None.
    columns
        Names or 0-based positions of head, relation, tail and weight; or what each column is, in the
        file's order ("_": nothing); or "head=…", "tail=…". None: found from the header and the number.
    valid, test
        The edges of these splits, which share the numbering; or a share of the train edges, from 0 to 1, to
        be held out for them.
    labels
        A file or DataFrame of id, label and perhaps description, or a mapping from id to label; ids that are
        not in the graph are ignored.
    features
        By featurised type a file, DataFrame, sparse matrix or mapping of its entities and their features;
        entities that are not in the graph are ignored.
    callback
        Is told what happens.

    Returns
    -------
    `entities` by type, `relations`, `edges` by split, `seconds`, `edges_per_second`, and `bytes` on disk.

    Raises
    ------
    SourceError, EdgeFileError
        A source, or a line of it, can not be used; nothing is written.
    ShareError
        A share is none, or nothing can be held out for it; nothing is written.
    DoesNotFitError
        The graph can not be cut so that `training.memory` is enough to train it; nothing is written.
    NotFeaturizedError, NoFeaturesError, MissingFeaturesError
        There are features, or none, where it should be otherwise; nothing is written.
    AlreadyExistsError, NotWritableError, DiskFullError
        The store can not be written; nothing is left.

    Examples
    --------
    >>> import pandas, tempfile
    >>> edges = pandas.DataFrame({"head": ["a", "b"], "tail": ["b", "c"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     import_edges(edges, f"{folder}/small.graph.zarr")["entities"]
    {'entity': 3}
    """
    started = time.perf_counter()
    config = config or Config()
    given = {"train": sources, "valid": valid, "test": test}
    shares = {split: share for split in ("valid", "test") if (share := share_of(given[split])) is not None}
    check_shares(shares)
    listed = {split: _as_list(source) for split, source in given.items() if split not in shares}
    splits = {split: several for split, several in listed.items() if several}
    featured = dict(features or {})
    _check_featurized(featured, config)
    _check([*splits.values(), list(featured.values())], Path(path))
    everything = [source for listed in splits.values() for source in listed]
    callback(ImportStarted([str(item) if is_path(item) else name_of(item) for item in everything]))
    taken = explain_columns(columns) if columns else None
    if taken is not None:
        callback(Notice(taken))
    named = None if labels is None else read_labels(labels)
    pairs = {entity_type: read_features(source) for entity_type, source in featured.items()}
    with ThreadPoolExecutor(_threads(), thread_name_prefix="daskgraph-import") as pool:
        collected = collect(splits, config, columns, pool, callback)
        _notice_odd_relations(collected, callback)
        if shares:
            collected, kept = hold_out(collected, shares, config)
            _notice_held_out(collected, shares, kept, callback)
        numbering = number(collected, config, pairs)
        _notice_partitions(numbering.schema, config, callback)
        _notice_unknown_entities(numbering, callback)
        described = [
            {"split": split, **describe(item)} for split, listed in splits.items() for item in listed
        ]
        described += [{"split": split, "name": "train", "share": share} for split, share in shares.items()]
        described += [{"features": kind, **describe(source)} for kind, source in featured.items()]
        with GraphWriter.create(path, numbering.schema) as writer:
            unseen = _write(writer, collected, numbering, named, config.training.seed, pool)
            writer.finish(config.to_dict(), described)
    if unseen:
        count = "1 entity is" if unseen == 1 else f"{unseen:,} entities are"
        text = f"{count} in valid or test edges only, and will not be trained"
        callback(Notice(f"{text}: evaluations show figures without them beside"))
    summary = _summary(GraphStore.open(path), time.perf_counter() - started)
    callback(ImportFinished(summary))
    return summary


def _write(
    writer: GraphWriter,
    collected: Collected,
    numbering: Numbering,
    labels: Labels | None,
    seed: int,
    pool: Executor,
) -> int:
    """Write names and edges; return how many entities no train edge has."""
    unseen = 0
    # Whatever fails, nothing is written any more when this ends. Sorting names takes one core: edges go on
    # beside it.
    with ThreadPoolExecutor(1 + _threads(), thread_name_prefix="daskgraph-writing") as writing:
        done = writing.submit(_write_names, writer, numbering, labels)
        for stream, (split, edges) in enumerate(collected.splits.items()):
            bucketed = bucket_edges(edges, numbering, seed, stream, pool)
            out = writer.edges(split, len(edges), bucketed.offsets)
            list(writing.map(out.write, bucketed.columns, repeat(0), bucketed.columns.values()))
            out.finish()
            if split == "train":
                for entity_type in writer.schema.entity_types:
                    uses = count_uses(bucketed.columns, writer.schema, entity_type.name)
                    writer.write_degrees(entity_type.name, uses)
                    unseen += int((uses == 0).sum())
        done.result()
    return unseen


def _write_names(writer: GraphWriter, numbering: Numbering, labels: Labels | None) -> None:
    for entity_type, names in numbering.names.items():
        writer.write_names(entity_type, strings_of(names), sort_order(names))
        if entity_type in numbering.features:
            own = numbering.features[entity_type]
            writer.write_features(entity_type, own.lists, strings_of(own.names), sort_order(own.names))
        if labels is None:
            continue
        found, descriptions = labels.of(names)
        writer.write_labels(entity_type, strings_of(found), sort_order(found))
        if descriptions is not None:
            writer.write_descriptions(entity_type, strings_of(descriptions))


def _summary(graph: GraphStore, seconds: float) -> dict[str, Any]:
    return {
        "entities": {entity_type.name: entity_type.count for entity_type in graph.schema.entity_types},
        "relations": len(graph.schema.relations),
        "edges": graph.splits,
        "seconds": seconds,
        "edges_per_second": sum(graph.splits.values()) / seconds,
        "bytes": graph.disk_bytes,
    }


def _check_featurized(features: Mapping[str, Any], config: Config) -> None:
    featurized = tuple(name for name, kind in config.entities.items() if kind.featurized)
    for name in features:
        if name not in featurized:
            raise NotFeaturizedError(name, featurized)
    for name in featurized:
        if name not in features:
            raise NoFeaturesError(name)


def _check(sources: Sequence[Sequence[Any]], path: Path) -> None:
    for listed in sources:
        for source in listed:
            check_source(source)
    # Said before the work, not after it.
    if path.exists():
        raise AlreadyExistsError(str(path))
    if not path.parent.is_dir():
        raise NotWritableError(str(path), f"there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise NotWritableError(str(path))


def _notice_odd_relations(collected: Collected, callback: Callback) -> None:
    edges = len(collected.splits["train"])
    if edges >= 1000 and 20 * len(collected.relations) > edges:
        count = len(collected.relations)
        hint = "if these are no relations, say what the columns are, such as --columns head,tail,weight"
        callback(Notice(f"{count:,} relations in {edges:,} edges: {hint}"))


def _notice_held_out(
    collected: Collected, shares: Mapping[str, float], kept: int, callback: Callback
) -> None:
    counts = {split: len(collected.splits[split]) for split in (*shares, "train")}
    total = sum(counts.values())
    held = " and ".join(f"{counts[split]:,} {split} ({counts[split] / total:.1%})" for split in shares)
    needed = f"; {kept:,} more were drawn, but an entity or relation would have no train edge" if kept else ""
    callback(Notice(f"held out at random: {held} of {total:,} edges{needed}"))


def _notice_partitions(schema: GraphSchema, config: Config, callback: Callback) -> None:
    if config.graph.partitions == "auto" and schema.partitions > 1:
        vectors = sum(
            4 * (kind.features or kind.count) * (config.dimension_of(kind.name) + 1)
            for kind in schema.entity_types
        )
        takes = (
            f"all vectors take {shown_size(vectors)}, training.memory is {shown_size(memory_limit(config))}"
        )
        workers = f", cluster.workers is {config.cluster.workers}" if config.cluster.workers > 1 else ""
        callback(Notice(f"graph.partitions = {schema.partitions}: {takes}{workers}"))


def _notice_unknown_entities(numbering: Numbering, callback: Callback) -> None:
    for name, features in numbering.features.items():
        if features.unknown:
            count = "1 entity" if features.unknown == 1 else f"{features.unknown:,} entities"
            more = ", …" if features.unknown > len(features.unknown_names) else ""
            shown = ", ".join(map(repr, features.unknown_names)) + more
            text = f"features of {count} that no edge has are left out, of type {name!r}: {shown}"
            callback(Notice(text))


def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _as_list(sources: Any) -> list[Any]:
    if sources is None:
        return []
    return list(sources) if isinstance(sources, list | tuple) else [sources]
