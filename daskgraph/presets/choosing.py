"""Choose settings that suit a kind of graph from its shape, each with its reason."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any, NamedTuple

from daskgraph.errors import ConfigValueError
from daskgraph.graph import UNTYPED_RELATION
from daskgraph.presets.shapes import ANY, NOTHING, THINNING, WALKABLE, Shape
from daskgraph.presets.trials import CANDIDATES, EDGES, MOST_TRIALS, Trials, trials_for
from daskgraph.presets.yielding import flat, ruled_out

KNOWLEDGE_GRAPH, NETWORK, RECOMMENDER = "knowledge-graph", "network", "recommender"

BUDGET = 6e13
"""Multiplications of a training: about twenty minutes of two cores of 2020."""

ALL_ENTITIES = 50_000
"""Up to so many entities of a type all of them are candidates, where that is affordable."""

UNIFORM_ALONE = 1_000_000
"""Up to so many entities candidates are drawn with the same chance, and those of the batch do not count."""

ENOUGH = 60
"""Candidates are as many as leave so many epochs."""

PENALTIES = ((10.0, 0.1), (20.0, 0.05), (50.0, 0.03))
"""Edges an entity, and the factor on N3 below so many."""

LEAST_PENALTY = 0.01
"""The factor where there are more."""

RATES = ((10.0, 0.5),)
"""Edges an entity, and the learning rate below so many: steps of rows that are seldom trained may be long."""

MOST_RATE = 0.3
"""The rate where there are more."""

COOLDOWN = 0.5
"""Share of the epochs in which such rates fall: most of what they gain comes then."""

WALKS_COOLDOWN = 0.6
"""The same with walks, whose epochs are few."""

PATIENCE = 6
"""Evaluations without a better one, at least."""

RANKED = 3 * 10**8
"""Up to so many pairs of a valid edge and an entity are ranked in an evaluation; beyond, a sample is."""

WALKED = 10**8
"""About so many pairs are made of walks."""

PAIRS = 200
"""About so many pairs are in a walk of 40 nodes with a window of 10."""

WALKS = 40
"""Walks of a node where none of their pairs are left out, as many more as make up for those that are."""

SHRINKAGE, MOST_SHRINKAGE = 0.45, 0.15
"""The factor on L2 where entities have one edge, and its highest: with thrice the best nothing is learnt."""


class Reason(NamedTuple):
    """Some settings, and why."""

    keys: str
    """Such as "training.epochs = 20"."""

    why: str
    """Half a sentence."""

    def __str__(self) -> str:
        return f"{self.keys}: {self.why}"


class Pace(NamedTuple):
    """How fast to train."""

    most: int
    """Epochs at most."""

    rate: float
    """The learning rate."""

    cooldown: float
    """Share of the epochs in which it falls."""


@dataclass(frozen=True)
class Preset:
    """What was chosen."""

    given: Mapping[str, Any] = field(default_factory=dict)
    """Keys that the user gave, by their paths."""

    ruled_out: frozenset[str] = frozenset()
    """Keys that it leaves alone, since they do not go with those."""

    settings: dict[str, Any] = field(default_factory=dict)
    """Sections of a config; whatever the user gives counts instead."""

    reasons: list[Reason] = field(default_factory=list)
    """Why."""

    trials: Trials | None = None
    """Short trainings to choose `loss.regularization` by, where its factor is but a guess."""

    def add(self, why: str, **sections: Mapping[str, Any]) -> None:
        """Choose keys of some sections for one reason."""
        keys = []
        for path, value in flat(sections).items():
            if path in self.ruled_out:
                continue
            section, _, key = path.partition(".")
            self.settings.setdefault(section, {})[key] = value
            if path not in self.given:
                keys.append(f"{path} = {_shown(value)}")
        if keys:
            self.reasons.append(Reason(", ".join(keys), why))


def choose(name: str, shape: Shape = ANY, given: Mapping[str, Any] = NOTHING, *, here: bool = True) -> Preset:
    """Return the settings of a preset for a graph of this shape, and the reasons.

    Keys that can not be used beside those in `given`, sections of a config, are left out. Trials are for
    trainings in this process: `here`.
    `model.dimension` is the same for all shapes: before an import, which depends on it, there is none.

    >>> shape = Shape({"entity": 14_541}, 237, 272_115, 17_535, False)
    >>> choose("knowledge-graph", shape).settings["negatives"]
    {'uniform': 3000, 'in_batch': False, 'stand_for_all': True}

    Raises
    ------
    ConfigValueError
        There is no such preset.
    """
    if name not in PRESETS:
        raise ConfigValueError("preset", name, f"should be one of {', '.join(PRESETS)}")
    preset = Preset(flat(given), ruled_out(given))
    cost = PRESETS[name](preset, shape)
    trials = _trials(preset, shape, flat(given), cost) if here else None
    if trials is not None:
        why = (
            "shapes hardly tell how strong a regularizer should be; a plan's time is without them, and with "
            "loss.regularization there are none"
        )
        preset.reasons.append(Reason(f"up to {MOST_TRIALS} trials of {trials.epochs} epochs first", why))
    return replace(preset, trials=trials)


def types_for(name: str | None, given: Mapping[str, Any], *, told: bool = False) -> Preset:
    """Return the types that a preset takes heads and tails for, where they are told apart by nothing else.

    Parameters
    ----------
    name
        The preset, if any.
    given
        Sections of a config; where they declare types or relations, there is nothing to choose.
    told
        Whether the source itself names relations, or has no direction: then there is no more than a reason.

    >>> types_for("recommender", {}).settings["relations"]
    [{'name': 'edge', 'head': 'user', 'tail': 'item'}]
    """
    preset = Preset()
    if name != RECOMMENDER or {"entities", "relations"} & set(given):
        return preset
    if told:
        why = "the source names relations, or no direction; if it is ratings that it names, give --columns"
        preset.reasons.append(Reason("users and items are one type", why))
        return preset
    preset.settings.update(
        entities={"user": {}, "item": {}},
        relations=[{"name": UNTYPED_RELATION, "head": "user", "tail": "item"}],
    )
    why = "heads take tails, another type even where ids look alike; declare [[relations]] to say else"
    preset.reasons.append(Reason("entities.user, entities.item", why))
    return preset


def _trials(preset: Preset, shape: Shape, given: Mapping[str, Any], cost: float) -> Trials | None:
    """Return the trials of a factor that was chosen, unless the user gave it or what it belongs to."""
    chosen = flat(preset.settings)
    factor = chosen.get("loss.regularization")
    if factor is None or {"loss.regularization", "loss.regularizer", "loss.function"} & set(given):
        return None
    epochs = given.get("training.epochs", chosen["training.epochs"])
    if not isinstance(epochs, int):
        return None
    every = chosen.get("negatives.all", False)
    candidates = _compared(preset, shape).most if every else chosen.get("negatives.uniform", 0)
    stand = every or chosen.get("negatives.stand_for_all", False)
    theirs = any(path.startswith("negatives.") for path in given)
    fewer = cost * min(1.0, CANDIDATES / candidates) if stand and not theirs else cost
    return trials_for(factor, epochs, shape.valid, cost, fewer)


def _knowledge_graph(preset: Preset, shape: Shape) -> float:
    preset.add(
        "ComplEx in both directions, the best known of simple models",
        model={"dimension": 200, "operator": "complex_diagonal", "comparator": "dot", "reciprocal": True},
    )
    preset.add(
        f"{shape.density:.1f} edges an entity: the fewer edges, the easier vectors learn them by heart",
        loss={"function": "softmax", "regularizer": "n3", "regularization": _penalty(shape.density)},
    )
    return _foretell(preset, shape, 6.0 * 200, _long_steps(shape))


def _penalty(density: float) -> float:
    """Return the factor on N3 that published searches found for graphs of so many edges an entity."""
    return _below(PENALTIES, density, LEAST_PENALTY)


def _long_steps(shape: Shape) -> Pace:
    """Return the pace for vectors that long steps suit: few epochs, of which half are cooled."""
    return Pace(40, _below(RATES, shape.density, MOST_RATE), COOLDOWN)


def _below(table: tuple[tuple[float, float], ...], density: float, otherwise: float) -> float:
    return next((value for below, value in table if density < below), otherwise)


def _network(preset: Preset, shape: Shape) -> float:
    nodes = sum(shape.entities.values())
    asked = preset.given.get("walks.per_node")
    foretold = "valid" if shape.valid else "test" if shape.tested else None
    if shape.walkable and not foretold and asked != 0:
        return _walk(preset, shape, nodes)
    why = (
        "no walks are asked for"
        if asked == 0
        else f"there are {foretold} edges to foretell"
        if foretold
        else "walks of so many nodes would make too many pairs"
        if nodes > WALKABLE
        else "walks are for one type without features, and one relation"
    )
    preset.add(f"{why}: edges are trained", walks={"per_node": 0})
    preset.add(
        "edges may have a direction, and with a product alone every node would be its own best neighbour",
        model={"dimension": 128, "operator": "complex_diagonal", "comparator": "dot", "reciprocal": True},
        loss={"function": "softmax", "regularizer": "n3", "regularization": _penalty(shape.density)},
    )
    return _foretell(preset, shape, 6.0 * 128, _long_steps(shape))


def _walk(preset: Preset, shape: Shape, nodes: int) -> float:
    preset.add(
        "nearness alone, as in DeepWalk",
        model={"dimension": 128, "operator": "none", "comparator": "dot", "init_scale": 0.1},
        loss={"function": "softmax"},
    )
    share = max(shape.thinned, 0.1)
    kept = max(nodes * PAIRS * share, 1.0)
    affordable = max(1, min(round(WALKS / share), int(WALKED / kept)))
    per_node: int = preset.given.get("walks.per_node", affordable)
    preset.add(
        f"{nodes:,} nodes are few enough for walks, which tell more of classes and neighbours than edges do; "
        "to foretell edges, hold some out: daskgraph import --valid 0.05 --test 0.05",
        walks={"per_node": per_node, "length": 40, "window": 10},
    )
    preset.add(
        "else most pairs would be of the few nodes of most edges, and vectors tell little of the others"
        + (f"; about {shape.thinned:.0%} are left" if shape.thinned < 1 else ""),
        walks={"thinning": THINNING},
    )
    preset.add(
        "who is near against others, drawn about as often as they stand in pairs",
        negatives={"uniform": 200, "frequency": 0.5},
        training={"batch_size": 200},
    )
    cost = 6.0 * kept * per_node * 400 * 128
    _epochs(preset, cost, most=max(3, 2 * WALKS // per_node), fewest=2)
    preset.add(
        "short steps at the end gather what long ones found",
        training={"learning_rate": 0.1, "cooldown": WALKS_COOLDOWN},
    )
    return cost


def _recommender(preset: Preset, shape: Shape) -> float:
    preset.add(
        "what goes with what is a matter of many tastes",
        model={"dimension": 128, "operator": "none", "comparator": "dot", "init_scale": 0.1},
    )
    side = "tail" if shape.bipartite else "both"
    asked = "the items of a user are asked for" if shape.bipartite else "users and items are one type"
    preset.add(asked, negatives={"corrupt": side})
    preset.add(
        f"{shape.density:.1f} edges an entity: what chance makes of so few has to be forgotten",
        loss={"function": "softmax", "regularizer": "l2", "regularization": _shrinkage(shape.density)},
        model={"dropout": 0.2},
    )
    return _foretell(preset, shape, (3.0 if shape.bipartite else 6.0) * 128, Pace(30, 0.1, 0.3))


def _shrinkage(density: float) -> float:
    """Return the factor on L2 that takes away what is chance in products.

    Per edge, L2 sets every direction to nought in which heads and tails go together less than its factor says
    (a singular value of the edges, each divided by the roots of its ends' degrees); in random edges they go
    together as one over the root of their number an entity.
    """
    return float(f"{min(MOST_SHRINKAGE, SHRINKAGE / max(density, 1.0) ** 0.5):.2g}")


def _foretell(preset: Preset, shape: Shape, products: float, pace: Pace) -> float:
    """Choose candidates, epochs and evaluations for a graph whose own edges are trained.

    `products` are the multiplications for an edge and a candidate.
    """
    affordable = int(BUDGET / max(1.0, ENOUGH * products * shape.edges))
    candidates = _candidates(preset, _compared(preset, shape), affordable)
    batch = max(50, min(500, shape.edges // 100))
    preset.add(
        "many edges share candidates, yet an epoch has many steps",
        training={"batch_size": batch},
    )
    cost = products * shape.edges * candidates
    _epochs(preset, cost, pace.most)
    preset.add(
        "long steps learn more in few epochs, if the last ones are short",
        training={"learning_rate": pace.rate, "cooldown": pace.cooldown},
    )
    _evaluation(preset, shape, pace)
    return cost


def _compared(preset: Preset, shape: Shape) -> Shape:
    """Return the shape with the types alone that candidates are of."""
    chosen = preset.settings.get("negatives", {}).get("corrupt", "both")
    return shape.of_tails if preset.given.get("negatives.corrupt", chosen) == "tail" else shape


def _candidates(preset: Preset, shape: Shape, affordable: int) -> int:
    """Choose all entities where that is affordable, else many shared ones; return how many there are."""
    few = shape.most <= min(ALL_ENTITIES, max(1000, 2 * affordable))
    if few and "negatives.all" not in preset.ruled_out:
        preset.add(f"{shape.most:,} entities: all of them can be compared", negatives={"all": True})
        return shape.most
    uniform: int = preset.given.get("negatives.uniform", max(1000, affordable // 100 * 100))
    if shape.most <= UNIFORM_ALONE:
        preset.add(
            f"not all of {shape.most:,} entities: those drawn have the same chance and stand for the others, "
            "while candidates from other edges would make those seem unlikely that stand in many",
            negatives={"uniform": uniform, "in_batch": False, "stand_for_all": True},
        )
        return uniform
    preset.add(
        f"{shape.most:,} entities are so many that hardly one drawn is hard to tell from the right one: the "
        "edges' own are",
        negatives={"uniform": uniform, "in_batch": True},
    )
    return uniform + 500


def _epochs(preset: Preset, cost: float, most: int, fewest: int = 3) -> None:
    """Choose as many epochs of so many multiplications as the budget allows."""
    epochs = max(fewest, min(most, int(BUDGET / max(1.0, cost))))
    preset.add(
        f"{cost:.1e} multiplications each; {BUDGET:.0e} are twenty minutes of two cores; {most} are enough",
        training={"epochs": epochs},
    )


def _evaluation(preset: Preset, shape: Shape, pace: Pace) -> None:
    """Watch the valid edges, if there are any, and stop when they get no better."""
    if not shape.valid:
        return
    if shape.valid < EDGES and "evaluation.patience" not in preset.given:
        why = f"{shape.valid:,} valid edges are too few to tell one epoch from another"
        preset.reasons.append(Reason("no early stopping", why))
        return
    epochs = preset.settings["training"]["epochs"]
    every = max(1, epochs // 15)
    # Vectors are often better early than in the middle, and best when rates have fallen.
    halfway_down = ceil((1 - pace.cooldown / 2) * epochs / every)
    preset.add(
        "valid edges say which epoch is the best, and when to stop, but not before rates have fallen",
        evaluation={"every": every, "patience": max(PATIENCE, halfway_down)},
    )
    if shape.valid * shape.most > RANKED:
        preset.add(
            f"{shape.valid:,} valid edges against {shape.most:,} entities would take long",
            evaluation={"candidates": max(1000, min(shape.most, RANKED // shape.valid))},
        )


def _shown(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value).replace("'", '"')


PRESETS: dict[str, Callable[[Preset, Shape], float]] = {
    KNOWLEDGE_GRAPH: _knowledge_graph,
    NETWORK: _network,
    RECOMMENDER: _recommender,
}
"""From a name to what chooses, and returns about how many multiplications an epoch takes."""
