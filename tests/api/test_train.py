"""Training through the API: sources, answers, going on, and what is refused."""

import os
import re
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from known_graphs import clique_purity, cliques, rings

import daskgraph
from daskgraph.api.sources import default_model_path, graph_path_beside
from daskgraph.config import Config
from daskgraph.errors import (
    ConfigValueError,
    FixedKeyError,
    NotAStoreError,
    OtherGraphError,
    SourceError,
    StoreLockedError,
    UnknownEntityError,
    UnknownEntityTypeError,
    UnknownRelationError,
    UnknownVariantError,
)
from daskgraph.events import EdgesTrained, Event, Notice
from daskgraph.store import ModelStore

SMALL: dict[str, Any] = {
    "model": {"dimension": 8},
    "negatives": {"uniform": 5},
    "training": {"epochs": 2, "batch_size": 16, "threads": 1},
}


@pytest.fixture
def model(tmp_path: Path) -> daskgraph.Model:
    return daskgraph.train(rings(16), tmp_path / "rings.model.zarr", config=SMALL)


def with_epochs(epochs: int) -> dict[str, Any]:
    return {"training": {"epochs": epochs}}


@pytest.mark.compiled
def test_train__answers_questions(tmp_path: Path) -> None:
    config = {
        "model": {"dimension": 32, "operator": "complex_diagonal", "reciprocal": True},
        "negatives": {"uniform": 20},
        "training": {"epochs": 120, "batch_size": 12},
    }
    model = daskgraph.train(rings(20), tmp_path / "m.zarr", config=config)
    expected = {"next": 1, "after_next": 2, "opposite": 10}
    for relation, step in expected.items():
        tails = [model.predict(head=f"n{i}", relation=relation, k=1)[0].entity for i in range(20)]
        last = [f"n{(i + step) % 20}" for i in range(20)]
        heads = [model.predict(tail=tail, relation=relation, k=1)[0].entity for tail in last]
        assert np.mean([tail == f"n{(i + step) % 20}" for i, tail in enumerate(tails)]) > 0.9
        assert np.mean([head == f"n{i}" for i, head in enumerate(heads)]) > 0.9


@pytest.mark.compiled
@pytest.mark.parametrize("source", ["frame", "sparse", "networkx"])
def test_train__objects_are_sources(source: str, tmp_path: Path) -> None:
    frame = cliques(5, 6)
    graph = nx.from_pandas_edgelist(frame, "head", "tail", create_using=nx.DiGraph)
    sources = {"frame": frame, "networkx": graph, "sparse": scipy.sparse.coo_array(nx.to_numpy_array(graph))}
    config = {
        "model": {"dimension": 16, "comparator": "cos"},
        "training": {"epochs": 40, "batch_size": 10, "threads": 1},
    }
    model = daskgraph.train(sources[source], tmp_path / "m.model.zarr", config=config)
    names = model.names()
    assert len(names) == 30
    if source != "sparse":
        assert clique_purity(model.embeddings()[:], names) > 0.9
        assert model.neighbors(names[0], 3)[0].entity.split("m")[0] == names[0].split("m")[0]


def test_model__holds_what_was_trained(model: daskgraph.Model) -> None:
    vector = model["n3"]
    assert vector.shape == (8,)
    assert vector.dtype == np.float32
    np.testing.assert_array_equal(model.embeddings()[model.names().index("n3")], vector)
    assert model.epochs == 2
    assert [entry["epoch"] for entry in model.history] == [1, 2]
    assert model.graph.edges == {"train": 48}
    assert model.graph.relations == ("after_next", "next", "opposite")
    assert model.relation("next") == {}
    reopened = daskgraph.open_model(model.path)
    np.testing.assert_array_equal(reopened["n3"], vector)
    assert "2 epochs" in repr(reopened)
    info = reopened.info()
    assert (info["epochs"], info["entities"], info["dimension"]) == (2, {"entity": 16}, {"entity": 8})
    assert info["trained_now_by"] is None
    with reopened.store.lock():
        assert re.match(
            rf"process {os.getpid()} on .* \(last sign of life 0 s ago\)", model.info()["trained_now_by"]
        )


