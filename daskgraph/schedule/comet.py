"""Leases in which no partition stands out: two groups of partitions meet, and a walk changes one a step.

Orders that exchange one partition at a time train in one go all edges of the partition that came: its
vectors move far while others rest, and are seldom candidates beside those that stayed. Here both halves of a
lease are alike, each stays for two leases, and edges within a group are spread over all leases that hold it.
The two levels are COMET's (Waleffe et al., MariusGNN, EuroSys 2023); the walk is an Euler circuit, so that a
lease costs the reads of one group.
"""

from collections.abc import Iterator, Sequence
from itertools import count, pairwise

import numpy as np
import numpy.typing as npt

from daskgraph.schedule.greedy import Flags, choose

Held = tuple[int, ...]
Ids = npt.NDArray[np.int64]


def group_size(buffer: int) -> int:
    """Return how many partitions a group has, of which two fit."""
    return max(1, buffer // 2)


def meetings(
    partitions: Sequence[int], buffer: int, random: np.random.Generator, *, first: bool = False
) -> Iterator[Held]:
    """Give the sets of two groups each, such that all groups meet once.

    Parameters
    ----------
    partitions
        Groups are stretches of these; the walk begins with the first two.
    buffer
        How many partitions may be held at once.
    random
        Where the walk comes from.
    first
        Whether vectors are still to grow: then one group stays until it has met all others, which thus grow
        into its space.
    """
    size = group_size(buffer)
    groups = [tuple(partitions[start : start + size]) for start in range(0, len(partitions), size)]
    if len(groups) == 1:
        yield groups[0]
    for one, other in star(len(groups)) if first else walk(len(groups), random):
        yield (*groups[one], *groups[other])


def star(nodes: int) -> Iterator[tuple[int, int]]:
    """Give all pairs of nodes: those of the first node, then those of the last that it met, and so on.

    >>> list(star(4))
    [(0, 1), (0, 2), (0, 3), (3, 1), (3, 2), (2, 1)]
    """
    left, center = list(range(nodes)), 0
    while len(left) > 1:
        left.remove(center)
        yield from ((center, other) for other in left)
        center = left[-1]


def walk(nodes: int, random: np.random.Generator) -> list[tuple[int, int]]:
    """Return all pairs of nodes, from (0, 1) on, each but a few sharing a node with the one before it.

    An odd number of nodes has a circuit over all pairs. With an even one there is a node more, and steps to
    it and from it are left out: at most nodes / 2 - 1 pairs share no node with the one before them.

    >>> walk(3, np.random.default_rng(0))
    [(0, 1), (1, 2), (2, 0)]
    """
    more = nodes % 2 == 0
    circuit = _circuit(nodes + more, nodes if more else 0, random)
    begin = circuit[more : more + 2]
    names = dict(zip([*begin, *(node for node in range(nodes + more) if node not in begin)], count()))
    names[nodes] = nodes
    steps = pairwise(names[node] for node in circuit)
    return [step for step in steps if max(step) < nodes]


def _circuit(nodes: int, first: int, random: np.random.Generator) -> list[int]:
    """Return a circuit over all pairs of an odd number of nodes, each once (Hierholzer, 1873)."""
    left = [random.permutation(nodes).tolist() for _ in range(nodes)]
    used = np.eye(nodes, dtype=np.bool_)
    path, circuit = [first], []
    while path:
        node = path[-1]
        while left[node] and used[node, left[node][-1]]:
            left[node].pop()
        if left[node]:
            other = left[node].pop()
            used[node, other] = used[other, node] = True
            path.append(other)
        else:
            circuit.append(path.pop())
    return circuit


def choose_groups(
    left: Flags,
    arranged: Sequence[int],
    held: Sequence[int],
    free: Sequence[int],
    buffer: int,
    aligned: Flags,
) -> Held | None:
    """Choose the two groups of a worker's next lease while others hold some.

    Parameters
    ----------
    left, held, free, buffer, aligned
        As of `greedy.choose`.
    arranged
        All partitions; groups are stretches of them.

    Returns
    -------
    The partitions, or None where nothing can be trained with whole groups of those.
    """
    order, size = np.asarray(arranged, np.int64), group_size(buffer)
    starts = np.arange(0, len(order), size)
    ordered = left[np.ix_(order, order)]
    by_group = np.logical_or.reduceat(np.logical_or.reduceat(ordered, starts, axis=0), starts, axis=1)
    between = by_group & ~np.eye(len(by_group), dtype=np.bool_)
    mine, possible = (_whole(order, starts, parts) for parts in (held, [*held, *free]))
    others = [group for group in possible if group not in set(mine)]
    trained = np.logical_or.reduceat(aligned[order], starts)
    # What is left within a group is no reason to hold it while there is anything else to do.
    found = choose(between, mine, others, 2, trained) or choose(by_group, mine, others, 2, trained)
    if found is None:
        return None
    return tuple(part for group in found for part in order[starts[group] : starts[group] + size].tolist())


def _whole(order: Ids, starts: Ids, partitions: Sequence[int]) -> list[int]:
    """Return the groups of which all partitions are among these."""
    among = np.isin(order, np.asarray(partitions, np.int64))
    return np.flatnonzero(np.logical_and.reduceat(among, starts)).tolist()


def taken_now(
    left: Flags, arranged: Sequence[int], held: Sequence[int], buffer: int, random: np.random.Generator
) -> Flags:
    """Return which of the buckets between the partitions of a lease it trains, (held, held).

    All between two groups. Those within one may be trained whenever the group is held: now, if there is
    nothing else, or each with the chance of one over the groups that it has still to meet.

    Parameters
    ----------
    left
        Buckets that nobody has trained or is training, (P, P).
    arranged, buffer
        As of `choose_groups`.
    held
        The partitions of the lease.
    random
        Where chances come from.
    """
    group = np.empty(len(left), np.int64)
    group[np.asarray(arranged, np.int64)] = np.arange(len(left)) // group_size(buffer)
    among = np.asarray(held, np.int64)
    taken = left[np.ix_(among, among)]
    if not taken[group[among, None] != group[among]].any():
        return taken
    for number in np.unique(group[among]):
        meets = left[group == number].any(axis=0) | left[:, group == number].any(axis=1)
        to_meet = len(set(group[meets].tolist()) - {int(number)})
        within = group[among] == number
        chance = random.random((within.sum(), within.sum())) < 1 / max(1, to_meet)
        taken[np.ix_(within, within)] &= chance
    return taken
