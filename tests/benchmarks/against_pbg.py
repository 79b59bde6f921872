"""Train the same edges with daskgraph and with PyTorch-BigGraph, and compare speed and quality.

    python tests/benchmarks/against_pbg.py [--cases a b c d1 d2] [--fb15k FOLDER] [--pairs 5] [--record]

The first run makes an environment for PBG from the package index. Cases stand in `cases.py`: both sides have
the same edges, dimension, operator, comparator, loss, learning rate, candidates per edge, and number of
threads (of workers, in PBG's words).

What is timed: both train in processes of their own, which are there all the time, one waiting while the other
works. One epoch each warms up: compiling, importing and first touches of memory are in nobody's time. Then
follow the pairs: an epoch of daskgraph, an epoch of PBG. Seconds are by the clock on the wall, of reading the
epoch's edges, shuffling them and training them: `EpochFinished.seconds` here; "Processed ... in ... s" and
its "io" there. Left out on both sides: starting, importing the graph, writing the model. Beside it stands the
ratio of processor times, which other work on the machine hardly changes; writing the model is in them.

Share of the machine: operations in the products that a batch can not do without (`Case.products`), over what
large square products by SciPy's BLAS reach on as many threads, measured after every pair.

Quality: after the same epochs both models rank the held-out edges by one evaluator, daskgraph's: filtered,
both sides, against all entities (100,000 drawn ones in c). Drawn graphs have communities (`graphs.py`). Where
daskgraph's MRR is more than 1 % below PBG's, the command says so and ends with 1.

With --gradient-candidates daskgraph's side carries the gradients of few candidates back, chosen such that
their mean stays (`negatives.gradient_candidates`); what PBG is to do stays. Figures are kept apart.

Evaluation: in b the test edges are then ranked in turn, each side's model by its own means, filtered,
against all entities. Seconds are of the whole call here; there without the start of the workers and without
the lists of known answers, which PBG makes in Python.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pbg_environment
from cases import CASES, Case
from graphs import NumberedGraph, draw_communities, read_triples
from pbg_model import read_pbg
from records import machine, record
from sgemm import peak
from sides import Epoch, Side, own_side, say

import daskgraph
from daskgraph.config import Config
from daskgraph.evaluation import evaluate
from daskgraph.model import Model
from daskgraph.store import GraphStore, ModelStore
from daskgraph.vectors import Vectors

OWN_GRAPH, OWN_MODEL, JOB_OF_PBG = "graph.zarr", "own.model.zarr", "pbg.json"
HELD_OUT = 20_000
DRAWN_CANDIDATES = 100_000
LARGE = 1_000_000
KEPT = 0.99
"""Of PBG's MRR, at least so much must be reached."""

FILTERED = "b"
"""The one case whose evaluation PBG has: filtered ranks need reciprocal relations there."""


def prepare(folder: Path, case: Case, graph: NumberedGraph, epochs: int, threads: int) -> None:
    """Write the edges for both sides, and what PBG is to train, into a folder."""
    for split, edges in graph.splits.items():
        np.save(folder / f"{split}.npy", edges)
    others = {split: graph.frame(split) for split in graph.splits if split != "train"}
    daskgraph.import_edges(graph.frame("train"), folder / OWN_GRAPH, **others)
    other = case.config_of_pbg(str(folder), epochs, threads)
    job = {"entities": graph.entities, "relations": graph.relations, "config": other}
    (folder / JOB_OF_PBG).write_text(json.dumps(job))


class Pair(NamedTuple):
    """An epoch of each, one after the other."""

    own: Epoch
    pbg: Epoch
    peak: float
    """Operations a second of large products, right after."""


def train_in_turn(own: Side, pbg: Side, pairs: int, threads: int) -> list[Pair]:
    """Train an epoch each to warm up, then pairs."""
    own.epoch()
    pbg.epoch()
    found = []
    for number in range(pairs):
        found.append(Pair(own.epoch(), pbg.epoch(), peak(threads)))
        rates = found[-1].own.rate, found[-1].pbg.rate
        say(f"pair {number + 1}: {rates[0]:,.0f} edges/s, PBG {rates[1]:,.0f}: {rates[0] / rates[1]:.1f} ×")
    return found


def judge(folder: Path, case: Case, threads: int) -> dict[str, float]:
    """Rank the held-out edges by both models; their MRRs."""
    graph = GraphStore.open(folder / OWN_GRAPH)
    store = ModelStore.open(folder / OWN_MODEL)
    model = Model(Config.from_dict(store.config), graph.schema)
    candidates = DRAWN_CANDIDATES if case.entities > LARGE else "all"
    models: dict[str, ModelStore | Vectors] = {"own": store, "pbg": read_pbg(folder / "pbg", model, graph)}
    return {
        name: evaluate(source, graph, "test", candidates=candidates, threads=threads).mrr
        for name, source in models.items()
    }


