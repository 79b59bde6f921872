"""How drivers call each kind of function: call_kind(address, (argument, ...))."""

from .adagrad import MERGE_REPEATS, STEP_COMMON, STEP_PARAMETERS, STEP_ROWS
from .bias import ADD_BIAS, ADD_BIAS_GRADIENT, COPY_BIAS, TAKE_BIAS
from .comparators import (
    PAIRS,
    PAIRS_BACKWARD,
    PREPARE,
    PREPARE_BACKWARD,
    SCORES,
    SCORES_BACKWARD,
    WRITE_GRADIENTS,
)
from .dropout import DROP
from .jit import caller
from .losses import LOSS
from .negatives import CANDIDATES, IGNORE
from .operators import BACKWARD, FORWARD
from .regularizers import PENALTY
from .rounding import ROUND
from .rows import GATHER

call_operator_forward = caller(FORWARD)
call_operator_backward = caller(BACKWARD)
call_prepare = caller(PREPARE)
call_prepare_backward = caller(PREPARE_BACKWARD)
call_pairs = caller(PAIRS)
call_pairs_backward = caller(PAIRS_BACKWARD)
call_scores = caller(SCORES)
call_scores_backward = caller(SCORES_BACKWARD)
call_write_gradients = caller(WRITE_GRADIENTS)
call_loss = caller(LOSS)
call_candidates = caller(CANDIDATES)
call_round_gradient = caller(ROUND)
call_ignore_positives = caller(IGNORE)
call_gather = caller(GATHER)
call_drop = caller(DROP)
call_regularizer = caller(PENALTY)
call_merge_repeats = caller(MERGE_REPEATS)
call_step_rows = caller(STEP_ROWS)
call_step_parameters = caller(STEP_PARAMETERS)
call_step_common = caller(STEP_COMMON)
call_take_bias = caller(TAKE_BIAS)
call_save_bias = caller(COPY_BIAS)
call_restore_bias = caller(COPY_BIAS)
call_add_bias = caller(ADD_BIAS)
call_add_bias_gradient = caller(ADD_BIAS_GRADIENT)
