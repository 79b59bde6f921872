"""Where vectors come from: a model on disk, or tables in memory while they are trained."""

from collections.abc import Iterator, Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from daskgraph.config import merge_stored
from daskgraph.errors import UntrainedModelError
from daskgraph.graph import Features
from daskgraph.model import Model, Parameters
from daskgraph.store import ModelStore
from daskgraph_kernels.rows import NO_FEATURES, FeatureLists, gather, gather_means

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

Span = tuple[int, int]
"""The first of some rows, and one past the last."""

MEANS_BYTES = 1 << 25
"""Means of features that are made together."""


_NOTHING = np.zeros(0, np.float32)


class Vectors(Protocol):
    """A model whose rows can be read in pieces, so that it may be bigger than memory."""

    @property
    def model(self) -> Model:
        """What the vectors mean."""
        ...

    @property
    def parameters(self) -> Parameters:
        """Operators, and the vectors common to a type."""
        ...

    def step(self, entity_type: str) -> int:
        """Return how many rows of a type are best read at a time, from a multiple of this number on."""
        ...

    def rows(self, entity_type: str, start: int, stop: int) -> Floats:
        """Return rows start to stop as they are stored; they are not changed by who asks."""
        ...


class StoredVectors:
    """The vectors of a model on disk, as of its last commit.

    Parameters
    ----------
    store
        The model.

    Raises
    ------
    UntrainedModelError
        Nothing was committed yet.
    """

    def __init__(self, store: ModelStore) -> None:
        self._store = store
        self.model = Model(merge_stored(store.config, {}, store.path), store.schema)
        # Features are read by who trains them alone: their means are rows like others.
        wanted = [path for path in store.parameters if "features/" not in path]
        stored = store.read_parameters(wanted)
        kinds = self.model.schema.entity_types
        if len(stored) < len(wanted) or not all(store.has_rows(kind.name, 0, kind.count) for kind in kinds):
            raise UntrainedModelError(str(store.path))
        self.parameters = self.model.pack(stored)

    def step(self, entity_type: str) -> int:
        """Return the rows of a chunk: a part of one takes as long to read."""
        return self._store.chunk_rows(entity_type)

    def rows(self, entity_type: str, start: int, stop: int) -> Floats:
        """Read rows start to stop."""
        return self._store.read_embeddings(entity_type, start, stop)


class FeatureMeans:
    """Rows of a featurised type: each the mean of its features as these are now.

    Parameters
    ----------
    model
        The model.
    parameters
        Its parameters, the embeddings of features among them.
    entity_type
        The type.
    features
        Which features its entities have.
    """

    def __init__(self, model: Model, parameters: Parameters, entity_type: str, features: Features) -> None:
        self._table = parameters.features[entity_type]
        self._lists = FeatureLists(*features)
        longest = np.float32(model.config.model.max_norm)
        if longest > 0:
            self._table = self._table.copy()
            rows = np.arange(len(self._table))
            gather(self._table, NO_FEATURES, rows, 0, len(rows), _NOTHING, longest, self._table)

    def __len__(self) -> int:
        return len(self._lists.offsets) - 1

    @property
    def step(self) -> int:
        """How many rows are best made at a time."""
        return max(1, MEANS_BYTES // (4 * int(self._table.shape[1])))

    def rows(self, start: int, stop: int) -> Floats:
        """Return rows start to stop, float32, (stop - start, dimension)."""
        out = np.empty((stop - start, self._table.shape[1]), np.float32)
        wanted = np.arange(start, stop)
        gather_means(self._table, self._lists, wanted, 0, len(wanted), _NOTHING, np.float32(0), out)
        return out


class TableVectors:
    """Vectors in memory, such as those of a model in training.

    Parameters
    ----------
    model
        What they mean.
    parameters
        Operators, and the vectors common to a type.
    tables
        All rows of every entity type: float32, (entities, dimension), or means of features.
    """

    def __init__(
        self, model: Model, parameters: Parameters, tables: Mapping[str, Floats | FeatureMeans]
    ) -> None:
        self.model = model
        self.parameters = parameters
        self._tables = tables

    def step(self, entity_type: str) -> int:
        """Return the number of all rows, unless they have to be made."""
        table = self._tables[entity_type]
        return table.step if isinstance(table, FeatureMeans) else max(1, len(table))

    def rows(self, entity_type: str, start: int, stop: int) -> Floats:
        """Return rows start to stop, without a copy where they are in memory."""
        table = self._tables[entity_type]
        return table.rows(start, stop) if isinstance(table, FeatureMeans) else table[start:stop]


def count_of(vectors: Vectors, entity_type: str) -> int:
    """Return the number of entities of a type."""
    return vectors.model.schema.entity_type(entity_type).count


def effective(vectors: Vectors, entity_type: str, rows: Floats) -> Floats:
    """Return a copy of rows (n, d) as the model means them: shortened to `max_norm`, plus the common one."""
    copied = np.array(rows, np.float32, order="C")
    common = vectors.parameters.common[entity_type]
    longest = np.float32(vectors.model.config.model.max_norm)
    if len(common) or longest > 0:
        gather(copied, NO_FEATURES, np.arange(len(copied)), 0, len(copied), common, longest, copied)
    return copied


def pieces(vectors: Vectors, entity_type: str, span: Span | None = None) -> Iterator[tuple[int, Floats]]:
    """Give rows of a type as they are stored, piece by piece: the first row's number, and the rows.

    A span begins at a multiple of the type's step; without one all rows are given.
    """
    step = vectors.step(entity_type)
    first, last = span or (0, count_of(vectors, entity_type))
    for start in range(first, last, step):
        yield start, vectors.rows(entity_type, start, min(start + step, last))


def blocks(
    vectors: Vectors, entity_type: str, size: int, span: Span | None = None
) -> Iterator[tuple[int, Floats]]:
    """Give rows of a type as the model means them, at most `size` at a time; `span` as of `pieces`."""
    for first, piece in pieces(vectors, entity_type, span):
        for start in even_starts(len(piece), size):
            stop = min(start + even_size(len(piece), size), len(piece))
            yield first + start, effective(vectors, entity_type, piece[start:stop])


def even_size(count: int, size: int) -> int:
    """Return the size of blocks, at most `size`, that are as equal as can be."""
    return -(-count // max(1, -(-count // size)))


def even_starts(count: int, size: int) -> range:
    """Return where those blocks start."""
    return range(0, count, max(1, even_size(count, size)))


def gathered(vectors: Vectors, entity_type: str, ids: Ids) -> Floats:
    """Return the rows `ids` of a type as the model means them, float32, (ids, dimension).

    The table is read once, piece by piece; pieces without a wanted row are not read.
    """
    out = np.empty((len(ids), vectors.model.dimension(entity_type)), np.float32)
    order = np.argsort(ids, kind="stable")
    ascending = ids[order]
    count, step = count_of(vectors, entity_type), vectors.step(entity_type)
    for start in np.unique(ascending // step).tolist():
        first = start * step
        last = min(first + step, count)
        places = order[np.searchsorted(ascending, first) : np.searchsorted(ascending, last)]
        out[places] = vectors.rows(entity_type, first, last)[ids[places] - first]
    return effective(vectors, entity_type, out)
