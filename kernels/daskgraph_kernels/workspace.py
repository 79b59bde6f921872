"""What one thread needs to train one batch: the arguments of the drivers, and the arrays they fill."""

from typing import NamedTuple

import numpy as np
from numba.core import types
from numpy.typing import NDArray

from .adagrad import (
    LINKS,
    Links,
    allocate_links,
    merge_repeats,
    most_pairs,
    step_common,
    step_parameters,
    step_rows,
)
from .aligned import zeros
from .bias import add_bias, add_bias_gradient, restore_bias, save_bias, take_bias
from .comparators import write_gradients
from .dropout import drop
from .jit import Chances, Counters, Flags, Ids, Matrix, Ranges, Variant, Vector, record
from .negatives import NO_CHANCES, ignore_positives
from .regularizers import add_n3
from .rounding import round_gradient
from .rows import FEATURE_LISTS, NO_FEATURES, FeatureLists, gather

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


class Functions(NamedTuple):
    """The variants that make a model: one compiled driver serves every combination."""

    operator_forward: Variant
    operator_backward: Variant
    prepare: Variant
    prepare_backward: Variant
    pairs: Variant
    pairs_backward: Variant
    scores: Variant
    scores_backward: Variant
    loss: Variant
    candidates: Variant  # draw_uniform, draw_by_chance or list_all
    # gather_means and step_features where the side's type is featurised.
    gather_heads: Variant = gather
    gather_tails: Variant = gather
    step_heads: Variant = step_rows
    step_tails: Variant = step_rows
    # The same for every model: called by address, so that drivers compile quickly.
    write_gradients: Variant = write_gradients
    drop: Variant = drop
    ignore_positives: Variant = ignore_positives
    round_gradient: Variant = round_gradient
    regularizer: Variant = add_n3
    merge_repeats: Variant = merge_repeats
    step_parameters: Variant = step_parameters
    step_common: Variant = step_common
    take_bias: Variant = take_bias
    add_bias: Variant = add_bias
    add_bias_gradient: Variant = add_bias_gradient
    save_bias: Variant = save_bias
    restore_bias: Variant = restore_bias


def addresses(functions: Functions) -> Functions:
    """The same functions as drivers take them, compiled."""
    return Functions(*(function.address() for function in functions))


class Settings(NamedTuple):
    """Numbers and switches of a training step."""

    identity: bool  # the operator changes nothing
    complex_parameters: bool
    separate: bool  # prepared rows differ from gathered ones
    keeps_scores: bool  # the comparator's gradient needs the scores
    product: bool  # the comparator is a dot product
    bias: bool
    shared_table: bool  # heads and tails are rows of one table
    in_batch: bool
    all_candidates: bool
    corrupt_head: bool
    corrupt_tail: bool
    uniform: int
    head_margin: np.float32  # of the loss, where heads are corrupted
    tail_margin: np.float32
    regularization: np.float32
    max_norm: np.float32
    learning_rate: np.float32
    relation_learning_rate: np.float32
    regularized_parameters: bool = True  # of the operator
    mask_positives: bool = False  # wherever a positive is among its candidates, by chance too
    temperature: np.float32 = np.float32(0)  # of self-adversarial weights
    dropout: np.float32 = np.float32(0)
    gradient_candidates: np.float32 = np.float32(0)  # about how many candidates an edge changes; 0: all


class Tables(NamedTuple):
    """Everything a step reads and changes in place; head and tail arrays are the same objects where types
    are. Rows of a featurised type are its features'.
    """

    head: Floats  # (n, d)
    head_sums: Floats  # (n,)
    head_ranges: Integers  # (k, 2): rows that may be candidates
    head_global: Floats  # (d,) or (0,)
    head_global_sums: Floats
    tail: Floats
    tail_sums: Floats
    tail_ranges: Integers
    tail_global: Floats
    tail_global_sums: Floats
    head_parameters: Floats  # (relations, s): the operators that act on heads, in reciprocal models
    head_parameter_sums: Floats
    tail_parameters: Floats  # (relations, s): the operators that act on tails
    tail_parameter_sums: Floats
    relation_weights: Floats  # (relations,)
    head_features: FeatureLists = NO_FEATURES
    tail_features: FeatureLists = NO_FEATURES
    head_chances: NDArray[np.float64] = NO_CHANCES  # (rows of head_ranges,): sums of chances to be drawn
    tail_chances: NDArray[np.float64] = NO_CHANCES


class Batches(NamedTuple):
    """Edges in the order in which they are trained; batch k is [starts[k], starts[k + 1])."""

    head: Integers
    relation: Integers
    tail: Integers
    weight: Floats  # (edges,), or (0,): all 1
    starts: Integers