def evaluate_in_turn(folder: Path, pbg: Side, pairs: int, threads: int) -> dict[str, Any]:
    """Rank the test edges, each side its own model by its own means; seconds."""
    graph, store = GraphStore.open(folder / OWN_GRAPH), ModelStore.open(folder / OWN_MODEL)
    seconds: dict[str, list[float]] = {"own": [], "pbg": []}
    for number in range(pairs):
        seconds["own"].append(evaluate(store, graph, "test", threads=threads).seconds)
        judged = pbg.do("evaluate")
        seconds["pbg"].append(judged["seconds"])
        times = f"{seconds['own'][-1]:.1f} s, PBG {seconds['pbg'][-1]:.1f} s"
        say(f"evaluation {number + 1}: {times}, where it finds an MRR of {judged['mrr']:.4f}")
    ratios = [pbg / own for own, pbg in zip(seconds["own"], seconds["pbg"], strict=True)]
    return {**seconds, "ratios": ratios, "mrr_of_pbg_by_pbg": judged["mrr"]}


def compare(name: str, folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """Measure one case."""
    case = replace(CASES[name], gradient_candidates=chosen.gradient_candidates)
    threads, epochs = chosen.threads, chosen.pairs + 1
    say(f"{name}: {case.title}")
    prepare(folder, case, graph_of(case, name, chosen.fb15k), epochs, threads)
    config = case.config(epochs=epochs, threads=threads, checkpoint="1h")
    result = {
        "title": f"{case.title}, d = {case.dimension}, {case.in_batch} + {case.uniform}{rounded(case)}",
        "entities": case.entities,
        "edges": case.edges,
        "epochs": epochs,
        "threads": threads,
    }
    python = pbg_environment.python_of_pbg(chosen.environment)
    with (
        own_side(folder / OWN_GRAPH, folder / OWN_MODEL, config) as own,
        Side(python, "pbg_worker.py", folder / JOB_OF_PBG) as pbg,
    ):
        result |= figures(case, train_in_turn(own, pbg, chosen.pairs, threads))
        own.do("save")
        pbg.do("save")
        result["mrr"] = judge(folder, case, threads)
        say(", ".join(f"MRR of {side}: {mrr:.4f}" for side, mrr in result["mrr"].items()))
        if name == FILTERED:
            result["evaluation"] = evaluate_in_turn(folder, pbg, chosen.pairs, threads)
    return result


def rounded(case: Case) -> str:
    """Return what is said of a case in which few gradients are carried back."""
    few = case.gradient_candidates
    return f", daskgraph with the gradients of about {few}" if few else ""


def figures(case: Case, pairs: list[Pair]) -> dict[str, list[float]]:
    """Return what the pairs came to."""
    flops = case.flops / case.in_batch
    return {
        "own": [pair.own.rate for pair in pairs],
        "pbg": [pair.pbg.rate for pair in pairs],
        "ratios": [pair.own.rate / pair.pbg.rate for pair in pairs],
        "processor_ratios": [pair.pbg.processor_seconds / pair.own.processor_seconds for pair in pairs],
        "peaks": [pair.peak for pair in pairs],
        "shares": [flops * pair.own.rate / pair.peak for pair in pairs],
    }


def graph_of(case: Case, name: str, fb15k: Path | None) -> NumberedGraph:
    """Return the case's edges."""
    if name == "b":
        assert fb15k is not None
        return read_triples(fb15k)
    return draw_communities(case.entities, case.relations, case.edges, HELD_OUT)


def summary(name: str, result: dict[str, Any]) -> str:
    """Return one line that says it all."""
    keys = ("own", "pbg", "ratios", "processor_ratios", "shares")
    own, pbg, ratio, processor, share = (statistics.median(result[key]) for key in keys)
    spread = f"{min(result['ratios']):.1f} to {max(result['ratios']):.1f}"
    mrr = result["mrr"]
    evaluations = result.get("evaluation", {"ratios": []})["ratios"]
    faster = f"; evaluation {statistics.median(evaluations):.1f} ×" if evaluations else ""
    return (
        f"{name}: {own:,.0f} edges/s, PBG {pbg:,.0f}: {ratio:.1f} × ({spread}), {processor:.1f} × "
        f"in processor time, {share:.2f} of the machine; MRR {mrr['own']:.4f}, PBG {mrr['pbg']:.4f}{faster}"
    )


def falls_short(result: dict[str, Any]) -> bool:
    """Tell whether what was gained in speed was paid for in quality."""
    return bool(result["mrr"]["own"] < KEPT * result["mrr"]["pbg"])


def main() -> int:
    """Measure the chosen cases, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument(
        "--fb15k", type=Path, help="folder of FB15k's train, valid and test.tsv.gz, for case b"
    )
    parser.add_argument(
        "--gradient-candidates", type=int, default=0, help="negatives.gradient_candidates of daskgraph's side"
    )
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--environment", type=Path, default=pbg_environment.default_folder())
    parser.add_argument("--scratch", type=Path, help="folder for graphs and models; default: the system's")
    parser.add_argument("--record", action="store_true", help="keep the figures for docs/benchmarks.md")
    chosen = parser.parse_args()
    short = []
    for name in chosen.cases:
        if name == "b" and chosen.fb15k is None:
            say("b: left out, for it needs --fb15k FOLDER")
            continue
        with tempfile.TemporaryDirectory(dir=chosen.scratch) as folder:
            result = compare(name, Path(folder), chosen)
        short += [name] if falls_short(result) else []
        sys.stdout.write(summary(name, result) + ("; MRR too low\n" if name in short else "\n"))
        sys.stdout.flush()
        if chosen.record:
            kind = "-rounded" if chosen.gradient_candidates else ""
            record(f"pbg-{name}{kind}", result | {"machine": machine()})
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
