"""Begin a training, or go on with one: what may change in a model that exists, and what may not."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from daskgraph import presets
from daskgraph.api.sources import (
    chosen_types,
    default_model_path,
    holds_source,
    import_settings,
    name_of_source,
    numbered_relations,
    open_graph_store,
    open_source,
    walks_path_beside,
)
from daskgraph.api.trials import tried
from daskgraph.beginning import begin, check, is_begun
from daskgraph.config import Config, load, merge, merge_stored
from daskgraph.errors import ConfigValueError, FixedKeyError, InitError, OtherGraphError
from daskgraph.evaluation import evaluate
from daskgraph.events import Callback, Notice
from daskgraph.executors import check_place, train_anywhere
from daskgraph.model import Model
from daskgraph.presets import Preset, Shape, Trials
from daskgraph.spreading import Spread
from daskgraph.stopping import best_epoch, is_over
from daskgraph.store import GraphStore, ModelStore
from daskgraph.vectors import Vectors
from daskgraph.walks import check as check_walks
from daskgraph.walks import kept_pairs, walked

MANY_EDGES = 100_000
"""From so many valid edges on, the user is told beforehand that they will be ranked."""

Given = Config | Mapping[str, Any] | str | Path | None


class Init(NamedTuple):
    """The model that a new one begins with."""

    path: Path
    """Where it is."""

    optimizer: bool
    """Whether its Adagrad sums come along."""

    def to_dict(self) -> dict[str, Any]:
        """Return the same as a store keeps it."""
        return {"path": str(self.path.absolute()), "optimizer": self.optimizer}


_NOTHING: Mapping[str, Any] = {}

FIXED = ("graph", "entities", "relations", "walks", "model")
"""Sections of a config that a trained model can not change."""


def given_keys(config: Given) -> dict[str, Any]:
    """Return only the keys that a user gave, as plain data: a config, a mapping, a TOML file or nothing."""
    if config is None:
        return {}
    if isinstance(config, Config):
        return config.explicit()
    if isinstance(config, str | Path):
        return load([config])
    return dict(config)


def train_source(
    source: Any,
    path: str | Path | None,
    *,
    config: Given,
    columns: Sequence[str] | None,
    labels: Any,
    features: Mapping[str, Any] | None,
    init: Init | None,
    callback: Callback,
    client: Any = None,
    preset: str | None = None,
) -> tuple[ModelStore, dict[str, Any]]:
    """Train a source into a model; the store and the summary of this call."""
    given = given_keys(config)
    target = model_path(source, path)
    if client is None:
        check_place(planned_config(target, given), target, callback)
    if target.exists():
        if init is not None:
            _check_init(init, target)
        if preset is not None:
            callback(Notice(f"{target} exists: its own config holds, not the preset {preset}"))
        store, graph = _open(source, target, given, columns, features)
        return store, _train(store, graph, callback, client)
    opened = open_graph_store(source)
    # Partitions depend on how long vectors are, and keys may be given that only go with a preset's.
    first = {} if preset is None else presets.choose(preset, given=given).settings
    if opened is None:
        types = chosen_types(preset, source, given, columns)
        _tell(preset, types, callback)
        checked = merge({**first, **types.settings}, given)
    else:
        checked = _over(opened, given, first)
    if init is not None:
        ModelStore.open(init.path)
    graph = opened or open_source(source, target, checked, columns, labels, features, callback)
    here = client is None and planned_config(target, given).cluster.alone
    chosen = _preset(preset, graph, given, here, callback)
    config = _over(graph, given, {} if chosen is None else chosen.settings)
    if chosen is not None and chosen.trials is not None:
        config = _tried(chosen.trials, config, graph, target, callback)
    store = _create(target, config, graph, init)
    with _removed_if_nothing_came_of_it(store):
        return store, _train(store, graph, callback, client)


def _over(graph: GraphStore, given: Mapping[str, Any], chosen: Mapping[str, Any] = _NOTHING) -> Config:
    """Return the config of the keys given over those chosen, and what was fixed when a graph was imported."""
    return merge_stored({**chosen, **import_settings(graph, given)}, given, graph.path)


def _preset(
    name: str | None, graph: GraphStore, given: Mapping[str, Any], here: bool, callback: Callback
) -> Preset | None:
    """Return what a preset chooses for a graph beside the keys given, and say why."""
    if name is None:
        return None
    preset = presets.choose(
        name, Shape.of(graph.schema, graph.splits, partial(kept_pairs, graph), given), given, here=here
    )
    _tell(name, preset, callback)
    return preset


def _tell(name: str | None, preset: Preset, callback: Callback) -> None:
    """Say why a preset chose what it did."""
    for reason in preset.reasons:
        callback(Notice(f"{name}: {reason}"))


def _tried(trials: Trials, config: Config, graph: GraphStore, target: Path, callback: Callback) -> Config:
    """Return a config with the regularization that does best in short trainings."""

    def short(changed: Config, path: Path, told: Callback) -> dict[str, Any]:
        return _train(_create(path, changed, graph, None), graph, told)

    return tried(trials, config, target, short, callback)


def model_path(source: Any, path: str | Path | None) -> Path:
    """Return where the model of a source is or will be."""
    return Path(path) if path is not None else default_model_path(source)


def planned_config(target: Path, given: dict[str, Any]) -> Config:
    """Return where and for how long a training will run: its other sections may not fit each other yet."""
    stored = ModelStore.open(target).config if target.exists() else {}
    sections = ("training", "cluster")
    base, told = ({name: keys[name] for name in sections if name in keys} for keys in (stored, given))
    return _merged(base, told, target)


def _open(
    source: Any,
    target: Path,
    given: dict[str, Any],
    columns: Sequence[str] | None,
    features: Mapping[str, Any] | None,
) -> tuple[ModelStore, GraphStore]:
    """Open a model to go on with, its config changed by what is given now."""
    store = ModelStore.open(target)
    graph = open_graph_store(source)
    if graph is not None:
        store.check_graph(graph)
    else:
        graph = store.open_graph()
        if not holds_source(graph, source, columns, features):
            raise OtherGraphError(str(target), name_of_source(source))
    base = numbered_relations(store.config, store.schema, given)
    stored = merge_stored(base, {}, store.path)
    config = _merged(base, given, target)
    check_fixed(stored, config)
    _check_patience(config, graph)
    if config != stored:
        store.set_config(config.to_dict())
    return store, graph


def _merged(stored: Mapping[str, Any], given: Mapping[str, Any], model: Path) -> Config:
    """Return the config of a model with the keys given now; say which it keeps where the two do not fit."""
    try:
        return merge(stored, given)
    except ConfigValueError as error:
        section, _, key = error.path.partition(".")
        kept, told = stored.get(section), given.get(section, _NOTHING)
        # What a user gives for a section may be no table at all.
        if not (isinstance(kept, Mapping) and isinstance(told, Mapping) and key in kept and key not in told):
            raise
        advice = f"{error.allowed}; {model} keeps that from before: give {error.path} too"
        raise ConfigValueError(error.path, error.given, advice) from None


def check_fixed(stored: Config, config: Config) -> None:
    """Refuse a change that would make a trained model another one.

    Raises
    ------
    FixedKeyError
        Names the first such key.
    """
    for section in FIXED:
        before, after = stored.to_dict()[section], config.to_dict()[section]
        if before != after:
            raise FixedKeyError(*first_difference(section, before, after))


def first_difference(path: str, before: Any, after: Any) -> tuple[str, Any, Any]:
    """Return the path of the first key that differs, with its two values; lists by their lengths first."""
    if isinstance(before, dict) and isinstance(after, dict):
        pairs = [(key, before.get(key), after.get(key)) for key in {**before, **after}]
    elif isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            return f"the number of {path}", len(before), len(after)
        pairs = [(str(number), *pair) for number, pair in enumerate(zip(before, after, strict=True))]
    else:
        return path, before, after
    key, left, right = next(pair for pair in pairs if pair[1] != pair[2])
    return first_difference(f"{path}.{key}" if path else key, left, right)


def _check_featurized(config: Config, graph: GraphStore) -> None:
    """Refuse a config whose types were imported as others."""
    for kind in graph.schema.entity_types:
        declared = config.entities.get(kind.name)
        if declared is not None and declared.featurized != kind.featurized:
            key = f"entities.{kind.name}.featurized (import again to change it)"
            raise FixedKeyError(key, kind.featurized, declared.featurized)


def _check_patience(config: Config, graph: GraphStore) -> None:
    if config.evaluation.patience and not graph.splits.get("valid"):
        hint = "import it with --valid FILE, or with --valid 0.05 to hold some out, or leave it at 0"
        allowed = f"goes by valid edges, and {graph.path} has none; {hint}"
        raise ConfigValueError("evaluation.patience", config.evaluation.patience, allowed)


def _check_init(init: Init, target: Path) -> None:
    begun = ModelStore.open(target).init
    if begun != init.to_dict():
        reason = (
            f"{target} exists, and did not begin so; leave --init out to go on with it, or choose another -o"
        )
        raise InitError(str(init.path), reason)


def _create(target: Path, config: Config, graph: GraphStore, init: Init | None) -> ModelStore:
    wanted = config.graph.partitions
    if wanted not in ("auto", graph.schema.partitions):
        reimport = f"import again with -s graph.partitions={wanted}"
        raise FixedKeyError(f"graph.partitions ({reimport})", graph.schema.partitions, wanted)
    _check_featurized(config, graph)
    _check_patience(config, graph)
    check_walks(config, graph)
    model = Model(config, graph.schema)
    if init is not None:
        check(model, ModelStore.open(init.path))
    began = None if init is None else init.to_dict()
    return ModelStore.create(target, config.to_dict(), graph, model.stored_shapes(), began)


@contextmanager
def _removed_if_nothing_came_of_it(store: ModelStore) -> Iterator[None]:
    """Leave no empty model behind when its training fails before the first commit."""
    try:
        yield
    except BaseException:
        if not store.progress:
            shutil.rmtree(store.path, ignore_errors=True)
        raise


def _train(store: ModelStore, graph: GraphStore, callback: Callback, client: Any = None) -> dict[str, Any]:
    model = Model(Config.from_dict(store.config), graph.schema)

    def judge(source: ModelStore | Vectors, spread: Spread | None) -> dict[str, Any]:
        return _evaluate(source, graph, model, callback, spread)

    with store.lock():
        store.sweep()
        _begin(store, graph, model, callback)
        _tell_of_large_split(graph, model.config, callback)
        finished = _is_finished(store, model.config, callback)
        judged = judge if graph.splits.get("valid") else None
        trained = graph
        if model.config.walks.per_node and not finished:
            trained = walked(graph, walks_path_beside(store.path), model.config, callback)
            model = Model(model.config, trained.schema)
        return train_anywhere(store, trained, model, callback, judged, client)


def _begin(store: ModelStore, graph: GraphStore, model: Model, callback: Callback) -> None:
    """Give a new model the vectors of the one that it begins with, unless it has them."""
    if store.init is None or store.progress or is_begun(store):
        return
    path, optimizer = store.init["path"], bool(store.init["optimizer"])
    found = begin(store, graph, model, ModelStore.open(path), optimizer)
    entities = sum(kind.count for kind in model.schema.entity_types)
    shares = (
        f"{found.entities:,} of {entities:,} entities, {found.relations} of {len(model.relations)} relations"
    )
    sums = "and their Adagrad sums" if optimizer else "without Adagrad sums"
    callback(Notice(f"begins with {shares} from {path}, {sums}"))


def _tell_of_large_split(graph: GraphStore, config: Config, callback: Callback) -> None:
    edges, evaluation = graph.splits.get("valid", 0), config.evaluation
    if edges > MANY_EDGES and evaluation.candidates == "all" and (evaluation.every or evaluation.at_end):
        ways = "evaluation.candidates=1000 takes a sample, evaluation.at_end=false leaves it out at the end"
        callback(Notice(f"{edges:,} valid edges will be ranked against all entities: {ways}"))


def _is_finished(store: ModelStore, config: Config, callback: Callback) -> bool:
    """Tell whether nothing is left to train, and say so."""
    trained, history = int(store.progress.get("epoch", 0)), store.history
    if is_over(history, config.training.epochs, config.evaluation.patience):
        way_on = "more training.epochs or evaluation.patience"
        reason = f"it stopped after epoch {trained}, for epoch {best_epoch(history)} was the best"
    elif trained >= config.training.epochs:
        reason, way_on = f"it has had {trained} epochs", "more training.epochs"
    else:
        return False
    callback(Notice(f"{store.path} is finished: {reason}; give {way_on} to go on"))
    return True


def _evaluate(
    source: ModelStore | Vectors, graph: GraphStore, model: Model, callback: Callback, spread: Spread | None
) -> dict[str, Any]:
    """Rank the valid split as the config wants it."""
    chosen = model.config.evaluation
    return evaluate(
        source,
        graph,
        "valid",
        candidates=chosen.candidates,
        sampling=chosen.sampling,
        threads=model.config.training.threads,
        callback=callback,
        spread=spread,
    ).to_dict()
