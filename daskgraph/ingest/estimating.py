"""How large a graph will be that is not imported yet: counted where its files are small, else estimated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from daskgraph.config import Config
from daskgraph.events import Event, ImportProgress
from daskgraph.graph import GraphSchema
from daskgraph.ingest.collecting import Collected, collect
from daskgraph.ingest.numbering import entity_types, relations_of, sides_of, type_names
from daskgraph.ingest.readers import check_source, is_path
from daskgraph.threads import available_threads

SMALL_BYTES, SAMPLE_EDGES = 1 << 25, 1_000_000
"""Files of so many bytes together are counted; of larger ones, about so many edges are read."""


class Estimate(NamedTuple):
    """The size of a graph."""

    schema: GraphSchema
    """Types with their counts, and relations."""
    edges: int
    """Edges of the train split."""
    name_bytes: float
    """Mean length of an entity's id."""
    sample: int | None
    """Edges that were read; None: all, so that every count is exact."""
    degrees: npt.NDArray[np.int64] | None
    """How often each entity stands in an edge, where there is one type and all edges were read; else None."""


def estimate(
    splits: Mapping[str, Sequence[Any]], config: Config, columns: Sequence[str] | None = None
) -> Estimate:
    """Estimate what an import of sources would give.

    Parameters
    ----------
    splits
        Sources by split, as for an import.
    config
        Types and relations.
    columns
        What the columns of the sources are.

    Raises
    ------
    SourceError, EdgeFileError
        A source, or a line of what is read of it, can not be used.
    """
    files = [Path(source) for listed in splits.values() for source in listed if is_path(source)]
    for file in files:
        check_source(file)
    small = sum(file.stat().st_size for file in files) <= SMALL_BYTES
    read = splits if small else {"train": splits["train"]}
    share = 1.0

    def remember(event: Event) -> None:
        nonlocal share
        if isinstance(event, ImportProgress) and event.bytes_total:
            share = min(1.0, event.bytes_done / event.bytes_total)

    with ThreadPoolExecutor(available_threads(0), thread_name_prefix="daskgraph-import") as pool:
        collected = collect(read, config, columns, pool, remember, None if small else SAMPLE_EDGES)
    edges = len(collected.splits["train"])
    whole, names = small or share == 1, type_names(config)
    return Estimate(
        _schema(collected, config, 1.0 if whole else share),
        edges if whole else round(edges / share),
        len(collected.entities.strings()[1]) / max(1, len(collected.entities)),
        None if whole else edges,
        _uses(collected, config, names[0]) if whole and len(names) == 1 else None,
    )


def estimated_count(uses: npt.NDArray[np.int64], share: float) -> int:
    """Estimate how many names there are, from how often each occurs in a share of all edges.

    The lesser of two estimates: that names which occur once or twice tell how many never did (A. Chao,
    Scandinavian Journal of Statistics 11, 1984), and that each which occurs once stands for 1 / share such.

    >>> estimated_count(np.array([1, 1, 2, 3]), 1.0)
    4
    """
    once, twice = int(np.count_nonzero(uses == 1)), int(np.count_nonzero(uses == 2))
    unseen = once * (once - 1) / (2 * (twice + 1))
    return len(uses) + round(min(unseen, once / share - once))


def _schema(collected: Collected, config: Config, share: float) -> GraphSchema:
    counts = {name: estimated_count(_uses(collected, config, name), share) for name in type_names(config)}
    weighted = any(edges.weight is not None for edges in collected.splits.values())
    return GraphSchema(entity_types(counts, config), relations_of(collected, config), 1, weighted)


def _uses(collected: Collected, config: Config, name: str) -> npt.NDArray[np.int64]:
    """Return how often each entity of a type stands in an edge."""
    size = len(collected.entities.positions())
    uses = np.zeros(size, np.int64)
    for edges in collected.splits.values():
        for codes, selected in sides_of(edges, relations_of(collected, config), name):
            uses += np.bincount(codes[selected], minlength=size)
    return uses[uses > 0]
