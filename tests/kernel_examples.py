"""Batches to feed the kernels, with the same in the terms of the naive twins."""

from dataclasses import dataclass, replace
from typing import Any

import naive
import numpy as np
from numpy.typing import NDArray

from daskgraph_kernels import sgd
from daskgraph_kernels.adagrad import step_features, step_rows
from daskgraph_kernels.batch import call_forward_backward, reciprocal, standard
from daskgraph_kernels.calls import call_pairs
from daskgraph_kernels.comparators import COMPARATORS
from daskgraph_kernels.dropout import drop
from daskgraph_kernels.jit import kernel
from daskgraph_kernels.losses import ADVERSARIAL, LOSSES, OFFSETS
from daskgraph_kernels.negatives import NO_CHANCES, draw_uniform, list_all
from daskgraph_kernels.operators import OPERATORS, initial_parameters, packed_size
from daskgraph_kernels.regularizers import REGULARIZERS
from daskgraph_kernels.rows import NO_FEATURES, FeatureLists, gather, gather_means
from daskgraph_kernels.workspace import (
    Batches,
    Functions,
    Settings,
    Sizes,
    Tables,
    Workspace,
    addresses,
    allocate,
    links_for,
)

Floats = NDArray[np.float32]


@kernel
def differentiate_batch(
    address: Any, functions: Any, settings: Any, tables: Any, work: Any, sizes: Any
) -> Any:
    """Call a driver as sgd.train_batches does: what is tested is the code that trains."""
    return call_forward_backward(address, (functions, settings, tables, work, sizes))


def with_entry(function: Any) -> Any:
    """A kernel that only kernels call, as one that Python may call."""
    return kernel(getattr(function, "py_func", function))


describe_edges, extra_candidates, list_uses, take_step = map(
    with_entry, (sgd.describe_edges, sgd.extra_candidates, sgd.list_uses, sgd.step)
)


@dataclass(frozen=True)
class Options:
    """Everything a batch may be."""

    operator: str = "none"
    comparator: str = "dot"
    loss: str = "softmax"
    reciprocal: bool = False
    bias: bool = False
    common: bool = False
    max_norm: float = 0.0
    weighted: bool = False
    regularizer: str = "n3"
    regularization: float = 0.0
    corrupt: str = "both"
    in_batch: bool = True
    uniform: int = 4
    all_candidates: bool = False
    same_type: bool = False
    margin: float = 0.3
    temperature: float = 0.0
    mask_positives: bool = False
    dropout: float = 0.0
    gradient_candidates: int = 0
    featurized: tuple[str, ...] = ()
    features: int = 6
    dimension: int = 4
    edges: int = 5
    relations: int = 3
    heads: int = 9
    tails: int = 8
    padding: int = 0
    seed: int = 1

    @property
    def form(self) -> naive.Form:
        names = set(naive.Form._fields)
        return naive.Form(**{key: value for key, value in vars(self).items() if key in names})

    def but(self, **changes: Any) -> "Options":
        return replace(self, **changes)


def random_floats(random: np.random.Generator, *shape: int, scale: float = 1.0) -> Floats:
    return (scale * random.standard_normal(shape)).astype(np.float32)


def random_lists(random: np.random.Generator, entities: int, features: int) -> FeatureLists:
    """One to four distinct features of every entity."""
    counts = np.minimum(random.integers(1, 5, entities), features)
    ids = [np.sort(random.permutation(features)[:count]) for count in counts]
    return FeatureLists(np.concatenate([[0], np.cumsum(counts)]), np.concatenate(ids))


def make_functions(options: Options) -> Functions:
    operator, comparator = OPERATORS[options.operator], COMPARATORS[options.comparator]
    losses = ADVERSARIAL if options.temperature else LOSSES
    tail = "head" if options.same_type else "tail"
    heads, tails = "head" in options.featurized, tail in options.featurized
    return Functions(
        operator.forward,
        operator.backward,
        *comparator[:6],
        losses[options.loss],
        list_all if options.all_candidates else draw_uniform,
        gather_means if heads else gather,
        gather_means if tails else gather,
        step_features if heads else step_rows,
        step_features if tails else step_rows,
        regularizer=REGULARIZERS[options.regularizer],
    )


