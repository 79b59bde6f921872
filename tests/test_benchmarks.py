"""What the benchmarks measure with: graphs, configs, PBG's models read back, the guard's judgement."""

import dataclasses
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas
import pytest
import quality
import records
from against_pbg import falls_short
from cases import CASES, Case
from graphs import Ids, NumberedGraph, draw_communities, read_triples
from kernel_guard import Slow, limit, renewed, too_slow, vanished
from known_graphs import communities, rings
from pbg_model import PARAMETERS, Floats, read_pbg
from ranking_block import RankingBlock

import daskgraph
from daskgraph.config import Config
from daskgraph.evaluation import ranking
from daskgraph.model import Model
from daskgraph.store import GraphStore
from daskgraph_kernels.screening import rounded

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_cases_are_configs(case: Case) -> None:
    config = Config.from_dict(case.config(threads=2))
    assert config.model.dimension == case.config_of_pbg("folder", 3, 2)["dimension"]


def test_operations_of_a_batch() -> None:
    """50 edges, 50 + 50 candidates, d = 100: scores of 50 × 150 pairs, twice as much for gradients."""
    assert CASES["a"].flops == 3 * 2 * 50 * 150 * 100
    assert CASES["b"].flops == 3 * 2 * 50 * 2 * 1050 * 400
    assert CASES["d1"].flops == 3 * 2 * 50 * 150 * 64 + 3 * 2 * 100 * 64 * 64


def test_communities() -> None:
    graph = draw_communities(1000, 3, 6000, 500, community=20)
    train, test = graph.splits["train"], graph.splits["test"]
    assert train.shape == (6000, 3)
    assert test.shape == (500, 3)
    whole = np.concatenate([train, test])
    assert len(np.unique(whole, axis=0)) == len(whole)
    assert set(train[:, 0]) == set(range(1000))
    shuffled = np.column_stack([train[:, 0], np.random.default_rng(0).permutation(train[:, 2])])
    assert triangles(train[:, [0, 2]], 1000) > 10 * triangles(shuffled, 1000)
    again = draw_communities(1000, 3, 6000, 500, community=20)
    np.testing.assert_array_equal(test, again.splits["test"])


def triangles(pairs: Ids, entities: int) -> float:
    near = np.zeros((entities, entities))
    near[pairs[:, 0], pairs[:, 1]] = near[pairs[:, 1], pairs[:, 0]] = 1
    np.fill_diagonal(near, 0)
    return float(np.trace(near @ near @ near) / 6)


def test_communities__too_few_edges_to_draw_from() -> None:
    with pytest.raises(ValueError, match="different edges"):
        draw_communities(20, 1, 5000, 10)


def test_triples() -> None:
    graph = read_triples(EXAMPLES / "codex-s")
    assert (graph.entities, graph.relations) == (2034, 42)
    assert {split: len(edges) for split, edges in graph.splits.items()} == {
        "train": 32888,
        "valid": 1827,
        "test": 1828,
    }


@pytest.mark.parametrize("name", CASES)
def test_models_of_pbg(name: str, tmp_path: Path) -> None:
    """Rows and operators come to stand where the graph has the entities and relations of those numbers."""
    case = dataclasses.replace(CASES[name], dimension=6)
    graph = draw_communities(60, 5, 300, 20, community=20)
    daskgraph.import_edges(graph.frame("train"), tmp_path / "graph.zarr", test=graph.frame("test"))
    store = GraphStore.open(tmp_path / "graph.zarr")
    saved = save_random_model(tmp_path, case, graph)
    model = Model(Config.from_dict(case.config()), store.schema)

    found = read_pbg(tmp_path, model, store)

    names = store.names("entity")
    rows = found.rows("entity", 0, 60)
    np.testing.assert_array_equal(
        rows, saved["entity"][np.array([int(names.name(row)) for row in range(60)])]
    )
    for row, relation in enumerate(store.relation_names):
        for side, table in (("rhs", found.parameters.tail), ("lhs", found.parameters.head)):
            if len(table):
                wanted = [saved[f"{side} {one}"][int(relation)].ravel() for one in PARAMETERS[case.operator]]
                np.testing.assert_array_equal(table[row], np.concatenate([np.empty(0), *wanted]))