def test_model__relation_parameters(tmp_path: Path) -> None:
    config = {**SMALL, "model": {"dimension": 8, "operator": "translation", "reciprocal": True}}
    model = daskgraph.train(rings(16), tmp_path / "m.zarr", config=config)
    parameters = model.relation("next")
    assert {name: array.shape for name, array in parameters.items()} == {
        "translation": (8,),
        "reciprocal_translation": (8,),
    }


def test_train__more_epochs_go_on(model: daskgraph.Model) -> None:
    events: list[Event] = []
    again = daskgraph.train(rings(16), model.path, config=with_epochs(5), callback=events.append)
    assert again.summary["resumed_from"] == 2
    assert again.summary["epochs"] == 3
    assert again.epochs == 5
    assert again.config.model.dimension == 8
    assert {event.epoch for event in events if isinstance(event, EdgesTrained)} == {3, 4, 5}


def test_train__a_new_learning_rate_takes_effect(tmp_path: Path) -> None:
    change = {"training": {"epochs": 3, "learning_rate": 1e-6}}
    models = [daskgraph.train(rings(16), tmp_path / f"{i}.model.zarr", config=SMALL) for i in range(2)]
    before = models[0].embeddings()[:]
    slow = daskgraph.train(rings(16), models[0].path, config=change).embeddings()[:]
    usual = daskgraph.train(rings(16), models[1].path, config=with_epochs(3)).embeddings()[:]
    assert np.abs(slow - before).max() < 1e-4 < np.abs(usual - before).max()


def test_train__finished_says_so(model: daskgraph.Model) -> None:
    events: list[Event] = []
    again = daskgraph.train(rings(16), model.path, callback=events.append)
    assert again.summary["edges"] == 0
    assert any("finished" in event.text for event in events if isinstance(event, Notice))


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"model": {"dimension": 9}}, "model.dimension"),
        ({"model": {"operator": "translation"}}, "model.operator"),
        ({"graph": {"partitions": 3}}, "graph.partitions"),
        ({"entities": {"entity": {"dimension": 4}}}, "entities"),
    ],
)
def test_train__what_can_not_change_is_refused(
    model: daskgraph.Model, change: dict[str, Any], key: str
) -> None:
    with pytest.raises(FixedKeyError, match=key):
        daskgraph.train(rings(16), model.path, config=change)
    assert daskgraph.open_model(model.path).config == model.config


