from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_examples import TYPED, random_edges, random_model, store_model, write_random_graph
from naive_ranking import Naive, compare, entity, score

from daskgraph import searching
from daskgraph.errors import (
    AmbiguousEntityError,
    OtherGraphError,
    QuestionError,
    UnknownEntityError,
    UnknownRelationError,
)
from daskgraph.graph import EntityType, GraphSchema, RelationType
from daskgraph.neighbors import Answer, find_entity, nearest, predict
from daskgraph.store import GraphStore
from daskgraph.vectors import TableVectors
from daskgraph_kernels.names import COMPARATORS

LABELS = {"item": ["tea", "coffee", "tea", "", "Casino Royale", "user 1"]}
OPERATORS = ("translation", "none", "linear", "complex_diagonal")


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> GraphStore:
    rng = np.random.default_rng(0)
    known = [(3, 1, 5), (3, 1, 7), (8, 1, 3)]
    splits = {"train": random_edges(TYPED, 30, rng) + known, "test": [(3, 1, 0)]}
    return write_random_graph(tmp_path_factory.mktemp("graph") / "g.zarr", TYPED, splits, LABELS)


def naive_model(reciprocal: bool = False, comparator: str = "dot") -> Naive:
    keys: dict[str, Any] = {
        "model": {
            "dimension": 6,
            "comparator": comparator,
            "reciprocal": reciprocal,
            "bias": True,
            "global_embedding": True,
            "max_norm": 2.0,
        },
        "entities": {"user": {}, "item": {}},
        "relations": [
            {"name": relation.name, "head": relation.head, "tail": relation.tail, "operator": operator}
            for relation, operator in zip(TYPED.relations, OPERATORS, strict=True)
        ],
    }
    rng = np.random.default_rng(1)
    naive = random_model(TYPED, keys, rng)
    for table in naive.tables.values():
        table[:] = rng.standard_normal(table.shape)
    return naive


def in_memory(naive: Naive) -> TableVectors:
    return TableVectors(naive.model, naive.parameters, naive.tables)


def check(answers: list[Answer], expected: dict[str, float]) -> None:
    best = sorted(expected, key=lambda name: -expected[name])[: len(answers)]
    assert [answer.entity for answer in answers] == best
    for answer in answers:
        assert answer.score == pytest.approx(expected[answer.entity], rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("comparator", COMPARATORS)
@pytest.mark.parametrize("block", [3, 1 << 14])
def test_nearest(graph: GraphStore, comparator: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "BLOCK", block)
    naive = naive_model(comparator=comparator)
    query = entity(naive, "user", 4)
    query[0] = 0
    expected = {}
    for row in set(range(11)) - {4}:
        candidate = entity(naive, "user", row)
        candidate[0] = 0
        expected[f"user {row}"] = compare(naive, query, candidate)
    check(nearest(in_memory(naive), graph, "user 4", 5), expected)
    assert len(nearest(in_memory(naive), graph, "user 4", 50)) == 10


@pytest.mark.parametrize("reciprocal", [False, True])
@pytest.mark.parametrize("relation", [0, 1, 2, 3])
@pytest.mark.parametrize("block", [4, 1 << 14])
def test_predict(
    graph: GraphStore, reciprocal: bool, relation: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "BLOCK", block)
    naive = naive_model(reciprocal)
    kind = TYPED.relations[relation]
    heads, tails = TYPED.entity_type(kind.head).count, TYPED.entity_type(kind.tail).count
    expected = {f"{kind.tail} {row}": score(naive, "tail", (3, relation, row)) for row in range(tails)}
    found = predict(in_memory(naive), graph, head=f"{kind.head} 3", relation=kind.name, k=4)
    assert len(found) == 4
    check(found, expected)
    expected = {f"{kind.head} {row}": score(naive, "head", (row, relation, 2)) for row in range(heads)}
    check(predict(in_memory(naive), graph, tail=f"{kind.tail} 2", relation=kind.name, k=100), expected)


def test_predict__skips_known_edges(graph: GraphStore) -> None:
    edges = [graph.read_edges(split, 0, count) for split, count in graph.splits.items()]
    known = {
        tail
        for part in edges
        for head, relation, tail in zip(
            part.head.tolist(), part.relation.tolist(), part.tail.tolist(), strict=True
        )
        if (head, relation) == (3, 1)
    }
    assert {0, 5, 7} <= known
    vectors = in_memory(naive_model())
    found = predict(vectors, graph, head="user 3", relation="follows", k=100, skip_known=True)
    assert {answer.entity for answer in found} == {f"user {row}" for row in set(range(11)) - known}
    heads = predict(vectors, graph, tail="user 3", relation="follows", k=100, skip_known=True)
    assert len(heads) < 11


def test_answers__stored_and_with_labels(graph: GraphStore, tmp_path: Path) -> None:
    naive = naive_model()
    store = store_model(tmp_path / "m.zarr", graph, naive)
    answers = predict(store, graph, head="user 1", relation="likes", k=6)
    assert answers == predict(in_memory(naive), graph, head="user 1", relation="likes", k=6)
    assert {answer.entity: answer.label for answer in answers} == {
        f"item {row}": label or None for row, label in enumerate(LABELS["item"])
    }
    assert nearest(store, graph, "Casino Royale", 3) == nearest(store, graph, "item 4", 3)
    assert all(answer.label is None for answer in nearest(store, graph, "user 1"))


def test_answers__equal_scores_in_the_order_of_rows(
    graph: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "BLOCK", 2)
    naive = naive_model()
    naive.tables["user"][:] = 0
    naive.parameters.common["user"][:] = 0
    naive.tables["user"][3] = np.nan
    found = nearest(in_memory(naive), graph, "user 5", 4)
    assert [answer.entity for answer in found] == ["user 0", "user 1", "user 2", "user 4"]
    assert nearest(in_memory(naive), graph, "user 5", 10)[-1].entity == "user 3"


def test_find_entity(graph: GraphStore) -> None:
    assert find_entity(graph, "user 7") == ("user", 7)
    assert find_entity(graph, "coffee") == ("item", 1)
    assert find_entity(graph, "user 1") == ("user", 1)
    assert find_entity(graph, "user 1", "item") == ("item", 5)
    assert find_entity(graph, "item:item 2") == ("item", 2)
    with pytest.raises(AmbiguousEntityError) as ambiguous:
        find_entity(graph, "tea")
    assert ambiguous.value.candidates == ("item:item 0", "item:item 2")
    with pytest.raises(UnknownEntityError) as unknown:
        find_entity(graph, "Casino Royal")
    assert unknown.value.nearest == "Casino Royale"


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("user 12", "user 1"), ("cofee", "coffee"), ("teas", None), ("zzz", None)],
)
def test_find_entity__means_an_id_or_a_unique_label(graph: GraphStore, asked: str, meant: str | None) -> None:
    with pytest.raises(UnknownEntityError) as unknown:
        find_entity(graph, asked)
    near = unknown.value.nearest
    assert (near and near.split()[0]) == (meant and meant.split()[0])
    if near is not None:
        find_entity(graph, near)


