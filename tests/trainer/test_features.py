"""Trainings of types whose entities are means of features, from import to answers."""

import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zarr
from known_graphs import clans

import daskgraph
from daskgraph.errors import FixedKeyError, InitError, NoFeaturesError
from daskgraph.events import Event, Notice
from daskgraph.model import Model as Description
from daskgraph.store import GraphStore, ModelStore
from daskgraph.vectors import FeatureMeans, StoredVectors

CLANS, USERS, ITEMS, NEWCOMERS = 8, 12, 4, 3
TRAIN, TEST, PAIRS = clans(CLANS, USERS, ITEMS, NEWCOMERS)


def config(featurized: bool = True, **tables: dict[str, Any]) -> dict[str, Any]:
    base: dict[str, Any] = {
        "entities": {"user": {"featurized": featurized}, "item": {}},
        "relations": [{"name": "buys", "head": "user", "tail": "item"}],
        "model": {"dimension": 16, "operator": "translation", "comparator": "cos"},
        "negatives": {"uniform": 20},
        "training": {"epochs": 20, "batch_size": 20, "threads": 1},
    }
    return {name: {**base.get(name, {}), **tables.get(name, {})} for name in base.keys() - {"relations"}} | {
        "relations": base["relations"],
        "graph": tables.get("graph", {"partitions": 1}),
        "evaluation": tables.get("evaluation", {}),
    }


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[bool, int], Path]:
    """The clans, with and without features, their items in 1 and in 4 partitions."""
    folder, found = tmp_path_factory.mktemp("graphs"), {}
    for featurized, partitions in ((True, 1), (True, 4), (False, 1)):
        path = folder / f"{featurized}-{partitions}.graph.zarr"
        features = {"user": pd.DataFrame(PAIRS)} if featurized else None
        chosen = config(featurized, graph={"partitions": partitions})
        daskgraph.import_edges(TRAIN, path, config=chosen, test=TEST, valid=TEST, features=features)
        found[featurized, partitions] = path
    return found


def train(graph: Path, folder: Path, chosen: dict[str, Any], name: str = "m", **more: Any) -> daskgraph.Model:
    """Train on a graph with its number of partitions."""
    partitioned = chosen | {"graph": {"partitions": GraphStore.open(graph).schema.partitions}}
    return daskgraph.train(graph, folder / f"{name}.model.zarr", config=partitioned, **more)


def arrays(store: ModelStore) -> dict[str, np.ndarray]:
    paths = ["embeddings/user", "embeddings/item", "optimizer/item", *store.parameters]
    return {path: np.asarray(store.array(path)[:]) for path in paths}


@pytest.mark.compiled
@pytest.mark.parametrize("reciprocal", [False, True], ids=["standard", "reciprocal"])
def test_features__tell_where_newcomers_belong(
    graphs: dict[tuple[bool, int], Path], tmp_path: Path, reciprocal: bool
) -> None:
    """Users who bought nothing in training: only their features tell of which clan they are."""
    model = {"dimension": 16, "operator": "translation", "comparator": "cos", "reciprocal": reciprocal}
    told, untold = (
        train(graphs[featurized, 1], tmp_path, config(featurized, model=model), str(featurized))
        for featurized in (True, False)
    )
    assert told.evaluate("test").sides["tail"].mrr > 0.95
    assert untold.evaluate("test").sides["tail"].mrr < 0.5


@pytest.mark.parametrize("max_norm", [0.0, 0.3])
@pytest.mark.parametrize(("partitions", "buffer"), [(1, 0), (4, 2)])
def test_features__what_is_stored_are_their_means(
    graphs: dict[tuple[bool, int], Path], tmp_path: Path, partitions: int, buffer: int, max_norm: float
) -> None:
    model = {"dimension": 16, "global_embedding": True, "max_norm": max_norm}
    chosen = config(model=model, training={"epochs": 2, "buffer": buffer, "threads": 1})
    store = train(graphs[True, partitions], tmp_path, chosen).store
    graph = store.open_graph()
    lists = graph.features("user")
    assert lists is not None
    found = arrays(store)
    table = found["features/user"].astype(float)
    assert table.shape == (CLANS + 4, 16)
    assert (found["optimizer/features/user"] > 0).all()
    if max_norm:
        lengths = np.linalg.norm(table, axis=1, keepdims=True)
        table *= np.where(lengths > max_norm, max_norm / (lengths + 1e-7), 1)
        assert (lengths > max_norm).any()
    means = [table[own].mean(axis=0) for own in np.split(lists.ids, lists.offsets[1:-1])]
    np.testing.assert_allclose(found["embeddings/user"], means, rtol=1e-5, atol=1e-6)
    assert not (store.path / "optimizer" / "user").exists()
    assert zarr.open_array(store.path / "embeddings" / "user", mode="r").shape == (CLANS * USERS, 16)


