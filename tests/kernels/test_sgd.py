"""A whole small epoch over several entity types, against the naive trainer."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import naive
import numpy as np
import pytest
from kernel_examples import (
    Options,
    extra_candidates,
    full_sizes,
    make_functions,
    make_settings,
    make_workspace,
    random_floats,
    random_lists,
)
from naive_trainer import NaiveTrainer

from daskgraph_kernels import sgd
from daskgraph_kernels.batch import reciprocal, standard
from daskgraph_kernels.dropout import drop
from daskgraph_kernels.negatives import HEAD_SIDE, NO_CHANCES, TAIL_SIDE
from daskgraph_kernels.operators import OPERATORS, initial_parameters, packed_size
from daskgraph_kernels.rows import NO_FEATURES
from daskgraph_kernels.workspace import Batches, Tables, addresses

D, RATE, RELATION_RATE = 4, 0.1, 0.05
KEY = np.uint64(12345)
COUNTS = {"person": 10, "book": 12, "genre": 7}
FEATURES = 5
# Only these rows are candidates: the others are not in memory.
RANGES = {"person": [[0, 10]], "book": [[1, 5], [6, 12]], "genre": [[0, 7]]}


class Kind(NamedTuple):
    """A relation between two types."""

    head: str
    tail: str
    operator: str


@dataclass(frozen=True)
class World:
    """Relations, and what their batches have in common."""

    relations: tuple[Kind, ...]
    options: Options
    featurized: tuple[str, ...] = ()

    def groups(self) -> list[list[int]]:
        """Relations that share batches: those alike in reciprocal models, otherwise each by itself."""
        alike: dict[Any, list[int]] = {}
        for index, kind in enumerate(self.relations):
            alike.setdefault(kind if self.options.reciprocal else index, []).append(index)
        return list(alike.values())


WROTE, LIKES, IS_OF = ("person", "book"), ("person", "person"), ("book", "genre")
# In none of them is a gradient 0 by symmetry (as that of a common vector between two rows of one type under
# l2): rounding alone would choose the direction of Adagrad's steps.
WORLDS = {
    "several types and operators": World(
        (Kind(*WROTE, "translation"), Kind(*LIKES, "diagonal"), Kind(*IS_OF, "linear")),
        Options(comparator="cos", loss="ranking", weighted=True, max_norm=1.2, regularization=0.01),
    ),
    "biased distances": World(
        (Kind(*LIKES, "affine"), Kind(*WROTE, "none"), Kind(*IS_OF, "translation")),
        Options(comparator="l2", loss="logistic", bias=True, common=True, in_batch=False, corrupt="tail"),
    ),
    "reciprocal, batches of mixed relations": World(
        (Kind(*WROTE, "complex_diagonal"), Kind(*WROTE, "complex_diagonal"), Kind(*LIKES, "affine")),
        Options(reciprocal=True, weighted=True, regularization=0.02, common=True),
    ),
    "turns": World(
        (Kind(*LIKES, "rotation"), Kind(*WROTE, "rotation"), Kind(*IS_OF, "translation")),
        Options(comparator="complex_modulus", loss="hinge", margin=3.0, regularization=0.02),
    ),
    "reciprocal, all candidates": World(
        (Kind(*IS_OF, "diagonal"), Kind(*IS_OF, "diagonal"), Kind(*LIKES, "diagonal")),
        Options(comparator="squared_l2", loss="softmax", reciprocal=True, all_candidates=True),
    ),
    "dropout": World(
        (Kind(*WROTE, "linear"), Kind(*LIKES, "translation"), Kind(*IS_OF, "diagonal")),
        Options(comparator="squared_l2", loss="softmax", dropout=0.4, regularization=0.01),
    ),
    "reciprocal, dropout": World(
        (Kind(*LIKES, "complex_diagonal"), Kind(*WROTE, "affine"), Kind(*WROTE, "affine")),
        Options(comparator="dot", loss="logistic", reciprocal=True, dropout=0.2, bias=True),
    ),
    "featurised beside plain, and with itself": World(
        (Kind(*WROTE, "translation"), Kind(*LIKES, "diagonal"), Kind(*IS_OF, "linear")),
        Options(comparator="cos", loss="ranking", weighted=True, max_norm=1.2, common=True),
        ("person",),
    ),
    "featurised, reciprocal, all candidates, dropout": World(
        (Kind(*WROTE, "diagonal"), Kind(*LIKES, "translation"), Kind(*IS_OF, "diagonal")),
        Options(loss="logistic", reciprocal=True, all_candidates=True, dropout=0.3, bias=True),
        ("person", "book"),
    ),
}


class Epoch:
    """Everything that the kernels train, and the order in which they do."""

    def __init__(self, world: World) -> None:
        self.world, self.options = world, world.options
        random = np.random.default_rng(17)
        self.features = {kind: random_lists(random, COUNTS[kind], FEATURES) for kind in world.featurized}
        self.rows = {
            kind: random_floats(random, FEATURES if kind in self.features else count, D)
            for kind, count in COUNTS.items()
        }
        self.row_sums = {kind: np.zeros(len(rows), np.float32) for kind, rows in self.rows.items()}
        size = D if self.options.common else 0
        self.common = {kind: random_floats(random, size, scale=0.2) for kind in COUNTS}
        self.common_sums = {kind: np.zeros_like(vector) for kind, vector in self.common.items()}
        self.tail_parameters = self._parameters(random)
        self.head_parameters = self._parameters(random)[: len(world.relations) * self.options.reciprocal]
        self.head_sums, self.tail_sums = (
            np.zeros_like(values) for values in (self.head_parameters, self.tail_parameters)
        )
        self.weights = np.array([1, 0.5, 2], np.float32)
        self.group_batches = [self._batches(random, group) for group in world.groups()]
        # Which group's which batch comes when.
        turns = [(g, k) for g, cut in enumerate(self.group_batches) for k in range(len(cut.starts) - 1)]
        self.turns = [turns[place] for place in random.permutation(len(turns))]

    def _parameters(self, random: np.random.Generator) -> Any:
        sizes = [packed_size(OPERATORS[kind.operator], D) for kind in self.world.relations]
        out = np.zeros((len(sizes), max(sizes)), np.float32)
        for index, kind in enumerate(self.world.relations):
            out[index, : sizes[index]] = initial_parameters(OPERATORS[kind.operator], D)
            out[index, : sizes[index]] += random_floats(random, sizes[index], scale=0.3)
        return out

    def _batches(self, random: np.random.Generator, group: list[int]) -> Batches:
        """Batches of five edges, the last of three; entities that may be candidates."""
        kind, edges = self.world.relations[group[0]], 23
        head, tail = (
            random.choice(np.concatenate([np.arange(*part) for part in RANGES[side]]), edges)
            for side in kind[:2]
        )
        weight = random.uniform(0.3, 2, edges * self.options.weighted).astype(np.float32)
        return Batches(head, random.choice(group, edges), tail, weight, np.array([0, 5, 10, 15, 20, 23]))

    def options_of(self, group: int) -> Options:
        kind = self.world.relations[self.world.groups()[group][0]]
        named = {"head": kind.head, "tail": kind.tail}
        featurized = tuple(side for side, name in named.items() if name in self.features)
        same_type = kind.head == kind.tail
        return self.options.but(operator=kind.operator, same_type=same_type, featurized=featurized)

    def kinds(self, group: int) -> tuple[str, str]:
        kind = self.world.relations[self.world.groups()[group][0]]
        return kind.head, kind.tail

    def tables(self, group: int) -> Tables:
        def side(kind: str) -> tuple[Any, ...]:
            ranges = np.array(RANGES[kind])
            return self.rows[kind], self.row_sums[kind], ranges, self.common[kind], self.common_sums[kind]

        head, tail = self.kinds(group)
        operators = self.head_parameters, self.head_sums, self.tail_parameters, self.tail_sums
        features = [self.features.get(kind, NO_FEATURES) for kind in (head, tail)]
        chances = NO_CHANCES, NO_CHANCES
        return Tables._make((*side(head), *side(tail), *operators, self.weights, *features, *chances))

    def train(self) -> list[tuple[float, float]]:
        """Train one epoch by the kernels; loss and penalty of every batch."""
        driver = (reciprocal if self.options.reciprocal else standard).address()
        calls = []
        for group, batches in enumerate(self.group_batches):
            options, tables = self.options_of(group), self.tables(group)
            settings = make_settings(options, RATE, RELATION_RATE)
            work = make_workspace(options, settings, tables, full_sizes(settings, tables, 5))
            calls.append((addresses(make_functions(options)), driver, settings, tables, batches, work))
        return [sgd.train_batches(*calls[group], KEY, turn, turn + 1) for group, turn in self.turns]

    def twin(self) -> NaiveTrainer:
        def wide(arrays: dict[str, Any]) -> dict[str, Any]:
            return {key: array.astype(np.float64) for key, array in arrays.items() if len(array)}

        return NaiveTrainer(
            wide(self.rows),
            wide(self.common),
            wide({"head": self.head_parameters, "tail": self.tail_parameters}),
            RATE,
            RELATION_RATE,
            self.options.max_norm,
            {kind: np.split(lists.ids, lists.offsets[1:-1]) for kind, lists in self.features.items()},
        )

    def naive_edges(self, group: int, turn: int) -> naive.Edges:
        """A batch, its candidates drawn as the kernels draw them."""
        batches, options = self.group_batches[group], self.options_of(group)
        part = slice(batches.starts[turn], batches.starts[turn + 1])
        weight = self.weights[batches.relation[part]].astype(float)
        candidates = []
        for side, name, kind in zip((HEAD_SIDE, TAIL_SIDE), ("head", "tail"), self.kinds(group), strict=True):
            ranges = np.array(RANGES[kind])
            count = int((ranges[:, 1] - ranges[:, 0]).sum()) if options.all_candidates else options.uniform
            drawn = np.zeros(count if options.corrupt in ("both", name) else 0, np.int64)
            make_functions(options).candidates(KEY, turn, side, ranges, NO_CHANCES, drawn)
            candidates.append(drawn)
        edges = naive.Edges(
            batches.head[part],
            batches.relation[part],
            batches.tail[part],
            weight * (batches.weight[part] if options.weighted else 1),
            candidates[0],
            candidates[1],
        )
        return edges._replace(kept=kept(edges, options.dropout, turn)) if options.dropout else edges


def kept(edges: naive.Edges, share: float, turn: int) -> naive.Values:
    """What dropout multiplies the rows of a batch with, by field."""
    uses = ("head", "head_candidates", "tail", "tail_candidates")
    counts = [len(getattr(edges, use)) for use in uses]
    factors = np.ones((sum(counts), D), np.float32)
    drop(np.array([KEY, turn], np.uint64), np.float32(share), 0, len(factors), factors)
    parts = np.split(factors.astype(float), np.cumsum(counts)[:-1])
    return dict(zip(uses, parts, strict=True))


@pytest.mark.parametrize("name", WORLDS)
def test_epoch__as_the_naive_trainer(name: str) -> None:
    epoch = Epoch(WORLDS[name])
    twin = epoch.twin()
    losses = epoch.train()
    for (group, turn), found in zip(epoch.turns, losses, strict=True):
        form = epoch.options_of(group).form
        expected = twin.train(form, epoch.kinds(group), epoch.naive_edges(group, turn))
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    for kind in COUNTS:
        np.testing.assert_allclose(epoch.rows[kind], twin.tables[kind], rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(epoch.row_sums[kind], twin.row_sums[kind], rtol=1e-3, atol=1e-6)
    for kind in twin.common:
        np.testing.assert_allclose(epoch.common[kind], twin.common[kind], rtol=1e-3, atol=1e-4)
    for side in twin.parameters:
        actual = getattr(epoch, f"{side}_parameters")
        np.testing.assert_allclose(actual, twin.parameters[side], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", WORLDS)
def test_epoch__is_bit_identical_when_repeated(name: str) -> None:
    runs = [Epoch(WORLDS[name]) for _ in range(2)]
    assert runs[0].train() == runs[1].train()
    for kind in COUNTS:
        np.testing.assert_array_equal(runs[0].rows[kind], runs[1].rows[kind])
        np.testing.assert_array_equal(runs[0].row_sums[kind], runs[1].row_sums[kind])
    np.testing.assert_array_equal(runs[0].tail_parameters, runs[1].tail_parameters)


def test_epoch__in_one_call_or_in_many() -> None:
    """A batch's candidates depend on its number, not on where a call began."""
    name = "several types and operators"
    trained = []
    for calls in ([(0, 5)], [(0, 2), (2, 3), (3, 5)]):
        epoch = Epoch(WORLDS[name])
        options, tables = epoch.options_of(0), epoch.tables(0)
        settings = make_settings(options, RATE, RELATION_RATE)
        work = make_workspace(options, settings, tables, full_sizes(settings, tables, 5))
        arguments = (addresses(make_functions(options)), standard.address(), settings, tables)
        total = 0.0
        for first, last in calls:
            total += sgd.train_batches(*arguments, epoch.group_batches[0], work, KEY, first, last)[0]
        trained.append((epoch.rows["book"], total))
    np.testing.assert_array_equal(trained[0][0], trained[1][0])
    np.testing.assert_allclose(trained[0][1], trained[1][1], rtol=1e-12)


def test_extra_candidates() -> None:
    ranges = np.array([[0, 4], [9, 12]])
    settings = make_settings(Options(uniform=6))
    assert extra_candidates(settings, ranges, True) == 6
    assert extra_candidates(settings, ranges, False) == 0
    assert extra_candidates(settings._replace(all_candidates=True), ranges, True) == 7
