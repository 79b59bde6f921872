from __future__ import annotations

import errno
import gzip
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from edge_files import write_edges, write_packed

from daskgraph.config import Config
from daskgraph.errors import (
    AlreadyExistsError,
    ConfigValueError,
    DaskgraphError,
    DiskFullError,
    EdgeFileError,
    NotWritableError,
    SourceError,
)
from daskgraph.ingest import blocks as blocks_module
from daskgraph.ingest import import_edges
from daskgraph.ingest import text as text_module
from daskgraph.store.graph_writer import EdgeWriter

GOOD = [(f"e{number % 17}", "r", f"e{number % 23}") for number in range(50)]


def refused(
    source: Any, error: type[DaskgraphError], message: str, folder: Path | None = None, **options: Any
) -> None:
    """Import `source`; it has to fail with this message, and leave nothing behind."""
    folder = folder or Path(source).parent
    before = sorted(folder.iterdir())
    with pytest.raises(error, match=message) as caught:
        import_edges(source, folder / "g.graph.zarr", **options)
    assert "\n" not in str(caught.value)
    assert sorted(folder.iterdir()) == before


def test_missing(tmp_path: Path) -> None:
    refused(tmp_path / "no.tsv", SourceError, r"no\.tsv: there is no such file")
    good = write_edges(tmp_path / "good.tsv", GOOD)
    refused(good, SourceError, "there is no such file", valid=tmp_path / "no.tsv")
    refused(good, SourceError, "there is no such file", labels=tmp_path / "no.tsv")


def test_folder(tmp_path: Path) -> None:
    (tmp_path / "edges.tsv").mkdir()
    refused(tmp_path / "edges.tsv", SourceError, "it is a folder")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("e.tsv", b"", "it is empty"),
        ("e.tsv", b"\n\n", "it holds no edges"),
        ("e.tsv", b"# only\n# comments\n", "it holds no edges"),
        ("e.csv", b"source,target\n", "it holds no edges"),
        ("e.csv", b"source,target", "it holds no edges"),
        ("e.tsv.gz", gzip.compress(b""), "it holds no edges"),
        ("e.tsv.gz", gzip.compress(b"a\tb\n" * 1000)[:-20], "it can not be read: Truncated"),
        ("e.tsv.gz", b"\x1f\x8bgarbage", "it can not be read"),
        ("e.tsv.zst", b"\x28\xb5\x2f\xfdgarbage", "it can not be read"),
        ("e.parquet", b"PAR1garbagePAR1", "it can not be read"),
        ("e.parquet", b"a\tr\tb\n", r"it is no Parquet file; text should be named \.tsv"),
        ("e.tsv", b"a\n", "it has 1 column; 2 to 4 are expected"),
        ("e.tsv", b"a\tb\tc\td\te\n", "it has 5 columns; 2 to 4 are expected"),
        ("e.csv", b"source,target,colour\n1,2,3\n", "which of its columns source, target, colour is what"),
    ],
)
def test_unusable_file(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name, SourceError, rf"{name}: {reason}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable(tmp_path: Path) -> None:
    file = write_edges(tmp_path / "edges.tsv", GOOD)
    file.chmod(0)
    refused(file, SourceError, "it can not be read: permission denied")


def test_unreadable__simulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    file = write_edges(tmp_path / "edges.tsv", GOOD)
    monkeypatch.setattr(Path, "open", deny)
    with pytest.raises(SourceError, match="it can not be read: permission denied"):
        import_edges(file, tmp_path / "g.zarr")


BAD_LINES = [
    (b"a\tr", "2 columns instead of 3: 'a\\\\tr'"),
    (b"a\tr\tb\tc", "4 columns instead of 3"),
    (b"lonely", "1 column instead of 3"),
    (b"\tr\tb", "the head is empty"),
    (b"a\t\tb", "the relation is empty"),
    (b"a\tr\t", "the tail is empty"),
    (b"a\tr\t\xff\xfe", "it is not UTF-8"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD_LINES)
@pytest.mark.parametrize("suffix", ["tsv", "tsv.gz"])
@pytest.mark.parametrize("place", [0, 1, 30, 50])
def test_bad_line(tmp_path: Path, bad: bytes, reason: str, suffix: str, place: int) -> None:
    lines = ["\t".join(row).encode() for row in GOOD]
    lines[place:place] = [bad]
    file = write_packed(tmp_path / f"edges.{suffix}", b"\n".join(lines) + b"\n")
    if place == 0 and b"\xff" not in bad and len(bad.split(b"\t")) != 3:
        # The first line says how many columns there are.
        return refused(file, DaskgraphError, rf"edges\.{suffix}")
    return refused(file, EdgeFileError, rf"edges\.{suffix}, line {place + 1}: {reason}")


def test_bad_line__after_header_and_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = blocks_module.read_blocks
    monkeypatch.setattr(text_module, "read_blocks", lambda path, packing: read(path, packing, 64))
    text = "# made up\n\nhead\trelation\ttail\n" + "a\tr\tb\n" * 40 + "\n\na\tb\n" + "a\tr\tb\n" * 40
    file = write_packed(tmp_path / "edges.tsv", text.encode())
    refused(file, EdgeFileError, "line 46: 2 columns instead of 3: 'a\\\\tb'")


@pytest.mark.parametrize(
    ("weight", "reason"),
    [
        ("nan", "the weight is NaN"),
        ("NaN", "the weight is NaN"),
        ("-0.5", "the weight is negative"),
        ("inf", "the weight is not finite"),
        ("-inf", "the weight is not finite"),
        ("1e39", "the weight is not finite"),
        ("heavy", "the weight is no number"),
        ("", "the weight is empty"),
    ],
)
@pytest.mark.parametrize("suffix", ["tsv", "csv"])
def test_bad_weight(tmp_path: Path, weight: str, reason: str, suffix: str) -> None:
    rows = [(*row, 0.5) for row in GOOD]
    file = write_edges(tmp_path / f"edges.{suffix}", [*rows, ("a", "r", "b", weight), *rows])
    refused(file, EdgeFileError, f"line 51: {reason}")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("a", "r", "b", float("nan")), "row 50: the weight is NaN"),
        (("a", "r", "b", -1.0), "row 50: the weight is negative"),
        (("a", "r", "b", None), "row 50: the weight is missing"),
        (("a", "r", None, 1.0), "row 50: the tail is missing"),
        (("", "r", "b", 1.0), "row 50: the head is empty"),
        (("a", "", "b", 1.0), "row 50: the relation is empty"),
    ],
)
def test_bad_row(tmp_path: Path, row: tuple[object, ...], reason: str) -> None:
    rows = [(*good, 0.5) for good in GOOD]
    refused(write_edges(tmp_path / "edges.parquet", [*rows, row]), SourceError, reason)


