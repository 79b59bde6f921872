"""Train the same edges with one worker and with two, of one thread each.

    python tests/benchmarks/scaling.py [--edges 20000000] [--partitions 8] [--pairs 3] [--record]

Random edges between drawn entities, d = 100, translation, cos, ranking: only time is looked at. Both are
Dask clusters of processes on this machine; they train in turn. A worker that is not in its kernels waits:
for partitions and edges (io), or for a lease, for a commit, for the driver (lease). Leases should take two
seconds or more: the figure is told.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from graphs import draw_uniform
from records import machine, record

import daskgraph
from daskgraph.events import EdgesTrained, EpochFinished, Event
from daskgraph.executors.local_cluster import local_client

CONFIG: dict[str, Any] = {
    "model": {"dimension": 100, "operator": "translation", "comparator": "cos"},
    "loss": {"function": "ranking"},
    "negatives": {"uniform": 50},
    "training": {"epochs": 3, "batch_size": 50, "threads": 1, "buffer": 2},
    "evaluation": {"at_end": False},
}


class Watch:
    """Notes when the first epoch, in which kernels may be compiled, has ended, and what came after it."""

    def __init__(self) -> None:
        self.began = self.ended = 0.0
        self.epochs: Counter[int] = Counter()
        self.leases: Counter[int] = Counter()

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, EdgesTrained):
            self.epochs[event.epoch] += event.edges
            self.leases[event.epoch] += 1
        elif isinstance(event, EpochFinished):
            self.ended = time.perf_counter()
            self.began = self.began or self.ended

    @property
    def seconds(self) -> float:
        """From the end of the first epoch to that of the last."""
        return self.ended - self.began


def measure(graph: Path, folder: Path, workers: int) -> dict[str, float]:
    """Train with so many workers; edges a second after the first epoch, and shares of the workers' time."""
    watch, path = Watch(), folder / f"{time.time_ns()}.model.zarr"
    with local_client(workers) as client:
        summary = daskgraph.train(graph, path, config=CONFIG, client=client, callback=watch).summary
    later = sum(edges for epoch, edges in watch.epochs.items() if epoch > 1)
    leases = sum(count for epoch, count in watch.leases.items() if epoch > 1)
    whole = summary["seconds"] * workers
    return {
        "rate": later / watch.seconds,
        "lease_seconds": watch.seconds * workers / leases,
        "computing": summary["compute_seconds"] / whole,
        "waiting_for_io": summary["io_wait_seconds"] / whole,
        "waiting_for_a_lease": 1 - (summary["compute_seconds"] + summary["io_wait_seconds"]) / whole,
    }


def main() -> None:
    """Measure, in turn."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--edges", type=int, default=20_000_000)
    parser.add_argument("--entities", type=int, default=400_000)
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    found: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        graph = folder / "random.graph.zarr"
        edges = draw_uniform(given.entities, 10, given.edges).frame("train")
        daskgraph.import_edges(edges, graph, config={"graph": {"partitions": given.partitions}})
        for _ in range(given.pairs):
            for workers, results in found.items():
                results.append(measure(graph, folder, workers))
                sys.stdout.write(f"{workers}: {results[-1]}\n")
                sys.stdout.flush()
    ratios = [two["rate"] / one["rate"] for one, two in zip(found[1], found[2], strict=True)]
    sys.stdout.write(f"two workers over one: {statistics.median(ratios):.2f}\n")
    if given.record:
        sizes = {key: getattr(given, key) for key in ("edges", "entities", "partitions")}
        record(
            "scaling",
            {"machine": machine(), **sizes, "ratios": ratios, "one": found[1], "two": found[2]},
        )


if __name__ == "__main__":
    main()