def make_settings(options: Options, rate: float = 0.1, relation_rate: float = 0.05) -> Settings:
    comparator = COMPARATORS[options.comparator]
    margin = np.float32(options.margin if options.loss not in OFFSETS or comparator.distance else 0)
    return Settings(
        identity=options.operator == "none",
        complex_parameters=OPERATORS[options.operator].complex,
        separate=comparator.rescales or options.bias,
        keeps_scores=comparator.keeps_scores,
        product=comparator.product,
        bias=options.bias,
        shared_table=options.same_type,
        in_batch=options.in_batch and not options.all_candidates,
        all_candidates=options.all_candidates,
        corrupt_head=options.corrupt in ("both", "head"),
        corrupt_tail=options.corrupt in ("both", "tail"),
        uniform=options.uniform,
        head_margin=margin,
        tail_margin=margin,
        regularization=np.float32(options.regularization),
        max_norm=np.float32(options.max_norm),
        learning_rate=np.float32(rate),
        relation_learning_rate=np.float32(relation_rate),
        regularized_parameters=OPERATORS[options.operator].regularized,
        mask_positives=options.mask_positives,
        temperature=np.float32(options.temperature),
        dropout=np.float32(options.dropout),
        gradient_candidates=np.float32(options.gradient_candidates),
    )


def make_tables(options: Options) -> Tables:
    """Random tables; where types are the same, head and tail arrays are the same objects."""
    random = np.random.default_rng(options.seed)
    d = options.dimension

    def side(name: str, count: int) -> tuple[Any, ...]:
        common = random_floats(random, d if options.common else 0, scale=0.3)
        table = random_floats(random, options.features if name in options.featurized else count, d)
        return table, np.zeros(len(table), np.float32), np.array([[0, count]]), common, np.zeros_like(common)

    def lists(name: str, count: int) -> FeatureLists:
        return random_lists(random, count, options.features) if name in options.featurized else NO_FEATURES

    def parameters(relations: int) -> Floats:
        size = packed_size(OPERATORS[options.operator], d)
        out = np.zeros((relations, size + options.padding), np.float32)
        out[:, :size] = initial_parameters(OPERATORS[options.operator], d)
        out[:, :size] += random_floats(random, relations, size, scale=0.4)
        return out

    head = side("head", options.heads)
    tail = head if options.same_type else side("tail", options.tails)
    on_heads = parameters(options.relations if options.reciprocal else 0)
    on_tails = parameters(options.relations)
    weights = random.uniform(0.5, 2, options.relations).astype(np.float32)
    sums = np.zeros_like(on_heads), np.zeros_like(on_tails)
    head_features = lists("head", options.heads)
    tail_features = head_features if options.same_type else lists("tail", options.tails)
    operators = on_heads, sums[0], on_tails, sums[1]
    features = head_features, tail_features
    return Tables._make((*head, *tail, *operators, weights, *features, NO_CHANCES, NO_CHANCES))


def make_batches(options: Options, count: int = 1) -> Batches:
    """Batches of edges, of one relation each unless reciprocal; entities repeat."""
    random = np.random.default_rng(options.seed + 1)
    edges = options.edges * count
    tails = options.heads if options.same_type else options.tails
    relation = random.integers(options.relations, size=edges)
    if not options.reciprocal:
        relation = np.repeat(random.integers(options.relations, size=count), options.edges)
    weight = random.uniform(0.2, 2, edges if options.weighted else 0)
    return Batches(
        random.integers(options.heads, size=edges),
        relation,
        random.integers(tails, size=edges),
        weight.astype(np.float32),
        np.arange(count + 1) * options.edges,
    )