TYPED: dict[str, Any] = {
    "entities": {"entity": {}},
    "relations": [{"name": name, "operator": "diagonal"} for name in ("next", "after_next", "opposite")],
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"relations": {"2": {"weight": 2.0}}}, r"^relations.2.weight can not change from 1.0 to 2.0 in"),
        ({"relations": TYPED["relations"][:1]}, r"^the number of relations can not change from 3 to 1 in"),
        (
            {"entities": {"entity": {"dimension": 4}}},
            r"^entities.entity.dimension can not change from None to 4",
        ),
    ],
)
def test_train__the_one_key_that_can_not_change_is_named(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    daskgraph.train(rings(16), tmp_path / "m.zarr", config=SMALL | TYPED)
    with pytest.raises(FixedKeyError, match=said):
        daskgraph.train(rings(16), tmp_path / "m.zarr", config=change)


@pytest.mark.parametrize("declared", [{}, TYPED], ids=["found", "declared"])
def test_train__relations_of_a_graph_are_changed_by_number(declared: dict[str, Any], tmp_path: Path) -> None:
    graph, target = tmp_path / "g.graph.zarr", tmp_path / "m.zarr"
    daskgraph.import_edges(rings(16), graph, config=declared)
    names = daskgraph.open_graph(graph).relations
    change = {"relations": {"1": {"operator": "translation"}}}
    assert daskgraph.plan(graph, config=SMALL | change).edges
    config = daskgraph.train(graph, target, config=SMALL | change).config
    assert [relation.name for relation in config.relations] == list(names)
    others = TYPED["relations"][0]["operator"] if declared else None
    assert [relation.operator for relation in config.relations] == [others, "translation", others]
    assert daskgraph.train(graph, target, config=change).epochs == 2
    with pytest.raises(FixedKeyError, match=r"^relations.1.operator .* from 'translation' to 'none'"):
        daskgraph.train(graph, target, config={"relations": {"1": {"operator": "none"}}})
    with pytest.raises(ConfigValueError, match=r"relations.3 .* numbered 0 to 2"):
        daskgraph.train(graph, tmp_path / "n.zarr", config={"relations": {"3": {"operator": "none"}}})


def test_train__relations_that_are_not_known_yet_have_no_number(tmp_path: Path) -> None:
    with pytest.raises(ConfigValueError, match=r"declare \[\[relations\]\] in a config, or .* a graph store"):
        daskgraph.train(rings(16), tmp_path / "m.zarr", config={"relations": {"0": {"weight": 2.0}}})
    model = daskgraph.train(rings(16), tmp_path / "m.zarr", config=SMALL)
    with pytest.raises(FixedKeyError, match=r"^relations.0.weight can not change from 1.0 to 2.0"):
        daskgraph.train(rings(16), model.path, config={"relations": {"0": {"weight": 2.0}}})


def test_train__other_partitions_name_the_remedy(tmp_path: Path) -> None:
    daskgraph.import_edges(rings(16), tmp_path / "g.graph.zarr")
    with pytest.raises(FixedKeyError, match=r"import again with -s graph\.partitions=4"):
        daskgraph.train(tmp_path / "g.graph.zarr", tmp_path / "m.zarr", config={"graph": {"partitions": 4}})
    assert not (tmp_path / "m.zarr").exists()


def test_train__on_another_graph_is_refused(model: daskgraph.Model, tmp_path: Path) -> None:
    daskgraph.import_edges(rings(18), tmp_path / "other.graph.zarr")
    with pytest.raises(OtherGraphError):
        daskgraph.train(tmp_path / "other.graph.zarr", model.path)
    assert daskgraph.train(daskgraph.open_graph(tmp_path / "rings.graph.zarr"), model.path).epochs == 2


def test_train__another_source_than_the_models_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "edges.csv"
    rings(16).to_csv(source, index=False)
    model = daskgraph.train(source, tmp_path / "m.model.zarr", config=SMALL)
    (tmp_path / "again.csv").write_bytes(source.read_bytes())
    assert daskgraph.train(tmp_path / "again.csv", model.path).summary["edges"] == 0
    assert daskgraph.train(rings(16), model.path).summary["edges"] == 0
    for other in (rings(18), rings(16)[:40], scipy.sparse.eye_array(16)):
        with pytest.raises(OtherGraphError):
            daskgraph.train(other, model.path)
    rings(18).to_csv(source, index=False)
    with pytest.raises(OtherGraphError):
        daskgraph.train(source, model.path)


def test_train__columns_of_a_file(tmp_path: Path) -> None:
    source = tmp_path / "odd.csv"
    rings(16).rename(columns={"head": "a", "relation": "b", "tail": "c"}).to_csv(source, index=False)
    columns = ["head=a", "relation=b", "tail=c"]
    model = daskgraph.train(source, tmp_path / "m.model.zarr", config=SMALL, columns=columns)
    assert model.graph.relations == ("after_next", "next", "opposite")


def test_train__twice_at_once_is_refused(model: daskgraph.Model) -> None:
    def train_again(event: Event) -> None:
        if isinstance(event, EdgesTrained):
            with pytest.raises(StoreLockedError):
                daskgraph.train(rings(16), model.path, config=with_epochs(9))

    daskgraph.train(rings(16), model.path, config=with_epochs(3), callback=train_again)


def test_train__failure_before_the_first_commit_leaves_no_model(tmp_path: Path) -> None:
    def fail(event: Event) -> None:
        if isinstance(event, EdgesTrained):
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        daskgraph.train(rings(16), tmp_path / "m.model.zarr", config=SMALL, callback=fail)
    assert [path.name for path in tmp_path.iterdir()] == ["m.graph.zarr"]


def test_train__bad_config_reads_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnknownVariantError):
        daskgraph.train(
            tmp_path / "missing.tsv", tmp_path / "m.zarr", config={"model": {"operator": "trans"}}
        )
    assert not list(tmp_path.iterdir())


