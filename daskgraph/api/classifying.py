"""From a model and a source of labels to vectors and their labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from daskgraph.api.handles import Model
from daskgraph.api.places import place
from daskgraph.api.training import Given
from daskgraph.errors import NothingLabelledError
from daskgraph.evaluation.classification import Classification, Labels, StoredNodes, classify
from daskgraph.events import Callback, ignore
from daskgraph.ingest.features import FeaturePairs, read_features


def classify_model(
    model: Model,
    source: Any,
    entity_type: str | None,
    fractions: float | Sequence[float],
    *,
    callback: Callback | None = None,
    config: Given = None,
    client: Any = None,
    **options: Any,
) -> Classification:
    """Classify the nodes of a model; see `daskgraph.classify`."""
    # A wrong type is told before a file is read for nothing.
    kind = model.entity_type(entity_type)
    pairs = read_features(_listed(source), "label")
    row_of = _rows(model, kind, pairs)
    known = row_of[pairs.entity] >= 0
    if not known.any():
        raise NothingLabelledError(pairs.source, kind)
    rows, node = np.unique(row_of[pairs.entity[known]], return_inverse=True)
    _, label = np.unique(pairs.feature[known], return_inverse=True)
    with place(model.store, config, client, callback) as spread:
        return classify(
            StoredNodes(str(model.path.absolute()), kind, rows),
            Labels(node, label),
            fractions=[fractions] if isinstance(fractions, int | float) else list(fractions),
            unknown=int((row_of < 0).sum()),
            callback=callback or ignore,
            spread=spread,
            **options,
        )


def _listed(source: Any) -> Any:
    """Return what a mapping, or Series, to single labels is as one to lists of them."""
    series = hasattr(source, "items") and hasattr(source, "index") and not hasattr(source, "columns")
    if not isinstance(source, Mapping) and not series:
        return source
    single = (str, int)
    return {node: [own] if isinstance(own, single) else own for node, own in source.items()}


def _rows(model: Model, kind: str, pairs: FeaturePairs) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the row of every labelled node, -1 of one that is not in the graph."""
    places = {name: place for place, name in enumerate(pairs.entities.to_pylist())}
    rows = np.full(len(places), -1, np.int64)
    for row, name in enumerate(model.graph.store.names(kind)):
        place = places.get(name)
        if place is not None:
            rows[place] = row
    return rows