@pytest.mark.parametrize(("partitions", "buffer"), [(1, 0), (4, 2)])
def test_features__training_goes_on_as_if_it_had_never_stopped(
    graphs: dict[tuple[bool, int], Path], tmp_path: Path, partitions: int, buffer: int
) -> None:
    def chosen(epochs: int) -> dict[str, Any]:
        model = {"dimension": 16, "max_norm": 0.3, "dropout": 0.1, "global_embedding": True}
        return config(
            model=model, training={"epochs": epochs, "buffer": buffer, "threads": 1, "batch_size": 20}
        )

    whole = train(graphs[True, partitions], tmp_path, chosen(4), "whole")
    train(graphs[True, partitions], tmp_path, chosen(1), "parts")
    parts = train(graphs[True, partitions], tmp_path, chosen(4), "parts")
    assert parts.summary["resumed_from"] == 1
    expected = arrays(whole.store)
    for path, values in arrays(parts.store).items():
        np.testing.assert_array_equal(values, expected[path], err_msg=path)


def test_features__evaluations_while_training_see_what_is_stored(
    graphs: dict[tuple[bool, int], Path], tmp_path: Path
) -> None:
    chosen = config(training={"epochs": 3, "threads": 1}, evaluation={"every": 2})
    model = train(graphs[True, 1], tmp_path, chosen)
    stopped = train(graphs[True, 1], tmp_path, config(training={"epochs": 2, "threads": 1}), "stopped")
    assert model.history[1]["evaluation"]["mrr"] == stopped.summary["evaluation"]["mrr"]
    kept = stopped.store
    description = Description(stopped.config, kept.schema)
    lists = kept.open_graph().features("user")
    assert lists is not None
    means = FeatureMeans(description, description.pack(kept.read_parameters()), "user", lists)
    assert len(means) == CLANS * USERS
    np.testing.assert_array_equal(means.rows(3, 40), StoredVectors(kept).rows("user", 3, 40))


@pytest.mark.parametrize("optimizer", [True, False])
def test_features__of_another_model(
    graphs: dict[tuple[bool, int], Path], tmp_path: Path, optimizer: bool
) -> None:
    """What the other model knows of features, a new one with other users begins with."""
    other = train(graphs[True, 1], tmp_path, config(training={"epochs": 2, "threads": 1}), "other")
    known = {user: [feature for own, feature in PAIRS if own == user] for user in ("u0.4", "u3.5")}
    edges = pd.DataFrame({"head": [*known, "someone"], "tail": ["i0.0", "i3.0", "i3.0"]})
    model = daskgraph.train(
        edges,
        tmp_path / "m.model.zarr",
        config=config(training={"epochs": 1, "threads": 1, "learning_rate": 1e-20}),
        features={"user": {**known, "someone": ["clan 3", "unheard of"]}},
        init=other,
        init_optimizer=optimizer,
        callback=(events := list[Event]()).append,
    )
    # Two users of three, and two items of two.
    assert any("begins with 4 of 5 entities" in text for text in texts(events))
    here, there = (
        {
            name: (store.array("features/user")[row], store.array("optimizer/features/user")[row])
            for row, name in enumerate(store.open_graph().feature_names("user"))
        }
        for store in (model.store, other.store)
    )
    for name in here.keys() - {"unheard of"}:
        np.testing.assert_array_equal(here[name][0], there[name][0])
        assert (here[name][1] >= there[name][1]) == optimizer
    np.testing.assert_array_equal(model["u3.5"], other["u3.5"])
    plain = train(graphs[False, 1], tmp_path, config(False, training={"epochs": 1, "threads": 1}), "plain")
    with pytest.raises(InitError, match=r"its 'user' is not featurised, here it is otherwise"):
        train(graphs[True, 1], tmp_path, config(), "again", init=plain)


def texts(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Notice)]


