from __future__ import annotations

from pathlib import Path
from typing import Any

import networkx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse
from edge_files import named_edges

from daskgraph.config import Config
from daskgraph.errors import SourceError
from ingest.test_formats import imported

FRAME = pd.DataFrame({"head": ["a", "b"], "relation": ["r", "s"], "tail": ["b", "c"], "weight": [1, 0.5]})
EDGES = {("a", "r", "b", 1.0): 1, ("b", "s", "c", 0.5): 1}


def numbered(*edges: tuple[int, int, float]) -> dict[tuple[str, str, str, float], int]:
    return {(str(head), "edge", str(tail), weight): 1 for head, tail, weight in edges}


def test_data_frame(tmp_path: Path) -> None:
    graph = imported(FRAME, tmp_path)
    assert named_edges(graph) == EDGES
    assert graph.sources == [{"split": "train", "name": "DataFrame"}]


@pytest.mark.parametrize("kind", ["object", "str", "category"])
def test_data_frame__kinds_of_strings(tmp_path: Path, kind: Any) -> None:
    frame = FRAME.astype({"head": kind, "relation": kind, "tail": kind}).set_index(np.array([7, 7]))
    assert named_edges(imported(frame, tmp_path)) == EDGES


def test_data_frame__numbers_and_columns(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"to": np.array([3, 1], np.int32), "of": np.array([2**40, 3], np.uint64), "x": [0.5, 1]}
    )
    graph = imported(frame, tmp_path, columns=["head=of", "tail=to"])
    assert named_edges(graph) == {(str(2**40), "edge", "3"): 1, ("3", "edge", "1"): 1}


def test_data_frame__splits(tmp_path: Path) -> None:
    graph = imported(FRAME, tmp_path, valid=FRAME.head(1), test=FRAME.tail(1))
    assert graph.splits == {"train": 2, "valid": 1, "test": 1}


def test_arrow_table(tmp_path: Path) -> None:
    assert named_edges(imported(pa.table(dict(FRAME.items())), tmp_path)) == EDGES


@pytest.mark.parametrize("form", ["csr_array", "csc_array", "coo_matrix", "dok_array"])
def test_matrix(tmp_path: Path, form: str) -> None:
    dense = np.array([[0, 2, 0], [0, 0, 1], [0.5, 0, 0]])
    graph = imported(getattr(scipy.sparse, form)(dense), tmp_path)
    assert named_edges(graph) == numbered((0, 1, 2), (1, 2, 1), (2, 0, 0.5))


def test_matrix__unweighted(tmp_path: Path) -> None:
    matrix = scipy.sparse.csr_array(np.array([[0, 1], [1, 0]]))
    matrix.data[0] = 1
    graph = imported(matrix, tmp_path)
    assert not graph.schema.weighted
    assert named_edges(graph) == {("0", "edge", "1"): 1, ("1", "edge", "0"): 1}


def test_matrix__explicit_zeros_are_no_edges(tmp_path: Path) -> None:
    matrix = scipy.sparse.coo_array(
        (np.array([0.0, 1.0]), (np.array([0, 1]), np.array([1, 2]))), shape=(3, 3)
    )
    assert named_edges(imported(matrix, tmp_path)) == {("1", "edge", "2"): 1}


def test_matrix__two_types(tmp_path: Path) -> None:
    matrix = scipy.sparse.csr_array(np.array([[1, 0, 1], [0, 1, 1]]))
    with pytest.raises(SourceError, match="of shape 2 × 3 it joins two kinds of entities"):
        imported(matrix, tmp_path)
    types: dict[str, dict[str, object]] = {"user": {}, "item": {}}
    relations = [{"name": "buys", "head": "user", "tail": "item"}]
    graph = imported(matrix, tmp_path, config=Config.from_dict({"entities": types, "relations": relations}))
    assert {kind.name: kind.count for kind in graph.schema.entity_types} == {"user": 2, "item": 3}


def test_network(tmp_path: Path) -> None:
    network = networkx.MultiDiGraph()
    network.add_edge("a", "b", relation="r")
    network.add_edge("a", "b", relation="s", weight=2)
    network.add_edge("b", 7)
    graph = imported(network, tmp_path)
    assert named_edges(graph) == {("a", "r", "b", 1): 1, ("a", "s", "b", 2): 1, ("b", "edge", "7", 1): 1}


def test_network__undirected(tmp_path: Path) -> None:
    graph = imported(networkx.cycle_graph(4), tmp_path)
    assert sum(named_edges(graph).values()) == 4
    assert graph.relation_names == ("edge",)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (42, "int: it is no source of edges: an edge file, a DataFrame"),
        (FRAME.head(0), "DataFrame: it holds no edges"),
        (FRAME.assign(tail=["b", None]), "DataFrame: row 1: the tail is missing"),
        (FRAME.assign(weight=[1, -1]), "DataFrame: row 1: the weight is negative"),
        (FRAME.assign(weight=[1, np.nan]), "DataFrame: row 1: the weight is"),
        (FRAME.assign(head=[0.5, 1.5]), "its column 'head' for the head holds double"),
        (FRAME.assign(head=["a", 1]).astype({"head": object}), "DataFrame: "),
        (FRAME[["head"]], "DataFrame: it has 1 column"),
        (
            FRAME.rename(columns={"weight": "colour"}),
            "which of its columns head, relation, tail, colour is what",
        ),
        (scipy.sparse.csr_array(np.eye(2) * 1j), "its entries are complex"),
        (scipy.sparse.csr_array((2, 2)), "it holds no edges"),
        (networkx.Graph([(1, "1")]), "two of its nodes are the same when written as text"),
        (networkx.Graph([("a", "b", {"weight": "heavy"})]), "the weight of an edge is no number"),
        (networkx.Graph([("a", "b", {"weight": float("nan")})]), "the weight is NaN"),
    ],
)
def test_refused(tmp_path: Path, source: Any, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        imported(source, tmp_path)
    assert list(tmp_path.iterdir()) == []
