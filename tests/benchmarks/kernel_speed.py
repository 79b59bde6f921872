"""Time a training step and its parts, on one thread and random tables: the loop in which kernels are tuned.

    python tests/benchmarks/kernel_speed.py [--cases a b c d1 d2] [--repeats 7] [--no-parts]

For every case of `cases.py`: edges a second and microseconds a batch of the fastest of several runs, the
share of the machine (operations in products over what large square products reach meanwhile on the same
core), and where the time goes. Time is the thread's own processor time: other work hardly counts.

The parts are measured in runs of their own, by clocks around each function that the drivers call; "the rest"
is what drivers do themselves. "Products alone" are the case's products as A · B, without anything between.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from cases import CASES, Case
from kernel_timers import Timers
from sgemm import SQUARE, seconds_of

from daskgraph.buffer import TypeTable
from daskgraph.config import Config
from daskgraph.graph import Edges, EntityType, GraphSchema, RelationType
from daskgraph.model import Model
from daskgraph.threads import single_threaded_products
from daskgraph.trainer.batches import Run, cut
from daskgraph.trainer.trainer import Trainer
from daskgraph_kernels.workspace import Functions

OPERATIONS_A_RUN = 8e9


class Step:
    """A model of random numbers, ready to train batches of random edges."""

    def __init__(self, case: Case, batches: int) -> None:
        schema = GraphSchema(
            (EntityType("entity", case.entities),),
            tuple(RelationType(str(number), "entity", "entity") for number in range(case.relations)),
        )
        random = np.random.default_rng(0)
        self.case, self.random = case, random
        self.model = Model(Config.from_dict(case.config(threads=1)), schema)
        rows = random.standard_normal((case.entities, case.dimension), np.float32)
        bounds = np.array([0, case.entities])
        self.tables = {
            "entity": TypeTable(bounds, rows, np.full(case.entities, 0.1, np.float32), {0: 0}),
        }
        self.trainer = Trainer(self.model, self.model.initial(), 1)
        self.batches = batches
        self.trainer.compile(self.tables)
        self.runs = 0

    def _draw(self) -> Run:
        """Whole batches of edges, drawn anew."""
        case, edges = self.case, self.batches * self.case.in_batch
        # As many relations as fill their batches, or all where batches mix them.
        relations = case.relations if case.reciprocal else min(case.relations, self.batches)
        head, tail = self.random.integers(case.entities, size=(2, edges))
        relation = np.repeat(np.arange(relations), -(-edges // relations))[:edges]
        drawn = Edges(head, relation, tail, None)
        mixed = self.model.config.model.reciprocal
        [part] = cut(drawn, self.model.group_index, case.in_batch, mixed, self.random)
        return Run(part, 0, len(part.batches.starts) - 1)

    def train(self, run: Run) -> None:
        """Train batches with candidates never drawn before."""
        self.runs += 1
        self.trainer._train_run(self.tables, run, np.uint64(self.runs))

    def seconds(self) -> float:
        """Processor seconds of a batch, mean over a run of new edges."""
        run = self._draw()
        started = time.thread_time()
        self.train(run)
        return (time.thread_time() - started) / self.batches

    def parts(self, repeats: int) -> dict[str, Part]:
        """What every function took, and the drivers ("the rest"), in the fastest of several runs."""
        [group] = self.model.groups
        kernels = self.trainer._kernels(group)
        timers = Timers(self.model.functions(group)._asdict())
        functions = Functions._make(timers.addresses)
        self.trainer._compiled[group] = replace(kernels, functions=functions)
        found = []
        for _ in range(repeats):
            run = self._draw()
            timers.take()
            started = timers.now()
            self.train(run)
            found.append((timers.now() - started, timers.take()))
        self.trainer._compiled[group] = kernels
        whole, ticks = min(found, key=lambda one: one[0])
        unit = timers.ticks_a_second * self.batches
        calls = timers.calls / (repeats * self.batches)
        parts = {name: Part(*both) for name, *both in zip(timers.names, calls, ticks / unit, strict=True)}
        parts["the rest"] = Part(1, (whole - ticks.sum()) / unit)
        return {name: part for name, part in parts.items() if part.calls}


class Part(NamedTuple):
    """What one function took."""

    calls: float
    """Calls a batch."""

    seconds: float
    """Seconds a batch, all calls together."""


@dataclass(frozen=True)
class Speed:
    """What one case came to."""

    case: Case
    batch: float
    """Seconds a batch."""

    products: float
    """Seconds of its products, as A · B, alone."""

    peak: float
    """Operations a second of large products."""

    def __str__(self) -> str:
        rate = self.case.in_batch / self.batch
        share = self.case.flops / self.batch / self.peak
        return (
            f"{rate:,.0f} edges/s, {self.batch * 1e6:,.1f} µs a batch, {share:.2f} of the peak of "
            f"{self.peak / 1e9:.0f} GFLOP/s; products alone {self.products * 1e6:,.1f} µs"
        )


def measure(step: Step, repeats: int) -> Speed:
    """Run, and look at the machine, in turn; the best of each."""
    case, found = step.case, []
    for _ in range(repeats):
        products = seconds_of(case.products, step.batches, time.thread_time) / step.batches
        square = seconds_of([SQUARE], 4, time.thread_time) / 4
        found.append((step.seconds(), products, square))
    batch, products, square = (min(column) for column in zip(*found, strict=True))
    return Speed(case, batch, products, 2 * SQUARE[0] * SQUARE[1] * SQUARE[2] / square)


def main() -> None:
    """Measure the chosen cases, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--no-parts", action="store_true", help="leave out where the time goes")
    chosen = parser.parse_args()
    with single_threaded_products():
        for name in chosen.cases:
            case = CASES[name]
            step = Step(case, max(20, round(OPERATIONS_A_RUN / case.flops)))
            sys.stdout.write(f"{name}: {case.title}, d = {case.dimension}: {measure(step, chosen.repeats)}\n")
            if not chosen.no_parts:
                parts = sorted(step.parts(chosen.repeats).items(), key=lambda item: -item[1].seconds)
                for part, (calls, seconds) in parts:
                    sys.stdout.write(f"    {part:<20} {calls:5.1f} calls {seconds * 1e6:8.1f} µs a batch\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
