"""How many partitions a worker holds when others hold some too, and which: those that cost few reads."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]
Ids = npt.NDArray[np.int64]


def share(partitions: int, workers: int, buffer: int, *, ahead: bool) -> int:
    """Return how many partitions each of several workers may hold: its share, or half of it.

    Parameters
    ----------
    partitions, workers
        How many there are.
    buffer
        How many a worker can hold.
    ahead
        Whether half of all are left free, to be read ahead.

    >>> share(32, 4, 32, ahead=True), share(32, 4, 32, ahead=False), share(32, 1, 20, ahead=True)
    (4, 8, 20)
    """
    fair = partitions // (workers * (1 + ahead)) if workers > 1 else buffer
    return min(buffer, max(2, fair))


def choose(
    left: Flags, held: Sequence[int], free: Sequence[int], buffer: int, aligned: Flags
) -> tuple[int, ...] | None:
    """Choose the partitions of a worker's next lease.

    As few as possible are exchanged: what leaves has the fewest buckets left with all that the worker could
    hold, what comes has the most with those that stay.

    Parameters
    ----------
    left
        Buckets that nobody has trained or is training, (P, P).
    held
        Partitions that the worker has in memory.
    free
        Other partitions that nobody holds.
    buffer
        How many a worker holds at most.
    aligned
        Which partitions were trained already, (P,). If any was, a lease has one that was: parts that never
        met would learn spaces that are turned against each other.

    Returns
    -------
    The partitions, or None where nothing can be trained with those.
    """
    kept = list(held)
    while True:
        found = _filled(left, kept, np.array(free, np.int64), buffer, aligned)
        within = np.array(found, np.int64)
        if len(found) <= buffer and _meetings(left, within, within).any():
            return tuple(found)
        if not kept:
            return None
        within = np.array([*kept, *free], np.int64)
        kept.pop(int(_meetings(left, np.array(kept, np.int64), within).sum(axis=1).argmin()))


def _filled(left: Flags, kept: list[int], free: Ids, buffer: int, aligned: Flags) -> list[int]:
    """Add partitions to those kept until the buffer is full, each the one with the most buckets left."""
    found = list(kept)
    while len(found) < buffer and len(free):
        if found:
            gain = _meetings(left, free, np.array(found, np.int64)).sum(axis=1)
        else:
            gain = left[free].sum(axis=1) + left[:, free].sum(axis=0)
        gain += left[free, free]
        if aligned.any() and not aligned[found].any():
            if not aligned[free].any():
                return []
            gain = np.where(aligned[free], gain, -1)
        elif found and not gain.any():
            break
        best = int(gain.argmax())
        found.append(int(free[best]))
        free = np.delete(free, best)
    return found if not aligned.any() or aligned[found].any() else []


def _meetings(left: Flags, some: Ids, others: Ids) -> Ids:
    """Return how many buckets are left between partitions, at most 2 for each pair, (some, others)."""
    forth, back = left[np.ix_(some, others)], left[np.ix_(others, some)].T
    return forth.astype(np.int64) + back
