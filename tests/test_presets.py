"""Presets: good configs for graphs of every shape, and a reason for every key."""

from __future__ import annotations

import math
import re
from functools import partial
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_graphs import cliques, rings

import daskgraph
from daskgraph.config import Config
from daskgraph.errors import ConfigValueError
from daskgraph.events import Event, Notice, TrainingFinished
from daskgraph.planning import expected_pairs
from daskgraph.presets import ALL_ENTITIES, BUDGET, PRESETS, UNIFORM_ALONE, Shape, Trials, choose
from daskgraph.presets.shapes import ANY
from daskgraph.presets.trials import EDGES
from daskgraph.stopping import cooldown_factor
from daskgraph.walks import kept_pairs

FB15K_237 = Shape({"entity": 14_541}, 237, 272_115, 17_535, False)
CODEX_S = Shape({"entity": 2_034}, 42, 32_888, 1_827, False)
WN18RR = Shape({"entity": 40_943}, 11, 86_835, 3_034, False)
BLOGCATALOG = Shape({"entity": 10_312}, 1, 333_983, 0, False, 0.17)
GOWALLA = Shape({"user": 29_858, "place": 40_981}, 1, 810_128, 0, True)
TWITTER = Shape({"entity": 41_652_230}, 1, 1_468_365_182, 0, False)
FREEBASE = Shape({"entity": 86_054_151}, 14_824, 304_727_650, 16_929_318, False)

SHAPES = st.builds(
    Shape,
    st.dictionaries(st.sampled_from(["entity", "user", "item"]), st.integers(1, 10**9), min_size=1),
    st.integers(1, 10**5),
    st.integers(1, 10**11),
    st.integers(0, 10**8),
    st.booleans(),
    st.floats(0.001, 1.0),
    st.booleans(),
    st.integers(0, 10**8),
    st.sets(st.sampled_from(["entity", "user", "item"])).map(frozenset),
)


def test_choose__heeds_and_does_not_tell_what_is_given() -> None:
    preset = choose("network", BLOGCATALOG, {"walks": {"per_node": 8}, "training": {"epochs": 1}})
    told = " ".join(reason.keys for reason in preset.reasons)
    assert "walks.length = 40" in told
    assert "walks.per_node" not in told
    assert "training.epochs" not in told
    # So few walks are trained more often.
    assert preset.settings["training"]["epochs"] > 5
    edges = choose("network", BLOGCATALOG, {"walks": {"per_node": 0}}).settings
    assert edges["model"]["operator"] == "complex_diagonal"
    fewer = choose("knowledge-graph", CODEX_S, {"negatives": {"uniform": 500}}).settings["negatives"]
    assert fewer == {"uniform": 500, "in_batch": False, "stand_for_all": True}


@given(st.sampled_from(list(PRESETS)), SHAPES)
def test_choose__is_a_good_config_of_any_shape(name: str, shape: Shape) -> None:
    preset = choose(name, shape)
    config = Config.from_dict(preset.settings)
    told = " ".join(reason.keys for reason in preset.reasons)
    for section, keys in preset.settings.items():
        assert all(f"{section}.{key} = " in told for key in keys)
    negatives = config.negatives
    compared = shape.of_tails if negatives.corrupt == "tail" else shape
    assert not (negatives.all and compared.most > ALL_ENTITIES)
    if not (negatives.all or config.walks.per_node):
        # Scores then rank by how probable an answer is, not by how surprising.
        assert negatives.uniform >= 1000
        assert negatives.frequency == 0
        assert negatives.in_batch == (compared.most > UNIFORM_ALONE)
    assert bool(config.evaluation.patience) == (shape.valid >= EDGES)
    assert config.training.epochs >= (2 if config.walks.per_node else 3)
    # What an import depends on is the same for all.
    assert config.model.dimension == choose(name).settings["model"]["dimension"]


def shape_of(graph: daskgraph.Graph) -> Shape:
    return Shape.of(graph.store.schema, graph.edges, partial(kept_pairs, graph.store))


@pytest.mark.parametrize("shape", [FB15K_237, WN18RR, BLOGCATALOG, GOWALLA])
@pytest.mark.parametrize("name", PRESETS)
def test_choose__keeps_to_its_budget(name: str, shape: Shape) -> None:
    config = Config.from_dict(choose(name, shape).settings)
    candidates = shape.most if config.negatives.all else config.negatives.uniform + config.training.batch_size
    pairs, sides = shape.edges, 1 if config.negatives.corrupt == "tail" else 2
    if config.walks.per_node:
        pairs = round(200 * config.walks.per_node * sum(shape.entities.values()) * shape.thinned)
    assert 3 * sides * pairs * candidates * config.model.dimension * config.training.epochs < 1.5 * BUDGET


