"""Presets: settings that suit a kind of graph, chosen from its shape, each with its reason."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from daskgraph.errors import ConfigValueError
from daskgraph.graph import GraphSchema

KNOWLEDGE_GRAPH, NETWORK, RECOMMENDER = "knowledge-graph", "network", "recommender"

BUDGET = 2e14
"""Multiplications of a training: about half an hour of two cores of 2020."""

ALL_ENTITIES = 50_000
"""Up to so many entities of a type all of them are candidates."""

RANKED = 10**9
"""Up to so many pairs of a valid edge and an entity are ranked in an evaluation; beyond, a sample is."""

WALKED = 10**8
"""About so many pairs are made of walks."""


class Shape(NamedTuple):
    """What a preset looks at."""

    entities: Mapping[str, int]
    """Entities by type."""

    relations: int
    """How many relations."""

    edges: int
    """Train edges."""

    valid: int
    """Valid edges."""

    bipartite: bool
    """Whether every relation joins two different types."""

    @classmethod
    def of(cls, schema: GraphSchema, splits: Mapping[str, int]) -> "Shape":
        """Return the shape of a graph."""
        return cls(
            {kind.name: kind.count for kind in schema.entity_types},
            len(schema.relations),
            splits.get("train", 0),
            splits.get("valid", 0),
            all(relation.head != relation.tail for relation in schema.relations),
        )

    @property
    def most(self) -> int:
        """Entities of the largest type."""
        return max(self.entities.values(), default=1)

    @property
    def density(self) -> float:
        """Ends of edges an entity has, on average."""
        return 2 * self.edges / max(1, sum(self.entities.values()))


ANY = Shape({"entity": 1}, 1, 1, 0, False)


class Reason(NamedTuple):
    """Some settings, and why."""

    keys: str
    """Such as "training.epochs = 20"."""

    why: str
    """Half a sentence."""

    def __str__(self) -> str:
        return f"{self.keys}: {self.why}"


@dataclass(frozen=True)
class Preset:
    """What was chosen."""

    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Sections of a config; whatever the user gives counts instead."""

    reasons: list[Reason] = field(default_factory=list)
    """Why."""

    def add(self, why: str, **sections: Mapping[str, Any]) -> None:
        """Choose keys of some sections for one reason."""
        keys = []
        for section, chosen in sections.items():
            self.settings.setdefault(section, {}).update(chosen)
            keys += [f"{section}.{key} = {_shown(value)}" for key, value in chosen.items()]
        self.reasons.append(Reason(", ".join(keys), why))


def choose(name: str, shape: Shape = ANY) -> Preset:
    """Return the settings of a preset for a graph of this shape, and the reasons.

    What `[model]` holds is the same for all shapes: before an import, which depends on it, there is none.

    >>> shape = Shape({"entity": 14_541}, 237, 272_115, 17_535, False)
    >>> choose("knowledge-graph", shape).settings["negatives"]
    {'all': True}

    Raises
    ------
    ConfigValueError
        There is no such preset.
    """
    if name not in PRESETS:
        raise ConfigValueError("preset", name, f"should be one of {', '.join(PRESETS)}")
    preset = Preset()
    PRESETS[name](preset, shape)
    return preset


def _knowledge_graph(preset: Preset, shape: Shape) -> None:
    preset.add(
        "ComplEx in both directions, the best known of simple models",
        model={"dimension": 200, "operator": "complex_diagonal", "comparator": "dot", "reciprocal": True},
    )
    sparse = shape.density < 10
    preset.add(
        f"{shape.density:.1f} edges an entity, "
        + ("so few that vectors would learn them by heart" if sparse else "enough to say much"),
        loss={"function": "softmax", "regularizer": "n3", "regularization": 0.1 if sparse else 0.05},
    )
    candidates = _candidates(preset, shape, uniform=2000)
    preset.add("many edges share their candidates", training={"batch_size": 500})
    _epochs(preset, shape.edges, candidates, 200, most=100)
    _evaluation(preset, shape, 200)


