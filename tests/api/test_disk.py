"""What a training leaves behind where the disk is full or can not be written."""

from pathlib import Path
from typing import Any

import pytest
from known_graphs import rings

import daskgraph
from daskgraph.errors import DiskFullError, NotWritableError, StoreVersionError

SMALL: dict[str, Any] = {"model": {"dimension": 64}, "training": {"epochs": 2, "threads": 1}}


@pytest.mark.compiled
def test_train__full_disk_leaves_no_model(small_disk: Path, tmp_path: Path) -> None:
    graph = tmp_path / "g.graph.zarr"
    daskgraph.import_edges(rings(6000), graph)
    with pytest.raises(DiskFullError):
        daskgraph.train(graph, small_disk / "m.model.zarr", config=SMALL)
    assert not list(small_disk.iterdir())


@pytest.mark.compiled
def test_train__full_disk_keeps_what_was_committed(small_disk: Path, tmp_path: Path) -> None:
    graph = tmp_path / "g.graph.zarr"
    daskgraph.import_edges(rings(1500), graph)
    config = {**SMALL, "model": {"dimension": 40}}
    model = daskgraph.train(graph, small_disk / "m.model.zarr", config=config)
    before = model.embeddings()[:].copy()
    (small_disk / "filler").write_bytes(b"x" * 600_000)
    with pytest.raises(DiskFullError):
        daskgraph.train(graph, model.path, config={"training": {"epochs": 3}})
    reopened = daskgraph.open_model(model.path)
    assert reopened.epochs == 2
    assert (reopened.embeddings()[:] == before).all()
    (small_disk / "filler").unlink()


def test_train__read_only_disk(read_only_disk: Path, tmp_path: Path) -> None:
    with pytest.raises(NotWritableError):
        daskgraph.train(rings(16), read_only_disk / "m.model.zarr", config=SMALL)


def test_open__another_format_version(tmp_path: Path) -> None:
    model = daskgraph.train(rings(16), tmp_path / "m.model.zarr", config=SMALL)
    attributes = model.path / "zarr.json"
    attributes.write_text(attributes.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(StoreVersionError):
        daskgraph.open_model(model.path)
