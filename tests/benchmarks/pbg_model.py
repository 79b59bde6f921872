"""A model that PBG trained, in daskgraph's terms: so that one evaluator judges both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from daskgraph.model import Model
from daskgraph.store import GraphStore
from daskgraph.vectors import TableVectors

Floats = npt.NDArray[np.float32]

PARAMETERS = {
    "none": (),
    "translation": ("translation",),
    "linear": ("linear_transformation",),
    "complex_diagonal": ("real", "imag"),
}
"""PBG's names of an operator's parameters, in the order in which daskgraph packs them."""


def read_pbg(folder: Path, model: Model, graph: GraphStore) -> TableVectors:
    """Return the vectors and operators in `folder`, arrays as `pbg_worker.py` saves them, for a graph.

    Entities and relations of the graph are named by their numbers in PBG. In PBG's reciprocal models the
    operators of its left side act on heads.
    """
    names = graph.names("entity")
    rows = np.load(folder / "entity.npy")[np.array(list(names), np.int64)]
    parameters = model.initial()
    relations = np.array(graph.relation_names, np.int64)
    for side, table in (("rhs", parameters.tail), ("lhs", parameters.head)):
        if len(table):
            packed = _packed(folder, side, relations, model)
            table[:, : packed.shape[1]] = packed
    return TableVectors(model, parameters, {"entity": np.ascontiguousarray(rows)})


def _packed(folder: Path, side: str, relations: npt.NDArray[np.int64], model: Model) -> Floats:
    """Operators of one side, (relations, size): a row of one array each, or an array of its own each."""
    names = PARAMETERS[model.config.model.operator]
    rows: list[Floats] = []
    for relation in relations.tolist():
        if model.config.model.reciprocal:
            parts = [np.load(folder / f"relations.0.operator.{side}.{name}.npy")[relation] for name in names]
        else:
            parts = [np.load(folder / f"relations.{relation}.operator.{side}.{name}.npy") for name in names]
        rows.append(np.concatenate([np.empty(0, np.float32), *(part.ravel() for part in parts)]))
    return np.array(rows, np.float32)
