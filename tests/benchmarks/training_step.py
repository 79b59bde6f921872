"""A case's training step on random tables, taken apart: what a batch costs, and each function in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from cases import Case
from kernel_timers import Timers

from daskgraph.buffer import TypeTable
from daskgraph.config import Config
from daskgraph.graph import Edges, EntityType, GraphSchema, RelationType
from daskgraph.model import Model
from daskgraph.trainer.batches import Run, cut
from daskgraph.trainer.trainer import Trainer
from daskgraph_kernels.aligned import zeros
from daskgraph_kernels.workspace import Functions

REST = "the rest"
"""What the drivers do themselves."""


class Part(NamedTuple):
    """What one function took, over stretches of batches."""

    calls: float
    """Calls a batch."""

    seconds: npt.NDArray[np.float64]
    """Seconds a batch, all calls together, of every stretch."""


class Step:
    """A model of random numbers that trains batches of random edges, on one thread.

    Parameters
    ----------
    case
        Model and sizes.
    batches
        How many are drawn at a time.
    """

    def __init__(self, case: Case, batches: int) -> None:
        schema = GraphSchema(
            (EntityType("entity", case.entities),),
            tuple(RelationType(str(number), "entity", "entity") for number in range(case.relations)),
        )
        self.case, self.batches = case, batches
        self._random = np.random.default_rng(0)
        self._model = Model(Config.from_dict(case.config(threads=1)), schema)
        rows = zeros(case.entities, case.dimension)
        self._random.standard_normal(out=rows, dtype=np.float32)
        # Far rows would have no gradient in some losses, which some kernels pass over.
        rows *= np.float32(0.3)
        bounds = np.array([0, case.entities])
        sums = np.full(case.entities, 0.1, np.float32)
        self._tables = {"entity": TypeTable(bounds, rows, sums, {0: 0})}
        self._trainer = Trainer(self._model, self._model.initial(), 1)
        self._trainer.compile(self._tables)
        self._trained = 0

    def seconds(self) -> float:
        """Processor seconds of a batch, mean over new batches."""
        run = self._draw()
        started = time.thread_time()
        self._train(run)
        return (time.thread_time() - started) / self.batches

    def parts(self, stretches: int, length: int) -> dict[str, Part]:
        """What every function and `REST` took, in stretches of `length` batches, by the clock on the wall.

        The shorter a stretch, the likelier that nothing else had a turn meanwhile.
        """
        [group] = self._model.groups
        kernels = self._trainer._kernels(group)
        timers = Timers(self._model.functions(group)._asdict())
        self._trainer._compiled[group] = replace(kernels, functions=Functions._make(timers.addresses))
        ticks = np.array([self._ticks(timers, run) for run in self._stretches(stretches, length)])
        self._trainer._compiled[group] = kernels
        seconds = ticks / (timers.ticks_a_second * length)
        calls = timers.calls / (stretches * length)
        rest = seconds[:, -1] - seconds[:, :-1].sum(axis=1)
        parts = {name: Part(*both) for name, *both in zip(timers.names, calls, seconds.T, strict=False)}
        return {name: part for name, part in parts.items() if part.calls} | {REST: Part(1, rest)}

    def _ticks(self, timers: Timers, run: Run) -> npt.NDArray[np.int64]:
        """Ticks in each function, and in the whole of a run."""
        self._train(run)
        return np.append(*timers.take())

    def _train(self, run: Run) -> None:
        self._trained += 1
        self._trainer._train_run(self._tables, run, np.uint64(self._trained))

    def _stretches(self, count: int, length: int) -> Iterator[Run]:
        """Give runs of `length` batches, each of edges that were not used before."""
        step = self.batches // length
        for number in range(count):
            place = number % step * length
            if place == 0:
                whole = self._draw()
            yield whole._replace(first=place, last=place + length)

    def _draw(self) -> Run:
        """Whole batches of edges, drawn anew."""
        case, edges = self.case, self.batches * self.case.in_batch
        # Where batches do not mix relations, only as many as fill their batches.
        relations = case.relations if case.reciprocal else min(case.relations, self.batches)
        head, tail = self._random.integers(case.entities, size=(2, edges))
        relation = np.repeat(np.arange(relations), -(-edges // relations))[:edges]
        mixed = self._model.config.model.reciprocal
        drawn = Edges(head, relation, tail, None)
        [part] = cut(
            drawn, self._model.group_index, case.in_batch, mixed, int(self._random.integers(1 << 62))
        )
        return Run(part, 0, len(part.batches.starts) - 1)
