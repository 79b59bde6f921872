"""An edge's relation foretold among all, as its ends are among entities (docs/mathematics.md, equations 28,
29).
"""

import numpy as np

from .blocks import clear
from .calls import (
    call_loss,
    call_operator_backward,
    call_operator_forward,
    call_scores,
    call_scores_backward,
)
from .jit import inner_kernel
from .losses import IGNORED
from .products import as_matrix


@inner_kernel
def predict_relations(functions, settings, tables, work, parameters, rows, others, gradients):
    """Loss of op(rows) against others (b, d) as a function of the operator; its gradients are added to
    gradients: those of parameters (R, s), rows and others. Equations 28, 29.
    """
    size, relations = len(rows), work.relations[: len(rows)]
    d_parameters, d_rows, d_others = gradients
    positions, changed = work.positions[:size], work.relation_rows[:size]
    query, d_query = work.relation_query[:size], work.relation_query_gradient[:size]
    own, d_own = work.relation_positive[0, :size], work.relation_positive[1, :size]
    weights, norms = work.relation_weights[:size], work.relation_norms
    scores = as_matrix(work.relation_scores, size, len(parameters))
    # The score is linear in the operator: its gradient there is what the operator is multiplied with.
    clear(query)
    call_operator_backward(
        functions.operator_backward, (parameters, relations, positions, rows, others, changed, query)
    )
    call_scores(functions.scores, (query, parameters, norms, norms, scores, 0))
    for i in range(size):
        weights[i] = settings.relation_prediction * work.weights[i]
        own[i] = scores[i, relations[i]]
        scores[i, relations[i]] = IGNORED
    for j in range(len(parameters)):
        if not tables.relation_candidates[j]:
            for i in range(size):
                scores[i, j] = IGNORED
    loss = call_loss(functions.relation_loss, (own, scores, weights, np.float32(0), np.float32(0), d_own))
    for i in range(size):
        scores[i, relations[i]] = d_own[i]
    clear(d_query)
    call_scores_backward(
        functions.scores_backward, (query, parameters, scores, scores, 0, d_query, d_parameters)
    )
    call_operator_forward(functions.operator_forward, (d_query, positions, rows, changed))
    for i in range(size):
        for k in range(rows.shape[1]):
            d_others[i, k] += changed[i, k]
    # What it says of the operator's own gradient is not asked for.
    call_operator_backward(
        functions.operator_backward, (d_query, positions, positions, rows, others, d_rows, query)
    )
    return loss
