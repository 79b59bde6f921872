"""The Python API: each command of the command line is one call of these."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from daskgraph.api.classifying import classify_model
from daskgraph.api.handles import Graph, Model, evaluate_model
from daskgraph.api.plans import Nodes, plan_numbers, plan_source
from daskgraph.api.restoring import restore_model
from daskgraph.api.sources import listed_sources
from daskgraph.api.training import Given, Init, given_keys, model_path, planned_config, train_source
from daskgraph.config import merge
from daskgraph.errors import QuestionError
from daskgraph.evaluation import Evaluation
from daskgraph.evaluation.classification import FRACTIONS, SPLITS, Classification
from daskgraph.events import Callback, ignore
from daskgraph.ingest import import_edges as _import_edges
from daskgraph.neighbors import Answer
from daskgraph.planning import Plan
from daskgraph.store import GraphStore, ModelStore, open_store

__all__ = [
    "Answer",
    "Classification",
    "Evaluation",
    "Graph",
    "Model",
    "Plan",
    "cancel",
    "classify",
    "evaluate",
    "import_edges",
    "info",
    "job_script",
    "open_graph",
    "open_model",
    "plan",
    "restore",
    "train",
]


def import_edges(
    sources: Any,
    path: str | Path,
    *,
    config: Given = None,
    columns: Sequence[str] | None = None,
    valid: Any = None,
    test: Any = None,
    labels: Any = None,
    features: Mapping[str, Any] | None = None,
    callback: Callback | None = None,
) -> dict[str, Any]:
    """Import edges into a graph store.

    Parameters
    ----------
    sources
        One or several of: a TSV, CSV or Parquet file (plain, .gz, .zst), a pandas DataFrame, a SciPy sparse
        matrix, a NetworkX graph; or one folder of train, valid and test files.
    path
        The graph store to write.
    config
        Types of entities and relations, partitions; a Config, a mapping or a TOML file.
    columns
        Names or numbers of the columns head, relation, tail and weight, where they can not be told.
    valid, test
        Edges of the other splits, which share the numbering of entities; or a share of the train edges, such
        as 0.05, to be held out at random. An edge goes with its repetitions and its reverse, and every entity
        keeps a train edge.
    labels
        Id, label and description per entity.
    features
        By featurised entity type: a file or DataFrame of two columns (an entity, one of its features), a
        sparse matrix of ones, or a mapping from an entity to its features.
    callback
        Told how far it is.

    Returns
    -------
    Entities by type, relations, edges by split, seconds, edges per second, bytes.

    Raises
    ------
    EdgeFileError, SourceError, ShareError, ConfigError, AlreadyExistsError, DiskFullError, NotWritableError
    NotFeaturizedError, NoFeaturesError, MissingFeaturesError
        Nothing is left of the store then.

    Examples
    --------
    >>> import tempfile, pandas, daskgraph
    >>> edges = pandas.DataFrame({"head": ["a", "b"], "relation": "knows", "tail": ["b", "c"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     daskgraph.import_edges(edges, folder + "/small.graph.zarr")["entities"]
    {'entity': 3}
    """
    chosen = merge({}, given_keys(config))
    told = callback or ignore
    listed, others = listed_sources(sources, told, valid=valid, test=test, labels=labels)
    return _import_edges(
        listed,
        Path(path),
        config=chosen,
        columns=columns,
        features=features,
        callback=told,
        **others,
    )


def train(
    source: Any,
    path: str | Path | None = None,
    *,
    config: Given | Mapping[str, Any] = None,
    preset: str | None = None,
    columns: Sequence[str] | None = None,
    labels: Any = None,
    features: Mapping[str, Any] | None = None,
    init: Model | str | Path | None = None,
    init_optimizer: bool = True,
    callback: Callback | None = None,
    client: Any = None,
) -> Model:
    """Train embeddings of a source, or go on with a model that exists.

    Parameters
    ----------
    source
        A graph (a path or what `open_graph` gave), an edge file, a directory with train, valid and test
        edge files, a
        DataFrame, a SciPy sparse matrix or a NetworkX graph. What is no graph yet is imported beside the
        model.
    path
        The model store; left out: the source's name with .model.zarr, in the current folder. One that
        exists is gone
        on with: its stored config holds, but for the keys that `config` gives.
    config
        A Config, a mapping or a TOML file.
    preset
        "knowledge-graph", "network" or "recommender": settings of a new model are chosen from the graph's
        shape, and a regularization by short trainings where there are valid edges, but for the keys that
        `config` gives. The callback is told which, and why.
    columns
        Names or numbers of the columns head, relation, tail and weight of a source that is imported, where
        they can
        not be told.
    labels
        Id, label and description per entity, for a source that is imported.
    features
        Features of entities by featurised type, for a source that is imported; as of `import_edges`.
    init
        Another model that a new one begins with: vectors of entities (of features, where a type is made of
        them) of the same type and name, operators of relations of the same name. What it lacks begins at
        random as usual.
    init_optimizer
        Whether the Adagrad sums of that model come along; without them the first steps are long again.
    callback
        Told what happens, such as `daskgraph.progress.show()` gives.
    client
        A `distributed.Client`: its workers train, those included that join on the way. They have to reach the
        paths of model and graph. Left out: what `[cluster]` in the config says.

    Raises
    ------
    ConfigError, FixedKeyError
        A key is wrong, or can not change in a model that exists.
    OtherGraphError, StoreLockedError
        The model belongs to another graph than the source, or another process is training it.
    NotAStoreError, InitError
        `init` is no model, does not fit, or the model exists and did not begin with it.

    Examples
    --------
    >>> import tempfile, pandas, daskgraph
    >>> edges = pandas.DataFrame({"head": ["a", "b"], "tail": ["b", "c"]})
    >>> config = {"model": {"dimension": 8}, "training": {"epochs": 2}}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = daskgraph.train(edges, folder + "/small.model.zarr", config=config)
    ...     model["b"].shape
    (8,)
    """
    store, summary = train_source(
        source.store if isinstance(source, Graph) else source,
        path,
        config=config,
        columns=columns,
        labels=labels,
        features=features,
        init=_init(init, init_optimizer),
        callback=callback or ignore,
        client=client,
        preset=preset,
    )
    return Model(store, {"model": str(store.path), **summary})


def job_script(source: Any, path: str | Path | None = None, *, config: Given = None) -> str:
    """Return the script of the jobs that a training on SLURM would submit; nothing is done.

    Parameters
    ----------
    source, path, config
        As of `train`.

    Raises
    ------
    SlurmMissingError
        dask-jobqueue is not installed.
    """
    from daskgraph.executors.slurm import Run
    from daskgraph.executors.slurm import job_script as script_of

    target = model_path(source.store if isinstance(source, Graph) else source, path)
    return script_of(planned_config(target, given_keys(config)), Run.of(target))


def cancel(model: Model | str | Path) -> list[str]:
    """Cancel all jobs of SLURM that train or ask a model; drivers that live stop. Return the jobs' ids.

    Parameters
    ----------
    model
        A model or its path.

    Raises
    ------
    SlurmMissingError, SlurmCommandError
        SLURM is not there, or does not answer.
    NotAStoreError
        There is no such model, and no jobs of it.
    """
    from daskgraph.executors.slurm import cancel as cancel_jobs

    return cancel_jobs(model.path if isinstance(model, Model) else model)


def _init(model: Model | str | Path | None, optimizer: bool) -> Init | None:
    if model is None:
        return None
    return Init(model.path if isinstance(model, Model) else Path(model), optimizer)


def plan(
    source: Any = None,
    path: str | Path | None = None,
    *,
    nodes: Nodes | None = None,
    edges: int | None = None,
    relations: int = 1,
    config: Given = None,
    preset: str | None = None,
    columns: Sequence[str] | None = None,
    workers: int | None = None,
) -> Plan:
    """Tell what a training would take before it runs: partitions, memory, disk, time.

    Times come from two seconds of training and writing on this machine. Nothing is left of that.

    Parameters
    ----------
    source
        As of `train`. Files that are not imported yet are counted where they are small, else estimated.
    path
        Where the model would be, and nothing is yet; its disk is what is measured.
    nodes, edges
        Instead of a source, how large the graph is; nodes by entity type where the config has several.
    relations
        How many relations it has, where the config does not say.
    config
        A Config, a mapping or a TOML file.
    preset
        As of `train`; its reasons are among the notes.
    columns
        Names or numbers of the columns of a source that is not imported yet.
    workers
        How many such machines will train at once; None: as many as `cluster.workers` starts on this one.

    Raises
    ------
    DoesNotFitError
        The memory or the disk is too small, or the partitions are too few; the message says what to change.
    QuestionError
        Neither or both of source and numbers are given.
    ConfigError, SourceError, EdgeFileError
        The config or the source can not be used.

    Examples
    --------
    >>> import daskgraph
    >>> config = {"training": {"memory": "2GiB", "threads": 1}}
    >>> plan = daskgraph.plan(nodes=20_000_000, edges=1_000_000, config=config)
    >>> plan.partitions, plan.memory_bytes < 2**31, plan.workers_at_most
    (64, True, 8)
    """
    given = given_keys(config)
    if (source is None) == (nodes is None) or (nodes is None) != (edges is None):
        raise QuestionError("give a source to plan for, or its numbers of nodes and edges")
    if nodes is not None and edges is not None:
        return plan_numbers(nodes, edges, relations, given, workers=workers, path=path, preset=preset)
    opened = source.store if isinstance(source, Graph) else source
    return plan_source(opened, given, columns=columns, workers=workers, path=path, preset=preset)


def evaluate(
    model: Model | str | Path,
    split: str = "test",
    *,
    candidates: str | int = "all",
    sampling: str = "uniform",
    filtered: bool = True,
    constrained: bool = False,
    per_relation: bool = False,
    seed: int = 0,
    callback: Callback | None = None,
    config: Given = None,
    client: Any = None,
) -> Evaluation:
    """Rank every edge of a split among the edges made by replacing its tail, then its head.

    Parameters
    ----------
    model
        A model or its path.
    split
        Which edges: "test", "valid", "train".
    candidates
        "all" entities, or so many that are drawn from all of them, the same for every edge; figures of the
        two can not be compared.
    sampling
        How they are drawn: "uniform", or by "frequency", in proportion to their train edges.
    filtered
        Whether other true edges, of any split, are left out of the ranking.
    constrained
        Whether only entities are candidates that stand on this side of the edge's relation in train edges.
    per_relation
        Whether to return the figures of every relation too.
    seed
        What drawn candidates depend on.
    callback
        Told how far it is.
    config
        Its `[cluster]` says who ranks, that of the model's own config does not count; left out: this process.
        A cluster's workers have to reach the paths of model and graph.
    client
        A `distributed.Client`, whose workers rank.

    Raises
    ------
    UnknownSplitError
        The graph has no such split.
    ValueError
        `candidates` or `sampling` is none of these.
    """
    opened = model if isinstance(model, Model) else open_model(model)
    return evaluate_model(
        opened,
        split,
        candidates=candidates,
        sampling=sampling,
        filtered=filtered,
        constrained=constrained,
        per_relation=per_relation,
        seed=seed,
        callback=callback,
        config=config,
        client=client,
    )


def classify(
    model: Model | str | Path,
    labels: Any,
    *,
    entity_type: str | None = None,
    fractions: float | Sequence[float] = FRACTIONS,
    splits: int = SPLITS,
    normalized: bool = False,
    seed: int = 0,
    callback: Callback | None = None,
    config: Given = None,
    client: Any = None,
) -> Classification:
    """Tell how well labels of nodes can be told from their vectors, by a linear classifier.

    scikit-learn's logistic regression, one label against the rest, is trained on a part of the nodes. Each of
    the others is given as many labels as it has, those the classifiers are surest of (Perozzi et al., 2014).

    Parameters
    ----------
    model
        A model or its path.
    labels
        A file of two columns, node and label, a line for each label of a node (TSV, CSV, Parquet; plain,
        .gz, .zst); a DataFrame of two columns, or a mapping or Series from a node to its labels.
    entity_type
        What the nodes are; may be left out where there is but one type.
    fractions
        Shares of the labelled nodes to train on, or one.
    splits
        How many random splits there are of each.
    normalized
        Whether vectors are first scaled to the length 1.
    seed
        What the splits depend on.
    callback
        Told how far it is.
    config
        Its `[cluster]` says whose workers try the splits, as in `evaluate`.
    client
        A `distributed.Client`, whose workers try them.

    Returns
    -------
    Micro and macro F1 by fraction, as means over the splits.

    Raises
    ------
    MissingPackageError
        scikit-learn is not installed: the extra `classification` brings it.
    SourceError, EdgeFileError, NothingLabelledError
        The labels can not be used, or none of them is of a node of the graph.
    UntrainedModelError
        The model holds no vectors yet.

    Examples
    --------
    >>> import tempfile, pandas, daskgraph
    >>> edges = pandas.DataFrame({"head": list("abcdef"), "tail": list("bcaefd")})
    >>> labels = {node: ["left" if node in "abc" else "right"] for node in "abcdef"}
    >>> config = {"model": {"dimension": 8}, "training": {"epochs": 20}}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = daskgraph.train(edges, folder + "/small.model.zarr", config=config)
    ...     found = daskgraph.classify(model, labels, fractions=[0.5], splits=3)
    >>> found.nodes, found.labels, sorted(found.fractions)
    (6, 2, ['0.5'])
    """
    return classify_model(
        model if isinstance(model, Model) else open_model(model),
        labels,
        entity_type,
        fractions,
        splits=splits,
        normalized=normalized,
        seed=seed,
        callback=callback,
        config=config,
        client=client,
    )


def open_graph(path: str | Path) -> Graph:
    """Open a graph store.

    Raises
    ------
    NotAStoreError, StoreVersionError
        The path holds no graph store that this version reads.
    """
    return Graph(GraphStore.open(path))


def open_model(path: str | Path) -> Model:
    """Open a model store.

    Raises
    ------
    NotAStoreError, StoreVersionError
        The path holds no model store that this version reads.
    """
    return Model(ModelStore.open(path))


def restore(
    model: str | Path, snapshot: str | int | None = None, *, callback: Callback | None = None
) -> Model:
    """Put an earlier state of a model in place of what it is now; the next training goes on from there.

    Parameters
    ----------
    model
        The model store. `Model.info()["snapshots"]` tells what it keeps.
    snapshot
        An epoch, or "best"; None: the latest snapshot that is without damage.
    callback
        Told which snapshots are damaged.

    Raises
    ------
    UnknownSnapshotError
        The model has no such snapshot.
    NoWholeSnapshotError, DamagedStoreError
        All snapshots are damaged, or the one that was asked for is; the model is as it was.
    StoreLockedError
        A process is training the model.
    """
    store = ModelStore.open(model)
    restore_model(store, None if snapshot is None else str(snapshot), callback or ignore)
    return Model(store)


def info(path: str | Path) -> dict[str, Any]:
    """Return all that there is to know about the store at a path, as plain data."""
    store = open_store(path)
    return (Graph(store) if isinstance(store, GraphStore) else Model(store)).info()
