"""Let the schedule that trains on clusters train on simulated ones, of 1 to 128 workers.

    python tests/benchmarks/simulated_scaling.py [CASE ...] [--leases 30] [--record]

The schedule is the real one; the clock is not. Kernels have the rate that kernel_speed.py recorded for
d = 128, times the threads of a worker; a lease takes that, give or take 20 %. Partitions come and go at
1.25 GB/s a worker, at most 5 GB/s for all together; what is read ahead or written behind takes time only
where kernels are faster. A commit writes what is held. Partitions and buffer are those that
`daskgraph plan --workers` proposes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from records import machine, record, recorded

sys.path.append(str(Path(__file__).parents[1]))

from simulated_cluster import Cluster

from daskgraph.config import Config
from daskgraph.graph import EntityType, GraphSchema, RelationType
from daskgraph.model import Model
from daskgraph.planning import Choice, choose
from daskgraph.schedule import Joined, Progress, Schedule, Train
from daskgraph.sizes import sizes_of

NODE, SHARED = 1.25e9, 5e9
"""Bytes a second of a worker's link, and of the storage that all share."""

SPREAD = 0.2
"""Leases take so much more or less than expected."""


FEW = 8
"""So many workers are simulated for a whole epoch."""


class Case(NamedTuple):
    """A graph, and the machines it is trained on."""

    entities: int
    edges: int
    threads: int
    """Of a worker."""

    memory: int
    """Bytes of a worker."""

    workers: Sequence[int]
    checkpoint: float
    """Seconds between commits: long enough that they cost little, for they write all that a worker holds."""


CASES = {
    "100 million": Case(100_000_000, 2_000_000_000, 2, 16 << 30, (1, 2, 4, 8), 60.0),
    "2 billion, 2 threads": Case(2_000_000_000, 10**12, 2, 128 << 30, (1, 8, 64, 128), 3600.0),
    "2 billion, 16 threads": Case(2_000_000_000, 10**12, 16, 128 << 30, (1, 8, 64, 128), 3600.0),
}


@dataclass
class Timed(Cluster):
    """Workers whose leases and commits take as long as kernels, links and storage say."""

    rate: float = 1.0
    """Edges a second of one worker."""

    edges: float = 1.0
    """Of a bucket."""

    partition: float = 1.0
    """Bytes of a partition."""

    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    computed: float = 0.0
    """Seconds in which kernels ran, of all workers together."""

    begun: int = 0
    """Leases."""

    held: dict[str, set[int]] = field(default_factory=dict)
    ahead: set[int] = field(default_factory=set)

    def seconds_to_commit(self, worker: str) -> float:
        """What is held has to be written; the rest was, behind the kernels."""
        return self._move(len(self.unfinished[worker] & self.held.get(worker, set())))

    def lease_seconds(self, train: Train) -> float:
        """What a lease takes, with what has to be moved before or meanwhile."""
        lease, partitions = train.lease, set(train.lease.partitions)
        gone = (self.held.get(train.worker, set()) - partitions) & self.unfinished[train.worker]
        moving = self._move(len(partitions) - len(lease.kept) + len(gone))
        spread = float(self.random.uniform(1 - SPREAD, 1 + SPREAD))
        computing = spread * self.edges * len(lease.stretches) / self.rate
        self.held[train.worker] = partitions
        self.computed += computing
        self.begun += 1
        if train.ahead is not None:
            self.ahead.add(train.ahead.number)
        return max(computing, moving) if lease.number in self.ahead else computing + moving

    def _move(self, partitions: int) -> float:
        return partitions * self.partition / min(NODE, SHARED / len(self.alive))


def plan(case: Case, workers: int) -> tuple[Choice, float]:
    """Return partitions and buffer for so many workers, and the bytes of a partition."""
    config = Config.from_dict({"model": {"dimension": 128}, "negatives": {"uniform": 50}})
    schema = GraphSchema((EntityType("entity", case.entities),), (RelationType("edge", "entity", "entity"),))
    sizes = sizes_of(Model(config, schema), case.edges, case.threads)
    choice = choose(sizes, case.memory, workers=workers)
    return choice, sizes.partition_bytes(choice.partitions)


def simulate(case: Case, workers: int, rate: float, leases: int) -> dict[str, Any]:
    """Return edges a second of a later epoch, or of its first leases, and where the time of workers went."""
    choice, partition = plan(case, workers)
    schedule = Schedule(
        Progress.from_dict({"epoch": 1}, choice.partitions),
        2,
        buffer=choice.buffer,
        order="comet",
        checkpoint=case.checkpoint,
        seed=0,
        every_epoch=True,
        settle=True,
    )
    buckets = choice.partitions**2
    cluster = Timed(schedule, lambda _: 0.0, rate=rate, edges=case.edges / buckets, partition=partition)
    cluster.duration = cluster.lease_seconds
    cluster.alive.update(f"w{number}" for number in range(workers))
    for worker in sorted(cluster.alive):
        cluster.unfinished[worker], cluster.memory[worker] = set(), {}
        cluster.tell(Joined(worker))
    while cluster.begun < leases * workers and cluster.step():
        pass
    trained = len(cluster.trained) * cluster.edges
    return {
        "workers": workers,
        "partitions": choice.partitions,
        "buffer": choice.buffer,
        "edges_per_second": trained / cluster.now,
        "computing": trained / rate / cluster.now / workers,
        "whole": cluster.finished,
    }


def main() -> None:
    """Simulate cases."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of: {'; '.join(CASES)}")
    parser.add_argument(
        "--leases", type=int, default=30, help=f"a worker's at most, where there are more than {FEW}"
    )
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    one = recorded("kernels")["cases"]["c"]["rate"]
    result: dict[str, Any] = {"machine": machine(), "rate": one, "leases": given.leases, "cases": {}}
    for name in given.cases or CASES:
        case = CASES[name]
        rows: list[dict[str, Any]] = []
        for workers in case.workers:
            row = simulate(case, workers, one * case.threads, given.leases if workers > FEW else 10**6)
            row["times"] = row["edges_per_second"] / (rows[0] if rows else row)["edges_per_second"]
            rows.append(row)
            sys.stdout.write(f"{name}: {row}\n")
            sys.stdout.flush()
        described = {**case._asdict(), "rows": rows}
        result["cases"][name] = described
    if given.record:
        record("simulated", result)


if __name__ == "__main__":
    main()
