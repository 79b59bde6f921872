"""Node classification: its parts against naive twins, and labels that communities decide."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_graphs import communities

import daskgraph
from daskgraph.errors import (
    EdgeFileError,
    MissingPackageError,
    NothingLabelledError,
    SourceError,
    TooFewLabelledError,
)
from daskgraph.evaluation.classification import Labels, classify, decisions, surest

SHARED = Path(__file__).parents[3] / "shared" / "data" / "BlogCatalog"
CONFIG: dict[str, Any] = {
    "model": {"dimension": 16, "init_scale": 0.1},
    "negatives": {"uniform": 50},
    "training": {"epochs": 20, "threads": 1},
}


@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 2**32))
def test_surest__as_one_would_choose(nodes: int, labels: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    sure = random.normal(size=(nodes, labels))
    counts = random.integers(0, labels + 1, nodes)
    told = surest(sure, counts)
    for row, count, own in zip(sure, counts, told, strict=True):
        best = sorted(range(labels), key=lambda label: -row[label])[:count]
        assert set(np.flatnonzero(own)) == set(best)


def test_decisions__labels_of_all_and_of_none_need_no_classifier() -> None:
    known = np.array([[1.0], [2.0], [-1.0], [-2.0]])
    truth = np.array([[1, 0, 1], [1, 0, 1], [1, 0, 0], [1, 0, 0]], bool)
    sure = decisions(known, truth, np.array([[3.0], [-3.0]]))
    assert sure[:, 0].tolist() == [np.inf, np.inf]
    assert sure[:, 1].tolist() == [-np.inf, -np.inf]
    assert sure[0, 2] > 0 > sure[1, 2]


def test_classify__vectors_that_say_nothing_and_all() -> None:
    random = np.random.default_rng(0)
    label = random.integers(0, 4, 400)
    labels = Labels(np.arange(400), label)
    telling = np.eye(4, dtype=np.float32)[label]
    assert classify(telling, labels, fractions=[0.5], splits=2).fractions["0.5"].micro_f1 == 1
    noise = random.normal(size=(400, 4)).astype(np.float32)
    assert classify(noise, labels, fractions=[0.5], splits=4).fractions["0.5"].micro_f1 < 0.4
    # Too small for the classifier to see, unless they are scaled.
    faint = telling * np.float32(1e-4)
    small = [classify(faint, labels, fractions=[0.1], normalized=on).fractions for on in (False, True)]
    assert small[0]["0.1"].macro_f1 < 0.6 < 0.99 < small[1]["0.1"].macro_f1


def test_classify__the_seed_decides_the_splits() -> None:
    random = np.random.default_rng(0)
    labels = Labels(np.arange(100), random.integers(0, 3, 100))
    vectors = random.normal(size=(100, 4)).astype(np.float32)
    one, same, other = (classify(vectors, labels, fractions=[0.3], seed=seed) for seed in (1, 1, 2))
    assert one.fractions == same.fractions != other.fractions
    assert "10 splits (seed 1)" in one.protocol


def test_classify__refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = Labels(np.arange(3), np.arange(3))
    with pytest.raises(TooFewLabelledError, match=r"leaves none of 3 labelled nodes.*--fractions"):
        classify(np.zeros((3, 2), np.float32), labels, fractions=[0.1])
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'daskgraph\[classification\]'"):
        classify(np.zeros((3, 2), np.float32), labels)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[daskgraph.Model, dict[str, list[str]]]:
    edges, labels = communities(4, 60, 8, 0.1)
    folder = tmp_path_factory.mktemp("planted")
    return daskgraph.train(edges, folder / "m.model.zarr", config=CONFIG), labels


@pytest.mark.compiled
def test_model__tells_planted_communities(planted: tuple[daskgraph.Model, dict[str, list[str]]]) -> None:
    model, labels = planted
    found = daskgraph.classify(model, labels | {"stranger": ["0"]}, fractions=[0.1, 0.5], splits=3)
    assert (found.nodes, found.labels, found.unknown) == (240, 4, 1)
    # Were the labels dealt out anew, a quarter would be right.
    assert found.fractions["0.5"].micro_f1 > 0.8
    shuffled = dict(zip(labels, np.random.default_rng(0).permutation(list(labels.values())), strict=True))
    assert daskgraph.classify(model, shuffled, fractions=0.5).fractions["0.5"].micro_f1 < 0.45
    told = found.to_dict()
    assert json.loads(json.dumps(told)) == told


@pytest.mark.compiled
def test_model__labels_are_not_features(
    planted: tuple[daskgraph.Model, dict[str, list[str]]], tmp_path: Path
) -> None:
    (tmp_path / "nodes.txt").write_text("1\n2\n")
    with pytest.raises(SourceError, match="an entity and one of its labels, without weights"):
        daskgraph.classify(planted[0], tmp_path / "nodes.txt")
    with pytest.raises(SourceError, match="it holds no labels"):
        daskgraph.classify(planted[0], {})


@pytest.mark.compiled
@pytest.mark.parametrize(
    "wrong", [{"splits": 0}, {"fractions": "0.5"}, {"fractions": []}, {"fractions": [True, "x"]}]
)
def test_model__no_numbers(
    planted: tuple[daskgraph.Model, dict[str, list[str]]], wrong: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="should be"):
        daskgraph.classify(*planted, **wrong)


@pytest.mark.compiled
def test_model__labels_of_any_source(
    planted: tuple[daskgraph.Model, dict[str, list[str]]], tmp_path: Path
) -> None:
    model, labels = planted
    table = pd.DataFrame([(node, label) for node, own in labels.items() for label in own])
    table.to_csv(tmp_path / "labels.tsv.gz", sep="\t", header=False, index=False)
    options: dict[str, Any] = {"fractions": [0.5], "splits": 1}
    series = pd.Series({node: own[0] for node, own in labels.items()})
    sources = [tmp_path / "labels.tsv.gz", table.set_axis(["entity", "feature"], axis=1), labels, series]
    first, *others = [daskgraph.classify(model.path, source, **options).fractions for source in sources]
    assert others == [first, first, first]
    with pytest.raises(NothingLabelledError, match="none of its nodes is an entity"):
        daskgraph.classify(model, {"stranger": "0"})
    table.assign(more="x", much="y").to_csv(tmp_path / "wide.tsv", sep="\t", header=False, index=False)
    with pytest.raises((EdgeFileError, daskgraph.DaskgraphError), match="column"):
        daskgraph.classify(model, tmp_path / "wide.tsv")


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.skipif(not SHARED.exists(), reason="BlogCatalog is not here")
def test_blogcatalog__more_than_chance(tmp_path: Path) -> None:
    config = CONFIG | {"training": {"epochs": 4}, "model": {"dimension": 32, "init_scale": 0.1}}
    model = daskgraph.train(SHARED / "edges.tsv.gz", tmp_path / "b.model.zarr", config=config)
    found = daskgraph.classify(model, SHARED / "labels.tsv.gz", fractions=[0.5], splits=1)
    assert (found.nodes, found.labels) == (10312, 39)
    # Random vectors give 0.11.
    assert found.fractions["0.5"].micro_f1 > 0.2
