"""Sizes of sources that are not imported: exact where they are small, near where they are sampled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edge_files import write_edges
from hypothesis import given
from hypothesis import strategies as st

from daskgraph.config import Config
from daskgraph.ingest import estimating, import_edges
from daskgraph.ingest.estimating import estimate, estimated_count
from ingest.test_numbering import TYPED, typed_rows


def random_rows(edges: int, entities: int, power: float = 1.0) -> list[tuple[str, str]]:
    rng = np.random.default_rng(0)
    drawn = (entities * rng.random((edges, 2)) ** power).astype(int)
    return [(f"e{head}", f"e{tail}") for head, tail in drawn.tolist()]


def test_small_sources_are_counted(tmp_path: Path) -> None:
    train = write_edges(tmp_path / "train.tsv", typed_rows())
    valid = write_edges(tmp_path / "valid.tsv", [("new one", "buys", "new thing")])
    config = Config.from_dict(TYPED)
    found = estimate({"train": [train], "valid": [valid]}, config)
    summary = import_edges(train, tmp_path / "g.zarr", config=config, valid=valid)
    assert found.sample is None
    assert {kind.name: kind.count for kind in found.schema.entity_types} == summary["entities"]
    assert not found.schema.entity_type("country").partitioned
    assert (found.edges, len(found.schema.relations)) == (summary["edges"]["train"], summary["relations"])


@pytest.mark.parametrize("suffix", ["tsv", "tsv.gz", "parquet"])
@pytest.mark.parametrize("power", [1.0, 3.0])
def test_large_files_are_sampled(
    suffix: str, power: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = random_rows(40_000, 5_000, power)
    files = [
        write_edges(tmp_path / f"{number}.{suffix}", part, ("head", "tail"))
        for number, part in enumerate((rows[:30_000], rows[30_000:]))
    ]
    monkeypatch.setattr(estimating, "SMALL_BYTES", 0)
    monkeypatch.setattr(estimating, "SAMPLE_EDGES", 10_000)
    found = estimate({"train": files}, Config())
    assert found.sample is not None
    assert found.sample < 40_000
    assert found.edges == pytest.approx(40_000, rel=0.05)
    [kind] = found.schema.entity_types
    assert kind.count == pytest.approx(len({name for row in rows for name in row}), rel=0.25)
    assert found.name_bytes == pytest.approx(5, abs=0.3)


def test_objects_are_counted(tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame({"head": ["a", "b"], "tail": ["b", "c"], "weight": [1.0, 2.0]})
    found = estimate({"train": [frame]}, Config())
    assert (found.edges, found.schema.entity_types[0].count, found.schema.weighted) == (2, 3, True)


@given(st.lists(st.integers(1, 5), max_size=50), st.floats(0.01, 1))
def test_estimated_count__is_between_what_was_seen_and_what_is_possible(
    uses: list[int], share: float
) -> None:
    count = estimated_count(np.array(uses, np.int64), share)
    assert len(uses) <= count <= len(uses) / share + 1
    assert estimated_count(np.array(uses, np.int64), 1.0) == len(uses)
