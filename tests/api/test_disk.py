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


def test_read_only__answers_but_does_not_train(
    small_disk: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    rings(16).to_csv(source / "train.csv", index=False)
    rings(16)[:6].to_csv(source / "test.csv", index=False)
    config = {"model": {"dimension": 8}, "training": {"epochs": 2, "threads": 1, "keep": 1}}
    path = daskgraph.train(source, small_disk / "m.model.zarr", config=config).path
    request.getfixturevalue("read_only_disk")
    model = daskgraph.open_model(path)
    assert model.evaluate().to_dict()["edges"] == 6
    assert len(model.neighbors("n3", 4)) == 4
    assert len(model.predict(head="n3", relation="next", k=2)) == 2
    model.export(tmp_path / "out.tsv")
    assert list(model.info()["snapshots"]) == ["2"]
    for change in ({}, {"training": {"epochs": 3}}):
        with pytest.raises(NotWritableError, match=r"m\.model\.zarr can not be written: read-only"):
            daskgraph.train(source, path, config=change)
    with pytest.raises(NotWritableError):
        daskgraph.restore(path)


def test_train__a_place_that_takes_no_folders() -> None:
    with pytest.raises(NotWritableError, match=r"/proc/.* can not be written"):
        daskgraph.train(rings(16), "/proc/daskgraph.model.zarr", config=SMALL)
