"""A graph in many partitions beside the same graph in one: memory, speed, and what the plan had said.

    python tests/benchmarks/memory.py [ENTITIES] [DEGREE] [PARTITIONS] [BUFFER] [DIMENSION]

Every training has a process of its own. Before it begins, that process trains a tiny graph with the same
kernels: what it has then is the idle process, and the most that the training adds to it is what counts.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas
from records import machine, record

import daskgraph

MEBI = 1 << 20


def main(
    entities: int = 1_000_000, degree: int = 50, partitions: int = 64, buffer: int = 4, dimension: int = 100
) -> None:
    """Import, plan and train in both ways, and show the figures side by side."""
    results = {}
    config = {"model": {"dimension": dimension}, "training": {"epochs": 1, "buffer": buffer}}
    with tempfile.TemporaryDirectory() as folder:
        tiny = write_graph(Path(folder) / "tiny.graph.zarr", 1000, 10_000, 1)
        for parts in (partitions, 1):
            graph = write_graph(Path(folder) / f"{parts}.graph.zarr", entities, entities * degree // 2, parts)
            plan = daskgraph.plan(graph, graph.with_name("model.zarr"), config=config)
            command = [sys.executable, __file__, "train", str(tiny), str(graph), json.dumps(config)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            measured = json.loads(done.stdout)
            results[str(parts)] = {"plan": plan.to_dict(), "planned": plan.memory.above_idle, **measured}
            show(parts, results[str(parts)])
    many, one = (results[str(parts)] for parts in (partitions, 1))
    saved = 1 - many["above_idle"] / one["above_idle"]
    speed = many["edges_per_second"] / one["edges_per_second"]
    sys.stdout.write(f"{partitions} partitions: {-saved:+.1%} memory, {speed:.1%} of the edges/s\n")
    given = {"entities": entities, "degree": degree, "buffer": buffer, "dimension": dimension}
    record("memory", {"given": given, "results": results, "machine": machine()})


def write_graph(path: Path, entities: int, edges: int, partitions: int) -> Path:
    """Import random edges."""
    random = np.random.default_rng(0)
    columns = {side: random.integers(entities, size=edges) for side in ("head", "tail")}
    daskgraph.import_edges(pandas.DataFrame(columns), path, config={"graph": {"partitions": partitions}})
    return path


def train(tiny: Path, graph: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Train a graph in this process; return what its summary says, and what it added to the idle process."""
    daskgraph.train(tiny, graph.with_name(f"tiny-{graph.stem}.zarr"), config=config)
    idle = status("VmRSS")
    # The most there was is counted from here on.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    summary = daskgraph.train(graph, graph.with_name(f"{graph.stem}.model.zarr"), config=config).summary
    return {**summary, "model": graph.name, "idle": idle, "above_idle": status("VmHWM") - idle}


def status(key: str) -> int:
    """Return a figure of this process's memory, in bytes."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(rf"^{key}:\s+(\d+) kB$", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def show(parts: int, result: dict[str, Any]) -> None:
    """Write what one training came to."""
    measured, planned = result["above_idle"], result["planned"]
    waiting = result["io_wait_seconds"] / result["seconds"]
    sys.stdout.write(
        f"{parts} partitions: {measured / MEBI:,.0f} MiB above {result['idle'] / MEBI:,.0f} MiB idle, "
        f"planned {planned / MEBI:,.0f} ({planned / measured - 1:+.1%}); "
        f"{result['edges_per_second']:,.0f} edges/s, {waiting:.1%} waiting; "
        f"{result['swaps']:,.0f} partitions read, planned {result['plan']['swaps']:,}\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1:2] == ["train"]:
        tiny, graph, config = sys.argv[2:]
        sys.stdout.write(json.dumps(train(Path(tiny), Path(graph), json.loads(config))))
    else:
        main(*map(int, sys.argv[1:]))
