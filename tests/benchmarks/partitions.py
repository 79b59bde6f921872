"""How good the vectors of a graph in many partitions are, beside those of the same graph in one.

    python tests/benchmarks/partitions.py [fb15k] [communities] [--fb15k FOLDER] [--partitions 16] [--record]

- fb15k: FB15k, ComplEx;
- communities: a graph of 1,000,000 entities with planted communities, none, dot.

Both are trained for the same epochs, the one in many partitions with a buffer of four of them, and ranked on
the same held-out edges: filtered, both sides, against all entities.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from graphs import NumberedGraph, draw_communities, read_triples
from records import machine, record

import daskgraph

BUFFER = 4


class Kind(NamedTuple):
    """A graph, and how it is trained."""

    title: str
    graph: Callable[[Path | None], NumberedGraph]
    config: dict[str, Any]
    test_edges: int | None
    """How many of the held-out edges are ranked; None: all."""


def fb15k(folder: Path | None) -> NumberedGraph:
    """Read FB15k."""
    if folder is None:
        raise SystemExit(
            "fb15k needs --fb15k FOLDER, with train, valid and test.tsv.gz of head, relation, tail"
        )
    return read_triples(folder)


def communities(_: Path | None) -> NumberedGraph:
    """Draw a million entities in communities of fifty."""
    return draw_communities(1_000_000, 1, 10_000_000, 2000)


KINDS = {
    "fb15k": Kind(
        "FB15k, ComplEx, d = 200, softmax, 50 + 500, N3",
        fb15k,
        {
            "model": {"dimension": 200, "operator": "complex_diagonal", "reciprocal": True},
            "loss": {"function": "softmax", "regularizer": "n3", "regularization": 0.01},
            "negatives": {"uniform": 500},
            "training": {"epochs": 15},
        },
        10_000,
    ),
    "communities": Kind(
        "10⁶ entities in communities, none, dot, softmax, d = 64, 50 + 50",
        communities,
        {
            "model": {"dimension": 64, "operator": "none", "comparator": "dot"},
            "loss": {"function": "softmax"},
            "training": {"epochs": 5},
        },
        None,
    ),
}


def measure(kind: Kind, graph: NumberedGraph, partitions: int, seed: int) -> float:
    """Train a graph in so many partitions; return its MRR on held-out edges."""
    training = {**kind.config["training"], "buffer": BUFFER, "seed": seed}
    config = {
        **kind.config,
        "training": training,
        "graph": {"partitions": partitions},
        "evaluation": {"at_end": False},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.zarr"
        test = graph.frame("test")[: kind.test_edges]
        daskgraph.import_edges(graph.frame("train"), path, config=config, test=test)
        model = daskgraph.train(path, path.with_name("model.zarr"), config=config)
        return daskgraph.evaluate(model, "test", candidates="all").mrr


def main() -> None:
    """Measure the chosen graphs, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("kinds", nargs="*", default=list(KINDS), metavar="KIND")
    parser.add_argument("--fb15k", type=Path)
    parser.add_argument("--partitions", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--record", action="store_true", help="keep the figures for docs/benchmarks.md")
    chosen = parser.parse_args()
    for name in chosen.kinds:
        kind = KINDS[name]
        graph = kind.graph(chosen.fb15k)
        found: dict[str, list[float]] = {}
        for seed in range(chosen.seeds):
            for partitions in (1, chosen.partitions):
                found.setdefault(str(partitions), []).append(measure(kind, graph, partitions, seed))
                sys.stdout.write(f"{name}: {partitions} partitions, MRR {found[str(partitions)][-1]:.4f}\n")
                sys.stdout.flush()
        one, many = (statistics.mean(found[str(parts)]) for parts in (1, chosen.partitions))
        sys.stdout.write(f"{name}: {many / one - 1:+.1%} with {chosen.partitions} partitions\n")
        if chosen.record:
            given = {"entities": graph.entities, "edges": len(graph.splits["train"]), "buffer": BUFFER}
            record(
                f"partitions-{name}",
                {"title": kind.title, **given, "epochs": kind.config["training"]["epochs"], "mrr": found}
                | {"machine": machine()},
            )


if __name__ == "__main__":
    main()
