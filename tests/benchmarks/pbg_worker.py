"""The other side of `against_pbg.py`: run by the Python of PBG's environment, which has torch and h5py.

    python pbg_worker.py FOLDER/JOB.json < commands

The job holds PBG's config and the number of entities and relations; beside it lies an array of edges for
every split. Each line of standard input is a command, answered by one line of JSON:

- `epoch`: train one; its edges, PBG's own seconds of reading, shuffling and training, and the processor
  seconds of all workers;
- `save`: write what was trained to FOLDER/pbg/*.npy;
- `evaluate`: rank the test edges, filtered, against all entities; seconds by warm workers, and the MRR.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from torchbiggraph.config import ConfigSchema
from torchbiggraph.eval import do_eval_and_report_stats
from torchbiggraph.filtered_eval import FilteredRankingEvaluator
from torchbiggraph.train import train_and_report_stats

SPLITS = ("train", "valid", "test")
TIMES = re.compile(r"Processed (\d+) edges in ([\d.]+) s .*; io: ([\d.]+) s")


class Messages(logging.Handler):
    """Keeps what PBG says."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


class Worker:
    """One training of PBG, epoch by epoch."""

    def __init__(self, path: Path) -> None:
        self.folder = folder = path.parent
        job = json.loads(path.read_text())
        self.config = ConfigSchema.from_dict(job["config"])
        (folder / "entity_count_entity_0.txt").write_text(str(job["entities"]))
        (folder / "dynamic_rel_count.txt").write_text(str(job["relations"]))
        for file in folder.glob("*.npy"):
            write_edges(folder / file.stem / "edges_0_0.h5", np.load(file))
        write_edges(folder / "few" / "edges_0_0.h5", np.load(folder / "test.npy")[:1000])
        self.messages = Messages()
        logger = logging.getLogger("torchbiggraph")
        logger.setLevel(logging.INFO)
        logger.addHandler(self.messages)
        self.used = 0.0
        self.epochs: Iterator[Any] = train_and_report_stats(self.config)

    def epoch(self) -> dict[str, float]:
        next(self.epochs)
        before, self.used = self.used, processor_seconds()
        [told] = filter(None, map(TIMES.search, self.messages.texts))
        self.messages.texts.clear()
        edges, training, reading = map(float, told.groups())
        return {"edges": edges, "seconds": training + reading, "processor_seconds": self.used - before}

    def save(self) -> dict[str, float]:
        for _ in self.epochs:
            raise RuntimeError("there are epochs left to train")
        checkpoint, out = Path(self.config.checkpoint_path), self.folder / "pbg"
        version = (checkpoint / "checkpoint_version.txt").read_text().strip()
        out.mkdir()
        with h5py.File(checkpoint / f"embeddings_entity_0.v{version}.h5") as file:
            np.save(out / "entity.npy", file["embeddings"][:])
        with h5py.File(checkpoint / f"model.v{version}.h5") as file:
            file["model"].visititems(lambda name, item: save_parameter(out, name, item))
        return {}

    def evaluate(self) -> dict[str, float]:
        config = self.config.to_dict()
        # The first edges wait until the workers have loaded torch; the second are timed.
        config["edge_paths"] = [str(self.folder / "few"), str(self.folder / "test")]
        # As PBG's own example for FB15k has it.
        config["relations"][0]["all_negs"] = True
        config["num_uniform_negs"] = 0
        whole = ConfigSchema.from_dict(config)
        evaluator = FilteredRankingEvaluator(whole, [str(self.folder / split) for split in SPLITS])
        parts = do_eval_and_report_stats(whole, evaluator=evaluator)
        next(part for part in parts if part[:2] == (0, None))
        started = time.perf_counter()
        _, _, figures = next(part for part in parts if part[:2] == (1, None))
        seconds = time.perf_counter() - started
        for _ in parts:
            pass
        return {"seconds": seconds, "mrr": float(figures.metrics["mrr"])}


def processor_seconds() -> float:
    """What this process and its workers have used so far."""
    used = time.process_time()
    for worker in multiprocessing.active_children():
        user, system = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        used += (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return used


def write_edges(path: Path, edges: Any) -> None:
    """Write edges (n, 3) of head, relation and tail as PBG stores them."""
    path.parent.mkdir()
    with h5py.File(path, "w") as file:
        file.attrs["format_version"] = 1
        for column, name in enumerate(("lhs", "rel", "rhs")):
            file[name] = edges[:, column]


def save_parameter(folder: Path, name: str, item: Any) -> None:
    """Save a parameter such as relations/0/operator/rhs/translation, its name with dots."""
    if isinstance(item, h5py.Dataset):
        np.save(folder / f"{name.replace('/', '.')}.npy", item[()])


def main() -> None:
    """Answer commands until there are no more."""
    worker = Worker(Path(sys.argv[1]))
    for line in sys.stdin:
        answer = getattr(worker, line.strip())()
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
