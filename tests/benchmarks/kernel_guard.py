"""Fail where a kernel has become slower than kernel_guard.json says.

    python tests/benchmarks/kernel_guard.py            # compare
    python tests/benchmarks/kernel_guard.py --record   # after a change that is meant: write this table anew

Every function of a training step is timed, in cases that hold every operator, comparator and loss at least
once, and every one that ranks edges by products. What counts is the least time of many short stretches, as a
ratio to the least time of plain sgemm on the shapes of the products, measured in turn: a slow machine slows
both, and among hundreds of stretches some are not interrupted, however busy it is. What is too slow is
measured again until patience ends. What is in the table and not called any more fails too.

Why a function may take 1.15 times its recorded ratio plus 0.03: in seven tables recorded one after another,
on two cores shared with four to eight busy processes, ratios from 0.2 on differed by at most 11 % between
tables, those from 0.05 on by at most 0.018, smaller ones by at most 0.012. So what fails has become slower
by 30 % where it matters (0.2 of the products' time), by 0.04 of the products' time where it hardly does,
and no noise seen so far comes near. Every processor has a table of its own, by its name and by how many
floats its vectors hold, for unlike ones may share a name. On one without, three times as much is allowed as
on others: where vectors are twice as wide products take half as long, and what is none up to 2.5 times
as much.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from cases import Case
from ranking_block import RankingBlock
from records import processor
from sgemm import seconds_of
from training_step import Step

from daskgraph.threads import single_threaded_products

TABLE = Path(__file__).with_suffix(".json")

PATIENCE = 45.0
"""Seconds after which what is too slow still counts as slow."""

LENGTH = 10
"""Batches of a stretch: one or two thousandths of a second, so that many stretches are not interrupted."""

STRETCHES = 25
"""Stretches of a case, one after the other, before it is the next one's turn."""

Ratios = dict[str, dict[str, float]]
"""By case and function."""

Tables = dict[str, Ratios]
"""By processor."""


def _case(operator: str, comparator: str, loss: str, reciprocal: bool = False, **sizes: int) -> Case:
    parts = [operator, comparator, loss, "reciprocal" * reciprocal, "rounded" * bool(sizes)]
    title = ", ".join(filter(None, parts))
    # All tables fit in the processor's second cache: how busy memory is would else be measured too.
    return Case(title, 400, 4, 0, 96, operator, comparator, loss, reciprocal=reciprocal, **sizes)


CASES = (
    _case("translation", "cos", "ranking"),
    _case("complex_diagonal", "dot", "softmax", reciprocal=True),
    _case("none", "dot", "logistic"),
    _case("linear", "dot", "softmax"),
    _case("none", "l2", "ranking"),
    _case("rotation", "complex_modulus", "hinge"),
    _case("affine", "squared_l2", "softmax"),
    _case("diagonal", "l1", "logistic"),
    _case("complex_diagonal", "dot", "softmax", reciprocal=True, uniform=350, gradient_candidates=20),
)


class Guarded:
    """What is measured again and again: the least that anything took.

    Parameters
    ----------
    title
        Its name in the table.
    products
        Shapes of the products whose time is the unit.
    times
        How many times these are done in what is called a stretch, and everything else.
    look
        Gives the least seconds of every function in so many stretches, for one time.
    """

    def __init__(
        self,
        title: str,
        products: Sequence[tuple[int, int, int]],
        times: int,
        look: Callable[[int], dict[str, float]],
    ) -> None:
        self.title = title
        self._shapes, self._times, self._look = products, times, look
        self._products = np.inf
        self._least: dict[str, float] = {}

    def measure(self, stretches: int) -> None:
        """Look once more."""
        for _ in range(stretches):
            seconds = seconds_of(self._shapes, self._times, time.perf_counter) / self._times
            self._products = min(self._products, seconds)
        for name, seconds in self._look(stretches).items():
            self._least[name] = min(self._least.get(name, np.inf), seconds)

    def ratios(self) -> dict[str, float]:
        """What each function takes, in units of the time of the products alone."""
        return {name: round(seconds / self._products, 4) for name, seconds in self._least.items()}