def test_find_entity__of_another_type(graph: GraphStore) -> None:
    with pytest.raises(
        UnknownEntityError, match=r"no entity of type 'user' .* 'item 1'; it is of type 'item'"
    ):
        find_entity(graph, "item 1", "user")


def test_find_entity__an_id_that_several_types_have(tmp_path: Path) -> None:
    names = {"user": [str(row) for row in range(11)], "item": [str(row) for row in range(6)]}
    graph = write_random_graph(tmp_path / "g.zarr", TYPED, {"train": [(0, 0, 0)]}, names=names)
    with pytest.raises(AmbiguousEntityError, match="called '3'; ask by id: user:3, item:3"):
        find_entity(graph, "3")
    assert find_entity(graph, "item:3") == ("item", 3)
    assert find_entity(graph, "3", "item") == ("item", 3)


def test_predict__the_entity_asked_about_is_an_answer(graph: GraphStore) -> None:
    found = predict(in_memory(naive_model()), graph, head="user 3", relation="follows", k=100)
    assert "user 3" in {answer.entity for answer in found}


def test_refusals(graph: GraphStore, tmp_path: Path) -> None:
    vectors = in_memory(naive_model())
    for head, tail in ((None, None), ("user 1", "user 2")):
        with pytest.raises(QuestionError, match="either a head"):
            predict(vectors, graph, head=head, relation="follows", tail=tail)
    with pytest.raises(QuestionError, match="4 of them, such as 'likes'"):
        predict(vectors, graph, head="user 1")
    with pytest.raises(UnknownRelationError):
        predict(vectors, graph, head="user 1", relation="like")
    with pytest.raises(UnknownEntityError):
        predict(vectors, graph, head="item 1", relation="follows")
    other = write_random_graph(tmp_path / "g.zarr", TYPED, {"train": [(0, 0, 0)]})
    with pytest.raises(OtherGraphError):
        nearest(store_model(tmp_path / "m.zarr", graph, naive_model()), other, "user 1")


def test_predict__the_only_relation(tmp_path: Path) -> None:
    schema = GraphSchema((EntityType("entity", 4),), (RelationType("edge", "entity", "entity"),))
    names = {"entity": ["7", "8", "9", "10"]}
    graph = write_random_graph(tmp_path / "g.zarr", schema, {"train": [(0, 0, 1)]}, names=names)
    naive = random_model(schema, {"model": {"dimension": 2}}, np.random.default_rng(0))
    number: Any = 8
    assert len(predict(in_memory(naive), graph, head=number)) == 4
