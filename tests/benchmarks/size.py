"""Train a graph whose tables are larger than the memory it may take: `training.memory`, partitions "auto".

    python tests/benchmarks/size.py [tables] [edges] [--memory 2GiB] [--scratch FOLDER] [--record]

- tables: 20,000,000 entities, d = 100: 8 GB of vectors and sums; 100,000,000 edges, partitions "auto";
- edges: 1,000,000 entities, d = 100, in one partition; 100,000,000 edges.

Edges are random: only time and memory are looked at. The training has a process of its own, whose most
memory is what counts; the import, which is not bounded yet, has another. Tables need 9 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas
from memory import status
from records import machine, record

import daskgraph

GIBI = 1 << 30


class Size(NamedTuple):
    """How large a graph is."""

    entities: int
    edges: int
    partitions: int | str


SIZES = {"tables": Size(20_000_000, 100_000_000, "auto"), "edges": Size(1_000_000, 100_000_000, 1)}


def config_of(size: Size, memory: str) -> dict[str, Any]:
    """Return how a graph is trained."""
    return {
        "graph": {"partitions": size.partitions},
        "model": {"dimension": 100},
        "training": {"epochs": 1, "memory": memory},
        "evaluation": {"at_end": False},
    }


def write(path: Path, size: Size, config: dict[str, Any]) -> None:
    """Import random edges, every entity in one at least."""
    random = np.random.default_rng(0)
    columns = {side: random.integers(size.entities, size=size.edges) for side in ("head", "tail")}
    columns["head"][: size.entities] = np.arange(size.entities)
    daskgraph.import_edges(pandas.DataFrame(columns), path, config=config)


def train(path: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Train in this process; return what its summary says and the most memory that it held."""
    summary = daskgraph.train(path, path.with_name("model.zarr"), config=config).summary
    return {
        **summary,
        "model": path.name,
        "held": status("VmHWM"),
        "partitions": daskgraph.open_graph(path).store.schema.partitions,
    }


def main() -> None:
    """Measure the chosen sizes, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sizes", nargs="*", default=list(SIZES), metavar="SIZE")
    parser.add_argument("--memory", default="2GiB")
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--record", action="store_true", help="keep the figures for docs/benchmarks.md")
    chosen = parser.parse_args()
    for name in chosen.sizes:
        size = SIZES[name]
        config = config_of(size, chosen.memory)
        with tempfile.TemporaryDirectory(dir=chosen.scratch) as folder:
            found: dict[str, Any] = {}
            for step in ("write", "train"):
                command = [sys.executable, __file__, step, f"{folder}/graph.zarr", name, json.dumps(config)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                found = json.loads(done.stdout or "{}")
        waiting = found["io_wait_seconds"] / found["seconds"]
        sys.stdout.write(
            f"{name}: {size.entities:,} entities, {size.edges:,} edges, {found['partitions']} partitions: "
            f"{found['held'] / GIBI:.2f} GiB held of {chosen.memory} allowed, "
            f"{found['edges_per_second']:,.0f} edges/s, {waiting:.1%} waiting\n"
        )
        sys.stdout.flush()
        if chosen.record:
            record(f"size-{name}", {**size._asdict(), **found, "memory": chosen.memory, "machine": machine()})


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"]:
        write(Path(sys.argv[2]), SIZES[sys.argv[3]], json.loads(sys.argv[4]))
    elif sys.argv[1:2] == ["train"]:
        sys.stdout.write(json.dumps(train(Path(sys.argv[2]), json.loads(sys.argv[4])), default=str))
    else:
        main()
