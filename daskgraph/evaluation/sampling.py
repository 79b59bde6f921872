"""Candidates drawn by chance: the same for every model, partitioning and number of threads."""

import zlib

import numpy as np
import numpy.typing as npt

from daskgraph_kernels.negatives import NO_CHANCES, draw_uniform
from daskgraph_kernels.rng import derive_key

_EVALUATION, _FREQUENCY = 0xE7A1, 0xE7A2

Ids = npt.NDArray[np.int64]


def sample(entity_type: str, count: int, wanted: int, seed: int) -> Ids:
    """Draw entities of a type uniformly, each at most once.

    Parameters
    ----------
    entity_type
        Name of the type.
    count
        Number of its entities.
    wanted
        How many to draw; all are taken where there are no more.
    seed
        Where the draws start.

    Returns
    -------
    Their rows, ascending, int64, (wanted,).
    """
    if wanted >= count:
        return np.arange(count)
    if wanted > count // 2:
        left_out = sample(entity_type, count, count - wanted, seed)
        return np.delete(np.arange(count), left_out)
    key = derive_key(seed, _EVALUATION, zlib.crc32(entity_type.encode()))
    ranges = np.array([[0, count]])
    drawn = np.empty(0, np.int64)
    batch = 0
    while len(drawn) < wanted:
        more = np.empty(wanted, np.int64)
        draw_uniform(key, batch, 0, ranges, NO_CHANCES, more)
        drawn = np.concatenate([drawn, more])
        _, first = np.unique(drawn, return_index=True)
        drawn = drawn[np.sort(first)]
        batch += 1
    return np.sort(drawn[:wanted])


def sample_by_frequency(entity_type: str, degrees: Ids, wanted: int, seed: int) -> Ids:
    """Draw entities of a type in proportion to their train edges, each at most once.

    One after the other, each draw in proportion to the degrees of those that are left: so are the rows with
    the smallest of waiting times, exponential with the degree as their rate (Efraimidis and Spirakis, 2006).

    Parameters
    ----------
    entity_type
        Name of the type.
    degrees
        How often each entity is used in train edges, int64, (count,); one that is not is never drawn.
    wanted
        How many to draw; all that can be are taken where there are no more.
    seed
        Where the draws start.

    Returns
    -------
    Their rows, ascending, int64, (wanted,).
    """
    used = np.flatnonzero(degrees)
    if wanted >= len(used):
        return used
    key = derive_key(seed, _FREQUENCY, zlib.crc32(entity_type.encode()))
    waiting = np.random.Generator(np.random.Philox(int(key))).exponential(size=len(used))
    waiting /= degrees[used]
    return np.sort(used[np.argpartition(waiting, wanted)[:wanted]])
