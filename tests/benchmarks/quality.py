"""How good the vectors are: repeat rows of the table in docs/results.md, some seeds of each.

    python tests/benchmarks/quality.py ROW... --data FOLDER [--seeds 0 1 2] [--set KEY=VALUE] [--keep FOLDER]

FOLDER holds a folder for each graph, with its edges in train, valid and test (knowledge graphs), edges and
labels (BlogCatalog), edges alone (crates-io, which is split 90/5/5 with the seed 0), or edges in train and
test (Gowalla). Every seed gives a
line of JSON: row, seed, figures, seconds of training (by the clock, of the processor, and how busy the
machine was before and after), and keys that were changed. Not in CI: a row may take an hour.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import scipy.sparse

import daskgraph
from daskgraph.config import load
from daskgraph.progress import show

EXAMPLES = Path(__file__).parents[2] / "examples"
RANKED = 10_000
TAKEN = 20

Measure = Callable[[daskgraph.Model, Path], dict[str, float]]
Source = Callable[[Path, Path], Path]


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    graph: str
    """Folder of the graph."""

    config: str
    """File in examples/."""

    source: Source
    """From the graph's folder and one to work in to what is trained."""

    measure: Measure
    """From a model and the graph's folder to figures."""


def as_it_is(folder: Path, _: Path) -> Path:
    """Train a folder of splits."""
    return folder


def edges_of(folder: Path, _: Path) -> Path:
    """Train the one file of edges."""
    return folder / "edges.tsv.gz"


def split(folder: Path, work: Path) -> Path:
    """Split a file of edges at random, 90/5/5, into a folder; of the test edges the first are ranked."""
    place = work / f"{folder.name}-split"
    if not place.exists():
        place.mkdir()
        edges = pandas.read_csv(folder / "edges.tsv.gz", sep="\t", header=None, dtype=str)
        order = np.random.default_rng(0).permutation(len(edges))
        first, second = (len(edges) * share // 100 for share in (90, 95))
        parts = {"train": order[:first], "valid": order[first:second], "test": order[second:][:RANKED]}
        for name, rows in parts.items():
            edges.iloc[rows].to_csv(place / f"{name}.tsv", sep="\t", header=False, index=False)
    return place


def ranks(model: daskgraph.Model, _: Path) -> dict[str, float]:
    """Rank the test edges, filtered, both sides, against all entities."""
    found = model.evaluate("test")
    return {"mrr": found.mrr, **{f"hits@{k}": share for k, share in found.hits.items()}}


def tail_ranks(model: daskgraph.Model, _: Path) -> dict[str, float]:
    """Rank the tails of the test edges alone."""
    found = model.evaluate("test").sides["tail"]
    return {"mrr": found.mrr, **{f"hits@{k}": share for k, share in found.hits.items()}}


def scores(model: daskgraph.Model, folder: Path) -> dict[str, float]:
    """Classify the nodes, half of them labelled."""
    found = daskgraph.classify(model, folder / "labels.tsv.gz", fractions=[0.5])
    return {name: getattr(found.fractions["0.5"], name) for name in ("micro_f1", "macro_f1")}


def recommendations(model: daskgraph.Model, folder: Path) -> dict[str, float]:
    """Compare the items that every user's vector is nearest to, but for those known, with the test edges."""
    rows = {kind: pandas.Index(model.names(kind)) for kind in ("user", "item")}
    vectors = {kind: np.asarray(model.embeddings(kind)[:]) for kind in rows}
    items = {}
    for part in ("train", "test"):
        edges = pandas.read_csv(folder / f"{part}.tsv.gz", sep="\t", header=None, dtype=str)
        pairs = (rows["user"].get_indexer(edges[0]), rows["item"].get_indexer(edges[1]))
        shape = len(rows["user"]), len(rows["item"])
        items[part] = scipy.sparse.csr_array((np.ones(len(edges), np.float32), pairs), shape)
    asked = np.flatnonzero(np.diff(items["test"].indptr))
    found = []
    for users in np.array_split(asked, -(-len(asked) // 1000)):
        scores = vectors["user"][users] @ vectors["item"].T
        scores[items["train"][users].nonzero()] = -np.inf
        best = np.argsort(-scores, axis=1)[:, :TAKEN]
        hits = np.take_along_axis(items["test"][users].toarray(), best, axis=1)
        right = np.diff(items["test"].indptr)[users]
        gains = np.cumsum(1 / np.log2(np.arange(TAKEN) + 2))
        ideal = gains[np.minimum(right, TAKEN) - 1]
        found.append([hits.sum(1) / right, hits @ np.diff(gains, prepend=0) / ideal])
    recall, gain = np.concatenate(found, axis=1).mean(axis=1)
    return {f"recall@{TAKEN}": float(recall), f"ndcg@{TAKEN}": float(gain)}


ROWS = {
    "fb15k-complex": Row("FB15k", "fb15k-complex.toml", as_it_is, ranks),
    "fb15k-transe": Row("FB15k", "fb15k-transe.toml", as_it_is, ranks),
    "fb15k-237-complex": Row("FB15k-237", "fb15k-237-complex.toml", as_it_is, ranks),
    "wn18rr-complex": Row("WN18RR", "wn18rr-complex.toml", as_it_is, ranks),
    "wn18rr-rotate": Row("WN18RR", "wn18rr-rotate.toml", as_it_is, ranks),
    "blogcatalog": Row("BlogCatalog", "blogcatalog.toml", edges_of, scores),
    "crates-io": Row("crates-io", "crates-io.toml", split, tail_ranks),
    "gowalla": Row("Gowalla", "gowalla.toml", as_it_is, recommendations),
}
"""The table, by the names that rows are asked for."""


def repeat(
    name: str, data: Path, work: Path, seeds: Sequence[int], overrides: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Train and measure a row once for each seed."""
    row = ROWS[name]
    source = row.source(data / row.graph, work)
    for seed in seeds:
        config = load([EXAMPLES / row.config], overrides=[*overrides, f"training.seed={seed}"])
        started, processed, busy = time.perf_counter(), time.process_time(), os.getloadavg()[0]
        with show() as callback:
            model = daskgraph.train(
                source, work / f"{name}-{seed}.model.zarr", config=config, callback=callback
            )
        trained = {
            "train_seconds": model.summary["seconds"],
            "wall_seconds": time.perf_counter() - started,
            "processor_seconds": time.process_time() - processed,
            "load": [busy, os.getloadavg()[0]],
        }
        yield {
            "row": name,
            "seed": seed,
            **row.measure(model, data / row.graph),
            **trained,
            "epochs": model.epochs,
            "best_epoch": model.summary.get("best_epoch"),
            "changed": list(overrides),
        }


def main(arguments: Sequence[str] | None = None) -> None:
    """Repeat the rows that are named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", nargs="+", choices=ROWS, metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--data", type=Path, required=True, help="where the graphs are")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds to train with")
    parser.add_argument(
        "--set", action="append", default=[], dest="overrides", help="KEY=VALUE, as of train -s"
    )
    parser.add_argument("--keep", type=Path, help="where models stay; else they are removed")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="daskgraph-quality-") as temporary:
        work = given.keep or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        for name in given.rows:
            for line in repeat(name, given.data, work, given.seeds, given.overrides):
                sys.stdout.write(json.dumps(line) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