def test_choose__candidates_are_of_the_types_that_are_asked_for() -> None:
    few = Shape({"user": 55_213, "item": 1_500}, 1, 135_000, 7_500, True, tails=frozenset({"item"}))
    preset = choose("recommender", few)
    assert preset.settings["negatives"] == {"corrupt": "tail", "all": True}
    assert "1,500 entities: all of them" in " ".join(reason.why for reason in preset.reasons)
    both = choose("recommender", few, {"negatives": {"corrupt": "both"}}).settings["negatives"]
    assert both["uniform"] > 1_500
    crowd = few._replace(entities={"user": 1_500_000, "item": 2_000}, edges=20_000_000)
    assert not choose("recommender", crowd).settings["negatives"].get("in_batch", False)


@pytest.mark.parametrize("name", PRESETS)
def test_choose__does_not_stop_before_rates_have_fallen(name: str) -> None:
    shape = CODEX_S._replace(bipartite=name == "recommender", relations=1)
    config = Config.from_dict(choose(name, shape).settings)
    soonest = config.evaluation.every * (1 + config.evaluation.patience)
    last = config.training.epochs
    assert cooldown_factor(soonest, last, config.training.cooldown) < 0.4
    assert soonest <= last


def test_choose__by_shape() -> None:
    def chosen(name: str, shape: Shape) -> Config:
        return Config.from_dict(choose(name, shape).settings)

    few, many = chosen("knowledge-graph", FB15K_237), chosen("knowledge-graph", FREEBASE)
    assert few.negatives.uniform > many.negatives.uniform >= 1000
    assert few.evaluation.candidates == "all"
    assert chosen("knowledge-graph", CODEX_S).negatives.all
    assert many.evaluation.candidates == 1000
    assert chosen("knowledge-graph", WN18RR).loss.regularization > few.loss.regularization
    assert chosen("network", BLOGCATALOG).walks.per_node > 0
    foretold = chosen("network", BLOGCATALOG._replace(valid=10))
    assert foretold.walks.per_node == 0
    assert chosen("network", BLOGCATALOG._replace(tested=10)).walks.per_node == 0
    assert foretold.model.reciprocal  # else it could not tell the directions of an edge apart
    assert chosen("network", BLOGCATALOG._replace(featurized=True)).walks.per_node == 0
    even = BLOGCATALOG._replace(thinned=1.0)
    assert chosen("network", BLOGCATALOG).walks.per_node > 5 * chosen("network", even).walks.per_node
    assert chosen("network", TWITTER).walks.per_node == 0
    assert chosen("network", GOWALLA).walks.per_node == 0
    assert chosen("recommender", GOWALLA).negatives.corrupt == "tail"
    assert chosen("recommender", GOWALLA._replace(bipartite=False)).negatives.corrupt == "both"
    denser = chosen("recommender", GOWALLA._replace(edges=4 * GOWALLA.edges)).loss.regularization
    assert denser == pytest.approx(chosen("recommender", GOWALLA).loss.regularization / 2, rel=0.05)
    with pytest.raises(ConfigValueError, match="should be one of knowledge-graph, network, recommender"):
        choose("graph")


@pytest.mark.parametrize(
    ("name", "edges"),
    [
        ("knowledge-graph", rings(24)),
        pytest.param("network", cliques(3, 6), marks=pytest.mark.compiled),
    ],
)
def test_train__chooses_tells_why_and_keeps_what_is_given(name: str, edges: Any, tmp_path: Path) -> None:
    told: list[Event] = []
    given = {"training": {"epochs": 1, "threads": 1}, "model": {"dimension": 8}, "walks": {"length": 5}}
    target = tmp_path / "m.model.zarr"
    model = daskgraph.train(edges, target, config=given, preset=name, callback=told.append)
    preset = choose(name, shape_of(model.graph), given)
    notices = [event.text for event in told if isinstance(event, Notice)]
    assert [f"{name}: {reason}" for reason in preset.reasons] == [
        text for text in notices if text.startswith(f"{name}: ")
    ]
    assert model.config.loss.function == "softmax"
    assert (model.config.model.dimension, model.config.training.epochs, model.config.walks.length) == (
        8,
        1,
        5,
    )
    told.clear()
    more = {"training": {"epochs": 2}}
    again = daskgraph.train(edges, target, config=more, preset="recommender", callback=told.append)
    assert again.config.model == model.config.model
    assert any("its own config holds" in event.text for event in told if isinstance(event, Notice))


