"""Work that can be done in pieces, by others: the pieces, and what whoever spreads them has to offer."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

Answer = TypeVar("Answer")

PIECES = 2
"""Pieces a worker, at least: what one that dies leaves behind is no more."""


class Spread(Protocol):
    """Calls a function many times, wherever its workers are."""

    @property
    def workers(self) -> int:
        """How many calls are made at a time."""
        ...

    @property
    def threads(self) -> int:
        """How many threads each of them has; 0: as many as its process may use."""
        ...

    def __call__(self, task: Callable[..., Answer], pieces: Sequence[tuple[Any, ...]]) -> Iterator[Answer]:
        """Call a function of some module with the arguments of every piece; give the answers in that order.

        A call may be made again, and begun twice: by another worker where the first one dies.
        """
        ...


def spans(count: int, step: int, workers: int, largest: int) -> list[tuple[int, int]]:
    """Cut `count` things into pieces for so many workers.

    Parameters
    ----------
    count
        How many there are.
    step
        Pieces begin at a multiple of it.
    workers
        How many share them; 0: pieces may be as large as can be.
    largest
        How many a piece has at most, if a step has no more.

    Returns
    -------
    The first of each piece, and one past its last.

    >>> spans(10, 2, 2, 100)
    [(0, 4), (4, 8), (8, 10)]
    """
    steps = -(-count // step)
    share = -(-steps // (PIECES * workers or 1))
    size = step * max(1, min(share, largest // step))
    return [(first, min(first + size, count)) for first in range(0, count, size)]