def test_bad_column_type(tmp_path: Path) -> None:
    file = write_edges(tmp_path / "edges.parquet", [(0.5, 1)], ("head", "tail"))
    refused(file, SourceError, "column 'head' for the head holds double, where strings or whole numbers")
    file = write_edges(tmp_path / "edges.parquet", [("a", "r", "b", "heavy")])
    refused(file, SourceError, "for the weight holds string, where numbers are expected")


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        (["head", "tail"], "it has 3 columns, and --columns head,tail names 2; _ leaves one out"),
        (["head", "relation", "_"], "--columns names no tail"),
        (["0", "1", "7"], "it has no column '7'; its columns are 0 to 2, as it has no header"),
        (["colour", "1", "2"], "it has no column 'colour'"),
        (["0"], "--columns gives 1 columns; 2 to 4 are expected"),
        (["haed=0", "tail=1"], "'haed' should begin with one of head=, relation=, tail=, weight="),
    ],
)
def test_bad_columns(tmp_path: Path, columns: list[str], reason: str) -> None:
    refused(write_edges(tmp_path / "edges.tsv", GOOD), SourceError, reason, columns=columns)


def test_bad_columns__named(tmp_path: Path) -> None:
    file = write_edges(tmp_path / "edges.csv", GOOD, ("from", "how", "to"))
    columns = ["from", "how", "too"]
    refused(file, SourceError, "it has no column 'from'|no column 'too'", columns=columns)


def test_existing_path(tmp_path: Path) -> None:
    file = write_edges(tmp_path / "edges.tsv", GOOD)
    (tmp_path / "g.graph.zarr").mkdir()
    refused(file, AlreadyExistsError, r"g\.graph\.zarr exists already")


def test_no_folder(tmp_path: Path) -> None:
    file = write_edges(tmp_path / "edges.tsv", GOOD)
    with pytest.raises(NotWritableError, match="there is no folder"):
        import_edges(file, tmp_path / "no" / "g.zarr")


def test_full_disk(tmp_path: Path, small_disk: Path) -> None:
    rows = [(number, number * 7919 % 100_003) for number in range(100_000)]
    file = write_edges(tmp_path / "edges.tsv", rows)
    refused(file, DiskFullError, r"no space left on the disk while writing .*g\.graph\.zarr", small_disk)


def test_full_disk__while_others_still_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one column's thread writes after another's has failed does not come back."""
    write, began, ended = EdgeWriter.write, threading.Event(), []

    def slow(writer: EdgeWriter, name: str, start: int, values: Any) -> None:
        if name == "head":
            began.wait(timeout=10)
            raise OSError(errno.ENOSPC, "No space left on device")
        began.set()
        time.sleep(0.3)
        write(writer, name, start, values)
        ended.append(name)

    monkeypatch.setattr(EdgeWriter, "write", slow)
    refused(write_edges(tmp_path / "edges.tsv", GOOD), DiskFullError, "no space left on the disk")
    assert ended


def test_read_only_disk(tmp_path: Path, read_only_disk: Path) -> None:
    file = write_edges(tmp_path / "edges.tsv", GOOD)
    refused(file, NotWritableError, r"g\.graph\.zarr can not be written", read_only_disk)


def test_unknown_relation(tmp_path: Path) -> None:
    file = write_edges(tmp_path / "edges.tsv", [("a", "folows", "b")])
    config = Config.from_dict({"relations": [{"name": "follows"}, {"name": "likes"}]})
    reason = r"its relation 'folows' is none of \[\[relations\]\]; did you mean 'follows'"
    refused(file, SourceError, reason, config=config)
    file = write_edges(tmp_path / "edges.tsv", [("a", "b")])
    refused(file, SourceError, r"it names no relations, and \[\[relations\]\] has several", config=config)


def test_too_many_partitions(tmp_path: Path) -> None:
    file = write_edges(tmp_path / "edges.tsv", [("a", "b")])
    config = Config.from_dict({"graph": {"partitions": 3}})
    refused(file, ConfigValueError, r"graph\.partitions = 3 is more than there are entities", config=config)


def test_reserved_type(tmp_path: Path) -> None:
    file = write_edges(tmp_path / "edges.tsv", [("a", "b")])
    config = Config.from_dict(
        {"entities": {"relations": {}}, "relations": [{"head": "relations", "tail": "relations"}]}
    )
    refused(file, ConfigValueError, r"entities\.relations = \{\} should have another name", config=config)
