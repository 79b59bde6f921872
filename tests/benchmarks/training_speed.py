"""Train a random graph in the setting in which PBG was measured: translation, cos, ranking, d = 100.

    python tests/benchmarks/training_speed.py [EDGES]

PBG scores a positive against 50 in-batch and 50 uniform candidates on each side, and steps once for 50 edges.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas

import daskgraph
from daskgraph.events import EpochFinished, Event

ENTITIES, RELATIONS = 100_000, 100

CONFIG = {
    "model": {"dimension": 100, "operator": "translation", "comparator": "cos"},
    "loss": {"function": "ranking"},
    "negatives": {"uniform": 50},
    "training": {"epochs": 3, "batch_size": 50},
}


def report(event: Event) -> None:
    """Tell the rate of an epoch; the first may wait for a cold cache."""
    if isinstance(event, EpochFinished):
        sys.stdout.write(f"epoch {event.epoch}: {event.edges_per_second:,.0f} edges/s\n")


def main(edges: int = 2_000_000) -> None:
    """Draw edges, train them."""
    random = np.random.default_rng(0)
    columns = {
        "head": random.integers(ENTITIES, size=edges),
        "relation": random.integers(RELATIONS, size=edges),
        "tail": random.integers(ENTITIES, size=edges),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.model.zarr"
        daskgraph.train(pandas.DataFrame(columns), path, config=CONFIG, callback=report)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
