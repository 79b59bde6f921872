"""Rank edges against all candidates: blocks of questions × blocks of candidates.

candidates of a type, block by block, read once
     │
     ▼            questions (h, r, ?) and (?, r, t) whose answers have this type
┌─────────┐  ×  ┌────┬────┬────┬────┐
│ block   │     │    │    │    │    │   tiles, taken by threads; a tile's scores are counted and forgotten
└─────────┘     └────┴────┴────┴────┘

Questions that differ in their right answer alone are one query, scored once: of FB15k's test edges that
leaves 67,016 of 118,142.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from daskgraph.comparing import OTHER, SIDES, Acting, Comparer, Side
from daskgraph.evaluation.allowed import Allowed, stretches
from daskgraph.evaluation.figures import Ranks
from daskgraph.evaluation.known import Known, among
from daskgraph.graph import Edges
from daskgraph.model import Group
from daskgraph.vectors import (
    Floats,
    Ids,
    Vectors,
    blocks,
    count_of,
    even_size,
    even_starts,
    gathered,
)
from daskgraph_kernels.ranking import (
    Candidates,
    Compared,
    Questions,
    count_better,
    score_positives,
    score_rows,
)
from daskgraph_kernels.screening import Near, Rounded, room_for_near, rounded, screen_scores

BLOCK = 2048
"""Candidates that are compared at a time."""

TILE = 240
"""Queries that are compared at a time: a multiple of what a product works on together."""

RUN = 4 * TILE
"""Queries that share candidates which an operator has acted on."""

SCREENED = 150
"""Numbers of a row, for each question that a query has, from which on scores are screened by integers.

