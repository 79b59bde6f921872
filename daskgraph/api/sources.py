"""From what a user names as the source of a training to a graph store, imported first where it is none."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from daskgraph import presets
from daskgraph.config import Config, merge
from daskgraph.errors import SourceError
from daskgraph.events import Callback, Notice
from daskgraph.graph import GraphSchema
from daskgraph.ingest import SourceFiles, find_files, heads_take_tails, import_edges
from daskgraph.presets import Preset
from daskgraph.store import GraphStore

MODEL_SUFFIX = ".model.zarr"
GRAPH_SUFFIX = ".graph.zarr"
WALKS_SUFFIX = ".walks.zarr"
TRIAL_SUFFIX = ".trial.model.zarr"

_CALLED = {"valid": "valid edges", "test": "test edges", "labels": "labels"}

_ENDINGS = (".zst", ".gz", ".tsv", ".csv", ".txt", ".parquet", GRAPH_SUFFIX, ".zarr")


def default_model_path(source: Any) -> Path:
    """Return where a model goes when no path is given: the source's name with .model.zarr, in the current
    folder.
    """
    if not isinstance(source, str | Path):
        return Path(f"graph{MODEL_SUFFIX}")
    name = Path(source).resolve().name
    for ending in _ENDINGS:
        name = name.removesuffix(ending) or name
    return Path(name + MODEL_SUFFIX)


def graph_path_beside(model: Path) -> Path:
    """Return where the graph of a model goes when it is imported by the way: the model's name with
    .graph.zarr.
    """
    return _beside(model, GRAPH_SUFFIX)


def walks_path_beside(model: Path) -> Path:
    """Return where the pairs of a model's walks go: the model's name with .walks.zarr."""
    return _beside(model, WALKS_SUFFIX)


def trial_path_beside(model: Path) -> Path:
    """Return where the trials before a model's training go: the model's name with .trial.model.zarr."""
    return _beside(model, TRIAL_SUFFIX)


def _beside(model: Path, suffix: str) -> Path:
    name = model.name.removesuffix(MODEL_SUFFIX)
    return model.with_name(name.removesuffix(".zarr") + suffix)


def is_graph_store(source: Any) -> bool:
    """Tell whether a source is the path of a Zarr store, and not of edges to import."""
    return isinstance(source, str | Path) and (Path(source) / "zarr.json").is_file()


def is_folder(source: Any) -> bool:
    """Tell whether a source is the path of a folder of edge files."""
    return isinstance(source, str | Path) and Path(source).is_dir()


def open_graph_store(source: Any) -> GraphStore | None:
    """Open a source that is a graph store or its path; None for edges to import."""
    if isinstance(source, GraphStore):
        return source
    return GraphStore.open(source) if is_graph_store(source) else None


def open_source(
    source: Any,
    model: Path,
    config: Config,
    columns: Sequence[str] | None,
    labels: Any,
    features: Mapping[str, Any] | None,
    callback: Callback,
) -> GraphStore:
    """Import edges beside the model and open the graph.

    One that was imported there before, from the very same files, serves again.

    Raises
    ------
    SourceError
        There is another graph at the place of the import.
    """
    files = source_files(source)
    place = graph_path_beside(model)
    if place.exists():
        graph = GraphStore.open(place)
        if not holds_source(graph, source, columns, features):
            reason = (
                f"{place} holds another graph, or this one before it changed; remove it, or choose another -o"
            )
            raise SourceError(name_of_source(source), reason)
        callback(Notice(f"{place} holds this source already"))
        return graph
    import_edges(
        [files.train],
        place,
        config=config,
        columns=columns,
        valid=files.valid,
        test=files.test,
        labels=files.labels if labels is None else labels,
        features=features,
        callback=callback,
    )
    return GraphStore.open(place)


def holds_source(
    graph: GraphStore,
    source: Any,
    columns: Sequence[str] | None = None,
    features: Mapping[str, Any] | None = None,
) -> bool:
    """Tell whether a graph is what a source, with these features of entities, would be imported to.

    Files that are as they were when they were imported are not read again; all else is, into a folder that
    is gone
    afterwards: to go on with another graph's model would be worse than the time that this takes.
    """
    files = source_files(source)
    if _imported_from(graph, files, features or {}):
        return True
    with TemporaryDirectory(prefix="daskgraph-") as folder:
        place = Path(folder) / f"again{GRAPH_SUFFIX}"
        import_edges(
            [files.train],
            place,
            config=_numbering_config(graph),
            columns=columns,
            valid=files.valid,
            test=files.test,
            features=features,
        )
        return GraphStore.open(place).fingerprint == graph.fingerprint


def name_of_source(source: Any) -> str:
    """Return what an error calls a source."""
    return str(source) if isinstance(source, str | Path) else f"the {type(source).__name__}"


def source_files(source: Any) -> SourceFiles:
    """Return the files of each split that a source names; an object in memory is its own train split."""
    if is_folder(source):
        return find_files(source)
    return SourceFiles(Path(source) if isinstance(source, str) else source)


def chosen_types(
    preset: str | None, source: Any, given: Mapping[str, Any], columns: Sequence[str] | None
) -> Preset:
    """Return the types that a preset takes the ends of a source's edges for."""
    chosen = presets.types_for(preset, given)
    if not chosen.settings or heads_take_tails(source_files(source).train, columns):
        return chosen
    return presets.types_for(preset, given, told=True)


