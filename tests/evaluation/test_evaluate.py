from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from model_examples import TYPED, UNTYPED, random_edges, random_model, store_model, write_random_graph
from naive_ranking import Naive, Triple, rank

from daskgraph import events
from daskgraph.errors import OtherGraphError, OtherProtocolError, UnknownSplitError, UntrainedModelError
from daskgraph.evaluation import Evaluation, evaluate, pieces, ranking
from daskgraph.evaluation.sampling import sample, sample_by_frequency
from daskgraph.graph import EntityType, GraphSchema, RelationType
from daskgraph.store import GraphStore, ModelStore
from daskgraph.vectors import TableVectors
from daskgraph_kernels import names

OPERATORS = names.OPERATORS
COMPARATORS = names.COMPARATORS
SPLITS = {"train": 30, "valid": 5, "test": 12}
ROUNDING = 1e-5


def in_memory(naive: Naive) -> TableVectors:
    return TableVectors(naive.model, naive.parameters, naive.tables)


def figures(ranks: list[tuple[float, int]]) -> dict[str, Any]:
    rank, others = np.array(ranks, float).reshape(-1, 2).T
    below = 1 - (rank[others > 0] - 1) / others[others > 0]
    return {
        "mrr": np.mean(1 / rank),
        "mean_rank": np.mean(rank),
        "hits": {str(k): np.mean(rank <= k) for k in (1, 3, 10)},
        "auc": np.mean(below) if len(below) else np.nan,
    }


def expected(
    naive: Naive,
    splits: dict[str, list[Triple]],
    chosen: Callable[[str, int], Any],
    filtered: bool,
    side: str,
) -> list[tuple[float, int]]:
    known = {edge for edges in splits.values() for edge in edges} if filtered else set()
    found = []
    for edge in splits["test"]:
        rows = chosen(side, edge[1])
        wide = rank(naive, side, edge, rows, known, ROUNDING)
        found.append(rank(naive, side, edge, rows, known, 0))
        # What float32 can not tell apart is no matter of right and wrong.
        assume(wide == found[-1])
    return found


def check(found: Any, ranks: list[tuple[float, int]], edges: int) -> None:
    assert found["edges"] == edges
    if not ranks:
        assert np.isnan(found["mrr"])
        return
    for key, value in figures(ranks).items():
        assert found[key] == (pytest.approx(value, rel=1e-12, nan_ok=True)), key


@st.composite
def models(draw: st.DrawFn) -> tuple[GraphSchema, dict[str, Any]]:
    schema = draw(st.sampled_from([UNTYPED, TYPED]))
    keys: dict[str, Any] = {
        "model": {
            "dimension": 6,
            "comparator": draw(st.sampled_from(COMPARATORS)),
            "reciprocal": draw(st.booleans()),
            "bias": draw(st.booleans()),
            "global_embedding": draw(st.booleans()),
            "max_norm": draw(st.sampled_from([0.0, 1.5])),
        },
        "relations": [
            {
                "name": relation.name,
                "head": relation.head,
                "tail": relation.tail,
                "operator": draw(st.sampled_from(OPERATORS)),
            }
            for relation in schema.relations
        ],
        "entities": {kind.name: {} for kind in schema.entity_types},
    }
    return schema, keys


