"""Graphs and models on disk, as Zarr: the only place that knows files and Zarr."""

from __future__ import annotations

from pathlib import Path

from daskgraph.store.format import MODEL, read_header
from daskgraph.store.graph_store import GraphStore
from daskgraph.store.graph_writer import GraphWriter
from daskgraph.store.model_store import ModelStore
from daskgraph.store.names import Names
from daskgraph.store.staging import Staging

__all__ = ["GraphStore", "GraphWriter", "ModelStore", "Names", "Staging", "open_store"]


def open_store(path: str | Path) -> GraphStore | ModelStore:
    """Open a store of either kind.

    Raises
    ------
    NotAStoreError
        The path is missing or no store of daskgraph.
    StoreVersionError
        The store has another format version.
    """
    kind = read_header(Path(path))["daskgraph"]["kind"]
    return ModelStore.open(path) if kind == MODEL else GraphStore.open(path)
