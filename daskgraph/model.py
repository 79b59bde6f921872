"""What a config makes of a graph: the kernels of every relation, the place of every parameter."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from daskgraph.config import Config, RelationConfig
from daskgraph.graph import GraphSchema
from daskgraph_kernels.adagrad import step_features, step_rows
from daskgraph_kernels.comparators import COMPARATORS
from daskgraph_kernels.jit import Variant
from daskgraph_kernels.losses import ADVERSARIAL, LOSSES, OFFSETS
from daskgraph_kernels.negatives import draw_by_chance, draw_uniform, list_all
from daskgraph_kernels.operators import OPERATORS, initial_parameters, packed_size, parameter_shape
from daskgraph_kernels.regularizers import REGULARIZERS
from daskgraph_kernels.rng import derive_key, fill_normal
from daskgraph_kernels.rows import gather, gather_means
from daskgraph_kernels.workspace import Functions, Settings

Floats = npt.NDArray[np.float32]

_ANGLES, _ROWS = 0xA4C1E, 0x1417

_TURNS: dict[str, Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]] = {
    "complex_diagonal": lambda angles: np.concatenate([np.cos(angles), np.sin(angles)]),
    "rotation": lambda angles: angles,
}
"""Operators that begin as a turn, with what they hold for the angles of all coordinates."""

_GATHER = {False: gather, True: gather_means}
_STEP = {False: step_rows, True: step_features}
"""How rows of a type are found and changed, by whether it is featurised."""

ON_HEADS = "reciprocal_"
"""Prefix of the stored names of operators that act on heads; those that act on tails have none."""


class Group(NamedTuple):
    """Relations whose batches run through the same kernels on the same tables."""

    head: str
    """Entity type of their heads."""

    tail: str
    """Entity type of their tails."""

    operator: str
    """Name of their operator."""

    all_candidates: bool
    """Whether every entity is a candidate."""


@dataclass
class Parameters:
    """What all edges of a model share, in memory: operators, vectors common to a type, features.

    Operators are packed: row r of a table holds the numbers of relation r, in the order of its operator.
    """

    tail: Floats
    """Operators that act on tails, shape (relations, size)."""

    head: Floats
    """Operators that act on heads, (relations, size); (0, size) unless the model is reciprocal."""

    tail_sums: Floats
    """Adagrad sums of `tail`."""

    head_sums: Floats
    """Adagrad sums of `head`."""

    common: dict[str, Floats]
    """For every entity type the vector added to all its rows, (dimension,); (0,) if there is none."""

    common_sums: dict[str, Floats]
    """Adagrad sums of `common`."""

    features: dict[str, Floats] = field(default_factory=dict)
    """For every featurised type the embeddings of its features, (features, dimension)."""

    feature_sums: dict[str, Floats] = field(default_factory=dict)
    """Adagrad sums of `features`, (features,)."""


@dataclass(frozen=True)
class Model:
    """A config applied to the types of a graph.

    Parameters
    ----------
    config
        What was chosen.
    schema
        Entity types and relations of the graph.
    """

    config: Config
    schema: GraphSchema

    @cached_property
    def relations(self) -> tuple[RelationConfig, ...]:
        """What the config says of every relation of the graph, in the graph's order."""
        chosen = {relation.name: relation for relation in self.config.relations}
        return tuple(
            chosen.get(
                relation.name, RelationConfig(name=relation.name, head=relation.head, tail=relation.tail)
            )
            for relation in self.schema.relations
        )

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The distinct groups of relations."""
        return tuple(dict.fromkeys(self.group_of(index) for index in range(len(self.relations))))

    @cached_property
    def group_index(self) -> npt.NDArray[np.int64]:
        """For every relation the index of its group, int64, shape (relations,)."""
        order = {group: index for index, group in enumerate(self.groups)}
        return np.array([order[self.group_of(index)] for index in range(len(self.relations))], np.int64)

    def group_of(self, relation: int) -> Group:
        """Return the group of the relation with that index."""
        chosen = self.relations[relation]
        every = self.config.negatives.all or chosen.all_candidates
        return Group(chosen.head, chosen.tail, self.config.operator_of(chosen), every)

    def dimension(self, entity_type: str) -> int:
        """Return the length of the vectors of an entity type."""
        return self.config.dimension_of(entity_type)

    def functions(self, group: Group) -> Functions:
        """Return the kernels of a group, not yet compiled."""
        operator, comparator = OPERATORS[group.operator], COMPARATORS[self.config.model.comparator]
        frequency = self.config.negatives.frequency
        heads, tails = (self.schema.entity_type(kind).featurized for kind in (group.head, group.tail))
        return Functions(
            operator.forward,
            operator.backward,
            comparator.prepare,
            comparator.prepare_backward,
            comparator.pairs,
            comparator.pairs_backward,
            comparator.scores,
            comparator.scores_backward,
            self._loss,
            list_all if group.all_candidates else draw_by_chance if frequency else draw_uniform,
            gather_heads=_GATHER[heads],
            gather_tails=_GATHER[tails],
            step_heads=_STEP[heads],
            step_tails=_STEP[tails],
            regularizer=REGULARIZERS[self.config.loss.regularizer],
        )

    def settings(self, group: Group) -> Settings:
        """Return the numbers and switches of a training step of a group."""
        model, loss, negatives = self.config.model, self.config.loss, self.config.negatives
        training = self.config.training
        comparator = COMPARATORS[model.comparator]
        return Settings(
            identity=group.operator == "none",
            complex_parameters=OPERATORS[group.operator].complex,
            separate=comparator.rescales or model.bias,
            keeps_scores=comparator.keeps_scores,
            product=comparator.product,
            bias=model.bias,
            shared_table=group.head == group.tail,
            in_batch=negatives.in_batch and not group.all_candidates,
            all_candidates=group.all_candidates,
            corrupt_head=negatives.corrupt in ("both", "head"),
            corrupt_tail=negatives.corrupt in ("both", "tail"),
            uniform=negatives.uniform,
            head_margin=self._margin(group, group.head),
            tail_margin=self._margin(group, group.tail),
            regularization=np.float32(loss.regularization),
            max_norm=np.float32(model.max_norm),
            learning_rate=np.float32(training.learning_rate),
            relation_learning_rate=np.float32(training.relation_learning_rate or training.learning_rate),
            regularized_parameters=OPERATORS[group.operator].regularized,
            mask_positives=negatives.mask_positives,
            temperature=np.float32(loss.adversarial_temperature),
            dropout=np.float32(model.dropout),
            gradient_candidates=np.float32(negatives.gradient_candidates),
        )

    def _margin(self, group: Group, entity_type: str) -> np.float32:
        """Return the margin of the loss where entities of a type are candidates."""
        loss, negatives = self.config.loss, self.config.negatives
        if loss.function == "softmax":
            if not negatives.stand_for_all or group.all_candidates:
                return np.float32(0)
            return np.float32(np.log(self.schema.entity_type(entity_type).count / negatives.uniform))
        offset_alone = loss.function in OFFSETS and not COMPARATORS[self.config.model.comparator].distance
        return np.float32(0 if offset_alone else loss.margin)

    @property
    def _loss(self) -> Variant:
        """Return the loss; its self-adversarial form where that is wanted and not the loss's own matter."""
        name = self.config.loss.function
        return (
            ADVERSARIAL.get(name, LOSSES[name]) if self.config.loss.adversarial_temperature else LOSSES[name]
        )

    @cached_property
    def relation_weights(self) -> Floats:
        """Factor on the loss of every relation's edges, float32, shape (relations,)."""
        return np.array([relation.weight for relation in self.relations], np.float32)

    @cached_property
    def parameter_size(self) -> int:
        """Numbers in the longest packed operator."""
        return max(
            (packed_size(OPERATORS[group.operator], self._size(group)) for group in self.groups), default=0
        )

    def initial(self) -> Parameters:
        """Return the parameters before training: random features, common vectors of zeros, idle operators.

        Idle ones change nothing. But complex operators turn every coordinate by an angle of its own, drawn
        from the seed: one that changes nothing can not tell a head from a tail, and learns it so late that
        WN18RR ends at half the MRR.
        """
        parameters = self._blank()
        random = np.random.Generator(np.random.Philox(int(derive_key(self.config.training.seed, _ANGLES))))
        for side in (parameters.tail, parameters.head):
            self._draw_operators(random, side)
        for kind in self.schema.entity_types:
            if kind.featurized:
                table = np.empty((kind.features, self.dimension(kind.name)), np.float32)
                self.initial_rows(kind.name, 0, table)
                parameters.features[kind.name] = table
                parameters.feature_sums[kind.name] = np.zeros(kind.features, np.float32)
        return parameters

    def _blank(self) -> Parameters:
        """Return parameters that are all 0, without features."""
        tail = np.zeros((len(self.relations), self.parameter_size), np.float32)
        head = np.zeros_like(tail if self.config.model.reciprocal else tail[:0])
        common = {
            kind.name: np.zeros(
                self.dimension(kind.name) if self.config.model.global_embedding else 0, np.float32
            )
            for kind in self.schema.entity_types
        }
        sums = {name: np.zeros_like(vector) for name, vector in common.items()}
        return Parameters(tail, head, np.zeros_like(tail), np.zeros_like(head), common, sums)

    def initial_rows(self, entity_type: str, start: int, out: Floats) -> None:
        """Draw the first vectors of rows, or features, from `start` on into `out` (rows, dimension).

        A row's depend on the seed, its type and its number alone.
        """
        index = [kind.name for kind in self.schema.entity_types].index(entity_type)
        fill_normal(derive_key(self.config.training.seed, _ROWS, index), start, out)
        out *= np.float32(self.config.model.init_scale)

    def _draw_operators(self, random: np.random.Generator, table: Floats) -> None:
        """Fill a table (relations, size), maybe empty, with the first packed operators of all relations."""
        for index in range(len(table)):
            group = self.group_of(index)
            size = self._size(group)
            row = initial_parameters(OPERATORS[group.operator], size)
            if group.operator in _TURNS:
                row = _TURNS[group.operator](random.uniform(-np.pi, np.pi, size // 2)).astype(np.float32)
            table[index, : len(row)] = row

    def stored_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every stored array of parameters and their sums, by its path in the store."""
        shapes = {path: array.shape for path, array in self.unpack(self._blank()).items()}
        for kind in self.schema.entity_types:
            if kind.featurized:
                shape = kind.features, self.dimension(kind.name)
                shapes |= {f"features/{kind.name}": shape, f"optimizer/features/{kind.name}": shape[:1]}
        return shapes

    def unpack(self, parameters: Parameters) -> dict[str, Floats]:
        """Return parameters as they are stored: an array for each, with a row for every relation."""
        stored: dict[str, Floats] = {}
        sides = [("", parameters.tail, parameters.tail_sums)]
        if len(parameters.head):
            sides.append((ON_HEADS, parameters.head, parameters.head_sums))
        for prefix, values, sums in sides:
            for name, shape in self._stored_parameters().items():
                for path, packed in (("relations", values), ("optimizer/relations", sums)):
                    array = np.zeros((len(self.relations), *shape), np.float32)
                    for relations, cut, columns in self._places(name):
                        array[(relations, *cut)] = packed[relations, columns].reshape(
                            -1, *(part.stop for part in cut)
                        )
                    stored[f"{path}/{prefix}{name}"] = array
        for entity_type, vector in parameters.common.items():
            if len(vector):
                stored[f"global/{entity_type}"] = vector
                stored[f"optimizer/global/{entity_type}"] = parameters.common_sums[entity_type]
        for entity_type, table in parameters.features.items():
            stored[f"features/{entity_type}"] = table
            stored[f"optimizer/features/{entity_type}"] = parameters.feature_sums[entity_type]
        return stored

    def pack(self, stored: Mapping[str, Floats]) -> Parameters:
        """Return parameters in memory from the arrays that `unpack` gave; without features if these lack."""
        parameters = self._blank()
        sides = [("", parameters.tail, parameters.tail_sums)]
        if len(parameters.head):
            sides.append((ON_HEADS, parameters.head, parameters.head_sums))
        for prefix, values, sums in sides:
            for name in self._stored_parameters():
                for path, packed in (("relations", values), ("optimizer/relations", sums)):
                    array = stored[f"{path}/{prefix}{name}"]
                    for relations, cut, columns in self._places(name):
                        packed[relations, columns] = array[(relations, *cut)].reshape(
                            len(array[relations]), -1
                        )
        for entity_type, vector in parameters.common.items():
            if len(vector):
                vector[:] = stored[f"global/{entity_type}"]
                parameters.common_sums[entity_type][:] = stored[f"optimizer/global/{entity_type}"]
        for kind in self.schema.entity_types:
            if f"features/{kind.name}" in stored:
                parameters.features[kind.name] = stored[f"features/{kind.name}"]
                parameters.feature_sums[kind.name] = stored[f"optimizer/features/{kind.name}"]
        return parameters

    def _size(self, group: Group) -> int:
        """Return the length of the vectors that a group's operator acts on."""
        return self.dimension(group.tail)

    def _stored_parameters(self) -> dict[str, tuple[int, ...]]:
        """Name each parameter of any operator in use, with the greatest shape that a relation needs."""
        shapes: dict[str, tuple[int, ...]] = {}
        for group in self.groups:
            for name, (form, _) in OPERATORS[group.operator].parameters.items():
                shape = parameter_shape(form, self._size(group))
                shapes[name] = max(shapes.get(name, shape), shape)
        return shapes

    def _places(self, name: str) -> list[tuple[Any, tuple[slice, ...], slice]]:
        """Where one parameter stands: its relations, their part of the stored array, their packed columns."""
        places = []
        for index, group in enumerate(self.groups):
            first = 0
            for own, (form, _) in OPERATORS[group.operator].parameters.items():
                shape = parameter_shape(form, self._size(group))
                size = int(np.prod(shape))
                if own == name:
                    relations = np.flatnonzero(self.group_index == index)
                    places.append(
                        (relations, tuple(slice(0, part) for part in shape), slice(first, first + size))
                    )
                first += size
        return places