def test_plan__walks_no_more_often_where_nothing_is_thinned(tmp_path: Path) -> None:
    spokes = pd.DataFrame([("hub", f"n{rim}") for rim in range(60)], columns=["head", "tail"])
    ring = pd.DataFrame([(f"n{rim}", f"n{(rim + 1) % 60}") for rim in range(60)], columns=["head", "tail"])
    daskgraph.import_edges(pd.concat([spokes, ring]), tmp_path / "g.zarr")
    graph = daskgraph.open_graph(tmp_path / "g.zarr")
    given: dict[str, Any] = {"training": {"threads": 1}, "model": {"dimension": 8}}
    edges = [
        daskgraph.plan(graph, config=given | {"walks": {"thinning": thinning}}, preset="network").edges
        for thinning in (0.0, 0.5)
    ]
    assert edges[0] == expected_pairs(61, 40, 40, 10)
    assert edges[1] == daskgraph.plan(pd.concat([spokes, ring]), config=given, preset="network").edges
    # Walks are so many times as many that as many pairs are left.
    assert edges[1] == pytest.approx(edges[0], rel=0.02)


@pytest.mark.compiled
def test_plan__of_files_walks_where_nothing_is_held_out(tmp_path: Path) -> None:
    edges = cliques(5, 6)
    for split, rows in {"train": edges[:-10], "test": edges[-10:]}.items():
        rows.to_csv(tmp_path / f"{split}.tsv", sep="\t", header=False, index=False)
    walked = daskgraph.plan(tmp_path / "train.tsv", preset="network")
    foretold = daskgraph.plan(tmp_path, preset="network")
    assert "few enough for walks" in " ".join(walked.notes)
    assert "there are test edges to foretell" in " ".join(foretold.notes)


def test_plan__plans_what_the_preset_would_train(tmp_path: Path) -> None:
    daskgraph.import_edges(cliques(3, 6), tmp_path / "g.zarr")
    graph = daskgraph.open_graph(tmp_path / "g.zarr")
    given = {"training": {"threads": 1}, "model": {"dimension": 8}}
    plan = daskgraph.plan(graph, config=given, preset="network")
    chosen = choose("network", shape_of(graph), given)
    walks, kept = chosen.settings["walks"], kept_pairs(graph.store, 0.5)
    assert plan.edges == expected_pairs(18, walks["per_node"], walks["length"], walks["window"], kept)
    assert set(plan.notes) >= {f"network: {reason}" for reason in chosen.reasons}
    # All nodes have as many edges: nothing is thinned, whether that is known or not.
    assert daskgraph.plan(nodes=18, edges=90, config=given, preset="network").edges == plan.edges


def test_choose__leaves_out_what_does_not_go_with_what_is_given() -> None:
    def settings(given: dict[str, Any], shape: Shape = FB15K_237) -> dict[str, Any]:
        chosen = choose("knowledge-graph", shape, given).settings
        Config.from_dict(
            {**chosen, **{name: {**chosen.get(name, {}), **keys} for name, keys in given.items()}}
        )
        return chosen

    assert "patience" in settings({})["evaluation"]
    assert "patience" not in settings({"evaluation": {"every": 0}})["evaluation"]
    assert settings({})["negatives"]["stand_for_all"]
    others: list[dict[str, Any]] = [
        {"negatives": {"in_batch": True}},
        {"negatives": {"frequency": 0.5}},
        {"loss": {"function": "logistic"}},
    ]
    for other in others:
        assert "stand_for_all" not in settings(other)["negatives"]
    assert settings({}, CODEX_S)["negatives"]["all"]
    # Before the import, too, where nothing is known of the graph.
    assert settings({"evaluation": {"patience": 8}}, ANY)
    assert settings({"negatives": {"stand_for_all": True}}, ANY)
    assert "all" not in settings({"negatives": {"uniform": 500}}, CODEX_S).get("negatives", {})


@pytest.mark.parametrize("peak", [-3, -2, -1, 0, 1, 2, 3])
def test_trials__climb_a_hill(peak: int) -> None:
    trials = Trials(0.1, 5, False)
    found: dict[float, float] = {}
    while (factor := trials.next(found)) is not None:
        assert factor not in found
        found[factor] = -abs(math.log(factor / 0.1, 2.5) - peak)
    assert len(found) <= 4
    assert trials.best(found) == pytest.approx(0.1 * 2.5 ** min(2, max(-3, peak)), rel=0.1)


