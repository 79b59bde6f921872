"""A split's edges in pieces that are ranked one by one, here or by the workers of a cluster."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from daskgraph.comparing import Comparer, Side
from daskgraph.evaluation.allowed import Allowed, joined, occurring, side_type
from daskgraph.evaluation.figures import Ranks
from daskgraph.evaluation.known import known_answers, nothing_known
from daskgraph.evaluation.protocol import Protocol
from daskgraph.evaluation.ranking import Ranker, Report, edges_within
from daskgraph.evaluation.sampling import sample, sample_by_frequency
from daskgraph.graph import Edges
from daskgraph.spreading import Spread, spans
from daskgraph.store import GraphStore, ModelStore
from daskgraph.threads import available_threads
from daskgraph.vectors import Span, StoredVectors, Vectors

Ids = npt.NDArray[np.int64]

SLICE_BYTES = 5 << 26
"""What the vectors of the edges that are ranked together may take: the more edges, the more share queries."""

Pieces = Iterator[tuple[Edges, dict[Side, Ranks]]]
"""Edges, with their ranks from both sides."""


@dataclass(frozen=True)
class Task:
    """What is ranked, and how."""

    vectors: Vectors
    graph: GraphStore
    protocol: Protocol
    threads: int
    """How many threads work; 0: as many as the process may use."""

    def spans(self, workers: int = 0) -> list[Span]:
        """Cut the split into pieces that can be ranked at once: more of them where workers share them."""
        model = self.vectors.model
        kinds = model.schema.entity_types
        widest = max((model.dimension(kind.name) for kind in kinds), default=1)
        largest = edges_within(SLICE_BYTES // (4 * widest), sum(kind.count for kind in kinds))
        return spans(self.graph.splits[self.protocol.split], 1, workers, max(1024, largest))

    def edges(self, span: Span) -> Edges:
        """Read the edges of a piece."""
        return self.graph.read_edges(self.protocol.split, *span)

    def rank(self, edges: Edges, report: Report) -> dict[Side, Ranks]:
        """Rank edges from both sides."""
        threads = available_threads(self.threads)
        filtered = self.protocol.filtered
        known = known_answers(self.graph, edges, threads) if filtered else nothing_known(edges)
        return self._ranker.rank(edges, known, report)

    @cached_property
    def _ranker(self) -> Ranker:
        vectors, graph, protocol = self.vectors, self.graph, self.protocol
        comparer = Comparer(vectors.model, vectors.parameters)
        drawn, allowed = candidates_of(graph, protocol)
        return Ranker(vectors, comparer, available_threads(self.threads), drawn, allowed)


def rank_here(task: Task, report: Callable[[float], None]) -> Pieces:
    """Rank a split, piece by piece; `report` is told the edges that were ranked since the last time."""
    for span in task.spans():
        edges = task.edges(span)
        yield edges, task.rank(edges, _as_edges(span[1] - span[0], report))


def rank_elsewhere(task: Task, model: Path, spread: Spread, report: Callable[[float], None]) -> Pieces:
    """As `rank_here`, by the workers of a cluster, which reach the path of the model."""
    cut = task.spans(spread.workers)
    paths = str(model.absolute()), str(task.graph.path.absolute())
    asked = [(*paths, task.protocol, spread.threads, span) for span in cut]
    for span, ranks in zip(cut, spread(rank_stored, asked), strict=True):
        report(span[1] - span[0])
        yield task.edges(span), ranks


def rank_stored(model: str, graph: str, protocol: Protocol, threads: int, span: Span) -> dict[Side, Ranks]:
    """Rank one piece, by the paths of both stores."""
    vectors = StoredVectors(ModelStore.open(model))
    task = Task(vectors, GraphStore.open(graph), protocol, threads)
    return task.rank(task.edges(span), lambda share: None)


def _as_edges(count: int, report: Callable[[float], None]) -> Report:
    return lambda share: report(share * count)


def candidates_of(graph: GraphStore, protocol: Protocol) -> tuple[dict[str, Ids] | None, Allowed | None]:
    """Return the candidates by type, ascending, and those that each relation allows; None: all of them.

    Where a number of candidates is constrained, so many of those that a relation allows are drawn for each of
    its sides: of so many of all hardly one might be left.
    """
    schema, every, uses = graph.schema, isinstance(protocol.candidates, str), cache(graph.degrees)
    if not protocol.constrained:
        if every:
            return None, None
        kinds = schema.entity_types
        return {kind.name: _drawn(protocol, kind.name, uses, kind.name, kind.count) for kind in kinds}, None
    rows = occurring(graph, protocol.split)
    if every:
        return None, Allowed(rows)
    chosen = {}
    for (side, index), own in rows.items():
        kind, stream = side_type(schema, side, index), f"{side} of {schema.relations[index].name}"
        chosen[side, index] = own[_drawn(protocol, stream, uses, kind, len(own), own)]
    return joined(chosen, schema)


def _drawn(
    protocol: Protocol,
    stream: str,
    uses: Callable[[str], Ids],
    kind: str,
    count: int,
    rows: Ids | None = None,
) -> Ids:
    """Return places of those of `count` entities that are drawn, ascending; `rows`: which these are, if not
    all of a type.
    """
    wanted = int(protocol.candidates)
    if protocol.sampling == "uniform":
        return sample(stream, count, wanted, protocol.seed)
    degrees = uses(kind) if rows is None else uses(kind)[rows]
    return sample_by_frequency(stream, degrees, wanted, protocol.seed)