@pytest.mark.compiled
def test_features__answers_are_entities(graphs: dict[tuple[bool, int], Path], tmp_path: Path) -> None:
    model = train(graphs[True, 1], tmp_path, config())
    assert model.graph.info()["features"] == {"user": CLANS + 4}
    near = [answer.entity for answer in model.neighbors("u2.0", k=USERS // 2)]
    assert {name.split(".")[0] for name in near} == {"u2"}
    wanted = [answer.entity for answer in model.predict(head="u2.0", relation="buys", k=ITEMS)]
    assert {name.split(".")[0] for name in wanted} == {"i2"}
    buyers = [answer.entity for answer in model.predict(tail="i5.1", relation="buys", k=USERS)]
    assert {name.split(".")[0] for name in buyers} == {"u5"}
    model.export(tmp_path / "vectors.npz")
    with np.load(tmp_path / "vectors.npz") as exported:
        np.testing.assert_array_equal(exported["embeddings/user"], model.embeddings("user")[:])
    np.testing.assert_array_equal(model["u2.0"], model.embeddings("user")[model.names("user").index("u2.0")])


@pytest.mark.parametrize(
    "keys", [{"all": True}, {"in_batch": False, "corrupt": "head"}], ids=["all", "uniform"]
)
def test_features__of_the_only_type(tmp_path: Path, keys: dict[str, Any]) -> None:
    """Entities of one featurised type, joined with each other, all of them or some candidates."""
    edges = pd.DataFrame({"head": list("abcdef"), "tail": list("bcdefa")})
    model = daskgraph.train(
        edges,
        tmp_path / "m.model.zarr",
        config={
            "entities": {"entity": {"featurized": True, "partitioned": True}},
            "model": {"dimension": 4, "bias": True},
            "negatives": {"uniform": 3, **keys},
            "training": {"epochs": 3, "batch_size": 4, "threads": 2},
        },
        features={"entity": {name: [name, "vowel" if name in "ae" else "consonant"] for name in "abcdef"}},
    )
    assert np.isfinite(model.embeddings()[:]).all()
    assert model.store.schema.parts("entity") == 1
    assert model.store.array("features/entity").shape == (8, 4)


def test_features__of_files_are_remembered(tmp_path: Path) -> None:
    TRAIN.to_csv(tmp_path / "train.csv", index=False)
    pairs = tmp_path / "pairs.csv"
    pd.DataFrame(PAIRS).to_csv(pairs, index=False, header=False)
    target, chosen = tmp_path / "m.model.zarr", config(training={"epochs": 1, "threads": 1})
    events: list[Event] = []

    def go(features: dict[str, Any] | None) -> daskgraph.Model:
        return daskgraph.train(
            tmp_path / "train.csv", target, config=chosen, features=features, callback=events.append
        )

    go({"user": pairs})
    for features in ({"user": str(pairs)}, None):
        events.clear()
        assert go(features).summary["resumed_from"] == 1
        assert any(isinstance(event, Notice) and "is finished" in event.text for event in events)
    pd.DataFrame([*PAIRS, ("u0.5", "new")]).to_csv(pairs, index=False, header=False)
    with pytest.raises(daskgraph.DaskgraphError, match="other"):
        go({"user": pairs})


@pytest.mark.compiled
def test_features__page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bob likes space and cats, Ann space alone: both saw Alien."""
    page = Path(__file__).parents[2] / "docs" / "features.md"
    [source] = re.findall(
        r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    (tmp_path / "page.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    model = runpy.run_path("page.py")["model"]
    assert "entity='Alien'" in capsys.readouterr().out
    assert list(model.graph.store.feature_names("user")) == ["cats", "goats", "space"]


def test_features__are_fixed_by_the_import(graphs: dict[tuple[bool, int], Path], tmp_path: Path) -> None:
    with pytest.raises(FixedKeyError, match=r"entities\.user\.featurized \(import again to change it\)"):
        train(graphs[False, 1], tmp_path, config(True))
    with pytest.raises(FixedKeyError, match=r"entities\.user\.featurized"):
        train(graphs[True, 1], tmp_path, config(False))
    with pytest.raises(NoFeaturesError, match="--features user=FILE"):
        daskgraph.train(TRAIN, tmp_path / "m.model.zarr", config=config())
    assert not list(tmp_path.iterdir())
