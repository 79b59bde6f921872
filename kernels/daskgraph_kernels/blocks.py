"""The rows of a batch on their way to the comparator and back: gathered, operated, prepared.

Drivers only, as in `batch.py`.
"""

from .calls import (
    call_drop,
    call_gather,
    call_operator_forward,
    call_prepare,
    call_prepare_backward,
    call_restore_bias,
    call_save_bias,
    call_take_bias,
)
from .jit import inner_kernel
from .rows import clear
from .workspace import Block

# Rows that are gathered, operated and prepared before the next ones: they stay in the first cache meanwhile.
_TOGETHER = 32


@inner_kernel
def part_of(block, first, last):
    """The rows [first, last) of a block."""
    return Block(
        block.rows[first:last], block.norms[first:last], block.bias[first:last], block.gradient[first:last]
    )


@inner_kernel
def writes_gradients(settings):
    """Whether gradients of scores are written, not added, where a product is the first to reach a row: rows'
    gradients need not be zero before.
    """
    return settings.product and settings.corrupt_head and settings.corrupt_tail and not settings.bias


@inner_kernel
def gather_rows(functions, settings, tables, work, sizes, first, last, out):
    """out[first:last] (·, d) = rows of the uses [first, last) of one side, some coordinates dropped out."""
    if first < sizes.batch + sizes.head_extra:
        call_gather(
            functions.gather_heads,
            (
                tables.head,
                tables.head_features,
                work.ids,
                first,
                last,
                tables.head_global,
                settings.max_norm,
                out,
            ),
        )
    else:
        call_gather(
            functions.gather_tails,
            (
                tables.tail,
                tables.tail_features,
                work.ids,
                first,
                last,
                tables.tail_global,
                settings.max_norm,
                out,
            ),
        )
    if settings.dropout > 0:
        call_drop(functions.drop, (work.counters, settings.dropout, first, last, out))


@inner_kernel
def gather_prepared(functions, settings, tables, work, sizes, first, last):
    """The block of the uses [first, last) of one side, whose rows are wanted as compared only."""
    whole = Block(work.prepared, work.norms, work.bias, work.gradient)
    for start in range(first, last, _TOGETHER):
        stop = min(start + _TOGETHER, last)
        gather_rows(functions, settings, tables, work, sizes, start, stop, work.prepared)
        prepare_block(functions, settings, part_of(whole, start, stop))
    return part_of(whole, first, last)


@inner_kernel
def gather_operated(functions, settings, tables, work, sizes, first, last):
    """The block of the uses [first, last), all tails, after the operator."""
    operated = Block(work.operated, work.operated_norms, work.operated_bias, work.operated_gradient)
    # A matrix takes many rows at a time better than few.
    together = last - first if tables.tail_parameters.shape[1] > 2 * work.rows.shape[1] else _TOGETHER
    for start in range(first, last, together):
        stop = min(start + together, last)
        block = part_of(operated, start - first, stop - first)
        gather_rows(functions, settings, tables, work, sizes, start, stop, work.rows)
        call_operator_forward(
            functions.operator_forward,
            (
                tables.tail_parameters,
                work.relations[start - first : stop - first],
                work.rows[start:stop],
                block.rows,
            ),
        )
        prepare_block(functions, settings, block)
    return part_of(operated, 0, last - first)


@inner_kernel
def drop_gradient(functions, settings, work, sizes):
    """Carry the gradients of the rows of all uses back through dropout."""
    if settings.dropout > 0:
        uses = 2 * sizes.batch + sizes.head_extra + sizes.tail_extra
        call_drop(functions.drop, (work.counters, settings.dropout, 0, uses, work.gradient))


@inner_kernel
def prepare_block(functions, settings, block):
    """Make the rows of a block ready for comparison; its gradient zero, unless products write it."""
    if settings.bias:
        call_take_bias(functions.take_bias, (block.rows, block.bias))
    call_prepare(functions.prepare, (block.rows, block.norms))
    if not writes_gradients(settings):
        clear(block.gradient)


@inner_kernel
def copy_rows(rows, out):
    """Out (n, d) = rows (n, d)."""
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            out[i, j] = rows[i, j]


@inner_kernel
def prepare_gradient(functions, settings, block, saved):
    """Carry a gradient back through `_prepare`, in place; that of the bias stands in coordinate 0 and
    stays.
    """
    if settings.bias:
        call_save_bias(functions.save_bias, (block.gradient, saved))
    call_prepare_backward(functions.prepare_backward, (block.rows, block.norms, block.gradient))
    if settings.bias:
        call_restore_bias(functions.restore_bias, (block.gradient, saved))
