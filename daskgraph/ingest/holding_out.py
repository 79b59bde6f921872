"""Edges held out of the train split at random, to choose and to judge by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from daskgraph.config import Config
from daskgraph.errors import ShareError
from daskgraph.graph import RelationType
from daskgraph.ingest.collecting import CodedEdges, Collected
from daskgraph.ingest.numbering import relations_of, sides_of

Words = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

RUN = 1 << 20
"""Edges that are drawn at once: what is on the way takes some 50 MB."""


def share_of(source: Any) -> float | None:
    """Return the share of train edges that is to be held out for a split, if not edges of its own are given.

    A share is a number, or one as people write it, "0.05" or "5%", unless a file is called so.
    """
    if isinstance(source, str) and not Path(source).exists():
        return _number(source)
    return float(source) if isinstance(source, Real) and not isinstance(source, bool) else None


def _number(text: str) -> float | None:
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        return None


def check_shares(shares: Mapping[str, float]) -> None:
    """Raise ShareError if a share, or all of them together, are not between 0 and 1."""
    for split, share in shares.items():
        if not 0 < share < 1:
            raise ShareError(split, share, "should be between 0 and 1, a share of the train edges, or a file")
    if shares and sum(shares.values()) >= 1:
        split, share = next(iter(shares.items()))
        raise ShareError(split, share, f"leaves no train edges: together they are {sum(shares.values()):g}")


def hold_out(collected: Collected, shares: Mapping[str, float], config: Config) -> tuple[Collected, int]:
    """Take a share of the train edges for each of some splits, each edge with the same chance.

    Which edges these are follows from `training.seed` and the names of their entities and relation, whatever
    the order of the edges and whatever else there is. An edge goes with its repetitions, and between
    entities of one type with the edge of the same relation that runs the other way: else it would be known.
    One of the held edges of an entity or relation that would have no train edge stays.

    Parameters
    ----------
    collected
        All edges.
    shares
        By split.
    config
        Tells the relations' types, and the seed.

    Returns
    -------
    All edges again, and how many stay in the train split that were drawn.

    Raises
    ------
    ShareError
        A split would have no edges.
    """
    train, relations = collected.splits["train"], relations_of(collected, config)
    draws = _draws(train, collected, relations, config.training.seed)
    split = np.searchsorted(np.cumsum(list(shares.values())), draws, side="right").astype(np.int8)
    drawn = np.bincount(split, minlength=len(shares) + 1)
    _give_back(split, len(shares), draws, train, relations)
    left = np.bincount(split, minlength=len(shares) + 1)
    splits = {"train": _selected(train, split == len(shares))}
    for index, (name, share) in enumerate(shares.items()):
        splits[name] = _selected(train, split == index)
        if not left[index]:
            raise ShareError(name, share, _why_none(len(train), int(drawn[index])))
    splits |= {name: edges for name, edges in collected.splits.items() if name not in splits}
    ordered: dict[str, CodedEdges] = {
        name: splits[name] for name in ("train", "valid", "test") if name in splits
    }
    return replace(collected, splits=ordered), int((drawn - left)[: len(shares)].sum())


def _why_none(edges: int, drawn: int) -> str:
    if drawn:
        return (
            f"holds out none of {edges:,} train edges: each of the {drawn:,} that were drawn is needed, for "
            "an entity or relation has no other; give a file"
        )
    return f"holds out none of {edges:,} train edges: give more, or a file"


def _draws(
    edges: CodedEdges, collected: Collected, relations: tuple[RelationType, ...], seed: int
) -> npt.NDArray[np.float64]:
    """Return a number from 0 to 1 for every edge, float64, shape (edges,)."""
    names = collected.entities.hashes()
    kinds = np.array([_word_of(relation.name, seed) for relation in relations], np.uint64)
    same = np.array([relation.head == relation.tail for relation in relations])
    draws = np.empty(len(edges))
    for start in range(0, len(edges), RUN):
        run = slice(start, start + RUN)
        head, tail, relation = names[edges.head[run]], names[edges.tail[run]], edges.relation[run]
        either = same[relation]
        first = np.where(either, np.minimum(head, tail), head)
        second = np.where(either, np.maximum(head, tail), tail)
        word = _mixed(first + _mixed(second + kinds[relation]))
        draws[run] = (word >> np.uint64(11)) * 2.0**-53
    return draws


def _word_of(name: str, seed: int) -> int:
    """Return 64 random bits that a relation's name and the seed alone decide."""
    state = np.random.SeedSequence([seed, *name.encode()], spawn_key=(3,)).generate_state(1, np.uint64)
    return int(state[0])


def _mixed(words: Words) -> Words:
    """Spread every bit over all 64 (the finalizer of SplitMix64: Steele, Lea and Flood, OOPSLA 2014)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _give_back(
    split: npt.NDArray[np.int8],
    train: int,
    draws: npt.NDArray[np.float64],
    edges: CodedEdges,
    relations: tuple[RelationType, ...],
) -> None:
    """Put held edges back into the split number `train`: one for all that have none there."""
    for ends in _uses(edges, relations):
        held = split != train
        trained = np.zeros(1 + max(int(codes.max(initial=-1)) for codes, _ in ends), np.bool_)
        for codes, selected in ends:
            trained[codes[selected & ~held]] = True
        lonely = [np.flatnonzero(selected & held & ~trained[codes]) for codes, selected in ends]
        users = np.concatenate([codes[places] for (codes, _), places in zip(ends, lonely, strict=True)])
        places = np.concatenate(lonely)
        # By neither the order of edges nor that of splits.
        order = np.argsort(_mixed(draws[places].view(np.uint64)), kind="stable")
        _, firsts = np.unique(users[order], return_index=True)
        needed = draws[places[order[firsts]]]
        out = np.flatnonzero(held)
        split[out[np.isin(draws[out], needed)]] = train


def _uses(
    edges: CodedEdges, relations: tuple[RelationType, ...]
) -> Iterator[tuple[tuple[npt.NDArray[Any], Flags], ...]]:
    """Yield who must be trained: relations, then entities by type; codes, and which edges they stand in."""
    yield ((edges.relation, np.ones(len(edges), np.bool_)),)
    for name in sorted({end for relation in relations for end in (relation.head, relation.tail)}):
        yield sides_of(edges, relations, name)


def _selected(edges: CodedEdges, chosen: Flags) -> CodedEdges:
    weight = None if edges.weight is None else edges.weight[chosen]
    return CodedEdges(edges.head[chosen], edges.relation[chosen], edges.tail[chosen], weight)
