"""The training step: batches one after the other, each followed by its Adagrad step, tables changed in
place.
"""

from .ahead import fetch_number, fetch_row
from .batch import call_forward_backward
from .calls import (
    call_candidates,
    call_merge_repeats,
    call_step_common,
    call_step_parameters,
    call_step_rows,
)
from .jit import inner_kernel, kernel
from .negatives import HEAD_SIDE, TAIL_SIDE
from .workspace import Sizes

# Floats of a batch's rows: with what else it works on they fill half of a second cache.
_MOST_AHEAD = 32768


@kernel
def train_batches(functions, forward_backward, settings, tables, batches, work, key, first, last):
    """Train the batches [first, last); `key` with the batch's number draws its candidates. Summed loss
    and penalty.
    """
    loss, penalty = 0.0, 0.0
    ahead = Sizes(0, 0, 0)
    if first < last:
        ahead = list_uses(functions, settings, tables, batches, key, first, work.ids_ahead)
    for batch in range(first, last):
        sizes = ahead
        for i in range(2 * sizes.batch + sizes.head_extra + sizes.tail_extra):
            work.ids[i] = work.ids_ahead[i]
        if batch + 1 < last:
            ahead = list_uses(functions, settings, tables, batches, key, batch + 1, work.ids_ahead)
        work.counters[0] = key
        work.counters[1] = batch
        slots = describe_edges(settings, tables, batches, work, batch, sizes)
        batch_loss, batch_penalty = call_forward_backward(
            forward_backward, (functions, settings, tables, work, sizes)
        )
        if batch + 1 < last:
            _ask_ahead(tables, ahead, work.ids_ahead)
        step(functions, settings, tables, work, sizes, slots)
        loss += batch_loss
        penalty += batch_penalty
    return loss, penalty


@inner_kernel
def extra_candidates(settings, ranges, corrupted):
    """How many candidates one side has beside the batch's own entities."""
    if not corrupted:
        return 0
    if not settings.all_candidates:
        return settings.uniform
    count = 0
    for k in range(ranges.shape[0]):
        count += ranges[k, 1] - ranges[k, 0]
    return count


@inner_kernel
def list_uses(functions, settings, tables, batches, key, batch, ids):
    """Write the batch's heads, head candidates, tails and tail candidates into ids (uses,); how many there
    are.
    """
    first = batches.starts[batch]
    sizes = Sizes(
        batches.starts[batch + 1] - first,
        extra_candidates(settings, tables.head_ranges, settings.corrupt_head),
        extra_candidates(settings, tables.tail_ranges, settings.corrupt_tail),
    )
    heads = sizes.batch + sizes.head_extra
    tails = heads + sizes.batch
    for i in range(sizes.batch):
        ids[i] = batches.head[first + i]
        ids[heads + i] = batches.tail[first + i]
    call_candidates(
        functions.candidates,
        (
            key,
            batch,
            HEAD_SIDE,
            tables.head_ranges,
            tables.head_chances,
            ids[sizes.batch : heads],
        ),
    )
    call_candidates(
        functions.candidates,
        (
            key,
            batch,
            TAIL_SIDE,
            tables.tail_ranges,
            tables.tail_chances,
            ids[tails : tails + sizes.tail_extra],
        ),
    )
    return sizes


@inner_kernel
def _ask_ahead(tables, sizes, ids):
    """Ask for the rows of the next batch, and their sums, unless they would drive out those of this one."""
    heads, tails = sizes.batch + sizes.head_extra, sizes.batch + sizes.tail_extra
    if (heads + tails) * tables.head.shape[1] > _MOST_AHEAD:
        return
    for i in range(heads):
        fetch_row(tables.head, ids[i])
        fetch_number(tables.head_sums, ids[i])
    for i in range(heads, heads + tails):
        fetch_row(tables.tail, ids[i])
        fetch_number(tables.tail_sums, ids[i])


@inner_kernel
def describe_edges(settings, tables, batches, work, batch, sizes):
    """Weights of the batch's edges; a slot for the gradient of each of its relations: how many there are."""
    first = batches.starts[batch]
    slots = 0
    for i in range(sizes.batch):
        relation = batches.relation[first + i]
        weight = tables.relation_weights[relation]
        work.weights[i] = weight * batches.weight[first + i] if len(batches.weight) > 0 else weight
        if work.slot_of[relation] < 0:
            work.slot_of[relation] = slots
            work.batch_relations[slots] = relation
            slots += 1
        work.relations[i] = relation
        work.slots[i] = work.slot_of[relation]
    # In standard mode the candidates pass the operator too: they follow the edges, with the one relation
    #   there is.
    for i in range(sizes.batch, len(work.relations)):
        work.relations[i] = work.batch_relations[0]
        work.slots[i] = 0
    for slot in range(slots):
        work.slot_of[work.batch_relations[slot]] = -1
        for j in range(work.tail_parameter_gradient.shape[1]):
            work.tail_parameter_gradient[slot, j] = 0
        if len(work.head_parameter_gradient) > 0:
            for j in range(work.head_parameter_gradient.shape[1]):
                work.head_parameter_gradient[slot, j] = 0
    return slots


@inner_kernel
def step(functions, settings, tables, work, sizes, slots):
    """One Adagrad step of every row and parameter that the batch used, however often and on whichever
    side.
    """
    rate, relation_rate = settings.learning_rate, settings.relation_learning_rate
    ids, gradient, merged = work.ids, work.gradient, work.merged
    heads = sizes.batch + sizes.head_extra
    uses = heads + sizes.batch + sizes.tail_extra
    call_step_parameters(
        functions.step_parameters,
        (
            tables.tail_parameters,
            tables.tail_parameter_sums,
            work.batch_relations,
            work.tail_parameter_gradient,
            slots,
            relation_rate,
        ),
    )
    if len(work.head_parameter_gradient) > 0:
        call_step_parameters(
            functions.step_parameters,
            (
                tables.head_parameters,
                tables.head_parameter_sums,
                work.batch_relations,
                work.head_parameter_gradient,
                slots,
                relation_rate,
            ),
        )
    end = uses if settings.shared_table else heads
    call_step_common(
        functions.step_common, (tables.head_global, tables.head_global_sums, gradient, 0, end, relation_rate)
    )
    call_merge_repeats(functions.merge_repeats, (ids, gradient, work.hash_table, 0, end, merged))
    call_step_rows(
        functions.step_heads,
        (
            tables.head,
            tables.head_sums,
            tables.head_features,
            work.links,
            ids,
            gradient,
            0,
            end,
            merged,
            rate,
            work.saved,
        ),
    )
    if not settings.shared_table:
        call_step_common(
            functions.step_common,
            (tables.tail_global, tables.tail_global_sums, gradient, heads, uses, relation_rate),
        )
        call_merge_repeats(functions.merge_repeats, (ids, gradient, work.hash_table, heads, uses, merged))
        call_step_rows(
            functions.step_tails,
            (
                tables.tail,
                tables.tail_sums,
                tables.tail_features,
                work.links,
                ids,
                gradient,
                heads,
                uses,
                merged,
                rate,
                work.saved,
            ),
        )