@settings(max_examples=80)
@given(
    models(),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["all", 1, 4, 9]),
    st.sampled_from(["uniform", "frequency"]),
    st.integers(0, 2**32),
    st.sampled_from([4, 2048]),
    st.sampled_from([0, ranking.SCREENED]),
)
def test_evaluate__equals_its_naive_twin(
    chosen: tuple[GraphSchema, dict[str, Any]],
    filtered: bool,
    constrained: bool,
    candidates: Any,
    sampling: str,
    seed: int,
    block: int,
    screened: int,
) -> None:
    schema, keys = chosen
    rng = np.random.default_rng(seed)
    splits = {split: random_edges(schema, count, rng) for split, count in SPLITS.items()}
    naive = random_model(schema, keys, rng)
    counts = {kind.name: kind.count for kind in schema.entity_types}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        patch.setattr(ranking, "BLOCK", block)
        patch.setattr(ranking, "TILE", 3)
        patch.setattr(ranking, "SCREENED", screened)
        patch.setattr(pieces, "SLICE_BYTES", 0)
        graph = write_random_graph(Path(folder) / "g.zarr", schema, splits)
        degrees = {kind: graph.degrees(kind) for kind in counts}

        def rows(side: str, index: int) -> Any:
            relation, place = schema.relations[index], 0 if side == "head" else 2
            kind = relation.head if side == "head" else relation.tail
            known = sorted({edge[place] for edge in splits["train"] if edge[1] == index})
            ids = np.array(known if constrained else range(counts[kind]), np.int64)
            stream = f"{side} of {relation.name}" if constrained else kind
            if candidates == "all" or candidates >= max(counts.values()):
                return ids.tolist()
            if sampling == "uniform":
                return ids[sample(stream, len(ids), candidates, 7)].tolist()
            return ids[sample_by_frequency(stream, degrees[kind][ids], candidates, 7)].tolist()

        found = evaluate(
            in_memory(naive),
            graph,
            candidates=candidates,
            sampling="uniform" if candidates == "all" else sampling,
            filtered=filtered,
            constrained=constrained,
            per_relation=True,
            threads=2,
            seed=7,
        ).to_dict()
    sides = {side: expected(naive, splits, rows, filtered, side) for side in ("head", "tail")}
    check(found, sides["head"] + sides["tail"], 12)
    for side, ranks in sides.items():
        check(found["sides"][side], ranks, 12)
    for index, relation in enumerate(schema.relations):
        own = [place for place, edge in enumerate(splits["test"]) if edge[1] == index]
        if own:
            ranks = [ranks[place] for ranks in sides.values() for place in own]
            check(found["per_relation"][relation.name], ranks, len(own))
    trained = {
        (kind, row)
        for head, relation, tail in splits["train"]
        for kind, row in ((schema.relations[relation].head, head), (schema.relations[relation].tail, tail))
    }
    seen = [
        place
        for place, (head, relation, tail) in enumerate(splits["test"])
        if {(schema.relations[relation].head, head), (schema.relations[relation].tail, tail)} <= trained
    ]
    check(found["seen"], [ranks[place] for ranks in sides.values() for place in seen], len(seen))


def wide_graph(path: Path, count: int = 200, edges: int = 100) -> GraphStore:
    schema = GraphSchema((EntityType("entity", count),), (RelationType("edge", "entity", "entity"),))
    rng = np.random.default_rng(0)
    splits = {"train": random_edges(schema, edges, rng), "test": random_edges(schema, edges, rng)}
    return write_random_graph(path, schema, splits)


@pytest.mark.parametrize("comparator", COMPARATORS)
@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("reciprocal", [False, True])
def test_evaluate__equal_scores_rank_in_the_middle(
    wide: GraphStore, comparator: str, operator: str, reciprocal: bool
) -> None:
    keys = {
        "model": {"dimension": 50, "comparator": comparator, "operator": operator, "reciprocal": reciprocal}
    }
    naive = random_model(wide.schema, keys, np.random.default_rng(1))
    naive.tables["entity"][:] = naive.tables["entity"][0]
    found = evaluate(in_memory(naive), wide, filtered=False)
    assert found.mean_rank == (200 + 1) / 2
    assert found.mrr == pytest.approx(1 / found.mean_rank)
    assert found.hits == {"1": 0, "3": 0, "10": 0}
    assert found.auc == 0.5


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> GraphStore:
    return wide_graph(tmp_path_factory.mktemp("wide") / "g.zarr")


def test_evaluate__scores_that_are_no_numbers_rank_last(wide: GraphStore) -> None:
    naive = random_model(wide.schema, {"model": {"dimension": 4}}, np.random.default_rng(1))
    naive.tables["entity"][:] = np.nan
    assert evaluate(in_memory(naive), wide, filtered=False).mean_rank == 200