class Workspace(NamedTuple):
    """Arrays of one thread, allocated once. Uses are laid out: heads, head candidates, tails, tail
    candidates.
    """

    ids: Integers  # (uses,)
    ids_ahead: Integers  # (uses,): of the next batch
    rows: Floats  # (uses, d): gathered
    prepared: Floats  # (uses, d): as compared; `rows` itself where nothing is changed
    norms: Floats  # (uses,)
    bias: Floats  # (uses,)
    gradient: Floats  # (uses, d)
    operated: Floats  # (operated, d): the operator's output, prepared
    operated_norms: Floats
    operated_bias: Floats
    operated_gradient: Floats
    relations: Integers  # (operated,)
    slots: Integers  # (operated,): where a relation's gradient is summed
    slot_of: Integers  # (relations,): -1, or the slot of a relation of this batch
    batch_relations: Integers  # (slots,)
    positions: Integers  # (uses,): 0, 1, 2, ...
    head_parameter_gradient: Floats  # (slots, s)
    tail_parameter_gradient: Floats
    head_scores: Floats  # (batch * candidates,)
    tail_scores: Floats
    head_score_gradient: Floats  # the scores themselves where no comparator needs them afterwards
    tail_score_gradient: Floats
    positive: Floats  # (2, batch): head side, tail side
    positive_gradient: Floats
    weights: Floats  # (batch,)
    saved: Floats  # (uses,): bias gradients put aside, then lengths of steps
    hash_table: Integers  # (m, 2)
    merged: NDArray[np.bool_]  # (uses,)
    counters: NDArray[np.uint64]  # (2,): key and number of the batch, for what is drawn in it
    links: Links


class Sizes(NamedTuple):
    """How many rows of the workspace a batch takes."""

    batch: int
    head_extra: int
    tail_extra: int


class Block(NamedTuple):
    """Rows to compare, as prepared (n, d), with what is kept of the preparation, and their gradient."""

    rows: Floats
    norms: Floats
    bias: Floats
    gradient: Floats


FUNCTIONS = record(Functions, *[types.int64] * len(Functions._fields))
SETTINGS = record(
    Settings,
    *[types.boolean] * 11,
    types.int64,
    *[types.float32] * 6,
    *[types.boolean] * 2,
    *[types.float32] * 3,
)
SIZES = record(Sizes, *[types.int64] * 3)
TABLES = record(
    Tables,
    *[Matrix, Vector, Ranges, Vector, Vector] * 2,
    *[Matrix] * 4,
    Vector,
    *[FEATURE_LISTS] * 2,
    *[Chances] * 2,
)
WORKSPACE = record(
    Workspace,
    *[Ids, Ids, Matrix, Matrix, Vector, Vector, Matrix],
    *[Matrix, Vector, Vector, Matrix, Ids, Ids, Ids, Ids, Ids],
    *[Matrix, Matrix, Vector, Vector, Vector, Vector, Matrix, Matrix, Vector, Vector, Ranges, Flags],
    *[Counters, LINKS],
)


def allocate(
    settings: Settings,
    reciprocal: bool,
    sizes: Sizes,
    dimension: int,
    parameter_size: int,
    relations: int,
    links: Links | None = None,
) -> Workspace:
    """Arrays for batches of up to these sizes; `links` of featurised types from `links_for`."""
    batch, head_extra, tail_extra = sizes
    uses = 2 * batch + head_extra + tail_extra
    operated = 2 * batch if reciprocal else batch + tail_extra
    slots = min(batch, relations) if reciprocal else 1
    in_batch = batch if settings.in_batch else 0

    rows = zeros(uses, dimension)
    head_scores = zeros(batch * (in_batch + head_extra))
    tail_scores = zeros(batch * (in_batch + tail_extra))
    return Workspace(
        ids=np.zeros(uses, np.int64),
        ids_ahead=np.zeros(uses, np.int64),
        rows=rows,
        prepared=zeros(uses, dimension) if settings.separate else rows,
        norms=zeros(uses),
        bias=zeros(uses),
        gradient=zeros(uses, dimension),
        operated=zeros(operated, dimension),
        operated_norms=zeros(operated),
        operated_bias=zeros(operated),
        operated_gradient=zeros(operated, dimension),
        relations=np.zeros(operated, np.int64),
        slots=np.zeros(operated, np.int64),
        slot_of=np.full(relations, -1, np.int64),
        batch_relations=np.zeros(slots, np.int64),
        positions=np.arange(uses, dtype=np.int64),
        head_parameter_gradient=zeros(slots if reciprocal else 0, parameter_size),
        tail_parameter_gradient=zeros(slots, parameter_size),
        head_scores=head_scores,
        tail_scores=tail_scores,
        head_score_gradient=zeros(*head_scores.shape) if settings.keeps_scores else head_scores,
        tail_score_gradient=zeros(*tail_scores.shape) if settings.keeps_scores else tail_scores,
        positive=zeros(2, batch),
        positive_gradient=zeros(2, batch),
        weights=zeros(batch),
        saved=zeros(max(uses, operated)),
        hash_table=np.zeros((1 << (2 * uses).bit_length(), 2), np.int64),
        merged=np.zeros(uses, np.bool_),
        counters=np.zeros(2, np.uint64),
        links=allocate_links(0, 0, dimension) if links is None else links,
    )


def links_for(settings: Settings, tables: Tables, sizes: Sizes) -> Links:
    """Room for the features of all entities that a batch of up to these sizes may use."""
    heads, tails = sizes.batch + sizes.head_extra, sizes.batch + sizes.tail_extra
    if settings.shared_table:
        heads, tails = heads + tails, 0
    pairs = max(most_pairs(tables.head_features, heads), most_pairs(tables.tail_features, tails))
    return allocate_links(pairs, max(len(tables.head), len(tables.tail)), tables.head.shape[1])
