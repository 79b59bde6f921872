"""Which rows of two graphs have the same name: both are walked in the order of names, block by block."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from daskgraph.store.names import Names

Ids = npt.NDArray[np.int64]

WALKED = 1 << 19
"""Names of each graph that are in memory at a time."""


def common_rows(one: Names, other: Names) -> Iterator[tuple[Ids, Ids]]:
    """Give all pairs of rows whose names are equal, in pieces: rows of `one`, and those of `other`.

    Names are ids: no two rows of either have the same.
    """
    left, right = _walk(one), _walk(other)
    here, there = next(left, None), next(right, None)
    while here and there:
        common = here.keys() & there.keys()
        yield _rows_of(here, common), _rows_of(there, common)
        # Names are sorted by their bytes in UTF-8, which is the order of Python's strings.
        last, other_last = next(reversed(here)), next(reversed(there))
        if last <= other_last:
            here = next(left, None)
        if other_last <= last:
            there = next(right, None)


def _rows_of(block: Mapping[str, int], names: Collection[str]) -> Ids:
    return np.fromiter((block[name] for name in names), np.int64, len(names))


def _walk(names: Names) -> Iterator[dict[str, int]]:
    """Give blocks of names in their order, each with its row."""
    for start in range(0, len(names), WALKED):
        rows = names.sorted_rows(start, min(start + WALKED, len(names)))
        yield dict(zip(names.names(rows), rows.tolist(), strict=True))
