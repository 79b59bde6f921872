"""Which partitions are in memory together, in which order, so that every bucket is trained once an epoch.

Partitions are shuffled and cut into groups of half a buffer; a lease is two groups and all buckets between
and
within them that no earlier lease of the epoch has trained. Consecutive leases share a group, so half the
buffer
stays where it is:

        groups   a b c d             leases  ab ac ad | bd bc | cd
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bucket = tuple[int, int]


@dataclass(frozen=True)
class Lease:
    """A set of partitions, and the buckets to train while they are held."""

    partitions: tuple[int, ...]
    """The partitions, ascending."""

    buckets: tuple[Bucket, ...]
    """Buckets (partition of the head, partition of the tail) in the order in which they are trained."""


def leases(
    partitions: int, buffer: int, finished: npt.NDArray[np.bool_], random: np.random.Generator
) -> list[Lease]:
    """Plan the rest of an epoch.

    Parameters
    ----------
    partitions
        Number of partitions P of the graph.
    buffer
        How many partitions are held at once, at least 2 where there are as many; all fit if it is P or more.
    finished
        Which buckets are trained already, shape (P, P).
    random
        Where the order comes from: the same for an epoch whenever it is resumed.

    Returns
    -------
    The leases in order; together they hold every unfinished bucket once. A lease without one is left out.

    >>> plan = leases(4, 2, np.zeros((4, 4), bool), np.random.default_rng(0))
    >>> len(plan), sum(len(lease.buckets) for lease in plan)
    (6, 16)
    """
    order = random.permutation(partitions)
    size = partitions if buffer >= partitions else max(1, buffer // 2)
    groups = [order[first : first + size] for first in range(0, partitions, size)]
    left = ~finished
    plan = []
    for pair in _pairs(len(groups)):
        held = np.unique(np.concatenate([groups[index] for index in pair]))
        rows, columns = np.nonzero(left[np.ix_(held, held)])
        buckets = [(int(held[row]), int(held[column])) for row, column in zip(rows, columns, strict=True)]
        if buckets:
            left[np.ix_(held, held)] = False
            shuffled = tuple(buckets[index] for index in random.permutation(len(buckets)))
            plan.append(Lease(tuple(int(partition) for partition in held), shuffled))
    return plan


def _pairs(groups: int) -> list[tuple[int, ...]]:
    """All pairs of groups, each sharing one with the next wherever that is possible."""
    if groups == 1:
        return [(0,)]
    pairs: list[tuple[int, ...]] = []
    for first in range(groups - 1):
        others = range(first + 1, groups)
        pairs += [(first, second) for second in (others if first % 2 == 0 else reversed(others))]
    return pairs
