"""Measure what daskgraph promises of itself.

    python tests/benchmarks/own_limits.py [threads] [entities] [memory] [start] [--pairs 5] [--record]

- threads: edges a second of case a on two threads and on one, epochs in turn;
- entities: edges a second of case c with 2,000,000 entities and with 100,000, epochs in turn;
- memory: the most that the process which trains case c held, with its commits, beside what its tables take;
- start: seconds from the start of Python to the first trained batches of case a, kernels compiled before.

Graphs are random: only time and memory are looked at.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from cases import CASES, Case
from graphs import draw_uniform
from records import machine, record
from sgemm import peak
from sides import own_side, say

import daskgraph
from daskgraph.sizes import SLICE_BYTES

FIRST_BATCHES = """
import json, sys, daskgraph
from daskgraph.events import EdgesTrained
def stop(event):
    if isinstance(event, EdgesTrained):
        raise SystemExit
daskgraph.train(sys.argv[1], sys.argv[2], config=json.loads(sys.argv[3]), callback=stop)
"""


def write_graph(folder: Path, case: Case) -> Path:
    """Import random edges of a case."""
    path = folder / f"{case.entities}.graph.zarr"
    edges = draw_uniform(case.entities, case.relations, case.edges)
    daskgraph.import_edges(edges.frame("train"), path)
    return path


def in_turn(folder: Path, trainings: dict[str, tuple[Path, dict[str, Any]]], pairs: int) -> dict[str, Any]:
    """Train several models in turn, an epoch each at a time, after one to warm up; edges a second."""
    rates: dict[str, list[float]] = {name: [] for name in trainings}
    with ExitStack() as stack:
        sides = {
            name: stack.enter_context(own_side(graph, folder / f"{name}.model.zarr", config))
            for name, (graph, config) in trainings.items()
        }
        for number in range(pairs + 1):
            for name, side in sides.items():
                rate = side.epoch().rate
                if number:
                    rates[name].append(rate)
            if number:
                say(", ".join(f"{name}: {found[-1]:,.0f} edges/s" for name, found in rates.items()))
    return rates


def measure_threads(folder: Path, pairs: int) -> dict[str, Any]:
    """Two threads and one."""
    case = CASES["a"]
    graph = write_graph(folder, case)
    # One epoch more than is trained: nobody waits for the last commit.
    configs = {str(count): case.config(epochs=pairs + 2, threads=count) for count in (1, 2)}
    rates = in_turn(folder, {name: (graph, config) for name, config in configs.items()}, pairs)
    ratios = np.divide(rates["2"], rates["1"]).tolist()
    products = statistics.median(peak(2) / peak(1) for _ in range(5))
    return {"rates": rates, "ratios": ratios, "products": products}


def measure_entities(folder: Path, pairs: int) -> dict[str, Any]:
    """Many entities and few."""
    config = CASES["c"].config(epochs=pairs + 2, threads=2)
    cases = [CASES["c"], dataclasses.replace(CASES["c"], entities=100_000)]
    graphs = {str(case.entities): (write_graph(folder, case), config) for case in cases}
    rates = in_turn(folder, graphs, pairs)
    return {"rates": rates, "ratios": np.divide(*rates.values()).tolist()}


def measure_memory(folder: Path, pairs: int) -> dict[str, Any]:
    """What a training holds beside its tables."""
    case = CASES["c"]
    config = case.config(epochs=2, threads=2, checkpoint="0s")
    graph, held = write_graph(folder, case), []
    for number in range(pairs):
        with own_side(graph, folder / f"{number}.model.zarr", config) as side:
            side.epoch()
            side.epoch()
            held.append(side.do("save")["peak_memory"])
    tables = 4 * case.entities * (case.dimension + 1)
    beside = [most - tables - SLICE_BYTES for most in held]
    return {"held": held, "tables": tables, "slice": SLICE_BYTES, "beside": beside}


def measure_start(folder: Path, pairs: int) -> dict[str, Any]:
    """From Python's start to the first trained batches."""
    case, seconds, used = CASES["a"], [], []
    graph = write_graph(folder, case)
    config = json.dumps(case.config(threads=2))
    for number in range(pairs + 1):
        command = [
            sys.executable,
            "-c",
            FIRST_BATCHES,
            str(graph),
            str(folder / f"{number}.model.zarr"),
            config,
        ]
        started, before = time.perf_counter(), children_seconds()
        subprocess.run(command, check=True)
        seconds.append(time.perf_counter() - started)
        used.append(children_seconds() - before)
    return {"seconds": seconds[1:], "processor_seconds": used[1:]}


def children_seconds() -> float:
    """Processor seconds of all processes that were begun here and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


MEASURES: dict[str, Callable[[Path, int], dict[str, Any]]] = {
    "threads": measure_threads,
    "entities": measure_entities,
    "memory": measure_memory,
    "start": measure_start,
}


def summary(name: str, result: dict[str, Any]) -> str:
    """Return one line that says it all."""
    if name == "memory":
        held, beside = ([figure / 1e6 for figure in result[key]] for key in ("held", "beside"))
        middle, low, high = statistics.median(beside), min(beside), max(beside)
        return (
            f"memory: {statistics.median(held):,.0f} MB held, {middle:,.0f} MB beside tables and a slice "
            f"({low:,.0f} to {high:,.0f})"
        )
    if name == "start":
        seconds, used = (statistics.median(result[key]) for key in ("seconds", "processor_seconds"))
        return f"start: {seconds:.2f} s, {used:.2f} s of a processor"
    ratio, low, high = (find(result["ratios"]) for find in (statistics.median, min, max))
    words = {"threads": "two threads over one", "entities": "2,000,000 entities over 100,000"}
    return f"{name}: {words[name]} {ratio:.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    """Measure what was asked for, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("measures", nargs="*", choices=[[], *MEASURES], help="which of them; all by default")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--scratch", type=Path, help="folder for graphs and models; default: the system's")
    parser.add_argument("--record", action="store_true", help="keep the figures for docs/benchmarks.md")
    chosen = parser.parse_args()
    for name in chosen.measures or MEASURES:
        with tempfile.TemporaryDirectory(dir=chosen.scratch) as folder:
            result = MEASURES[name](Path(folder), chosen.pairs)
        sys.stdout.write(summary(name, result) + "\n")
        sys.stdout.flush()
        if chosen.record:
            record(f"own-{name}", result | {"machine": machine()})


if __name__ == "__main__":
    main()