class Example:
    """One batch, ready to be differentiated by the kernels and by the twins."""

    def __init__(self, options: Options, tables: Tables | None = None) -> None:
        self.options = options
        self.settings = make_settings(options)
        self.tables = make_tables(options) if tables is None else tables
        self.batches = make_batches(options)
        self.functions = addresses(make_functions(options))
        self.driver = (reciprocal if options.reciprocal else standard).address()
        self.sizes = full_sizes(self.settings, self.tables, options.edges)
        self.work = make_workspace(options, self.settings, self.tables, self.sizes)

    def differentiate(self, number: int = 0) -> tuple[float, float]:
        """Loss and penalty by the kernels, the batch's number given; gradients are left in the workspace."""
        settings, tables, batches, work = self.settings, self.tables, self.batches, self.work
        key = np.uint64(self.options.seed)
        work.counters[:] = key, number
        list_uses(self.functions, settings, tables, batches, key, 0, work.ids)
        self.slots = describe_edges(settings, tables, batches, work, 0, self.sizes)
        result: tuple[float, float] = differentiate_batch(
            self.driver, self.functions, settings, tables, work, self.sizes
        )
        return result

    def gradients(self) -> naive.Values:
        """What the kernels left, summed over the uses of each row."""
        work, tables, shared = self.work, self.tables, self.options.same_type
        heads = self.sizes.batch + self.sizes.head_extra
        found: naive.Values = {}
        for side, part in (("head", slice(0, None if shared else heads)), ("tail", slice(heads, None))):
            if side == "tail" and shared:
                continue
            table = getattr(tables, side)
            found[side] = np.zeros(table.shape)
            lists = feature_lists(tables).get(side)
            if lists is None:
                np.add.at(found[side], work.ids[part], work.gradient[part])
            else:
                for entity, gradient in zip(work.ids[part], work.gradient[part], strict=True):
                    found[side][lists[entity]] += gradient.astype(float) / len(lists[entity])
            if self.options.common:
                found[f"{side}_common"] = work.gradient[part].astype(float).sum(axis=0)
        for side in ("head", "tail") if self.options.reciprocal else ("tail",):
            dense = np.zeros(getattr(tables, f"{side}_parameters").shape)
            gradient = getattr(work, f"{side}_parameter_gradient")
            dense[work.batch_relations[: self.slots]] = gradient[: self.slots]
            found[f"{side}_parameters"] = dense
        return found

    def naive_edges(self) -> naive.Edges:
        """The batch as the kernels listed it."""
        edges = naive_edges(self.tables, self.batches, self.work, self.sizes, 0)
        return edges._replace(kept=self.kept()) if self.options.dropout else edges

    def kept(self) -> naive.Values:
        """What the kernels multiplied every gathered row with, by kind of use."""
        factors = np.ones_like(self.work.rows)
        drop(self.work.counters, self.settings.dropout, 0, len(factors), factors)
        b, heads = self.sizes.batch, self.sizes.batch + self.sizes.head_extra
        parts = {"head": slice(b), "head_candidates": slice(b, heads)}
        parts |= {"tail": slice(heads, heads + b), "tail_candidates": slice(heads + b, None)}
        return {key: factors[part].astype(float) for key, part in parts.items()}


def full_sizes(settings: Settings, tables: Tables, edges: int) -> Sizes:
    return Sizes(
        edges,
        int(extra_candidates(settings, tables.head_ranges, settings.corrupt_head)),
        int(extra_candidates(settings, tables.tail_ranges, settings.corrupt_tail)),
    )


def make_workspace(options: Options, settings: Settings, tables: Tables, sizes: Sizes) -> Workspace:
    return allocate(
        settings,
        options.reciprocal,
        sizes,
        options.dimension,
        tables.tail_parameters.shape[1],
        len(tables.tail_parameters),
        links_for(settings, tables, sizes),
    )


def feature_lists(tables: Tables) -> dict[str, list[Any]]:
    """The features of every entity, by those sides that are featurised."""
    sides = {"head": tables.head_features, "tail": tables.tail_features}
    return {
        side: np.split(features.ids, features.offsets[1:-1])
        for side, features in sides.items()
        if len(features.offsets)
    }


def naive_values(tables: Tables, same_type: bool) -> naive.Values:
    """The tables in float64, by the names of the twins."""
    values = {"head": tables.head, "head_common": tables.head_global}
    if not same_type:
        values |= {"tail": tables.tail, "tail_common": tables.tail_global}
    values |= {"head_parameters": tables.head_parameters, "tail_parameters": tables.tail_parameters}
    return {key: value.astype(np.float64) for key, value in values.items() if len(value)}


def naive_edges(tables: Tables, batches: Batches, work: Workspace, sizes: Sizes, batch: int) -> naive.Edges:
    """A batch with the candidates that the kernels listed for it."""
    part = slice(batches.starts[batch], batches.starts[batch + 1])
    heads = sizes.batch + sizes.head_extra
    weight = tables.relation_weights[batches.relation[part]].astype(float)
    if len(batches.weight):
        weight = weight * batches.weight[part]
    return naive.Edges(
        batches.head[part],
        batches.relation[part],
        batches.tail[part],
        weight,
        work.ids[sizes.batch : heads].copy(),
        work.ids[heads + sizes.batch : heads + sizes.batch + sizes.tail_extra].copy(),
        features=feature_lists(tables),
    )


@kernel
def call_pairs_at(address: Any, query: Any, positive: Any, out: Any) -> None:
    call_pairs(address, (query, positive, out))