def listed_sources(sources: Any, callback: Callback, **given: Any) -> tuple[list[Any], dict[str, Any]]:
    """Return what is imported as train edges, and all else: what is given before what one folder holds."""
    listed = list(sources) if isinstance(sources, list | tuple) else [sources]
    if len(listed) != 1 or not is_folder(listed[0]):
        return listed, given
    files = source_files(listed[0])
    for name, value in given.items():
        if value is not None and getattr(files, name) is not None:
            callback(Notice(f"{getattr(files, name)} is left out, for other {_CALLED[name]} are given"))
    return [files.train], {
        name: getattr(files, name) if value is None else value for name, value in given.items()
    }


def _imported_from(graph: GraphStore, files: SourceFiles, features: Mapping[str, Any]) -> bool:
    """Tell whether a graph was imported from these files as they are now.

    Features that are not given are those it was imported with.
    """
    now = {}
    splits = {split: getattr(files, split) for split in ("train", "valid", "test")}
    for purpose, given in [
        *splits.items(),
        *((f"features of {kind}", own) for kind, own in features.items()),
    ]:
        path = Path(given) if isinstance(given, str) else given
        if isinstance(path, Path) and path.exists():
            status = path.stat()
            now[purpose] = (path.name, status.st_size, status.st_mtime)
        elif purpose not in splits:
            return False
    then = {
        source.get("split") or f"features of {source['features']}": (
            Path(str(source["name"])).name,
            source.get("bytes"),
            source.get("modified"),
        )
        for source in graph.sources
        if features or "split" in source
    }
    return bool(now) and now == then


def _numbering_config(graph: GraphStore) -> Config:
    """Return the config that makes the same graph of the same source: all else is no matter of it.

    Operators are left out, since they may be registered elsewhere; and so is "auto", which another memory may
    make something else of.
    """
    stored = graph.config
    types, relations = stored.get("entities") or {}, stored.get("relations") or ()
    given = {
        "graph": {"partitions": graph.schema.partitions},
        "entities": {name: _picked(kind, "partitioned", "featurized") for name, kind in types.items()},
        "relations": [_picked(relation, "name", "head", "tail") for relation in relations],
        "training": _picked(stored.get("training") or {}, "seed"),
    }
    return merge({}, given)


def _picked(table: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: table[key] for key in keys if key in table}


def import_settings(graph: GraphStore, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the sections of the config that were fixed when a graph was imported, for keys to go over."""
    sections = ("graph", "entities", "relations")
    settings = {section: graph.config[section] for section in sections if graph.config.get(section)}
    return numbered_relations(settings, graph.schema, given)


def numbered_relations(
    settings: Mapping[str, Any], schema: GraphSchema, given: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return settings in which relations can be changed by their number, if the keys given do that.

    Where none were declared they are those that were found in the edges.
    """
    if settings.get("relations") or not isinstance(given.get("relations"), Mapping):
        return settings
    found = [{"name": kind.name, "head": kind.head, "tail": kind.tail} for kind in schema.relations]
    return {**settings, "relations": found}