def test_evaluate__a_stored_model_as_one_in_memory(wide: GraphStore, tmp_path: Path) -> None:
    keys = {
        "model": {
            "dimension": 8,
            "operator": "complex_diagonal",
            "reciprocal": True,
            "global_embedding": True,
        }
    }
    naive = random_model(wide.schema, keys, np.random.default_rng(1))
    store = store_model(tmp_path / "m.zarr", wide, naive)
    told: list[events.Event] = []
    found = evaluate(ModelStore.open(store.path), wide, "test", callback=told.append)
    assert without_time(found) == without_time(evaluate(in_memory(naive), wide, "test", threads=1))
    assert told[0] == events.EvaluationStarted("test", 100)
    assert sum(event.edges for event in told if isinstance(event, events.EvaluationProgress)) == 100
    assert told[-1] == events.EvaluationFinished(
        "test", found.mrr, found.hits["10"], found.seconds, found.protocol.name
    )


def without_time(evaluation: Evaluation) -> dict[str, Any]:
    return evaluation.to_dict() | {"seconds": None}


def test_evaluate__in_pieces(wide: GraphStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are read piece by piece, from multiples of the step on, and never all together."""
    naive = random_model(
        wide.schema, {"model": {"dimension": 4, "operator": "diagonal"}}, np.random.default_rng(1)
    )
    read: list[tuple[int, int]] = []

    class Pieces(TableVectors):
        def step(self, entity_type: str) -> int:
            return 64

        def rows(self, entity_type: str, start: int, stop: int) -> Any:
            read.append((start, stop))
            return super().rows(entity_type, start, stop)

    whole = evaluate(in_memory(naive), wide)
    assert without_time(evaluate(Pieces(*in_memory_arguments(naive)), wide)) == without_time(whole)
    assert set(read) == {(start, min(start + 64, 200)) for start in range(0, 200, 64)}
    assert len(read) <= 2 * 4


def in_memory_arguments(naive: Naive) -> tuple[Any, ...]:
    return naive.model, naive.parameters, naive.tables


def test_evaluation__as_json(wide: GraphStore) -> None:
    naive = random_model(wide.schema, {"model": {"dimension": 4}}, np.random.default_rng(1))
    found = evaluate(in_memory(naive), wide, candidates=20, per_relation=True, seed=3).to_dict()
    assert json.loads(json.dumps(found)) == found
    assert found["candidates"] == 20
    assert found["filtered"] is True
    assert found["comparable"] == "only with filtered ranks against the same 20 sampled entities (seed 3)"
    assert set(found["hits"]) == {"1", "3", "10"}
    assert found["per_relation"]["edge"]["mrr"] == found["mrr"]
    assert found["mean_rank"] <= 21
    plain = evaluate(in_memory(naive), wide, filtered=False).to_dict()
    assert plain["comparable"] == "with other raw ranks against all entities"
    assert "per_relation" not in plain


LIKE = {"candidates": 20, "sampling": "frequency", "seed": 3}


@pytest.mark.parametrize(
    "change",
    [
        {"candidates": "all", "sampling": "uniform"},
        {"candidates": 21},
        {"sampling": "uniform"},
        {"seed": 4},
        {"filtered": False},
        {"constrained": True},
    ],
)
def test_gain_over__refuses_another_protocol(wide: GraphStore, change: dict[str, Any]) -> None:
    naive = random_model(wide.schema, {"model": {"dimension": 4}}, np.random.default_rng(1))
    one = evaluate(in_memory(naive), wide, **LIKE)  # type: ignore[arg-type]
    assert one.gain_over(one) == 0
    assert one.to_dict()["protocol"] == "filtered, against 20 entities sampled by frequency"
    other = evaluate(in_memory(naive), wide, **LIKE | change)  # type: ignore[arg-type]
    with pytest.raises(OtherProtocolError, match="can not be compared"):
        one.gain_over(other)


def test_evaluate__as_many_candidates_as_there_are_are_all(wide: GraphStore) -> None:
    naive = random_model(wide.schema, {"model": {"dimension": 4}}, np.random.default_rng(1))
    model = in_memory(naive)
    most = max(kind.count for kind in wide.schema.entity_types)
    one = evaluate(model, wide)
    for sampling in ("uniform", "frequency"):
        other = evaluate(model, wide, candidates=most, sampling=sampling)
        assert other.protocol.name == "filtered, against all entities"
        assert one.gain_over(other) == 0
    fewer = evaluate(model, wide, candidates=most - 1)
    assert fewer.protocol.name == f"filtered, against {most - 1} sampled entities"


def test_gain_over__refuses_another_graph(wide: GraphStore, tmp_path: Path) -> None:
    naive = random_model(wide.schema, {"model": {"dimension": 4}}, np.random.default_rng(1))
    other = evaluate(in_memory(naive), wide_graph(tmp_path / "g.zarr", edges=90))
    with pytest.raises(OtherProtocolError, match="test of graph"):
        evaluate(in_memory(naive), wide).gain_over(other)


def test_evaluate__empty_split(tmp_path: Path) -> None:
    splits = {"train": random_edges(UNTYPED, 5, np.random.default_rng(0)), "valid": []}
    graph = write_random_graph(tmp_path / "g.zarr", UNTYPED, splits)
    naive = random_model(UNTYPED, {"model": {"dimension": 4}}, np.random.default_rng(1))
    found = evaluate(in_memory(naive), graph, "valid", per_relation=True)
    assert found.edges == found.seen.edges == 0
    assert np.isnan(found.mrr)
    assert found.per_relation == {}


def test_evaluate__refusals(wide: GraphStore, tmp_path: Path) -> None:
    naive = random_model(wide.schema, {"model": {"dimension": 4}}, np.random.default_rng(1))
    with pytest.raises(UnknownSplitError):
        evaluate(in_memory(naive), wide, "valid")
    wrong: Any
    for wrong in ("some", 0, -3, 2.5, True):
        with pytest.raises(ValueError, match="'all' or a number"):
            evaluate(in_memory(naive), wide, candidates=wrong)
    with pytest.raises(ValueError, match="say how many"):
        evaluate(in_memory(naive), wide, sampling="frequency")
    with pytest.raises(ValueError, match="uniform, frequency"):
        evaluate(in_memory(naive), wide, candidates=3, sampling="often")
    other = wide_graph(tmp_path / "other.zarr", edges=10)
    store = ModelStore.create(tmp_path / "m.zarr", naive.model.config.to_dict(), wide, {})
    with pytest.raises(OtherGraphError):
        evaluate(store, other)
    with pytest.raises(UntrainedModelError):
        evaluate(store, wide)


@pytest.mark.parametrize(("count", "wanted"), [(10, 3), (10, 8), (10, 10), (10, 20), (1000, 100), (7, 1)])
def test_sample(count: int, wanted: int) -> None:
    drawn = sample("entity", count, wanted, 0)
    assert len(set(drawn.tolist())) == len(drawn) == min(count, wanted)
    assert drawn.tolist() == sorted(drawn.tolist())
    assert set(drawn.tolist()) <= set(range(count))
    np.testing.assert_array_equal(drawn, sample("entity", count, wanted, 0))


def test_sample__uniform() -> None:
    counts = np.zeros(20)
    for seed in range(600):
        counts[sample("entity", 20, 5, seed)] += 1
        counts[sample("user", 20, 5, seed)] += 1
    assert counts.sum() == 6000
    assert ((counts - 300) ** 2 / 300).sum() < 45


def test_sample_by_frequency() -> None:
    degrees = np.array([0, 5, 1, 0, 10, 4])
    np.testing.assert_array_equal(sample_by_frequency("entity", degrees, 4, 0), [1, 2, 4, 5])
    np.testing.assert_array_equal(sample_by_frequency("entity", degrees, 9, 0), [1, 2, 4, 5])
    first = np.zeros(6)
    for seed in range(2000):
        first[sample_by_frequency("entity", degrees, 1, seed)] += 1
    assert first[degrees == 0].sum() == 0
    expected = 2000 * degrees[degrees > 0] / 20
    # Chi-squared of three degrees of freedom: 21 has the probability 0.0001.
    assert ((first[degrees > 0] - expected) ** 2 / expected).sum() < 21
