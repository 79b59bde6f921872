"""Time a training step and its parts, on one thread and random tables: the loop in which kernels are tuned.

    python tests/benchmarks/kernel_speed.py [--cases a b c d1 d2] [--repeats 7] [--no-parts]

For every case of `cases.py`: edges a second and microseconds a batch of the fastest of several runs, the
share of the machine (operations in products over what large square products reach meanwhile on the same
core), and where the time goes. Time is the thread's own processor time: other work hardly counts.

The parts are measured in short runs of their own, by clocks around each function that the drivers call: what
the fastest tenth of them took at most. "The rest" is what drivers do themselves. "Products alone" are the
case's products as A · B, without anything between.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from cases import CASES, Case
from records import machine, record
from sgemm import SQUARE, seconds_of
from training_step import Step

from daskgraph.threads import single_threaded_products

OPERATIONS_A_RUN = 8e9
OPERATIONS_A_STRETCH = 1e8
STRETCHES = 200


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

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain data."""
        return {
            "title": f"{self.case.title}, d = {self.case.dimension}",
            "rate": self.case.in_batch / self.batch,
            "batch": self.batch,
            "products": self.products,
            "peak": self.peak,
            "share": self.case.flops / self.batch / self.peak,
        }

    def __str__(self) -> str:
        made = self.to_dict()
        return (
            f"{made['title']}: {made['rate']:,.0f} edges/s, {self.batch * 1e6:,.1f} µs a batch, "
            f"{made['share']:.2f} of the peak of {self.peak / 1e9:.0f} GFLOP/s; "
            f"products alone {self.products * 1e6:,.1f} µs"
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
    parser.add_argument("--record", action="store_true", help="keep the figures for docs/benchmarks.md")
    chosen = parser.parse_args()
    measured = {}
    with single_threaded_products():
        for name in chosen.cases:
            case = CASES[name]
            step = Step(case, max(20, round(OPERATIONS_A_RUN / case.flops)))
            speed = measure(step, chosen.repeats)
            measured[name] = speed.to_dict()
            sys.stdout.write(f"{name}: {speed}\n")
            sys.stdout.writelines([] if chosen.no_parts else lines_of_parts(step))
            sys.stdout.flush()
    if chosen.record:
        record("kernels", {"cases": measured, "machine": machine()})


def lines_of_parts(step: Step) -> list[str]:
    """Return a line for every function, the longest first."""
    length = max(1, round(OPERATIONS_A_STRETCH / step.case.flops))
    parts = step.parts(STRETCHES, length)
    found = {name: (float(np.quantile(part.seconds, 0.1)), part.calls) for name, part in parts.items()}
    return [
        f"    {name:<20} {calls:5.1f} calls {seconds * 1e6:8.1f} µs a batch\n"
        for name, (seconds, calls) in sorted(found.items(), key=lambda item: -item[1][0])
    ]


if __name__ == "__main__":
    main()
