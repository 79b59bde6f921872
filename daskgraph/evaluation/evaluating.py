"""The evaluation of a whole split: ranks of all its edges, and what they come to."""

import time

import numpy as np
import numpy.typing as npt

from daskgraph.comparing import SIDES, Side
from daskgraph.errors import UnknownSplitError
from daskgraph.evaluation.figures import Evaluation, Figures, Ranks, chosen, summed_up
from daskgraph.evaluation.pieces import Task, rank_elsewhere, rank_here
from daskgraph.evaluation.protocol import Protocol
from daskgraph.events import (
    Callback,
    EvaluationFinished,
    EvaluationProgress,
    EvaluationStarted,
    ignore,
)
from daskgraph.graph import Edges
from daskgraph.spreading import Spread
from daskgraph.store import GraphStore, ModelStore
from daskgraph.vectors import StoredVectors, Vectors


def evaluate(
    source: ModelStore | Vectors,
    graph: GraphStore,
    split: str = "test",
    *,
    candidates: str | int = "all",
    sampling: str = "uniform",
    filtered: bool = True,
    constrained: bool = False,
    per_relation: bool = False,
    threads: int = 0,
    seed: int = 0,
    callback: Callback = ignore,
    spread: Spread | None = None,
) -> Evaluation:
    """Rank every edge of a split among the same edge with other heads, and with other tails.

    The rank is 1 plus the candidates that score higher, plus half of those that score the same: a model whose
    scores are all equal has the mean rank (candidates + 1) / 2. A score that is no number ranks last.

    Parameters
    ----------
    source
        A model on disk, or vectors in memory.
    graph
        The graph it was trained on.
    split
        Whose edges are ranked.
    candidates
        "all" entities of the type, or a number of entities drawn from all of them, the same for every edge
        and every model; as many as there are count as "all".
    sampling
        How they are drawn: "uniform", or by "frequency", in proportion to their train edges.
    filtered
        Whether other true answers, of any split, are left out of the candidates.
    constrained
        Whether only entities are candidates that stand on this side of the edge's relation in train edges.
    per_relation
        Whether figures of every relation are wanted too.
    threads
        How many threads work; 0: as many as this process may use.
    seed
        What the drawn candidates depend on.
    callback
        Told how far it is.
    spread
        Who ranks, where the model is on disk; None: this process.

    Returns
    -------
    The figures over all edges, both sides, with those over edges whose entities were seen in training.

    Raises
    ------
    UnknownSplitError
        The graph has no such split.
    OtherGraphError
        The model was trained on another graph.
    UntrainedModelError
        The model holds no vectors yet.
    ValueError
        `candidates` or `sampling` is none of these.
    """
    started = time.perf_counter()
    if isinstance(candidates, int) and candidates >= _most(graph):
        # All are taken, and figures are to say so.
        candidates, sampling = "all", "uniform"
    protocol = Protocol(graph.fingerprint, split, candidates, sampling, filtered, constrained, seed)
    if split not in graph.splits:
        raise UnknownSplitError(split, tuple(graph.splits))
    if isinstance(source, ModelStore):
        source.check_graph(graph)
    vectors = StoredVectors(source) if isinstance(source, ModelStore) else source
    task = Task(vectors, graph, protocol, threads)
    progress, ranked = _Progress(split, graph.splits[split], callback), _Ranked(graph)
    if spread is not None and isinstance(source, ModelStore):
        pieces = rank_elsewhere(task, source.path, spread, progress.add)
    else:
        pieces = rank_here(task, progress.add)
    for edges, ranks in pieces:
        ranked.add(edges, ranks)
    figures = ranked.figures()
    evaluation = Evaluation(
        **vars(figures),
        protocol=protocol,
        seconds=time.perf_counter() - started,
        seen=ranked.seen(),
        sides={side: ranked.figures(sides=(side,)) for side in SIDES},
        per_relation=ranked.per_relation() if per_relation else None,
    )
    hits10, seconds = evaluation.hits["10"], evaluation.seconds
    callback(EvaluationFinished(split, evaluation.mrr, hits10, seconds, protocol.name))
    return evaluation


def _most(graph: GraphStore) -> int:
    """Entities of the largest type."""
    return max(kind.count for kind in graph.schema.entity_types)


class _Ranked:
    """Ranks of all edges, and what they are grouped by."""

    def __init__(self, graph: GraphStore) -> None:
        self._graph = graph
        self._trained = {kind.name: graph.degrees(kind.name) > 0 for kind in graph.schema.entity_types}
        self._relation: list[npt.NDArray[np.int64]] = []
        self._seen: list[npt.NDArray[np.bool_]] = []
        self._ranks: dict[Side, list[Ranks]] = {side: [] for side in SIDES}

    def add(self, edges: Edges, ranks: dict[Side, Ranks]) -> None:
        self._relation.append(edges.relation)
        self._seen.append(self._hold_seen(edges))
        for side, part in ranks.items():
            self._ranks[side].append(part)

    def _hold_seen(self, edges: Edges) -> npt.NDArray[np.bool_]:
        """Which edges hold no entity unseen in training."""
        seen = np.ones(len(edges.head), np.bool_)
        for index in np.unique(edges.relation).tolist():
            relation = self._graph.schema.relations[index]
            places = np.flatnonzero(edges.relation == index)
            seen[places] &= self._trained[relation.head][edges.head[places]]
            seen[places] &= self._trained[relation.tail][edges.tail[places]]
        return seen

    def figures(self, which: npt.NDArray[np.bool_] | None = None, sides: tuple[Side, ...] = SIDES) -> Figures:
        """Return the figures of some edges, or of all."""
        whole = [_joined(self._ranks[side]) for side in sides]
        if which is not None:
            whole = [chosen(ranks, which) for ranks in whole]
        return summed_up(len(whole[0].rank), *whole)

    def seen(self) -> Figures:
        """Return the figures of edges whose entities were all seen in training."""
        return self.figures(np.concatenate([np.empty(0, np.bool_), *self._seen]))

    def per_relation(self) -> dict[str, Figures]:
        """Return the figures of every relation that has edges, in the graph's order."""
        relation = np.concatenate([np.empty(0, np.int64), *self._relation])
        order = np.argsort(relation, kind="stable")
        found, first = np.unique(relation[order], return_index=True)
        whole = [_joined(self._ranks[side]) for side in SIDES]
        parts = np.split(order, first[1:])
        names = self._graph.relation_names
        return {
            names[index]: summed_up(len(places), *(chosen(ranks, places) for ranks in whole))
            for index, places in zip(found.tolist(), parts, strict=False)
        }


class _Progress:
    """Turns parts of edges into whole ones."""

    def __init__(self, split: str, edges: int, callback: Callback) -> None:
        self._callback = callback
        self._done = 0.0
        self._reported = 0
        callback(EvaluationStarted(split, edges))

    def add(self, edges: float) -> None:
        self._done += edges
        whole = round(self._done) - self._reported
        if whole:
            self._reported += whole
            self._callback(EvaluationProgress(whole))


def _joined(parts: list[Ranks]) -> Ranks:
    rank = np.concatenate([np.empty(0), *(part.rank for part in parts)])
    return Ranks(rank, np.concatenate([np.empty(0, np.int64), *(part.others for part in parts)]))
