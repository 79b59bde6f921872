"""What a user holds: a graph, and a model that answers by name."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from daskgraph.api.places import place
from daskgraph.api.training import Given
from daskgraph.config import Config, merge_stored
from daskgraph.errors import DamagedStoreError, UnknownEntityTypeError
from daskgraph.evaluation import Evaluation, evaluate
from daskgraph.events import Callback, ignore
from daskgraph.export import export
from daskgraph.model import Model as ModelDescription
from daskgraph.neighbors import Answer, find_entity, nearest, predict
from daskgraph.stopping import held_epoch
from daskgraph.store import GraphStore, ModelStore
from daskgraph.threads import available_threads

Floats = npt.NDArray[np.float32]


class Graph:
    """A graph on disk; `open_graph` makes it.

    Parameters
    ----------
    store
        Its store.
    """

    def __init__(self, store: GraphStore) -> None:
        self.store = store

    def __repr__(self) -> str:
        entities = sum(self.entities.values())
        return f"<Graph {self.path}: {entities:,} entities, {sum(self.edges.values()):,} edges>"

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.store.path

    @property
    def entities(self) -> dict[str, int]:
        """Number of entities by type."""
        return {kind.name: kind.count for kind in self.store.schema.entity_types}

    @property
    def relations(self) -> tuple[str, ...]:
        """Names of the relations."""
        return self.store.relation_names

    @property
    def edges(self) -> dict[str, int]:
        """Number of edges by split."""
        return self.store.splits

    def info(self) -> dict[str, Any]:
        """Return all that there is to know about it, as plain data."""
        return {
            "kind": "graph",
            "path": str(self.path),
            "fingerprint": self.store.fingerprint,
            "entities": self.entities,
            "features": _features(self.store),
            "relations": len(self.relations),
            "edges": self.edges,
            "held_out": {
                source["split"]: source["share"] for source in self.store.sources if "share" in source
            },
            "weighted": self.store.schema.weighted,
            "partitions": self.store.schema.partitions,
            "bytes": self.store.disk_bytes,
            "config": self.store.config,
        }


class Model:
    """A trained model on disk; `train` and `open_model` make it.

    Vectors are looked up by the entity's id, or by its label where that is unique: ``model["/m/02mjmr"]``.

    Parameters
    ----------
    store
        Its store.
    summary
        What the training that made it came to; empty for a model that was opened.
    """

    def __init__(self, store: ModelStore, summary: dict[str, Any] | None = None) -> None:
        self.store = store
        self.summary = summary or {}

    def __repr__(self) -> str:
        return f"<Model {self.path}: {self.epochs} epochs of {self.graph!r}>"

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.store.path

    @property
    def epochs(self) -> int:
        """Epochs that are trained."""
        return int(self.store.progress.get("epoch", 0))

    @property
    def history(self) -> list[dict[str, Any]]:
        """What every epoch came to: its loss, seconds, and figures where it was evaluated."""
        return self.store.history

    @cached_property
    def config(self) -> Config:
        """The config it was trained with."""
        return merge_stored(self.store.config, {}, self.path)

    @cached_property
    def graph(self) -> Graph:
        """The graph it was trained on."""
        return Graph(self.store.open_graph())

    def __getitem__(self, entity: str) -> Floats:
        """Return the vector of an entity, float32, shape (dimension,).

        Raises
        ------
        UnknownEntityError, AmbiguousEntityError
            No entity, or several, go by that name.
        """
        kind, row = find_entity(self.graph.store, entity)
        vector: Floats = self.store.read_embeddings(kind, row, row + 1)[0]
        return vector

    def embeddings(self, entity_type: str | None = None) -> Any:
        """Return the vectors of an entity type as a lazy Zarr array, (entities, dimension) float32.

        Row i is the entity `names(entity_type)[i]`. The type may be left out where there is but one.

        Raises
        ------
        UnknownEntityTypeError
            There is no such type, or there are several and none is named.
        """
        return self.store.array(f"embeddings/{self.entity_type(entity_type)}")

    def names(self, entity_type: str | None = None) -> list[str]:
        """Return the ids of all entities of a type, in the order of their rows."""
        return list(self.graph.store.names(self.entity_type(entity_type)))

    def relation(self, name: str) -> dict[str, Floats]:
        """Return the parameters of a relation by their names; empty for one that changes nothing."""
        index = self.graph.store.schema.relation_index(name)
        prefix = "relations/"
        paths = [path for path in self.store.parameters if path.startswith(prefix)]
        stored = self.store.read_parameters(paths)
        return {path.removeprefix(prefix): array[index] for path, array in stored.items()}

    def neighbors(
        self,
        entity: str,
        k: int = 10,
        *,
        callback: Callback | None = None,
        config: Given = None,
        client: Any = None,
    ) -> list[Answer]:
        """Return the k entities nearest to one, best first, under the model's own comparator.

        `callback`, `config` and `client` as of `daskgraph.evaluate`.
        """
        with place(self.store, config, client, callback) as spread:
            return nearest(self.store, self.graph.store, entity, k, spread=spread)

    def predict(
        self,
        head: str | None = None,
        relation: str | None = None,
        tail: str | None = None,
        k: int = 10,
        *,
        skip_known: bool = False,
        callback: Callback | None = None,
        config: Given = None,
        client: Any = None,
    ) -> list[Answer]:
        """Return the k best tails of a head and relation, or the k best heads of a relation and tail.

        Every entity of the type may be an answer, the one asked about too. `skip_known` leaves out answers
        that are edges of the graph already. `callback`, `config` and `client` as of `daskgraph.evaluate`.
        """
        with place(self.store, config, client, callback) as spread:
            return predict(
                self.store,
                self.graph.store,
                head=head,
                relation=relation,
                tail=tail,
                k=k,
                skip_known=skip_known,
                spread=spread,
            )

    def evaluate(self, split: str = "test", **options: Any) -> Evaluation:
        """Rank the edges of a split; options as of `daskgraph.evaluate`."""
        return evaluate_model(self, split, **options)

    def export(
        self,
        path: str | Path,
        *,
        callback: Callback | None = None,
        config: Given = None,
        client: Any = None,
    ) -> dict[str, Any]:
        """Write the vectors with their names to a .tsv, .parquet, .npz or .kv file; return what was written.

        `callback`, `config` and `client` as of `daskgraph.evaluate`: workers put what they make into a folder
        beside the file, and this process puts it together.

        Returns
        -------
        `file`, rows by entity type (`entities`), and `bytes`.
        """
        with place(self.store, config, client, callback) as spread:
            export(self.store, self.graph.store, path, spread)
        return {"file": str(path), "entities": self.graph.entities, "bytes": Path(path).stat().st_size}

    def info(self) -> dict[str, Any]:
        """Return all that there is to know about it, as plain data."""
        history = self.history
        held = held_epoch(history)
        return {
            "kind": "model",
            "path": str(self.path),
            "graph": str(self.store.graph_path),
            "entities": {kind.name: kind.count for kind in self.store.schema.entity_types},
            "features": _features(self.store),
            "relations": len(self.store.schema.relations),
            "dimension": {
                kind.name: ModelDescription(self.config, self.store.schema).dimension(kind.name)
                for kind in self.store.schema.entity_types
            },
            "epochs": self.epochs,
            "holds_epoch": held,
            "trained_now_by": self.store.trainer(),
            "loss": next((entry["loss"] for entry in history if entry["epoch"] == held), None),
            "snapshots": {name: _outline(self.store, name) for name in self.store.snapshots.names()},
            "bytes": self.store.disk_bytes,
            "config": self.store.config,
        }

    def entity_type(self, name: str | None = None) -> str:
        """Return the name of an entity type; None is the only one, where there is but one."""
        if name is not None:
            return self.store.schema.entity_type(name).name
        kinds = tuple(kind.name for kind in self.store.schema.entity_types)
        if len(kinds) > 1:
            raise UnknownEntityTypeError(None, kinds)
        return kinds[0]


def _features(store: GraphStore | ModelStore) -> dict[str, int]:
    """Return how many features each featurised type has."""
    return {kind.name: kind.features for kind in store.schema.entity_types if kind.featurized}


def _outline(store: ModelStore, name: str) -> dict[str, Any]:
    """Return what a snapshot holds, in a few words."""
    path = store.snapshots.path(name)
    try:
        last = ModelStore.open(path).history[-1]
    except DamagedStoreError as error:
        return {"path": str(path), "damage": str(error)}
    outline = {"path": str(path), "epoch": last["epoch"], "loss": last["loss"]}
    return outline | ({"mrr": last["evaluation"]["mrr"]} if "evaluation" in last else {})


def evaluate_model(
    model: Model,
    split: str = "test",
    *,
    callback: Callback | None = None,
    config: Given = None,
    client: Any = None,
    **options: Any,
) -> Evaluation:
    """Rank every edge of a split; see `daskgraph.evaluate`."""
    with place(model.store, config, client, callback) as spread:
        return evaluate(
            model.store,
            model.graph.store,
            split,
            threads=available_threads(model.config.training.threads),
            callback=callback or ignore,
            spread=spread,
            **options,
        )
