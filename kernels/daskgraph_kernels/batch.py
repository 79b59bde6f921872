"""One batch: its rows gathered and scored, the loss's gradient carried back to them
(docs/mathematics.md, section 5).

Drivers only: everything that walks over rows is called by address through `functions`.
"""

import numpy as np
from numba.core import types

from .blocks import (
    copy_rows,
    drop_gradient,
    gather_operated,
    gather_prepared,
    gather_rows,
    part_of,
    prepare_block,
    prepare_gradient,
    writes_gradients,
)
from .calls import (
    call_add_bias,
    call_add_bias_gradient,
    call_ignore_positives,
    call_loss,
    call_operator_backward,
    call_operator_forward,
    call_pairs,
    call_pairs_backward,
    call_regularizer,
    call_restore_bias,
    call_round_gradient,
    call_scores,
    call_scores_backward,
    call_take_bias,
    call_write_gradients,
)
from .jit import caller, inner_kernel, variant
from .negatives import HEAD_SIDE, TAIL_SIDE
from .products import as_matrix
from .rows import clear
from .transposing import transpose
from .workspace import FUNCTIONS, SETTINGS, SIZES, TABLES, WORKSPACE, Block

# forward_backward(functions, settings, tables, work, sizes) -> (loss, penalty)
FORWARD_BACKWARD = types.UniTuple(types.float64, 2)(FUNCTIONS, SETTINGS, TABLES, WORKSPACE, SIZES)

call_forward_backward = caller(FORWARD_BACKWARD)

# Scores whose loss is taken before their gradients are rounded: they stay in the second cache meanwhile.
_TOGETHER = 65536


@inner_kernel
def _score(functions, settings, query, candidates, out, column):
    """out[:, column:] = scores of every query with every candidate."""
    if len(candidates.rows) > 0:
        call_scores(
            functions.scores, (query.rows, candidates.rows, query.norms, candidates.norms, out, column)
        )
        if settings.bias:
            call_add_bias(functions.add_bias, (query.bias, candidates.bias, column, np.float32(1), out))


@inner_kernel
def _score_backward(functions, settings, query, candidates, scores, gradient, column, add):
    """Add the gradients of `_score`; or write them, those of candidates always, of the query unless `add`."""
    if writes_gradients(settings):
        if len(candidates.rows) > 0:
            call_write_gradients(
                functions.write_gradients,
                (query.rows, candidates.rows, gradient, column, add, query.gradient, candidates.gradient),
            )
        elif not add:
            clear(query.gradient)
        return
    if len(candidates.rows) == 0:
        return
    if settings.bias:
        call_add_bias_gradient(
            functions.add_bias_gradient, (gradient, column, query.gradient, candidates.gradient)
        )
        if settings.keeps_scores:
            call_add_bias(functions.add_bias, (query.bias, candidates.bias, column, np.float32(-1), scores))
    call_scores_backward(
        functions.scores_backward,
        (query.rows, candidates.rows, scores, gradient, column, query.gradient, candidates.gradient),
    )
    if settings.bias and settings.keeps_scores:
        call_add_bias(functions.add_bias, (query.bias, candidates.bias, column, np.float32(1), scores))


@inner_kernel
def _pair(functions, settings, query, positive, out):
    """Out (b,) = score of each query with its own positive."""
    call_pairs(functions.pairs, (query.rows, positive.rows, out))
    if settings.bias:
        for i in range(len(out)):
            out[i] += query.bias[i] + positive.bias[i]


@inner_kernel
def _pair_backward(functions, settings, query, positive, scores, gradient):
    """Add the gradients of `_pair`."""
    if settings.bias:
        for i in range(len(scores)):
            query.gradient[i, 0] += gradient[i]
            positive.gradient[i, 0] += gradient[i]
            scores[i] -= query.bias[i] + positive.bias[i]
    call_pairs_backward(
        functions.pairs_backward,
        (query.rows, positive.rows, scores, gradient, query.gradient, positive.gradient),
    )
    if settings.bias:
        for i in range(len(scores)):
            scores[i] += query.bias[i] + positive.bias[i]


