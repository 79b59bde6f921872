"""In which order partitions meet in memory, so that all pairs of them have met when an epoch ends.

An order gives sets of partitions that are held one after the other. `beta` and `comet` make the sets
themselves; the others order the pairs, and `follow` holds what the next pair needs for as long as it pays.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from daskgraph.schedule import comet

Pairs = npt.NDArray[np.int64]
Held = tuple[int, ...]
PairOrder = Callable[[Sequence[int], np.random.Generator], Pairs]
Order = Callable[[Sequence[int], int, np.random.Generator], Iterator[Held]]


def random_pairs(partitions: Sequence[int], random: np.random.Generator) -> Pairs:
    """Return all pairs of partitions, int64, (pairs, 2), in random order."""
    return random.permutation(_pairs(partitions))


def affine_pairs(partitions: Sequence[int], random: np.random.Generator) -> Pairs:
    """Return all pairs, each sharing a partition with the one before it for as long as one is left that does.

    The pair is drawn at random among all that hold one of the last one's partitions, as in PyTorch-BigGraph.
    """
    left: dict[int, list[int]] = {
        partition: random.permutation([other for other in partitions if other != partition]).tolist()
        for partition in partitions
    }
    met: set[tuple[int, int]] = set()
    found: list[tuple[int, int]] = []
    for first, second in random_pairs(partitions, random).tolist():
        pair: tuple[int, int] | None = (first, second)
        while pair is not None and tuple(sorted(pair)) not in met:
            met.add((min(pair), max(pair)))
            found.append(pair)
            pair = _neighbour(pair, left, met, random)
    return np.array(found, np.int64).reshape(-1, 2)


def _neighbour(
    pair: tuple[int, int],
    left: dict[int, list[int]],
    met: set[tuple[int, int]],
    random: np.random.Generator,
) -> tuple[int, int] | None:
    """Draw a pair that was not met and holds one of these partitions."""
    for partition in pair:
        others = left[partition]
        while others and (min(partition, others[-1]), max(partition, others[-1])) in met:
            others.pop()
    sizes = [len(left[partition]) for partition in pair]
    if not any(sizes):
        return None
    chosen = pair[int(random.integers(sum(sizes)) >= sizes[0])]
    return chosen, left[chosen].pop()


def outer_pairs(partitions: Sequence[int], random: np.random.Generator) -> Pairs:
    """Return all pairs by their smaller partition: first all of the first partition, then of the second."""
    shuffled = random_pairs(range(len(partitions)), random)
    order = np.argsort(shuffled.min(axis=1, initial=len(partitions)), kind="stable")
    return np.asarray(partitions, np.int64)[shuffled[order]]


def inner_pairs(partitions: Sequence[int], random: np.random.Generator) -> Pairs:
    """Return the pairs of `outer_pairs` from last to first."""
    return outer_pairs(partitions, random)[::-1]


def chained_pairs(partitions: Sequence[int], random: np.random.Generator) -> Pairs:
    """Return all pairs such that each shares a partition with the next: rows of a triangle, to and fro."""
    count = len(partitions)
    pairs = []
    for first in range(count - 1):
        others = range(first + 1, count)
        pairs += [
            (partitions[first], partitions[second])
            for second in (others if first % 2 == 0 else reversed(others))
        ]
    return np.array(pairs, np.int64).reshape(-1, 2)


def follow(pairs: Iterable[Sequence[int]], partitions: Sequence[int], buffer: int) -> Iterator[Held]:
    """Give the sets to hold so that pairs meet in their order; all pairs of a set have then met.

    What leaves for a pair is what is needed again last (Belady, IBM Systems Journal 1966).
    """
    listed = np.asarray(pairs, np.int64).reshape(-1, 2)
    met = np.zeros((max(partitions) + 1,) * 2, np.bool_)
    uses = _Uses(listed, met)
    held = list(partitions[:buffer])
    yield _meet(held, met)
    for number, (first, second) in enumerate(listed.tolist()):
        if met[first, second]:
            continue
        for needed in (first, second):
            if needed not in held:
                free = [partition for partition in held if partition not in (first, second)]
                held.remove(max(free, key=lambda partition: uses.after(number, partition)))
                held.append(needed)
        yield _meet(held, met)


class _Uses:
    """When each partition is needed next."""

    def __init__(self, pairs: Pairs, met: npt.NDArray[np.bool_]) -> None:
        self._pairs, self._met = pairs, met
        flat = pairs.reshape(-1)
        order = np.argsort(flat, kind="stable")
        bounds = np.searchsorted(flat[order], np.arange(met.shape[0] + 1))
        self._places = [(order[a:b] // 2).tolist() for a, b in pairwise(bounds)]
        self._next = [0] * len(self._places)

    def after(self, number: int, partition: int) -> int:
        """Return the number of the first pair from `number` on that needs a partition and was not met."""
        places, place = self._places[partition], self._next[partition]
        while place < len(places) and self._is_past(places[place], number):
            place += 1
        self._next[partition] = place
        return places[place] if place < len(places) else len(self._pairs)

    def _is_past(self, pair: int, number: int) -> bool:
        first, second = self._pairs[pair]
        return pair < number or bool(self._met[first, second])


def _meet(held: Sequence[int], met: npt.NDArray[np.bool_]) -> Held:
    met[np.ix_(held, held)] = True
    return tuple(held)


def beta(partitions: Sequence[int], buffer: int, random: np.random.Generator) -> Iterator[Held]:
    """Give the sets of Marius' buffer-aware order: all but one partition stay while the others pass by.

    When all have passed, those that stayed are done, and the next take their places. Mohoney et al., OSDI
    2021, algorithm 3; after the first set (p - c) + (x + 1) ((p - c) - x (c - 1) / 2) partitions are read,
    with x = floor((p - c) / (c - 1)), for p partitions and a buffer of c.
    """
    held, waiting = list(partitions[:buffer]), list(partitions[buffer:])
    yield tuple(held)
    while waiting:
        for place in range(len(waiting)):
            held[-1], waiting[place] = waiting[place], held[-1]
            yield tuple(held)
        replaced = min(buffer - 1, len(waiting))
        for place in range(replaced):
            held[place] = waiting[place]
            yield tuple(held)
        waiting = waiting[replaced:]


def _following(pair_order: PairOrder) -> Order:
    def order(partitions: Sequence[int], buffer: int, random: np.random.Generator) -> Iterator[Held]:
        yield from follow(pair_order(partitions, random), partitions, buffer)

    return order


ORDERS: dict[str, Order] = {
    "random": _following(random_pairs),
    "affinity": _following(affine_pairs),
    "inside_out": _following(inner_pairs),
    "outside_in": _following(outer_pairs),
    "chained": _following(chained_pairs),
    "beta": beta,
    "comet": comet.meetings,
}
"""Orders by their name: partitions (the first `buffer` of them are held already), buffer, random."""


def arrange(partitions: int, held: Sequence[int], random: np.random.Generator) -> list[int]:
    """Return all partitions in random order, those that are in memory first."""
    others = [partition for partition in range(partitions) if partition not in set(held)]
    return [*random.permutation(np.asarray(held, np.int64)).tolist(), *random.permutation(others).tolist()]


def held_sets(
    order: str, arranged: Sequence[int], buffer: int, random: np.random.Generator, *, first: bool = False
) -> Iterator[Held]:
    """Give the sets of partitions that are held one after the other in a sweep.

    Parameters
    ----------
    order
        A name of `ORDERS`.
    arranged
        The partitions; the first `buffer` of them are held first.
    buffer
        How many are held at once: at least 2 where there are as many.
    random
        Where the order comes from.
    first
        Whether it is the first epoch, which `comet` begins in an order of its own.
    """
    if buffer >= len(arranged):
        return iter([tuple(sorted(arranged))])
    if order == "comet":
        return comet.meetings(arranged, buffer, random, first=first)
    return ORDERS[order](arranged, buffer, random)


def count_reads(sets: Iterable[Held]) -> int:
    """Return how many partitions are read while these sets are held in turn, after the first of them.

    >>> count_reads(held_sets("beta", range(16), 4, np.random.default_rng(0)))
    42
    """
    reads, before = 0, None
    for held in sets:
        if before is not None:
            reads += len(set(held) - before)
        before = set(held)
    return reads


def _pairs(partitions: Sequence[int]) -> Pairs:
    first, second = np.triu_indices(len(partitions), 1)
    return np.asarray(partitions, np.int64)[np.stack([first, second], 1)]