A question looks through all scores once more, which takes as long as so many numbers in a product.
"""

Report = Callable[[float], None]
"""Told the share of the work that was done since the last time."""


class _Part(NamedTuple):
    """Questions of one group and one side, sorted by relation, then by the entity that is given."""

    kind: str
    """Entity type of the candidates."""

    on_candidates: Acting | None
    relations: Ids
    """Of the questions."""

    queries: Compared
    """Given entity and relation, each pair once."""

    starts: Ids
    """Where the questions of every query begin, and where all end."""

    questions: Questions
    entities: "_Entities"
    """The positives among them."""

    ignored: Ids
    side: Side


class _Entities(NamedTuple):
    """The distinct entities of one type that edges name."""

    ids: Ids
    """Ascending."""

    rows: Floats
    """As they are stored, (entities, dimension)."""

    def places(self, ids: Ids) -> Ids:
        """Return where entities stand."""
        return np.searchsorted(self.ids, ids)


class _Block(NamedTuple):
    """Candidates, and what they are screened by, if they are."""

    candidates: Candidates
    screen: Rounded | None


class _Work(NamedTuple):
    """What one thread needs."""

    scores: Floats
    candidates: dict[int, Compared]
    """By dimension."""

    near: dict[int, Near]
    """By dimension."""


def edges_within(vectors: int, entities: int) -> int:
    """Return how many edges may be ranked together where so many vectors may be held.

    An edge takes two vectors of its entities, two of its queries, and one from which queries of one side are
    made; but there are no more vectors of entities than entities.

    Parameters
    ----------
    vectors
        How many vectors may be held.
    entities
        How many entities the graph has.

    >>> edges_within(1000, 10_000), edges_within(1000, 100)
    (200, 300)
    """
    return max(vectors // 5, (vectors - entities) // 3)


@dataclass(frozen=True)
class Ranker:
    """Ranks edges.

    Parameters
    ----------
    vectors
        The model.
    comparer
        How it compares.
    threads
        How many threads work.
    sampled
        By entity type the candidates, ascending, where not all entities are.
    allowed
        Which of these an edge's relation allows, where not all are.
    """

    vectors: Vectors
    comparer: Comparer
    threads: int
    sampled: Mapping[str, Ids] | None = None
    allowed: Allowed | None = None

    def rank(self, edges: Edges, known: Mapping[Side, Known], report: Report) -> dict[Side, Ranks]:
        """Rank every edge from both sides.

        Parameters
        ----------
        edges
            The edges; memory grows with them, as `edges_within` says.
        known
            By side what does not count as a candidate.
        report
            Told how far it is.
        """
        with ThreadPoolExecutor(self.threads) as pool:
            parts = self._parts(edges, known, pool)
            self._score_positives([part for _, _, part in parts], pool)
            self._count([part for _, _, part in parts], pool, report)
        ranks = {side: Ranks(np.ones(len(edges.head)), np.zeros(len(edges.head), np.int64)) for side in SIDES}
        for side, places, part in parts:
            questions = part.questions
            ranks[side].rank[places] = 1 + questions.above + questions.equal / 2
            ranks[side].others[places] = self._others(part)
        return ranks

    def _parts(
        self, edges: Edges, known: Mapping[Side, Known], pool: ThreadPoolExecutor
    ) -> list[tuple[Side, Ids, _Part]]:
        """Return the questions of every group: side, numbers of the edges, and what is asked."""
        groups = self.vectors.model.group_index[edges.relation]
        order = np.lexsort((edges.relation, groups))
        bounds = np.searchsorted(groups[order], np.arange(len(self.vectors.model.groups) + 1))
        spans = [
            (group, order[bounds[index] : bounds[index + 1]])
            for index, group in enumerate(self.vectors.model.groups)
            if bounds[index] < bounds[index + 1]
        ]
        entities = self._gather(edges, spans)

        def ask(group: Group, places: Ids, side: Side) -> tuple[Side, Ids, _Part]:
            given = OTHER[side]
            by_query = np.lexsort((getattr(edges, given)[places], edges.relation[places]))
            numbers = places[by_query]
            asked = Edges(edges.head[numbers], edges.relation[numbers], edges.tail[numbers])
            lists = Known(known[side].first[numbers], known[side].last[numbers], known[side].ids)
            return side, numbers, self._part(group, side, asked, entities, lists)

        asking = [pool.submit(ask, group, places, side) for group, places in spans for side in SIDES]
        return [done.result() for done in asking]

    def _gather(self, edges: Edges, spans: Sequence[tuple[Group, Ids]]) -> dict[str, _Entities]:
        """Read the entities of each type that edges name; every table once."""
        wanted: dict[str, list[Ids]] = {}
        for group, places in spans:
            wanted.setdefault(group.head, []).append(edges.head[places])
            wanted.setdefault(group.tail, []).append(edges.tail[places])
        distinct = {kind: np.unique(np.concatenate(lists)) for kind, lists in wanted.items()}
        return {kind: _Entities(ids, gathered(self.vectors, kind, ids)) for kind, ids in distinct.items()}

    def _part(
        self,
        group: Group,
        side: Side,
        edges: Edges,
        entities: Mapping[str, _Entities],
        known: Known,
    ) -> _Part:
        """Return the questions of edges that are sorted."""
        kind, own = getattr(group, side), getattr(edges, side)
        other, given = getattr(group, OTHER[side]), getattr(edges, OTHER[side])
        row = entities[kind].places(own)
        if self.sampled is not None:
            candidates = self.sampled[kind]
            known = among(known, candidates)
            places = np.searchsorted(candidates, own)
            inside = candidates[np.minimum(places, len(candidates) - 1)] == own
            own = np.where(inside, places, -1)
        if self.allowed is not None:
            own, known = self.allowed.narrow(side, edges.relation, own, known)
        direction = self.comparer.direction(group, side)
        starts = _starts(edges.relation, given)
        begins = starts[:-1]
        rows = entities[other].rows[entities[other].places(given[begins])]
        queries = self.comparer.compare(rows, direction.on_query, edges.relation[begins])
        query = np.repeat(np.arange(len(begins)), np.diff(starts))
        count = len(own)
        counts = np.zeros((2, count), np.int64)
        scores = np.zeros((2, count), np.float32)
        questions = Questions(
            query, own, known.first, known.last, row, scores[0], scores[1], counts[0], counts[1]
        )
        acting, relations = direction.on_candidates, edges.relation
        return _Part(kind, acting, relations, queries, starts, questions, entities[kind], known.ids, side)

    def _others(self, part: _Part) -> Ids:
        """How many candidates each positive was ranked against."""
        questions = part.questions
        # A positive among the candidates is in its own list of true answers, if there are lists at all.
        apart = np.maximum(questions.last - questions.first, questions.own >= 0)
        whole = np.full(len(apart), self._candidates(part.kind))
        if self.allowed is not None:
            whole = self.allowed.counts(part.side, part.relations)
        others: Ids = whole - apart
        return others

    def _candidates(self, kind: str) -> int:
        return count_of(self.vectors, kind) if self.sampled is None else len(self.sampled[kind])

    def _score_positives(self, parts: Sequence[_Part], pool: ThreadPoolExecutor) -> None:
        """Score every positive in a block of positives, by the product that scores candidates."""

        def score(part: _Part, first: int) -> None:
            tile = slice(first, first + TILE)
            questions, relations = _cut(part.questions, tile), part.relations[tile]
            rows = part.entities.rows[questions.positive_row]
            own = self.comparer.compare(rows, part.on_candidates, relations)
            score_positives(
                self.comparer.comparison,
                self.comparer.adds_bias,
                self.comparer.curved,
                _compared(part.queries, questions.query),
                own,
                np.empty(len(relations) ** 2, np.float32),
                questions.positive,
                questions.band,
            )

        tiles = [(part, first) for part in parts for first in range(0, len(part.relations), TILE)]
        for done in [pool.submit(score, *tile) for tile in tiles]:
            done.result()

    def _count(self, parts: Sequence[_Part], pool: ThreadPoolExecutor, report: Report) -> None:
        """Compare all questions with all candidates."""
        total = sum(len(part.queries.rows) * self._candidates(part.kind) for part in parts)
        work = [_Work(np.empty(TILE * BLOCK, np.float32), {}, {}) for _ in range(self.threads)]
        for kind in dict.fromkeys(part.kind for part in parts):
            asked = [part for part in parts if part.kind == kind]
            runs = [run for part in asked for run in _runs(part, self.allowed is not None)]
            queries = sum(len(part.queries.rows) for part in asked)
            for start, rows in self._blocks(kind):
                block = self._screened(Candidates(start, rows, self.comparer.compare(rows)))
                left = deque(runs)
                for done in [pool.submit(self._count_runs, left, block, own) for own in work]:
                    done.result()
                report(queries * len(rows) / total)

    def _blocks(self, kind: str) -> Iterator[tuple[int, Floats]]:
        if self.sampled is None:
            yield from blocks(self.vectors, kind, BLOCK)
            return
        rows = gathered(self.vectors, kind, self.sampled[kind])
        for start in even_starts(len(rows), BLOCK):
            yield start, rows[start : start + even_size(len(rows), BLOCK)]

    def _screened(self, candidates: Candidates) -> _Block:
        rows = candidates.compared.rows
        screens = self.comparer.product and rows.shape[1] >= SCREENED
        return _Block(candidates, rounded(rows) if screens else None)

    def _count_runs(self, left: "deque[tuple[_Part, int, int]]", block: _Block, work: _Work) -> None:
        """Take runs of queries until none is left, and compare each with a block of candidates."""
        while left:
            try:
                part, first, last = left.popleft()
            except IndexError:
                return
            candidates, screen = self._acted_on(part, first, block, work)
            for start in range(first, last, TILE):
                stop = min(start + TILE, last)
                queries = _compared(part.queries, slice(start, stop))
                questions = _cut(part.questions, slice(part.starts[start], part.starts[stop]))
                scores = self._score(queries, start, candidates, screen, questions, work)
                count_better(scores, start, questions, part.entities.rows, candidates, part.ignored)

    def _score(
        self,
        queries: Compared,
        first: int,
        candidates: Candidates,
        screen: Rounded | None,
        questions: Questions,
        work: _Work,
    ) -> Floats:
        """Return the scores of candidates, as far as the questions need them.

        Who screens may find that too many are near a positive.
        """
        others, (count, dimension) = candidates.compared, queries.rows.shape
        scores = work.scores[: count * len(others.rows)].reshape(count, len(others.rows))
        if screen is not None and count * dimension >= SCREENED * len(questions.query):
            if dimension not in work.near:
                work.near[dimension] = room_for_near(dimension)
            numbers, near = (rounded(queries.rows), screen), work.near[dimension]
            if screen_scores(queries, others, *numbers, questions, first, near, scores):
                return scores
        score_rows(self.comparer.comparison, self.comparer.adds_bias, queries, others, scores)
        return scores

    def _acted_on(self, part: _Part, first: int, whole: _Block, work: _Work) -> _Block:
        relation, block = int(part.relations[part.starts[first]]), whole.candidates
        if self.allowed is not None:
            block = self.allowed.of_block(part.side, relation, block)
        if part.on_candidates is None:
            return whole if block is whole.candidates else self._screened(block)
        count, dimension = block.raw.shape
        if dimension not in work.candidates:
            work.candidates[dimension] = self.comparer.allocate(BLOCK, dimension)
        room = _compared(work.candidates[dimension], slice(0, count))
        relations = np.full(count, relation)
        self.comparer.compare_into(room, block.raw, part.on_candidates, relations)
        return self._screened(Candidates(block.start, block.raw, room))


def _runs(part: _Part, constrained: bool) -> Iterator[tuple[_Part, int, int]]:
    """Cut queries into runs, each of one relation where its candidates depend on that."""
    whole = [slice(0, len(part.queries.rows))]
    if constrained or part.on_candidates is not None:
        whole = [stretch for _, stretch in stretches(part.relations[part.starts[:-1]])]
    for stretch in whole:
        for start in range(stretch.start, stretch.stop, RUN):
            yield part, start, min(start + RUN, stretch.stop)


def _starts(relation: Ids, given: Ids) -> Ids:
    """Return where every pair of a relation and a given entity begins in sorted lists, and where they end."""
    changes = (np.diff(relation) != 0) | (np.diff(given) != 0)
    starts: Ids = np.concatenate([[0], np.flatnonzero(changes) + 1, [len(given)]])
    return starts


def _compared(whole: Compared, part: slice | Ids) -> Compared:
    return Compared(*(array[part] for array in whole))


def _cut(whole: Questions, part: slice) -> Questions:
    arrays: Iterator[Any] = (array[part] for array in whole)
    return Questions(*arrays)