@inner_kernel
def _positives_in_block(settings):
    """Whether positives are scored among the in-batch candidates, on the diagonal."""
    return settings.product and settings.in_batch and settings.corrupt_head and settings.corrupt_tail


@inner_kernel
def _take_diagonal(matrix, out):
    """Out (b,) = the first b numbers on the diagonal of matrix (b, n)."""
    for i in range(len(out)):
        out[i] = matrix[i, i]


@inner_kernel
def _set_diagonal(matrix, values):
    """The first b numbers on the diagonal of matrix (b, n) = values (b,)."""
    for i in range(len(values)):
        matrix[i, i] = values[i]


@inner_kernel
def _ignore_positives(functions, settings, ranges, ids, first, scores):
    """Mark each row's own positive, ids[first + i], as ignored where it stands among the candidates."""
    call_ignore_positives(
        functions.ignore_positives,
        (
            settings.in_batch,
            settings.all_candidates,
            settings.mask_positives,
            ranges,
            ids,
            first,
            scores,
        ),
    )


@inner_kernel
def _lose(functions, settings, work, side, scores, gradient):
    """The loss of one side; gradients of the positives' scores and of all others."""
    size = len(scores)
    if settings.keeps_scores:
        for i in range(scores.shape[0]):
            for j in range(scores.shape[1]):
                gradient[i, j] = scores[i, j]
    margin = settings.head_margin if side == HEAD_SIDE else settings.tail_margin
    together = size if settings.gradient_candidates == 0 else max(1, _TOGETHER // max(1, scores.shape[1]))
    loss = 0.0
    for first in range(0, size, together):
        last = min(first + together, size)
        own, d_own = work.positive[side, first:last], work.positive_gradient[side, first:last]
        part, weights = gradient[first:last], work.weights[first:last]
        loss += call_loss(functions.loss, (own, part, weights, margin, settings.temperature, d_own))
        if settings.gradient_candidates > 0:
            call_round_gradient(
                functions.round_gradient,
                (work.counters, side, first, settings.gradient_candidates, weights, part),
            )
    return loss


@inner_kernel
def _regularize_rows(functions, settings, work, block):
    """Regularise every row of a block; the penalty."""
    if settings.bias:
        call_restore_bias(functions.restore_bias, (block.rows, block.bias))
    count = len(block.rows)
    penalty = call_regularizer(
        functions.regularizer,
        (
            block.rows,
            work.positions,
            count,
            block.rows.shape[1],
            settings.complex_parameters,
            settings.regularization,
            block.gradient,
            work.positions,
        ),
    )
    if settings.bias:
        call_take_bias(functions.take_bias, (block.rows, block.bias))
    return penalty


@inner_kernel
def _regularize_parameters(functions, settings, work, parameters, gradient, count):
    """Regularise the operators of the first `count` edges of the batch; the penalty."""
    # Rows are as long as the model's longest operator; a complex one has its imaginary half at d / 2.
    width = work.rows.shape[1] if settings.complex_parameters else parameters.shape[1]
    return call_regularizer(
        functions.regularizer,
        (
            parameters,
            work.relations,
            count if settings.regularized_parameters else 0,
            width,
            settings.complex_parameters,
            settings.regularization,
            gradient,
            work.slots,
        ),
    )


@inner_kernel
def _both_sides(functions, settings, tables, work, tail_queries, head_queries, heads, tails, shared):
    """Scores, losses and gradients of both corruptions.

    `shared`: queries are the heads and tails themselves, so in-batch scores are one matrix for both sides.
    """
    size = len(tail_queries.rows)
    first = 0 if settings.in_batch else size
    tail_candidates = part_of(tails, first, len(tails.rows) if settings.corrupt_tail else first)
    head_candidates = part_of(heads, first, len(heads.rows) if settings.corrupt_head else first)
    columns = size if shared and settings.in_batch and settings.corrupt_head and settings.corrupt_tail else 0
    own_heads = part_of(head_candidates, columns, len(head_candidates.rows))
    positive_tails, positive_heads = part_of(tails, 0, size), part_of(heads, 0, size)

    tail_scores = as_matrix(work.tail_scores, size, len(tail_candidates.rows))
    head_scores = as_matrix(work.head_scores, size, len(head_candidates.rows))
    tail_gradient = as_matrix(work.tail_score_gradient, size, len(tail_candidates.rows))
    head_gradient = as_matrix(work.head_score_gradient, size, len(head_candidates.rows))
    _score(functions, settings, tail_queries, tail_candidates, tail_scores, 0)
    _score(functions, settings, head_queries, own_heads, head_scores, columns)
    transpose(tail_scores, columns, columns, head_scores, False)
    head_positive, tail_positive = work.positive[HEAD_SIDE, :size], work.positive[TAIL_SIDE, :size]
    in_block = _positives_in_block(settings)
    if in_block:
        _take_diagonal(tail_scores, tail_positive)
        _take_diagonal(head_scores, head_positive)
    else:
        _pair(functions, settings, tail_queries, positive_tails, tail_positive)
        _pair(functions, settings, head_queries, positive_heads, head_positive)
    if settings.corrupt_tail:
        _ignore_positives(functions, settings, tables.tail_ranges, work.ids, len(heads.rows), tail_scores)
    if settings.corrupt_head:
        _ignore_positives(functions, settings, tables.head_ranges, work.ids, 0, head_scores)

    loss = _lose(functions, settings, work, TAIL_SIDE, tail_scores, tail_gradient)
    loss += _lose(functions, settings, work, HEAD_SIDE, head_scores, head_gradient)
    head_d, tail_d = work.positive_gradient[HEAD_SIDE, :size], work.positive_gradient[TAIL_SIDE, :size]
    if in_block:
        _set_diagonal(tail_gradient, tail_d)
        _set_diagonal(head_gradient, head_d)

    transpose(head_gradient, columns, columns, tail_gradient, True)
    _score_backward(functions, settings, tail_queries, tail_candidates, tail_scores, tail_gradient, 0, False)
    # Those of tails that are queries and candidates at once were written just now.
    _score_backward(
        functions, settings, head_queries, own_heads, head_scores, head_gradient, columns, columns > 0
    )
    if not in_block:
        if writes_gradients(settings) and not shared:
            clear(positive_heads.gradient)
            clear(positive_tails.gradient)
        _pair_backward(functions, settings, tail_queries, positive_tails, tail_positive, tail_d)
        _pair_backward(functions, settings, head_queries, positive_heads, head_positive, head_d)
    return loss


@variant(FORWARD_BACKWARD)
def standard(functions, settings, tables, work, sizes):
    """One relation a batch, its operator on the tail side: h against op(t). Equations 50 to 53."""
    start, count = sizes.batch + sizes.head_extra, sizes.batch + sizes.tail_extra
    heads = gather_prepared(functions, settings, tables, work, sizes, 0, start)
    if settings.identity:
        tails = gather_prepared(functions, settings, tables, work, sizes, start, start + count)
    else:
        tails = gather_operated(functions, settings, tables, work, sizes, start, start + count)
    own_heads, own_tails = part_of(heads, 0, sizes.batch), part_of(tails, 0, sizes.batch)
    loss = _both_sides(functions, settings, tables, work, own_heads, own_tails, heads, tails, True)
    penalty = 0.0
    if settings.regularization > 0:
        penalty += _regularize_rows(functions, settings, work, own_heads)
        penalty += _regularize_rows(functions, settings, work, own_tails)
        penalty += _regularize_parameters(
            functions, settings, work, tables.tail_parameters, work.tail_parameter_gradient, 1
        )
    prepare_gradient(functions, settings, heads, work.saved)
    prepare_gradient(functions, settings, tails, work.saved)
    if not settings.identity:
        d_tails = work.gradient[start : start + count]
        clear(d_tails)
        call_operator_backward(
            functions.operator_backward,
            (
                tables.tail_parameters,
                work.relations[:count],
                work.slots[:count],
                work.rows[start : start + count],
                tails.gradient,
                d_tails,
                work.tail_parameter_gradient,
            ),
        )
    drop_gradient(functions, settings, work, sizes)
    return loss, penalty


@variant(FORWARD_BACKWARD)
def reciprocal(functions, settings, tables, work, sizes):
    """An operator for each direction, on the side that is kept: op(h) against t, op'(t) against h.
    Equations 54 to 57.
    """
    size, start = sizes.batch, sizes.batch + sizes.head_extra
    whole = Block(work.prepared, work.norms, work.bias, work.gradient)
    heads, tails = part_of(whole, 0, start), part_of(whole, start, start + size + sizes.tail_extra)
    raw_heads, raw_tails = work.rows[:size], work.rows[start : start + size]
    gather_rows(functions, settings, tables, work, sizes, 0, size, work.rows)
    gather_rows(functions, settings, tables, work, sizes, start, start + size, work.rows)
    operated = Block(work.operated, work.operated_norms, work.operated_bias, work.operated_gradient)
    tail_queries, head_queries = part_of(operated, 0, size), part_of(operated, size, 2 * size)
    relations, slots = work.relations[:size], work.slots[:size]
    call_operator_forward(
        functions.operator_forward, (tables.head_parameters, relations, raw_heads, tail_queries.rows)
    )
    call_operator_forward(
        functions.operator_forward, (tables.tail_parameters, relations, raw_tails, head_queries.rows)
    )
    prepare_block(functions, settings, tail_queries)
    prepare_block(functions, settings, head_queries)
    if settings.separate:
        copy_rows(raw_heads, heads.rows[:size])
        copy_rows(raw_tails, tails.rows[:size])
    prepare_block(functions, settings, part_of(heads, 0, size))
    prepare_block(functions, settings, part_of(tails, 0, size))
    gather_prepared(functions, settings, tables, work, sizes, size, start)
    gather_prepared(functions, settings, tables, work, sizes, start + size, start + len(tails.rows))
    loss = _both_sides(functions, settings, tables, work, tail_queries, head_queries, heads, tails, False)
    penalty = 0.0
    if settings.regularization > 0:
        penalty += _regularize_rows(functions, settings, work, tail_queries)
        penalty += _regularize_rows(functions, settings, work, head_queries)
        penalty += _regularize_rows(functions, settings, work, part_of(heads, 0, size))
        penalty += _regularize_rows(functions, settings, work, part_of(tails, 0, size))
        penalty += _regularize_parameters(
            functions, settings, work, tables.head_parameters, work.head_parameter_gradient, size
        )
        penalty += _regularize_parameters(
            functions, settings, work, tables.tail_parameters, work.tail_parameter_gradient, size
        )
    prepare_gradient(functions, settings, tail_queries, work.saved)
    prepare_gradient(functions, settings, head_queries, work.saved)
    prepare_gradient(functions, settings, heads, work.saved)
    prepare_gradient(functions, settings, tails, work.saved)
    call_operator_backward(
        functions.operator_backward,
        (
            tables.head_parameters,
            relations,
            slots,
            raw_heads,
            tail_queries.gradient,
            heads.gradient[:size],
            work.head_parameter_gradient,
        ),
    )
    call_operator_backward(
        functions.operator_backward,
        (
            tables.tail_parameters,
            relations,
            slots,
            raw_tails,
            head_queries.gradient,
            tails.gradient[:size],
            work.tail_parameter_gradient,
        ),
    )
    drop_gradient(functions, settings, work, sizes)
    return loss, penalty
