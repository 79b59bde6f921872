"""Train the same edges with one worker and with two, of one thread each.

    python tests/benchmarks/scaling.py [--edges 16000000] [--partitions 8] [--pairs 1] [--record]

Random edges between drawn entities, d = 100, translation, cos, ranking: only time counts. A first epoch,
in which parts that never met have to wait for each other, is trained once; from there both train two epochs
more, in turn, on Dask clusters of processes on this machine. Takes five minutes on two free cores.

Where the time of workers went is told in shares:

    computing     kernels ran
    data          in a lease, while partitions or edges were read or written
    commits       from the order to stage until that was committed
    idle          nothing to train, for others had what was left, or an epoch ended
    messages      the rest: from the order to train until its answer was heard, and the beginning
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from graphs import draw_uniform
from records import machine, record

import daskgraph
from daskgraph.events import EdgesTrained, Event
from daskgraph.executors.local_cluster import local_client

CONFIG: dict[str, Any] = {
    "model": {"dimension": 100, "operator": "translation", "comparator": "cos"},
    "loss": {"function": "ranking"},
    "negatives": {"uniform": 50},
    "training": {"epochs": 1, "batch_size": 50, "buffer": 2},
    "evaluation": {"at_end": False},
}
LATER: dict[str, Any] = {"training": {"epochs": 3, "threads": 1}}


def measure(begun: Path, workers: int) -> dict[str, float]:
    """Train the later epochs with so many workers; edges a second, and shares of the workers' time."""
    leases = 0

    def count(event: Event) -> None:
        nonlocal leases
        leases += isinstance(event, EdgesTrained)

    path = begun.with_name("measured.model.zarr")
    shutil.copytree(begun, path)
    with local_client(workers) as client:
        graph = daskgraph.open_model(begun).graph
        summary = daskgraph.train(graph, path, config=LATER, client=client, callback=count).summary
    shutil.rmtree(path)
    whole = summary["seconds"] * workers
    causes = {"computing": "compute", "data": "io_wait", "commits": "commit", "idle": "idle"}
    shares = {cause: summary[f"{name}_seconds"] / whole for cause, name in causes.items()}
    return {
        "rate": summary["edges_per_second"],
        "lease_seconds": summary["compute_seconds"] / leases,
        **shares,
        "messages": 1 - sum(shares.values()),
    }


def main() -> None:
    """Measure, in turn."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--edges", type=int, default=16_000_000)
    parser.add_argument("--entities", type=int, default=400_000)
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    found: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as name:
        graph, begun = Path(name) / "random.graph.zarr", Path(name) / "begun.model.zarr"
        edges = draw_uniform(given.entities, 10, given.edges).frame("train")
        daskgraph.import_edges(edges, graph, config={"graph": {"partitions": given.partitions}})
        daskgraph.train(graph, begun, config=CONFIG)
        for _ in range(given.pairs):
            for workers, results in found.items():
                results.append(measure(begun, workers))
                shown = {key: round(value, 3) for key, value in results[-1].items()}
                sys.stdout.write(f"{workers}: {shown}\n")
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