def _network(preset: Preset, shape: Shape) -> None:
    preset.add(
        "nearness alone, as in DeepWalk",
        model={"dimension": 128, "operator": "none", "comparator": "dot", "init_scale": 0.1},
    )
    preset.add(
        "neighbours against others, and those who are everywhere more often",
        loss={"function": "softmax"},
        negatives={"uniform": 200, "frequency": 0.75},
        training={"batch_size": 200},
    )
    nodes = sum(shape.entities.values())
    plain = len(shape.entities) == 1 and shape.relations == 1
    trained = shape.edges
    # A walk of 40 nodes makes about 200 pairs with a window of 10.
    per_node = min(20, WALKED // (200 * max(1, nodes)))
    if plain and per_node and not shape.valid:
        trained = 200 * per_node * nodes
        preset.add(
            f"{nodes:,} nodes are few enough for walks, which tell more of roles than edges do",
            walks={"per_node": per_node, "length": 40, "window": 10},
        )
    else:
        why = (
            "there are valid edges to foretell"
            if shape.valid
            else "walks of so many nodes would make too many pairs"
            if plain
            else "walks are for one type and one relation"
        )
        preset.add(f"{why}: edges are trained", walks={"per_node": 0})
    _epochs(preset, trained, 400, 128, most=30)
    _evaluation(preset, shape, 128)


def _recommender(preset: Preset, shape: Shape) -> None:
    preset.add(
        "what goes with what is a matter of few tastes",
        model={"dimension": 64, "operator": "none", "comparator": "dot", "init_scale": 0.1},
    )
    side = "tail" if shape.bipartite else "both"
    asked = "the items of a user are asked for" if shape.bipartite else "users and items are one type"
    preset.add(asked, negatives={"corrupt": side})
    preset.add(
        f"{shape.density:.1f} edges an entity can not fill so many numbers",
        loss={"function": "softmax", "regularizer": "l2", "regularization": 0.01},
        model={"dropout": 0.2},
    )
    candidates = _candidates(preset, shape, uniform=1000)
    preset.add("many edges share their candidates", training={"batch_size": 500})
    _epochs(preset, shape.edges, candidates, 64, most=60)
    _evaluation(preset, shape, 64)


def _candidates(preset: Preset, shape: Shape, uniform: int) -> int:
    """Choose all entities where that is affordable, else many shared ones; return how many there are."""
    if shape.most <= ALL_ENTITIES:
        preset.add(f"{shape.most:,} entities: all of them can be compared", negatives={"all": True})
        return shape.most
    preset.add(
        f"{shape.most:,} entities are too many to compare with all; half as often again those in many edges",
        negatives={"uniform": uniform, "frequency": 0.5},
    )
    return uniform + 500


def _epochs(preset: Preset, edges: int, candidates: int, dimension: int, most: int) -> None:
    """Choose as many epochs as the budget allows: both sides, three products each, of this many numbers."""
    cost = 6.0 * edges * candidates * dimension
    epochs = max(3, min(most, int(BUDGET / max(1.0, cost))))
    preset.add(
        f"{cost:.1e} multiplications each; {BUDGET:.0e} are half an hour of two cores, {most} epochs enough",
        training={"epochs": epochs, "learning_rate": 0.1},
    )


def _evaluation(preset: Preset, shape: Shape, dimension: int) -> None:
    """Watch the valid edges, if there are any, and stop when they get no better."""
    if not shape.valid:
        preset.add("there are no valid edges: the loss says when rates should fall", training={"decay": 0.5})
        return
    every = max(1, preset.settings["training"]["epochs"] // 15)
    preset.add(
        "valid edges say when rates should fall, and when to stop",
        evaluation={"every": every, "patience": 4},
        training={"decay": 0.5},
    )
    if shape.valid * shape.most > RANKED:
        preset.add(
            f"{shape.valid:,} valid edges against {shape.most:,} entities would take long",
            evaluation={"candidates": max(1000, min(shape.most, RANKED // shape.valid))},
        )


def _shown(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value).replace("'", '"')


PRESETS: dict[str, Callable[[Preset, Shape], None]] = {
    KNOWLEDGE_GRAPH: _knowledge_graph,
    NETWORK: _network,
    RECOMMENDER: _recommender,
}
