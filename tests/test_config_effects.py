"""Every key of the config changes what it promises: one case a key, and no key without one."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from known_graphs import rings
from pydantic import BaseModel

import daskgraph
from daskgraph.config import Config
from daskgraph.config.models import EntityConfig, RelationConfig
from daskgraph.events import Callback, Committed, EvaluationStarted, Event, ignore

BASE: dict[str, Any] = {
    "graph": {"partitions": 1},
    "model": {"dimension": 8, "operator": "translation"},
    "negatives": {"uniform": 5},
    "training": {"epochs": 2, "batch_size": 8, "threads": 1},
}


def merged(*tables: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for table in tables:
        for key, value in table.items():
            if isinstance(value, dict) and isinstance(out.get(key), dict):
                out[key] = merged(out[key], value)
            else:
                out[key] = value
    return out


def trained(folder: Path, config: dict[str, Any], callback: Callback = ignore) -> daskgraph.Model:
    folder.mkdir()
    (folder / "source").mkdir()
    # Walks are for graphs of one relation, and some of their keys for nodes of different degrees.
    edges = rings(24)[:30].drop(columns="relation") if "walks" in config else rings(24)
    edges.to_csv(folder / "source" / "train.csv", index=False)
    edges[:10].to_csv(folder / "source" / "valid.csv", index=False)
    return daskgraph.train(folder / "source", folder / "m.model.zarr", config=config, callback=callback)


def vectors(model: daskgraph.Model) -> np.ndarray:
    return np.asarray(model.embeddings()[:])


# What must differ between two trainings whose configs differ in one key.
def changes_vectors(one: daskgraph.Model, other: daskgraph.Model) -> bool:
    return vectors(one).shape != vectors(other).shape or bool((vectors(one) != vectors(other)).any())


def relations() -> list[dict[str, Any]]:
    return [{"name": "next"}, {"name": "after_next"}, {"name": "opposite"}]


def first_relation(**keys: Any) -> dict[str, Any]:
    return {"entities": {"entity": {}}, "relations": [{**relations()[0], **keys}, *relations()[1:]]}


# key -> (what both configs have, the two values, what must differ)
CASES: dict[str, tuple[dict[str, Any], Any, Any, Callable[..., bool]]] = {
    "graph.partitions": ({}, 1, 3, lambda a, b: a.store.schema.partitions != b.store.schema.partitions),
    **{
        f"walks.{key}": (
            {"walks": {"per_node": 2, "length": 8, "window": 3}, "model": {"operator": "none"}},
            one,
            other,
            changes_vectors,
        )
        for key, one, other in [
            ("per_node", 1, 2),
            ("length", 8, 9),
            ("window", 3, 4),
            ("p", 1.0, 0.25),
            ("q", 1.0, 4.0),
            ("thinning", 0.0, 0.5),
        ]
    },
    "model.dimension": ({}, 8, 6, changes_vectors),
    "model.operator": ({}, "translation", "diagonal", changes_vectors),
    "model.comparator": ({}, "dot", "cos", changes_vectors),
    "model.reciprocal": ({}, False, True, changes_vectors),
    "model.bias": ({}, False, True, changes_vectors),
    "model.global_embedding": ({}, False, True, changes_vectors),
    "model.max_norm": ({}, 0.0, 0.5, changes_vectors),
    "model.init_scale": ({}, 0.001, 0.1, changes_vectors),
    "model.dropout": ({}, 0.0, 0.3, changes_vectors),
    "loss.function": ({}, "softmax", "logistic", changes_vectors),
    "loss.margin": ({"loss": {"function": "ranking"}}, 0.1, 2.0, changes_vectors),
    "loss.adversarial_temperature": ({"loss": {"function": "logistic"}}, 0.0, 1.0, changes_vectors),
    "loss.regularizer": ({"loss": {"regularization": 0.1}}, "n3", "l2", changes_vectors),
    "loss.regularization": ({}, 0.0, 0.1, changes_vectors),
    "negatives.in_batch": ({}, True, False, changes_vectors),
    "negatives.uniform": ({}, 5, 9, changes_vectors),
    "negatives.stand_for_all": ({"negatives": {"in_batch": False}}, False, True, changes_vectors),
    "negatives.mask_positives": ({}, False, True, changes_vectors),
    "negatives.gradient_candidates": ({}, 0, 2, changes_vectors),
    "negatives.all": ({}, False, True, changes_vectors),
    "negatives.corrupt": ({}, "both", "tail", changes_vectors),
    "training.epochs": ({}, 2, 3, lambda a, b: (a.epochs, b.epochs) == (2, 3)),
    "training.batch_size": ({}, 8, 9, changes_vectors),
    "training.learning_rate": ({}, 0.1, 0.2, changes_vectors),
    "training.relation_learning_rate": ({}, 0.0, 0.01, changes_vectors),
    "training.decay": (
        {"training": {"epochs": 3, "learning_rate": 1e-12}},
        1.0,
        0.5,
        lambda a, b: [entry.get("learning_rate") for entry in b.history] == [1e-12, 1e-12, 0.5e-12],
    ),
    "training.plateau": (
        {"training": {"epochs": 3, "learning_rate": 1e-12, "decay": 0.5}},
        1,
        2,
        lambda a, b: a.history[-1]["learning_rate"] < b.history[-1]["learning_rate"],
    ),
    "training.cooldown": (
        {"training": {"epochs": 4, "learning_rate": 1e-12}},
        0.0,
        0.5,
        lambda a, b: (
            ["learning_rate" in entry for entry in a.history] == [False] * 4
            and np.allclose([entry["learning_rate"] * 1e12 for entry in b.history], [1, 1, 0.1**0.5, 0.1])
        ),
    ),
    "training.threads": ({}, 1, 2, lambda a, b: (a.summary["threads"], b.summary["threads"]) == (1, 2)),
    "training.buffer": (
        {"graph": {"partitions": 4}},
        0,
        2,
        lambda a, b: a.summary["swaps"] < b.summary["swaps"],
    ),
    "training.bucket_order": (
        {"graph": {"partitions": 8}, "training": {"buffer": 3}},
        "random",
        "beta",
        lambda a, b: a.summary["swaps"] > b.summary["swaps"],
    ),
    "training.sweeps": (
        {"graph": {"partitions": 8}, "training": {"buffer": 3, "epochs": 2}},
        1,
        2,
        lambda a, b: a.summary["swaps"] < b.summary["swaps"],
    ),
    "training.seed": ({}, 0, 1, changes_vectors),
    "training.keep": ({}, 0, 1, lambda a, b: [list(m.info()["snapshots"]) for m in (a, b)] == [[], ["2"]]),
    "evaluation.at_end": (
        {},
        True,
        False,
        lambda a, b: "evaluation" in a.summary and "evaluation" not in b.summary,
    ),
    "evaluation.patience": (
        {"evaluation": {"every": 1}, "training": {"epochs": 4, "learning_rate": 1e-12}},
        0,
        2,
        lambda a, b: (a.epochs, b.epochs) == (4, 3),
    ),
    "evaluation.sampling": (
        {"evaluation": {"candidates": 7}},
        "uniform",
        "frequency",
        lambda a, b: a.summary["evaluation"]["mrr"] != b.summary["evaluation"]["mrr"],
    ),
    "evaluation.candidates": (
        {},
        "all",
        7,
        lambda a, b: (
            (a.summary["evaluation"]["candidates"], b.summary["evaluation"]["candidates"]) == ("all", 7)
        ),
    ),
}


def keys(section: type[BaseModel] = Config, prefix: str = "") -> Iterator[str]:
    """Every key by its dotted path; those of one entity type and one relation without their names."""
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from keys(kind, f"{prefix}{name}.")
        elif name == "entities":
            yield from (f"entities.{key}" for key in EntityConfig.model_fields)
        elif name == "relations":
            yield from (f"relations.{key}" for key in RelationConfig.model_fields)
        else:
            yield f"{prefix}{name}"


# Keys with a test of their own below.
APART = {
    # tests/executors/test_cluster.py
    *(f"cluster.{key}" for key in ("kind", "address", "workers", "patience")),
    # tests/executors/test_slurm.py
    *(f"cluster.{key}" for key in ("minimum", "cores", "memory", "walltime", "queue", "account", "elastic")),
    *(f"cluster.{key}" for key in ("interface", "directives", "skip_directives", "prologue", "scratch")),
    "negatives.frequency",
    "training.memory",
    "training.checkpoint",
    "evaluation.every",
    "entities.partitioned",
    "entities.dimension",
    "entities.featurized",
    *(f"relations.{key}" for key in ("name", "head", "tail", "operator", "weight", "all_candidates")),
}


def test_every_key_has_a_case() -> None:
    assert set(keys()) == set(CASES) | APART


@pytest.mark.parametrize("key", CASES)
def test_key__changes_what_it_promises(key: str, tmp_path: Path) -> None:
    common, first, second, differs = CASES[key]
    section, name = key.split(".")
    one, other = (
        trained(tmp_path / str(index), merged(BASE, common, {section: {name: value}}))
        for index, value in enumerate((first, second))
    )
    assert differs(one, other)


@pytest.mark.parametrize(
    "change",
    [{"operator": "diagonal"}, {"weight": 3.0}, {"all_candidates": True}],
    ids=lambda c: next(iter(c)),
)
def test_relation_key__changes_vectors(change: dict[str, Any], tmp_path: Path) -> None:
    plain = trained(tmp_path / "plain", merged(BASE, first_relation()))
    changed = trained(tmp_path / "changed", merged(BASE, first_relation(**change)))
    assert changes_vectors(plain, changed)


@pytest.mark.parametrize(("comparator", "moves"), [("l1", True), ("dot", False)])
def test_margin__is_an_offset_of_the_logistic_loss_for_distances(
    comparator: str, moves: bool, tmp_path: Path
) -> None:
    tables = {"model": {"comparator": comparator}, "loss": {"function": "logistic"}}
    models = [
        trained(tmp_path / str(margin), merged(BASE, tables, {"loss": {"margin": margin}}))
        for margin in (0.1, 4.0)
    ]
    assert changes_vectors(*models) == moves


def test_types__have_their_own_tables(tmp_path: Path) -> None:
    typed = {
        "entities": {"user": {"dimension": 4}, "item": {"dimension": 4, "partitioned": False}},
        "relations": [
            {"name": name, "head": "user", "tail": "item"} for name in ("next", "after_next", "opposite")
        ],
        "graph": {"partitions": 3},
    }
    model = trained(tmp_path / "typed", merged(BASE, typed))
    assert model.embeddings("user").shape == (24, 4)
    assert model.embeddings("item").shape == (24, 4)
    assert model.store.schema.parts("user") == 3
    assert model.store.schema.parts("item") == 1


@pytest.mark.compiled
def test_memory__decides_partitions_and_how_many_of_them_are_held(tmp_path: Path) -> None:
    # 15 MiB of vectors; a process that trains nothing takes 225.
    config = {"graph": {"partitions": "auto"}, "model": {"dimension": 200}, "training": {"epochs": 1}}
    models = [
        daskgraph.train(
            rings(20_000),
            tmp_path / f"{memory}.model.zarr",
            config=merged(config, {"training": {"memory": memory, "batch_size": 100, "threads": 2}}),
        )
        for memory in ("auto", "246MiB")
    ]
    ample, scarce = (model.store.schema.partitions for model in models)
    assert ample == 1 < scarce
    assert models[0].summary["swaps"] == 0 < models[1].summary["swaps"]


def test_featurized__trains_features_instead_of_entities(tmp_path: Path) -> None:
    names = [f"n{number}" for number in range(24)]
    features = {"entity": {name: [name[-1], "node"] for name in names}}
    shapes = []
    for featurized in (False, True):
        config = merged(BASE, {"entities": {"entity": {"featurized": featurized}}})
        given = features if featurized else None
        model = daskgraph.train(rings(24), tmp_path / f"{featurized}.zarr", config=config, features=given)
        shapes.append(
            [model.store.array(path).shape[0] for path in model.store.parameters if "features" in path]
        )
        assert model.embeddings().shape == (24, 8)
    assert shapes == [[], [11, 11]]


@pytest.mark.parametrize("partitions", [1, 4])
def test_frequency__draws_those_in_many_edges_more_often(partitions: int, tmp_path: Path) -> None:
    # A hub that is in every edge; the candidates alone move others.
    star = pd.DataFrame({"head": "hub", "tail": [f"n{number}" for number in range(40)]})
    tables = {
        "graph": {"partitions": partitions},
        "model": {"operator": "none"},
        "negatives": {"in_batch": False, "uniform": 50},
        "training": {"epochs": 1, "buffer": min(partitions, 2)},
    }
    sums = []
    for power in (0.0, 3.0):
        config = merged(BASE, tables, {"negatives": {"frequency": power}})
        model = daskgraph.train(star, tmp_path / f"{power}.zarr", config=config)
        own = np.asarray(model.store.array("optimizer/entity")[:])
        sums.append(own[model.names().index("hub")] / own.sum())
    assert sums[1] > sums[0]


def test_checkpoint__zero_commits_every_epoch(tmp_path: Path) -> None:
    events: list[Event] = []
    trained(tmp_path / "m", merged(BASE, {"training": {"epochs": 5, "checkpoint": 0.0}}), events.append)
    assert sum(isinstance(event, Committed) for event in events) == 5


def test_every__evaluates_while_training(tmp_path: Path) -> None:
    events: list[Event] = []
    config = merged(BASE, {"training": {"epochs": 5}, "evaluation": {"every": 2}})
    model = trained(tmp_path / "m", config, events.append)
    assert sum(isinstance(event, EvaluationStarted) for event in events) == 3
    assert ["evaluation" in entry for entry in model.history] == [False, True, False, True, False]
