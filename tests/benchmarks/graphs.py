"""The edges of the cases: drawn with communities planted in them, or read from files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas

Ids = npt.NDArray[np.int64]

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class NumberedGraph:
    """Edges between numbered entities."""

    entities: int
    relations: int
    splits: dict[str, Ids]
    """For every split its heads, relations and tails, int64, (edges, 3)."""

    def frame(self, split: str) -> pandas.DataFrame:
        """Return a split as daskgraph imports it."""
        return pandas.DataFrame(self.splits[split], columns=["head", "relation", "tail"])


def draw_communities(
    entities: int, relations: int, edges: int, held_out: int, *, community: int = 50, noise: float = 0.1
) -> NumberedGraph:
    """Draw a graph that can be learned: tails are of their head's community, the popular ones more often.

    An edge's tail is member k of the head's community with a chance in proportion to 1 / (k + 1), among the
    members for which k and the relation are equal modulo 4, or modulo `relations` where these are fewer. One
    edge in ten goes anywhere. Every entity is a head in training. The seed is fixed.
    """
    random = np.random.default_rng(20)
    kinds = min(4, relations)
    numbering = random.permutation(entities)
    head = np.concatenate([np.arange(entities), random.integers(entities, size=3 * edges)])
    relation = random.integers(relations, size=len(head))
    chances = 1 / np.arange(1, -(-community // kinds) + 1)
    member = random.choice(len(chances), len(head), p=chances / chances.sum()) * kinds + relation % kinds
    tail = head // community * community + member % community
    anywhere = random.random(len(head)) < noise
    tail = np.where(anywhere | (tail >= entities), random.integers(entities, size=len(head)), tail)
    keys = (head * relations + relation) * entities + tail
    first = np.sort(np.unique(keys, return_index=True)[1])[: edges + held_out]
    if len(first) < edges + held_out:
        raise ValueError(f"only {len(first)} different edges were drawn; ask for fewer, or more entities")
    chosen = np.column_stack([numbering[head[first]], relation[first], numbering[tail[first]]])
    # The first edges are those in which every entity is a head: none of them is held out.
    return NumberedGraph(entities, relations, {"train": chosen[:edges], "test": chosen[edges:]})


def draw_uniform(entities: int, relations: int, edges: int) -> NumberedGraph:
    """Draw edges in which nothing can be learned. The seed is fixed."""
    random = np.random.default_rng(21)
    columns = [random.integers(count, size=edges) for count in (entities, relations, entities)]
    return NumberedGraph(entities, relations, {"train": np.column_stack(columns)})


def read_triples(folder: Path) -> NumberedGraph:
    """Read a knowledge graph from folder/{train,valid,test}.tsv.gz: head, relation and tail by name."""
    texts = [
        pandas.read_csv(folder / f"{split}.tsv.gz", sep="\t", header=None, dtype=str, na_filter=False)
        for split in SPLITS
    ]
    whole = pandas.concat(texts)
    relation, relations = pandas.factorize(whole[1])
    entity, entities = pandas.factorize(pandas.concat([whole[0], whole[2]]))
    numbered = np.column_stack([entity[: len(whole)], relation, entity[len(whole) :]]).astype(np.int64)
    ends = np.cumsum([len(text) for text in texts])
    parts = dict(zip(SPLITS, np.split(numbered, ends[:-1]), strict=True))
    return NumberedGraph(len(entities), len(relations), parts)
