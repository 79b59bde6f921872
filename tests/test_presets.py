"""Presets: good configs for graphs of every shape, and a reason for every key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_graphs import cliques, rings

import daskgraph
from daskgraph.config import Config
from daskgraph.errors import ConfigValueError
from daskgraph.events import Event, Notice
from daskgraph.planning import expected_pairs
from daskgraph.presets import ALL_ENTITIES, BUDGET, PRESETS, UNIFORM_ALONE, Shape, choose

FB15K_237 = Shape({"entity": 14_541}, 237, 272_115, 17_535, False)
CODEX_S = Shape({"entity": 2_034}, 42, 32_888, 1_827, False)
WN18RR = Shape({"entity": 40_943}, 11, 86_835, 3_034, False)
BLOGCATALOG = Shape({"entity": 10_312}, 1, 333_983, 0, False)
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
)


@given(st.sampled_from(list(PRESETS)), SHAPES)
def test_choose__is_a_good_config_of_any_shape(name: str, shape: Shape) -> None:
    preset = choose(name, shape)
    config = Config.from_dict(preset.settings)
    told = " ".join(reason.keys for reason in preset.reasons)
    for section, keys in preset.settings.items():
        assert all(f"{section}.{key} = " in told for key in keys)
    negatives = config.negatives
    assert not (negatives.all and shape.most > ALL_ENTITIES)
    if not (negatives.all or config.walks.per_node):
        # Scores then rank by how probable an answer is, not by how surprising.
        assert negatives.uniform >= 1000
        assert negatives.frequency == 0
        assert negatives.in_batch == (shape.most > UNIFORM_ALONE)
    assert bool(config.evaluation.patience) == bool(shape.valid)
    assert config.training.epochs >= 3
    # What an import depends on is the same for all.
    assert config.model.dimension == choose(name).settings["model"]["dimension"]


@pytest.mark.parametrize("shape", [FB15K_237, WN18RR, BLOGCATALOG, GOWALLA])
@pytest.mark.parametrize("name", PRESETS)
def test_choose__keeps_to_its_budget(name: str, shape: Shape) -> None:
    config = Config.from_dict(choose(name, shape).settings)
    candidates = shape.most if config.negatives.all else config.negatives.uniform + config.training.batch_size
    pairs, sides = shape.edges, 1 if config.negatives.corrupt == "tail" else 2
    if config.walks.per_node:
        pairs = 200 * config.walks.per_node * sum(shape.entities.values())
    assert 3 * sides * pairs * candidates * config.model.dimension * config.training.epochs < 1.5 * BUDGET


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
    assert foretold.model.reciprocal  # else it could not tell the directions of an edge apart
    assert chosen("network", TWITTER).walks.per_node == 0
    assert chosen("network", GOWALLA).walks.per_node == 0
    assert chosen("recommender", GOWALLA).negatives.corrupt == "tail"
    assert chosen("recommender", GOWALLA._replace(bipartite=False)).negatives.corrupt == "both"
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
    shape = Shape.of(model.graph.store.schema, model.graph.edges)
    preset = choose(name, shape)
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


@pytest.mark.compiled
def test_plan__plans_what_the_preset_would_train(tmp_path: Path) -> None:
    daskgraph.import_edges(cliques(3, 6), tmp_path / "g.zarr")
    graph = daskgraph.open_graph(tmp_path / "g.zarr")
    given = {"training": {"threads": 1}, "model": {"dimension": 8}}
    plan = daskgraph.plan(graph, config=given, preset="network")
    chosen = choose("network", Shape.of(graph.store.schema, graph.edges))
    walks = chosen.settings["walks"]
    assert plan.edges == expected_pairs(18, walks["per_node"], walks["length"], walks["window"])
    assert set(plan.notes) >= {f"network: {reason}" for reason in chosen.reasons}
    assert daskgraph.plan(nodes=18, edges=90, config=given, preset="network").edges == plan.edges
