"""Train the same edges with one worker and with two, of one thread each.

    python tests/benchmarks/scaling.py [random] [many] [crates-io] [--crates-io FOLDER] [--pairs 1] [--record]

- random: edges between drawn entities, d = 100, translation, cos, ranking, 50 + 50: an edge costs little;
- many: such edges, ComplEx, softmax against 1,000 drawn candidates: an edge costs much;
- crates-io: its edges, with the config of examples/.

Only time counts. A first epoch, in which parts that never met have to wait for each other, is trained once;
from there both train two epochs more, in turn, on Dask clusters of processes on this machine, in one sweep an
epoch. What the machine itself can is told beside: large products on two threads at once over those on one,
and two trainings that share nothing but the machine over one of them. Takes some minutes a graph.

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
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from graphs import draw_uniform
from records import machine, record
from sgemm import peak

import daskgraph
from daskgraph.config import load
from daskgraph.events import EdgesTrained, Event
from daskgraph.executors.local_cluster import local_client

EXAMPLES = Path(__file__).parents[2] / "examples"

RANDOM: dict[str, Any] = {
    "model": {"dimension": 100, "operator": "translation", "comparator": "cos"},
    "loss": {"function": "ranking"},
    "negatives": {"uniform": 50},
    "training": {"batch_size": 50},
}
MANY: dict[str, Any] = {
    "model": {"dimension": 100, "operator": "complex_diagonal", "comparator": "dot", "reciprocal": True},
    "loss": {"function": "softmax"},
    "negatives": {"uniform": 1000, "in_batch": False},
    "training": {"batch_size": 500},
}
FIRST: dict[str, Any] = {"epochs": 1, "sweeps": 1}
LATER: dict[str, Any] = {"training": {"epochs": 3, "threads": 1}}


def measure(begun: Path, workers: int, place: str = "measured") -> dict[str, float]:
    """Train the later epochs with so many workers; edges a second, and shares of the workers' time."""
    leases = 0

    def count(event: Event) -> None:
        nonlocal leases
        leases += isinstance(event, EdgesTrained)

    path = begun.with_name(f"{place}.model.zarr")
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


def measure_beside(begun: Path) -> float:
    """Train twice at the same time, one worker each; edges a second of both together."""
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        found = list(pool.map(measure, [begun] * 2, [1] * 2, ["one", "other"]))
    return sum(one["rate"] for one in found)


def random_edges(path: Path, graph: dict[str, Any], _: Path | None) -> dict[str, Any]:
    """Import random edges; return how they are trained."""
    edges = draw_uniform(400_000, 10, 16_000_000).frame("train")
    daskgraph.import_edges(edges, path, config={"graph": graph})
    return RANDOM


def many_candidates(path: Path, graph: dict[str, Any], _: Path | None) -> dict[str, Any]:
    """Import fewer random edges, which are trained against many candidates."""
    edges = draw_uniform(400_000, 10, 3_000_000).frame("train")
    daskgraph.import_edges(edges, path, config={"graph": graph})
    return MANY


def crates(path: Path, graph: dict[str, Any], folder: Path | None) -> dict[str, Any]:
    """Import crates-io; return how it is trained."""
    if folder is None:
        raise SystemExit("crates-io needs --crates-io FOLDER, with edges.tsv.gz")
    config = load([EXAMPLES / "crates-io.toml"])
    daskgraph.import_edges(folder / "edges.tsv.gz", path, config={**config, "graph": graph})
    return config


GRAPHS = {"random": random_edges, "many": many_candidates, "crates-io": crates}
"""From where a graph goes, its section of the config and a folder to the config it is trained by."""


def compare(name: str, partitions: int, pairs: int, folder: Path | None) -> dict[str, Any]:
    """Train a graph with one worker and with two, in turn."""
    found: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    ceilings, beside = [], []
    with tempfile.TemporaryDirectory() as place:
        graph, begun = Path(place) / "graph.graph.zarr", Path(place) / "begun.model.zarr"
        config = GRAPHS[name](graph, {"partitions": partitions}, folder)
        config = {name: keys for name, keys in config.items() if name not in ("entities", "relations")}
        training = {**config["training"], **FIRST}
        daskgraph.train(
            graph, begun, config={**config, "training": training, "evaluation": {"at_end": False}}
        )
        edges = daskgraph.open_graph(graph).edges["train"]
        for _ in range(pairs):
            ceilings.append(peak(2, 16) / peak(1, 16))
            for workers, results in found.items():
                results.append(measure(begun, workers))
                shown = {key: round(value, 3) for key, value in results[-1].items()}
                sys.stdout.write(f"{name}, {workers}: {shown}\n")
                sys.stdout.flush()
            beside.append(measure_beside(begun))
    ratios = [two["rate"] / one["rate"] for one, two in zip(found[1], found[2], strict=True)]
    apart = [both / one["rate"] for both, one in zip(beside, found[1], strict=True)]
    return {
        "edges": edges,
        "ratios": ratios,
        "ceilings": ceilings,
        "apart": apart,
        "one": found[1],
        "two": found[2],
    }


def main() -> None:
    """Measure the chosen graphs, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("graphs", nargs="*", default=list(GRAPHS), metavar="GRAPH")
    parser.add_argument("--crates-io", type=Path)
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--record", action="store_true", help="keep the figures for docs/benchmarks.md")
    given = parser.parse_args()
    for name in given.graphs:
        found = compare(name, given.partitions, given.pairs, given.crates_io)
        ratio, ceiling, apart = (statistics.median(found[key]) for key in ("ratios", "ceilings", "apart"))
        machines = f"large products {ceiling:.2f}, two trainings {apart:.2f}"
        sys.stdout.write(f"{name}: two workers over one {ratio:.2f}, {machines}\n")
        if given.record:
            record(f"scaling-{name}", {"machine": machine(), "partitions": given.partitions, **found})


if __name__ == "__main__":
    main()