def test_train__imported_files_serve_again_until_they_change(tmp_path: Path) -> None:
    source = tmp_path / "edges.csv"
    rings(16).to_csv(source, index=False)
    first = daskgraph.train(source, tmp_path / "m.model.zarr", config=SMALL)
    fingerprint = first.graph.store.fingerprint
    (tmp_path / "m.model.zarr").rename(tmp_path / "old.zarr")
    again = daskgraph.train(source, tmp_path / "m.model.zarr", config=SMALL)
    assert again.graph.store.fingerprint == fingerprint
    (tmp_path / "m.model.zarr").rename(tmp_path / "older.zarr")
    rings(18).to_csv(source, index=False)
    with pytest.raises(SourceError, match="before it changed"):
        daskgraph.train(source, tmp_path / "m.model.zarr", config=SMALL)


def test_train__config_may_be_a_file_or_a_config(tmp_path: Path) -> None:
    toml = tmp_path / "config.toml"
    toml.write_text("[model]\ndimension = 6\n[training]\nepochs = 1\n")
    assert daskgraph.train(rings(16), tmp_path / "a.zarr", config=toml)["n0"].shape == (6,)
    config = daskgraph.Config.from_dict({"model": {"dimension": 4}, "training": {"epochs": 1}})
    assert daskgraph.train(rings(16), tmp_path / "b.zarr", config=config)["n0"].shape == (4,)


def test_model__unknown_names(model: daskgraph.Model) -> None:
    with pytest.raises(UnknownEntityError):
        model["n99"]
    with pytest.raises(UnknownRelationError):
        model.predict(head="n1", relation="nxt")
    with pytest.raises(UnknownRelationError, match="did you mean 'next'"):
        model.relation("nxt")
    with pytest.raises(UnknownEntityTypeError, match="no entity type 'film'; known are: entity"):
        model.embeddings("film")


def test_model__of_several_types(tmp_path: Path) -> None:
    edges = pd.DataFrame({"head": ["a", "b"], "tail": ["x", "y"]})
    types: dict[str, Any] = {
        "entities": {"user": {"featurized": True}, "item": {}},
        "relations": [{"name": "likes", "head": "user", "tail": "item"}],
    }
    features = {"user": {"a": ["red"], "b": ["red", "tall", "old"]}}
    model = daskgraph.train(edges, tmp_path / "m.zarr", config=SMALL | types, features=features)
    with pytest.raises(UnknownEntityTypeError, match="several entity types: user, item; name one"):
        model.embeddings()
    assert model.embeddings("item").shape == (2, 8)
    assert model.info()["features"] == {"user": 3}
    written = model.export(tmp_path / "out.tsv")
    assert written["entities"] == {"user": 2, "item": 2}
    assert written["bytes"] == (tmp_path / "out.tsv").stat().st_size


def test_open__not_a_store(tmp_path: Path) -> None:
    for opened in (daskgraph.open_model, daskgraph.open_graph):
        with pytest.raises(NotAStoreError):
            opened(tmp_path / "missing.zarr")


def test_open__a_graph_is_no_model(tmp_path: Path) -> None:
    daskgraph.import_edges(rings(16), tmp_path / "g.zarr")
    with pytest.raises(NotAStoreError):
        daskgraph.open_model(tmp_path / "g.zarr")


