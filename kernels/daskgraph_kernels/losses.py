"""Losses of a batch's scores, with their gradients (docs/mathematics.md, equations 20 to 23).

An ignored candidate has the score IGNORED, which no loss feels.
"""

import numpy as np
from numba.core import types

from .elementary import exponential, sigmoid, softplus
from .jit import Matrix, Variant, Vector, variant

# loss(positive (b,), scores (b, n), weights (b,), margin, d_positive (b,), gradient (b, n)) -> summed loss;
# `gradient` may be `scores`
LOSS = types.float64(Vector, Matrix, Vector, types.float32, Vector, Matrix)

IGNORED = np.float32(-1e9)


@variant(LOSS)
def softmax(positive, scores, weights, margin, d_positive, gradient):
    """Σ weights (log(e**positive + Σ e**scores) - positive) over b rows of n candidates. Equation 20."""
    loss = 0.0
    for i in range(len(positive)):
        row, out = scores[i], gradient[i]
        highest = positive[i]
        for j in range(len(row)):
            highest = max(highest, row[j])
        for j in range(len(row)):
            out[j] = exponential(row[j] - highest)
        own = exponential(positive[i] - highest)
        total = own
        for j in range(len(row)):
            total += out[j]
        weight = weights[i]
        loss += weight * (np.log(np.float64(total)) + highest - positive[i])
        scale = weight / total
        d_positive[i] = own * scale - weight
        for j in range(len(row)):
            out[j] *= scale
    return loss


@variant(LOSS)
def logistic(positive, scores, weights, margin, d_positive, gradient):
    """Σ weights (softplus(-positive) + Σ softplus(scores) / n) over b rows of n candidates. Equation 21."""
    loss = 0.0
    for i in range(len(positive)):
        row, out = scores[i], gradient[i]
        weight = weights[i]
        share = weight / np.float32(max(len(row), 1))
        total = np.float32(0)
        for j in range(len(row)):
            score = row[j]
            total += softplus(score)
            out[j] = share * sigmoid(score)
        loss += np.float64(weight) * softplus(-positive[i]) + np.float64(share) * total
        d_positive[i] = -weight * sigmoid(-positive[i])
    return loss


@variant(LOSS)
def ranking(positive, scores, weights, margin, d_positive, gradient):
    """Σ weights Σ max(0, margin - positive + score) over b rows of n candidates. Equation 22."""
    loss = 0.0
    for i in range(len(positive)):
        row, out = scores[i], gradient[i]
        weight = weights[i]
        floor = margin - positive[i]
        total, count = np.float32(0), np.float32(0)
        for j in range(len(row)):
            excess = floor + row[j]
            violates = np.float32(1) if excess > 0 else np.float32(0)
            total += violates * excess
            count += violates
            out[j] = violates * weight
        loss += np.float64(weight) * total
        d_positive[i] = -weight * count
    return loss


@variant(LOSS)
def hinge(positive, scores, weights, margin, d_positive, gradient):
    """Σ weights (max(0, margin - positive) + Σ max(0, margin + scores) / n) over b rows of n candidates.
    Equation 23.
    """
    loss = 0.0
    for i in range(len(positive)):
        row, out = scores[i], gradient[i]
        weight = weights[i]
        share = weight / np.float32(max(len(row), 1))
        total = np.float32(0)
        for j in range(len(row)):
            excess = margin + row[j]
            violates = np.float32(1) if excess > 0 else np.float32(0)
            total += violates * excess
            out[j] = violates * share
        lack = max(margin - positive[i], np.float32(0))
        loss += np.float64(weight) * lack + np.float64(share) * total
        d_positive[i] = -weight if lack > 0 else np.float32(0)
    return loss


LOSSES: dict[str, Variant] = {"softmax": softmax, "logistic": logistic, "ranking": ranking, "hinge": hinge}