def test_choose__tries_factors_where_that_is_worth_it() -> None:
    def trials(given: dict[str, Any], shape: Shape = FB15K_237, here: bool = True) -> Trials | None:
        return choose("knowledge-graph", shape, given, here=here).trials

    few = trials({"training": {"epochs": 24}})
    assert few is not None
    assert few.fewer
    # A twelfth of the cost, with a third of the candidates.
    assert 5 <= few.epochs <= 6
    assert few.settings(0.02)["loss"] == {"regularization": 0.02}
    own = trials({"negatives": {"uniform": 2000}})
    assert own is not None
    assert "negatives" not in own.settings(0.02)
    assert trials({"loss": {"regularization": 0.0}}) is None
    assert trials({"training": {"epochs": 5}}) is None
    assert trials({}, FB15K_237._replace(valid=0)) is None
    assert trials({}, FREEBASE) is None
    assert trials({}, here=False) is None


def test_train__takes_the_factor_that_did_best(tmp_path: Path) -> None:
    edges, target = rings(60), tmp_path / "m.model.zarr"
    splits = {"train": edges[:-60], "valid": edges[-60:]}
    for split, rows in splits.items():
        rows.to_csv(tmp_path / f"{split}.tsv", sep="\t", header=False, index=False)
    left = tmp_path / "m.trial.model.zarr"
    left.mkdir()
    told: list[Event] = []
    given = {"training": {"epochs": 36, "threads": 1}, "model": {"dimension": 8}}
    model = daskgraph.train(tmp_path, target, config=given, preset="knowledge-graph", callback=told.append)
    notices = [event.text for event in told if isinstance(event, Notice)]
    line = r"^trial: loss\.regularization = (\S+): valid MRR (\S+)$"
    found = dict(re.findall(line, "\n".join(notices), re.MULTILINE))
    assert 3 <= len(found) <= 4
    best = max(found, key=lambda factor: float(found[factor]))
    assert f"loss.regularization = {best}: the best of {len(found)} trials" in notices
    assert model.config.loss.regularization == float(best)
    assert model.epochs > 3
    assert not left.exists()
    assert sum(isinstance(event, TrainingFinished) for event in told) == 1


def tastes() -> pd.DataFrame:
    """60 users take 8 of 20 items each; users and items that are alike modulo 3 go together."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(60), 8)
    items = np.concatenate([3 * rng.permutation(20)[:8] + user % 3 for user in range(60)])
    return pd.DataFrame({"head": users, "tail": items})


@pytest.mark.compiled
def test_train__a_recommender_tells_users_from_items_whatever_they_are_called(tmp_path: Path) -> None:
    told: list[Event] = []
    config = {"training": {"threads": 1, "epochs": 20}, "model": {"dimension": 8}}
    target = tmp_path / "m.model.zarr"
    model = daskgraph.train(tastes(), target, config=config, preset="recommender", callback=told.append)
    assert model.info()["entities"] == {"user": 60, "item": 60}
    assert any(
        "entities.user, entities.item: heads take tails" in event.text
        for event in told
        if isinstance(event, Notice)
    )
    taken = [
        (user, int(answer.entity)) for user in range(9) for answer in model.predict(head=str(user), k=12)
    ]
    assert np.mean([item % 3 == user % 3 for user, item in taken]) > 0.95
    plan = daskgraph.plan(tastes(), config=config, preset="recommender")
    assert plan.entities == {"user": 60, "item": 60}
    numbers = daskgraph.plan(nodes={"user": 60, "item": 60}, edges=480, config=config, preset="recommender")
    assert numbers.entities == plan.entities


@pytest.mark.parametrize(
    ("source", "config"),
    [
        (tastes().assign(relation="likes"), {}),
        (tastes(), {"relations": [{"name": "takes"}]}),
        (networkx.from_pandas_edgelist(tastes(), "head", "tail"), {}),
    ],
)
def test_plan__a_recommender_leaves_types_alone_where_something_else_tells_them(
    source: Any, config: dict[str, Any]
) -> None:
    plan = daskgraph.plan(source, config={"training": {"threads": 1}} | config, preset="recommender")
    assert list(plan.entities) == ["entity"]
    assert not any("heads take tails" in note for note in plan.notes)
    assert any("users and items are one type" in note for note in plan.notes)