def of_step(case: Case) -> Guarded:
    """Guard the functions of a training step."""
    step = Step(case, 20 * LENGTH)

    def look(stretches: int) -> dict[str, float]:
        return {name: float(part.seconds.min()) for name, part in step.parts(stretches, LENGTH).items()}

    return Guarded(case.title, case.products, LENGTH, look)


def of_ranking() -> Guarded:
    """Guard the functions that rank."""
    block = RankingBlock()
    return Guarded(block.title, block.products, 1, block.least)


class Slow(NamedTuple):
    """A function that takes longer than it may."""

    case: str
    function: str
    ratio: float
    limit: float

    def __str__(self) -> str:
        ratio = f"{self.ratio:.3f} of its products' time, more than {self.limit:.3f}"
        return f"{self.case}: {self.function} takes {ratio}"


def limit(ratio: float, same_processor: bool) -> float:
    """Return the ratio up to which a function passes whose ratio was recorded."""
    return (1.15 * ratio + 0.03) * (1 if same_processor else 3)


def allowed(case: str, function: str, tables: Tables, own: str) -> float:
    """Return the ratio up to which a function passes: by its own processor's table, or by any other's.

    What is in no table is too slow, whatever it takes.
    """
    known = {name: table[case][function] for name, table in tables.items() if function in table.get(case, {})}
    if own in known:
        return limit(known[own], same_processor=True)
    return max((limit(ratio, same_processor=False) for ratio in known.values()), default=0.0)


def too_slow(measured: Ratios, tables: Tables, own: str) -> list[Slow]:
    """Compare, function by function."""
    found = []
    for case, ratios in measured.items():
        for function, ratio in ratios.items():
            most = allowed(case, function, tables, own)
            if ratio > most:
                found.append(Slow(case, function, ratio, most))
    return found


def vanished(measured: Ratios, tables: Tables, own: str) -> list[str]:
    """Tell what is in a processor's table, or in any where it has none, and is called no more: the tables are
    to be written anew.
    """
    told = [
        f"{case}: {function} is in the table, but is not called"
        for table in ([tables[own]] if own in tables else tables.values())
        for case, ratios in table.items()
        for function in ratios.keys() - measured.get(case, {}).keys()
    ]
    return sorted(set(told))


def renewed(tables: Tables, own: str, measured: Ratios) -> Tables:
    """Return the tables with a new one of this processor, and without what is called no more in any other."""
    kept = {
        name: {
            case: {function: ratio for function, ratio in ratios.items() if function in measured[case]}
            for case, ratios in table.items()
            if case in measured
        }
        for name, table in tables.items()
    }
    return kept | {own: measured}


def measure(guarded: list[Guarded], tables: Tables, own: str) -> tuple[Ratios, list[Slow]]:
    """Measure all cases in turn until nothing is too slow, or patience ends."""
    started = time.perf_counter()
    while True:
        for one in guarded:
            one.measure(STRETCHES)
        measured = {one.title: one.ratios() for one in guarded}
        slow = too_slow(measured, tables, own)
        if not slow or time.perf_counter() - started > PATIENCE:
            return measured, slow


def main() -> int:
    """Compare with the table, or write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--record", action="store_true", help="write the table of this processor")
    chosen = parser.parse_args()
    tables: Tables = json.loads(TABLE.read_text(encoding="utf-8"))
    own = processor()
    with single_threaded_products():
        guarded = [*map(of_step, CASES), of_ranking()]
        measured, slow = measure(guarded, {} if chosen.record else tables, own)
    if chosen.record:
        TABLE.write_text(json.dumps(renewed(tables, own, measured), indent=1) + "\n", encoding="utf-8")
        return 0
    gone = vanished(measured, tables, own)
    sys.stdout.writelines(f"{one}\n" for one in [*slow, *gone])
    foreign = sum(
        len(ratios.keys() - tables.get(own, {}).get(case, {}).keys()) for case, ratios in measured.items()
    )
    if foreign:
        sys.stdout.write(f"{foreign} are not in the table of {own!r}: three times another's is allowed\n")
    counted = sum(map(len, measured.values()))
    sys.stdout.write(f"{counted - len(slow)} of {counted} functions are as fast as they were, or faster\n")
    return 1 if slow or gone else 0


if __name__ == "__main__":
    sys.exit(main())
