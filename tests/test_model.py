"""A config applied to a graph: groups of relations, where parameters stand, what they are at first."""

from typing import Any

import numpy as np

from daskgraph.config import Config
from daskgraph.graph import EntityType, GraphSchema, RelationType
from daskgraph.model import Group, Model

RELATIONS: list[dict[str, Any]] = [
    {"name": "x", "head": "a", "tail": "b", "operator": "affine"},
    {"name": "y", "head": "a", "tail": "b", "operator": "translation", "weight": 2.0},
    {"name": "z", "head": "b", "tail": "b", "operator": "complex_diagonal", "all_candidates": True},
]


def mixed_model(**keys: Any) -> Model:
    types: dict[str, Any] = {"a": {}, "b": {}}
    chosen = {"dimension": 4, "reciprocal": True, "global_embedding": True, **keys}
    config = Config.from_dict({"model": chosen, "entities": types, "relations": RELATIONS})
    relations = tuple(RelationType(r["name"], r["head"], r["tail"]) for r in RELATIONS)
    return Model(config, GraphSchema((EntityType("a", 5), EntityType("b", 6)), relations))


def test_model__groups() -> None:
    model = mixed_model()
    assert model.groups == (
        Group("a", "b", "affine", False),
        Group("a", "b", "translation", False),
        Group("b", "b", "complex_diagonal", True),
    )
    assert model.parameter_size == 20
    np.testing.assert_array_equal(model.relation_weights, [1, 2, 1])
    assert [model.settings(group).shared_table for group in model.groups] == [False, False, True]


def test_model__parameters_survive_their_store() -> None:
    model = mixed_model()
    parameters = model.initial()
    random = np.random.default_rng(0)
    for table in (parameters.tail, parameters.head, parameters.tail_sums, parameters.head_sums):
        table[0] = random.random(20)
        table[1:, :4] = random.random((2, 4))
    for vector in parameters.common.values():
        vector[:] = random.random(4)
    stored = model.unpack(parameters)
    assert {path: array.shape for path, array in stored.items()} == model.stored_shapes()
    assert stored["relations/reciprocal_linear"].shape == (3, 4, 4)
    back = model.pack(stored)
    for name in ("tail", "head", "tail_sums", "head_sums"):
        np.testing.assert_array_equal(getattr(back, name), getattr(parameters, name))
    for kind in ("a", "b"):
        np.testing.assert_array_equal(back.common[kind], parameters.common[kind])


def test_model__first_operators() -> None:
    model = mixed_model()
    first = model.initial()
    np.testing.assert_array_equal(first.tail[0], [*np.eye(4).reshape(-1), 0, 0, 0, 0])
    np.testing.assert_array_equal(first.tail[1], 0)
    moduli = np.hypot(first.tail[2, :2], first.tail[2, 2:4])
    np.testing.assert_allclose(moduli, 1, rtol=1e-6)
    assert (first.tail[2] != first.head[2]).any()
    np.testing.assert_array_equal(model.initial().tail, first.tail)


def test_model__relations_the_config_does_not_name() -> None:
    config = Config.from_dict({"model": {"operator": "diagonal"}})
    schema = GraphSchema((EntityType("entity", 3),), (RelationType("likes", "entity", "entity"),))
    model = Model(config, schema)
    assert model.groups == (Group("entity", "entity", "diagonal", False),)
    assert model.relations[0].name == "likes"
    assert len(model.initial().head) == 0
