from __future__ import annotations

from pathlib import Path

import pytest
from disks import read_only_disk, small_disk
from graph_examples import CONFIG, PARAMETERS, write_graph

from daskgraph.store import GraphStore, ModelStore

__all__ = ["graph", "model", "read_only_disk", "small_disk"]


@pytest.fixture
def graph(tmp_path: Path) -> GraphStore:
    return write_graph(tmp_path / "g.graph.zarr")


@pytest.fixture
def model(tmp_path: Path, graph: GraphStore) -> ModelStore:
    return ModelStore.create(tmp_path / "m.model.zarr", CONFIG, graph, PARAMETERS)
