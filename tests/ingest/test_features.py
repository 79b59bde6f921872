"""Features of entities, from every kind of source; who has none is named."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import zarr
from edge_files import write_edges, write_packed
from hypothesis import given, settings
from hypothesis import strategies as st

from daskgraph.config import Config
from daskgraph.errors import (
    ConfigValueError,
    DaskgraphError,
    EdgeFileError,
    MissingFeaturesError,
    NoFeaturesError,
    NotFeaturizedError,
    SourceError,
)
from daskgraph.events import Event, Notice
from daskgraph.ingest import import_edges
from daskgraph.ingest.features import number_features, read_features
from daskgraph.ingest.strings import listed_strings
from daskgraph.store import GraphStore

CONFIG = Config.from_dict(
    {
        "entities": {"user": {"featurized": True}, "item": {}},
        "relations": [{"name": "buys", "head": "user", "tail": "item"}],
        "graph": {"partitions": 2},
    }
)
EDGES = pd.DataFrame({"head": ["1", "2", "3", "1"], "tail": ["x", "y", "x", "y"]})
PAIRS = [("2", "red"), ("1", "tall"), ("3", "red"), ("1", "red"), ("9", "blue"), ("2", "Öl"), ("1", "tall")]
FEATURES = {"1": {"red", "tall"}, "2": {"red", "Öl"}, "3": {"red"}}


def imported(folder: Path, features: Any, events: list[Event] | None = None) -> GraphStore:
    path = folder / "g.graph.zarr"
    heard = [] if events is None else events
    import_edges(EDGES, path, config=CONFIG, features={"user": features}, callback=heard.append)
    return GraphStore.open(path)


def features_by_name(graph: GraphStore) -> dict[str, set[str]]:
    lists, names, own = graph.features("user"), graph.names("user"), graph.feature_names("user")
    assert lists is not None
    numbers = np.split(lists.ids, lists.offsets[1:-1])
    return {name: set(own.names(ids)) for name, ids in zip(names, numbers, strict=True)}


def mapping() -> dict[str, Any]:
    return {"2": ["red", "Öl"], "1": ("tall", "red", "tall"), "3": "red", "9": ["blue"], "8": []}


def in_file(folder: Path, name: str, header: tuple[str, str] | None = None) -> Path:
    return write_edges(folder / name, PAIRS, header)


@pytest.mark.parametrize("name", ["f.tsv", "f.csv", "f.tsv.gz", "f.csv.zst", "f.parquet", "f.txt"])
@pytest.mark.parametrize("header", [None, ("entity", "feature")])
def test_features__of_a_file(tmp_path: Path, name: str, header: tuple[str, str] | None) -> None:
    graph = imported(tmp_path, in_file(tmp_path, name, header))
    assert features_by_name(graph) == FEATURES
    assert graph.sources[-1]["features"] == "user"
    assert Path(graph.sources[-1]["name"]).name == name


@pytest.mark.parametrize(
    "source", [mapping(), pd.DataFrame(PAIRS, columns=["who", "is"])], ids=["mapping", "frame"]
)
def test_features__of_an_object(tmp_path: Path, source: Any) -> None:
    assert features_by_name(imported(tmp_path, source)) == FEATURES


def test_features__of_a_matrix(tmp_path: Path) -> None:
    graph = imported(tmp_path, scipy.sparse.csr_array(np.array([[1, 1], [0, 1], [1, 0], [1, 1]])))
    assert features_by_name(graph) == {"1": {"1"}, "2": {"0"}, "3": {"0", "1"}}


def test_features__in_the_store(tmp_path: Path) -> None:
    graph = imported(tmp_path, mapping())
    user, item = graph.schema.entity_types
    assert (user.partitioned, user.featurized, user.features, user.feature_pairs) == (False, True, 3, 5)
    assert (item.partitioned, item.featurized, item.features, item.feature_pairs) == (True, False, 0, 0)
    assert list(graph.feature_names("user")) == ["red", "tall", "Öl"]
    assert graph.feature_names("user").row("Öl") == 2
    assert graph.features("item") is None


def test_features__make_a_store_that_zarr_walks(tmp_path: Path) -> None:
    graph = imported(tmp_path, mapping())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        members = set(dict(zarr.open_group(graph.path, mode="r").members(max_depth=None)))
    assert {"features/user/offsets", "features/user/ids", "features/user/names/order"} <= members
    assert not any(path.startswith("features/item") for path in members)


def test_features__leave_nothing_to_split(tmp_path: Path) -> None:
    both = {name: {"featurized": True} for name in ("user", "item")}
    config = Config.from_dict({**CONFIG.to_dict(), "entities": both})
    features = {"user": mapping(), "item": {"x": ["a"], "y": ["b"]}}
    with pytest.raises(ConfigValueError, match=r"graph\.partitions = 2 should be 1 or left out"):
        import_edges(EDGES, tmp_path / "g.zarr", config=config, features=features)
    whole = config.override(["graph.partitions=1"])
    assert import_edges(EDGES, tmp_path / "g.zarr", config=whole, features=features)["entities"]["item"] == 2


def test_features__are_part_of_the_fingerprint(tmp_path: Path) -> None:
    stores = []
    for name, features in (("a", mapping()), ("b", mapping()), ("c", mapping() | {"3": ["tall"]})):
        (tmp_path / name).mkdir()
        stores.append(imported(tmp_path / name, features).fingerprint)
    assert stores[0] == stores[1] != stores[2]


def test_features__of_unknown_entities_are_noticed(tmp_path: Path) -> None:
    events: list[Event] = []
    imported(tmp_path, in_file(tmp_path, "f.tsv"), events)
    said = "features of 1 entity that no edge has are left out, of type 'user': '9'"
    assert Notice(said) in events


def test_features__the_first_of_many_unknown_entities_are_named(tmp_path: Path) -> None:
    events: list[Event] = []
    imported(tmp_path, mapping() | {f"n{i}": ["red"] for i in range(1234)}, events)
    [text] = [event.text for event in events if isinstance(event, Notice) and "left out" in event.text]
    assert text.startswith("features of 1,235 entities that no edge has")
    assert text.endswith("'9', 'n0', 'n1', 'n2', 'n3', …")


def test_features__an_entity_without_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        MissingFeaturesError, match=r"2 of 3 entities of type 'user' have no features: '[13]', '[13]'; add"
    ):
        imported(tmp_path, {"2": ["red"]})
    assert not list(tmp_path.iterdir())


def test_features__only_the_first_without_are_named() -> None:
    names = listed_strings([f"n{number}" for number in range(1000)])
    with pytest.raises(MissingFeaturesError, match=r"999 of 1,000 .*: 'n0', 'n1', 'n2', 'n3', 'n4', …; add"):
        number_features("user", read_features({"n7": ["x"]}), names)


@pytest.mark.parametrize(
    ("features", "error", "reason"),
    [
        ({}, NoFeaturesError, "add --features user=FILE"),
        (
            {"user": mapping(), "item": mapping()},
            NotFeaturizedError,
            r"entities\.item\.featurized is not set; it is for: user",
        ),
        ({"user": {}}, SourceError, "dict: it holds no features"),
        ({"user": [("1", "red")]}, SourceError, "is expected"),
        ({"user": EDGES.assign(weight=2.0)}, SourceError, "two columns are expected"),
        ({"user": "nowhere.tsv"}, SourceError, r"nowhere\.tsv: there is no such file"),
    ],
    ids=["none", "another type", "nothing", "a list", "weights", "no file"],
)
def test_features__refused(
    tmp_path: Path, features: Mapping[str, Any], error: type[DaskgraphError], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        import_edges(EDGES, tmp_path / "g.zarr", config=CONFIG, features=features)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "error", "reason"),
    [
        (b"1\tred\n2\t\n", EdgeFileError, "line 2: the feature is empty"),
        (b"1\tred\n\tred\n", EdgeFileError, "line 2: the entity is empty"),
        (b"1\tred\n2\tred\tx\n", EdgeFileError, "line 2: 3 columns instead of 2"),
        (b"1\tr\tred\n", SourceError, "two columns are expected, an entity and one of its features"),
        (b"1\n2\n", SourceError, "two columns are expected"),
        (b"# nothing\n", SourceError, "it holds no features"),
        (b"1\t\xff\n", EdgeFileError, "line 1: it is not UTF-8"),
    ],
)
def test_features__bad_file(tmp_path: Path, content: bytes, error: type[DaskgraphError], reason: str) -> None:
    path = write_packed(tmp_path / "f.tsv", content)
    with pytest.raises(error, match=reason):
        imported(tmp_path, path)
    assert list(tmp_path.iterdir()) == [path]


NAMES = st.text("abc", min_size=1, max_size=2)


@settings(deadline=None)
@given(st.dictionaries(NAMES, st.lists(NAMES, min_size=1), min_size=1), st.data())
def test_features__every_entity_has_its_own(features: dict[str, list[str]], data: st.DataObject) -> None:
    order = data.draw(st.permutations(sorted(features)).map(lambda all_: all_[: max(1, len(all_) // 2)]))
    found = number_features("user", read_features(features), listed_strings(order))
    names = found.names.to_pylist()
    numbers = np.split(found.lists.ids, found.lists.offsets[1:-1])
    assert names == sorted(set.union(*(set(features[entity]) for entity in order)))
    assert [[names[number] for number in own] for own in numbers] == [sorted(set(features[e])) for e in order]
    assert found.unknown == len(features) - len(order)
