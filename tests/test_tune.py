"""Calibrations: rates are positive and finite for every kind of model, and near what a training reaches."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import daskgraph
from daskgraph import tune
from daskgraph.config import Config
from daskgraph.errors import NotWritableError
from daskgraph.graph import EntityType, GraphSchema, RelationType
from daskgraph.model import Model
from daskgraph.tune import calibrate, disk_rates, training_rate

pytestmark = pytest.mark.compiled

SCHEMA = GraphSchema(
    (EntityType("user", 3000), EntityType("item", 40, partitioned=False)),
    (RelationType("likes", "user", "item"), RelationType("follows", "user", "user")),
    partitions=8,
    weighted=True,
)
TYPES: dict[str, Any] = {
    "entities": {"user": {}, "item": {"partitioned": False}},
    "relations": [
        {"name": "likes", "head": "user", "tail": "item", "operator": "translation"},
        {"name": "follows", "head": "user", "tail": "user"},
    ],
}


@pytest.mark.parametrize(
    "keys",
    [{}, {"model": {"reciprocal": True, "dimension": 8}}, {"negatives": {"all": True}}],
    ids=["default", "reciprocal", "all"],
)
def test_calibrate__rates_are_positive_and_finite(keys: dict[str, Any], tmp_path: Path) -> None:
    model = Model(Config.from_dict({**TYPES, **keys}), SCHEMA)
    rates = calibrate(model, {"user": 1500, "item": 40}, 2, tmp_path, seconds=0.02)
    found = (rates.edges_per_second, rates.read_bytes_per_second, rates.write_bytes_per_second)
    assert np.isfinite(found).all()
    assert min(found) > 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pairs", [0, 9000], ids=["not imported", "imported"])
def test_calibrate__features(pairs: int, tmp_path: Path) -> None:
    user = EntityType("user", 3000, False, True, pairs // 90, pairs)
    types = {**TYPES, "entities": {"user": {"featurized": True}, "item": {"partitioned": False}}}
    model = Model(Config.from_dict(types), replace(SCHEMA, entity_types=(user, SCHEMA.entity_types[1])))
    assert calibrate(model, {"user": 3000, "item": 40}, 2, tmp_path, seconds=0.02).edges_per_second > 0


def test_training_rate__of_large_tables_is_measured_on_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tune, "TABLE_BYTES", 1 << 20)
    schema = GraphSchema((EntityType("entity", 10**9),), (RelationType("edge", "entity", "entity"),))
    every = {"negatives": {"all": True}, "model": {"dimension": 100}}
    model = Model(Config.from_dict(every), schema)
    # A batch of 100 against a billion entities takes seconds; 2,600 of them do not.
    assert 0 < training_rate(model, {"entity": 10**9}, 1, seconds=0.02) < 100


def test_disk_rates__in_no_folder(tmp_path: Path) -> None:
    with pytest.raises(NotWritableError, match="there is no such folder"):
        disk_rates(tmp_path / "nowhere")


@pytest.mark.slow
@pytest.mark.compiled
def test_training_rate__is_near_that_of_a_training(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    edges = pd.DataFrame({side: random.integers(20_000, size=10**6) for side in ("head", "tail")})
    config = {"training": {"epochs": 1, "threads": 1}}
    model = daskgraph.train(edges, tmp_path / "m.model.zarr", config=config)
    trained = model.summary["edges"] / model.summary["compute_seconds"]
    found = training_rate(Model(model.config, model.store.schema), {"entity": 20_000}, 1)
    # Other processes may have come or gone in between.
    assert trained / 3 < found < trained * 3