def save_random_model(folder: Path, case: Case, graph: NumberedGraph) -> dict[str, Floats]:
    """Save arrays as `pbg_worker.py` does; return them, operators with a row for every relation."""
    random = np.random.default_rng(1)
    d = case.dimension
    shapes = {"translation": (d,), "linear_transformation": (d, d), "real": (d // 2,), "imag": (d // 2,)}
    saved = {"entity": random.standard_normal((graph.entities, d)).astype(np.float32)}
    np.save(folder / "entity.npy", saved["entity"])
    for side in ("lhs", "rhs"):
        for name in PARAMETERS[case.operator]:
            values = random.standard_normal((graph.relations, *shapes[name])).astype(np.float32)
            saved[f"{side} {name}"] = values
            if case.reciprocal:
                np.save(folder / f"relations.0.operator.{side}.{name}.npy", values)
            else:
                for relation, value in enumerate(values):
                    np.save(folder / f"relations.{relation}.operator.{side}.{name}.npy", value)
    return saved


def test_guard__what_is_slower_than_it_may_be() -> None:
    tables = {"one": {"case": {"scores": 0.4, "loss": 0.1}}, "other": {"case": {"scores": 0.2, "step": 0.1}}}
    measured = {"case": {"scores": 0.48, "loss": 0.16, "step": 0.5, "gather": 0.001}}
    assert too_slow(measured, tables, "one") == [
        Slow("case", "loss", 0.16, limit(0.1, same_processor=True)),
        # A processor whose table lacks it is judged by another's.
        Slow("case", "step", 0.5, limit(0.1, same_processor=False)),
        Slow("case", "gather", 0.001, 0.0),
    ]
    assert [one.function for one in too_slow(measured, tables, "third")] == ["step", "gather"]


def test_guard__renewed_tables_hold_what_is_called() -> None:
    tables = {"one": {"case": {"loss": 0.1}}, "other": {"case": {"loss": 0.2, "gone": 0.1}, "old": {}}}
    measured = {"case": {"loss": 0.3, "new": 0.1}}
    assert renewed(tables, "one", measured) == {"one": measured, "other": {"case": {"loss": 0.2}}}


def test_guard__what_is_called_no_more() -> None:
    tables = {
        "one": {"case": {"scores": 0.4, "loss": 0.1}, "other": {"loss": 0.1}},
        "two": {"case": {"step": 0.1}},
    }
    measured = {"case": {"loss": 0.16}, "new": {"loss": 0.1}}
    told = [
        f"{name} is in the table, but is not called" for name in ("case: scores", "case: step", "other: loss")
    ]
    assert vanished(measured, tables, "one") == [told[0], told[2]]
    assert vanished(measured, tables, "two") == [told[1]]
    assert vanished(measured, tables, "unknown") == told


@pytest.mark.compiled
def test_guard__ranks_as_an_evaluation_does() -> None:
    block = RankingBlock()
    called = {name for name, value in vars(ranking).items() if hasattr(value, "py_func") or value is rounded}
    assert {*called, "compare_rows"} == block.least(1).keys()


@pytest.mark.compiled
def test_guard__scores_and_counts_are_those_of_all_products() -> None:
    block = RankingBlock()
    questions = block.questions
    queries, candidates = (compared.rows.astype(float) for compared in (block.queries, block.candidates))
    above = (queries @ candidates.T)[questions.query] > questions.positive[:, np.newaxis]
    np.testing.assert_array_equal(block.scores[questions.query] > questions.positive[:, np.newaxis], above)
    for i, (own, first, last) in enumerate(zip(questions.own, questions.first, questions.last, strict=True)):
        above[i, [own, *block.ignored[first:last]]] = False
    # They were counted once, when the block was made.
    np.testing.assert_array_equal(questions.above, above.sum(axis=1))


def git(folder: Path, *asked: str) -> None:
    who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    subprocess.run(["git", *who, *asked], cwd=folder, check=True, capture_output=True)


def test_commit__is_dirty_where_more_differs_than_what_measuring_writes(tmp_path: Path) -> None:
    measured, code = tmp_path / records.WRITTEN[0] / "a.json", tmp_path / "code.py"
    measured.parent.mkdir(parents=True)
    for file in (measured, code):
        file.write_text("1")
    assert records.commit(tmp_path) == "unknown"
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "Begin")
    name = records.commit(tmp_path)
    measured.write_text("2")
    (tmp_path / "untracked.txt").write_text("1")
    assert "dirty" not in name
    assert records.commit(tmp_path) == name
    code.write_text("2")
    assert records.commit(tmp_path) == f"{name}-dirty"


@pytest.mark.parametrize(("own", "short"), [(0.3, False), (0.298, False), (0.296, True)])
def test_quality_guard(own: float, short: bool) -> None:
    assert falls_short({"mrr": {"own": own, "pbg": 0.3}}) == short


@pytest.mark.parametrize("row", quality.ROWS.values(), ids=quality.ROWS)
def test_quality__rows_have_good_configs(row: quality.Row) -> None:
    Config.from_toml(EXAMPLES / row.config)


SMALL = ["training.epochs=1", "training.threads=1", "model.dimension=8", "evaluation.every=1"]


@pytest.mark.compiled
def test_quality__repeats_a_row_of_each_kind(tmp_path: Path) -> None:
    graph, social = tmp_path / "WN18RR", tmp_path / "BlogCatalog"
    for folder in (graph, social):
        folder.mkdir()
    for split, last in (("train", None), ("valid", 9), ("test", 5)):
        rings(24)[:last].to_csv(graph / f"{split}.tsv", sep="\t", header=False, index=False)
    edges, labels = communities(3, 20, 6, 0.1)
    edges.to_csv(social / "edges.tsv.gz", sep="\t", header=False, index=False)
    pandas.Series({node: own[0] for node, own in labels.items()}).to_csv(
        social / "labels.tsv.gz", sep="\t", header=False
    )
    lines = list(quality.repeat("wn18rr-complex", tmp_path, tmp_path, [3, 4], SMALL))
    lines += quality.repeat("blogcatalog", tmp_path, tmp_path, [0], [*SMALL[:3], "walks.per_node=1"])
    assert [(line["row"], line["seed"]) for line in lines] == [
        ("wn18rr-complex", 3),
        ("wn18rr-complex", 4),
        ("blogcatalog", 0),
    ]
    assert all(0 < line["mrr"] <= 1 for line in lines[:2])
    assert 0 <= lines[2]["macro_f1"] <= lines[2]["micro_f1"] <= 1
    assert lines[0]["changed"] == SMALL


class Fixed(NamedTuple):
    """As much of a model as recommendations need."""

    vectors: dict[str, np.ndarray]

    def names(self, kind: str) -> list[str]:
        return [f"{kind}{row}" for row in range(len(self.vectors[kind]))]

    def embeddings(self, kind: str) -> np.ndarray:
        return self.vectors[kind]


def test_quality__recommends_as_its_naive_twin(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    model = Fixed({"user": random.standard_normal((7, 4)), "item": random.standard_normal((60, 4))})
    taken = {user: random.permutation(60)[:40] for user in range(6)}
    parts = {"train": slice(0, 12), "test": slice(12, 40)}
    for part, some in parts.items():
        pairs = [(f"user{user}", f"item{item}") for user, items in taken.items() for item in items[some]]
        pandas.DataFrame(pairs).to_csv(tmp_path / f"{part}.tsv.gz", sep="\t", header=False, index=False)
    recall, gain = [], []
    for user, items in taken.items():
        known, right = items[:12], set(items[12:])
        order = np.argsort(-(model.vectors["item"] @ model.vectors["user"][user]))
        best = [item for item in order if item not in known][: quality.TAKEN]
        recall.append(len(right.intersection(best)) / len(right))
        ideal = sum(1 / np.log2(place + 2) for place in range(min(len(right), quality.TAKEN)))
        gain.append(sum(1 / np.log2(place + 2) for place, item in enumerate(best) if item in right) / ideal)
    found = quality.recommendations(model, tmp_path)  # type: ignore[arg-type]
    assert found == pytest.approx({"recall@20": np.mean(recall), "ndcg@20": np.mean(gain)})


def test_quality__splits_once_for_all_seeds(tmp_path: Path) -> None:
    (tmp_path / "g").mkdir()
    rings(100).to_csv(tmp_path / "g" / "edges.tsv.gz", sep="\t", header=False, index=False)
    place = quality.split(tmp_path / "g", tmp_path)
    parts = [
        pandas.read_csv(place / f"{name}.tsv", sep="\t", header=None) for name in ("train", "valid", "test")
    ]
    assert [len(part) for part in parts] == [270, 15, 15]
    assert len(pandas.concat(parts).drop_duplicates()) == 300
    assert quality.split(tmp_path / "g", tmp_path) == place