@pytest.mark.parametrize(
    ("source", "model", "graph"),
    [
        ("data/FB15k-237", "FB15k-237.model.zarr", "FB15k-237.graph.zarr"),
        ("a/edges.tsv.gz", "edges.model.zarr", "edges.graph.zarr"),
        ("fb.graph.zarr", "fb.model.zarr", "fb.graph.zarr"),
    ],
)
def test_default_paths(source: str, model: str, graph: str) -> None:
    assert default_model_path(source) == Path(model)
    assert graph_path_beside(Path(model)) == Path(graph)
    assert default_model_path(rings(4)) == Path("graph.model.zarr")


@pytest.mark.parametrize(
    ("evaluation", "told"), [({}, True), ({"candidates": 5}, False), ({"at_end": False}, False)]
)
def test_train__many_valid_edges_are_told_of(
    evaluation: dict[str, Any], told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daskgraph.api.training.MANY_EDGES", 5)
    folder = tmp_path / "source"
    folder.mkdir()
    rings(16).to_csv(folder / "train.csv", index=False)
    rings(16)[:6].to_csv(folder / "valid.csv", index=False)
    events: list[Event] = []
    config = {**SMALL, "evaluation": evaluation}
    daskgraph.train(folder, tmp_path / "m.model.zarr", config=config, callback=events.append)
    notices = [event.text for event in events if isinstance(event, Notice)]
    text = "6 valid edges will be ranked against all entities: evaluation.candidates=1000 takes a sample"
    assert any(notice.startswith(text) for notice in notices) == told


def test_train__says_which_key_a_model_keeps(tmp_path: Path) -> None:
    path = tmp_path / "m.model.zarr"
    daskgraph.train(rings(16), path, config=SMALL)
    stored = ModelStore.open(path)
    kept = {
        **stored.config,
        "cluster": {**stored.config["cluster"], "kind": "slurm", "workers": 4, "minimum": 3},
    }
    stored.set_config(Config.from_dict(kept).to_dict())
    said = r"cluster.minimum = 3 is more than cluster.workers, 2; .*m.model.zarr keeps that from before"
    with pytest.raises(ConfigValueError, match=said):
        daskgraph.train(rings(16), path, config={"cluster": {"workers": 2}})
    for target in (path, tmp_path / "new.model.zarr"):
        with pytest.raises(ConfigValueError, match="training = 3 should be a table"):
            daskgraph.train(rings(16), target, config={"training": 3})


def test_import__a_folder_of_splits(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    rings(16).to_csv(folder / "train.csv", index=False)
    rings(16)[:6].to_csv(folder / "test.csv", index=False)
    other = tmp_path / "other.csv"
    rings(16)[:3].to_csv(other, index=False)
    assert daskgraph.import_edges(folder, tmp_path / "a.zarr")["edges"] == {"train": 48, "test": 6}
    given = daskgraph.import_edges(str(folder), tmp_path / "b.zarr", test=other, valid=other)
    assert given["edges"] == {"train": 48, "valid": 3, "test": 3}


def test_evaluate__by_path(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    rings(16).to_csv(folder / "train.csv", index=False)
    rings(16)[:6].to_csv(folder / "test.csv", index=False)
    model = daskgraph.train(folder, tmp_path / "m.model.zarr", config=SMALL)
    evaluation = daskgraph.evaluate(model.path)
    assert evaluation.to_dict()["edges"] == 6
    assert evaluation.mrr == model.evaluate().mrr
    assert model.evaluate(candidates=5).to_dict()["candidates"] == 5


def test_info__of_either_store(model: daskgraph.Model) -> None:
    from daskgraph import api

    assert api.info(model.path)["kind"] == "model"
    assert api.info(model.graph.path)["kind"] == "graph"
    assert "16 entities" in repr(model.graph)


def test_export(model: daskgraph.Model, tmp_path: Path) -> None:
    model.export(tmp_path / "out.tsv")
    assert len((tmp_path / "out.tsv").read_text().splitlines()) >= 16
