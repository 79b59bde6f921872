"""What ranks edges, taken apart: a tile of queries against a block of candidates, random rows, one thread."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from daskgraph.comparing import Comparer
from daskgraph.config import Config
from daskgraph.evaluation.ranking import BLOCK, TILE
from daskgraph.graph import EntityType, GraphSchema, RelationType
from daskgraph.model import Model
from daskgraph_kernels.ranking import Candidates, Questions, count_better, score_positives
from daskgraph_kernels.screening import room_for_near, rounded, screen_scores

DIMENSION = 256

QUESTIONS_OF_QUERY = 2

IGNORED_OF_QUESTION = 5

Calls = dict[str, Callable[[], object]]
"""By name."""


class RankingBlock:
    """Rows of a model that compares by dot products, and the kernels that rank by them."""

    title = f"ranking, dot, {TILE} × {BLOCK} × {DIMENSION}"

    products = ((TILE, BLOCK, DIMENSION),)
    """Shapes (m, n, k)."""

    def __init__(self) -> None:
        schema = GraphSchema((EntityType("entity", BLOCK),), (RelationType("0", "entity", "entity"),))
        given = {"dimension": DIMENSION, "operator": "none", "comparator": "dot"}
        model = Model(Config.from_dict({"model": given}), schema)
        self._comparer = Comparer(model, model.initial())
        random = np.random.default_rng(0)
        queries, rows = (random.standard_normal((count, DIMENSION), np.float32) for count in (TILE, BLOCK))
        self.queries, self.candidates = self._comparer.compare(queries), self._comparer.compare(rows)
        self._block = Candidates(0, rows, self.candidates)
        self._screens = rounded(queries), rounded(rows)
        self._near, self.scores = room_for_near(DIMENSION), np.empty((TILE, BLOCK), np.float32)
        self.ignored, self.questions = _ask(random)
        self.calls: Calls = {
            "compare_rows": lambda: self._comparer.compare_into(self.candidates, rows),
            "score_positives": self._score_positives,
            "score_rows": lambda: self._comparer.scores(self.queries, self.candidates),
            "rounded": lambda: rounded(rows),
            "screen_scores": self._screen,
            "count_better": self._count,
        }
        for call in self.calls.values():
            call()

    def least(self, stretches: int) -> dict[str, float]:
        """Return the least seconds that each kernel took, of so many calls."""
        found = dict.fromkeys(self.calls, np.inf)
        for _ in range(stretches):
            for name, call in self.calls.items():
                started = time.perf_counter()
                call()
                found[name] = min(found[name], time.perf_counter() - started)
        return found

    def _score_positives(self) -> None:
        """Those of one question of every query."""
        positives = self._comparer.compare(self._block.raw[:TILE])
        questions, work = self.questions, np.empty(TILE * TILE, np.float32)
        of_each = questions.positive[::QUESTIONS_OF_QUERY].copy(), questions.band[::QUESTIONS_OF_QUERY].copy()
        score_positives(self._comparer.comparison, False, False, self.queries, positives, work, *of_each)

    def _screen(self) -> None:
        """Fails where so many are near that the scores mean nothing: it would be measured too short."""
        rows = self.queries, self.candidates
        if not screen_scores(*rows, *self._screens, self.questions, 0, self._near, self.scores):
            raise RuntimeError("random rows are no longer screened: more are near than few")

    def _count(self) -> None:
        count_better(self.scores, 0, self.questions, self._block.raw, self._block, self.ignored)


def _ask(random: np.random.Generator) -> tuple[np.ndarray, Questions]:
    """Return questions about any of the candidates, and what does not count for each."""
    count = TILE * QUESTIONS_OF_QUERY
    own = random.integers(BLOCK, size=count)
    ignored = np.sort(random.integers(BLOCK, size=(count, IGNORED_OF_QUESTION))).reshape(-1)
    first = np.arange(count) * IGNORED_OF_QUESTION
    # As high as few random scores are: so stand the positives of a model that has learned.
    positive = np.full(count, 3 * np.sqrt(DIMENSION), np.float32)
    counts = np.zeros((2, count), np.int64)
    query, band = np.arange(count) // QUESTIONS_OF_QUERY, np.full(count, 1e-4, np.float32)
    return ignored, Questions(query, own, first, first + IGNORED_OF_QUESTION, own, positive, band, *counts)
