"""Edges a second of an import: `python tests/benchmarks/import_speed.py [EDGES] [ENTITIES]`.

Writes a file of random edges with string ids and three columns, imports it as users do, in a process of its
own, five times, and shows the rates: of the import itself, and of the whole command with Python's start.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

IMPORT = """
import json, sys
from daskgraph.ingest import import_edges
print(json.dumps(import_edges(sys.argv[1], sys.argv[2])))
"""


def write_random_edges(path: Path, edges: int, entities: int) -> None:
    rng = np.random.default_rng(0)
    spread = [pa.array(rng.integers(0, entities, edges) * 7919 % (1 << 31)) for _ in "ht"]
    head, tail = (pc.binary_join_element_wise("/m/0", pc.cast(ids, pa.string()), "") for ids in spread)
    relations = pa.array([f"/people/person/relation_{number}" for number in range(200)])
    relation = relations.take(pa.array(rng.integers(0, 200, edges)))
    options = pa.csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    table = pa.table({"head": head, "relation": relation, "tail": tail})
    pa.csv.write_csv(table, path, options)


def main(edges: int = 5_000_000, entities: int = 1_000_000) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "edges.tsv"
        write_random_edges(file, edges, entities)
        inside, whole = [], []
        for number in range(5):
            start = time.perf_counter()
            command = [sys.executable, "-c", IMPORT, str(file), f"{folder}/{number}.graph.zarr"]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            whole.append(edges / (time.perf_counter() - start))
            inside.append(json.loads(done.stdout)["edges_per_second"])
        for name, rates in (("import", inside), ("process", whole)):
            middle, low, high = statistics.median(rates), min(rates), max(rates)
            sys.stdout.write(f"{name}: {middle:,.0f} edges/s (lowest {low:,.0f}, highest {high:,.0f})\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
