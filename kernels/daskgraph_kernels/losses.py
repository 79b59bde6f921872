"""Losses of a batch's scores, with their gradients (docs/mathematics.md, equations 20 to 25).

An ignored candidate has the score IGNORED, which no loss feels.
"""

import numpy as np
from numba.core import types

from .elementary import exponential, sigmoid, softplus
from .jit import Matrix, Variant, Vector, inner_kernel, variant

# loss(positive (b,), scores (b, n), weights (b,), margin, temperature, d_positive (b,), gradient (b, n))
#   -> summed loss; `gradient` may be `scores`
LOSS = types.float64(Vector, Matrix, Vector, types.float32, types.float32, Vector, Matrix)

IGNORED = np.float32(-1e9)


@variant(LOSS)
def softmax(positive, scores, weights, margin, temperature, d_positive, gradient):
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
def logistic(positive, scores, weights, margin, temperature, d_positive, gradient):
    """Σ weights (softplus(-positive) + Σ softplus(scores) / n) over b rows of n candidates.

    The margin, 0 but for distances, is added to every score. Equations 21, 24.
    """
    loss = 0.0
    for i in range(len(positive)):
        row, out = scores[i], gradient[i]
        weight = weights[i]
        share = weight / np.float32(max(len(row), 1))
        total = np.float32(0)
        for j in range(len(row)):
            score = margin + row[j]
            total += softplus(score)
            out[j] = share * sigmoid(score)
        own = margin + positive[i]
        loss += np.float64(weight) * softplus(-own) + np.float64(share) * total
        d_positive[i] = -weight * sigmoid(-own)
    return loss


@variant(LOSS)
def ranking(positive, scores, weights, margin, temperature, d_positive, gradient):
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
def hinge(positive, scores, weights, margin, temperature, d_positive, gradient):
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


@inner_kernel
def _focus(row, temperature):
    """What gives candidate j its share, second * e**(temperature * (row[j] - first)). Equation 25."""
    highest = IGNORED
    for j in range(len(row)):
        highest = max(highest, row[j])
    total = np.float32(0)
    for j in range(len(row)):
        total += exponential(temperature * (row[j] - highest))
    return highest, np.float32(1) / max(total, np.float32(1))


@variant(LOSS)
def adversarial_logistic(positive, scores, weights, margin, temperature, d_positive, gradient):
    """As `logistic`, each candidate with its self-adversarial share. Equations 21, 24, 25."""
    loss = 0.0
    for i in range(len(positive)):
        row, out = scores[i], gradient[i]
        weight = weights[i]
        highest, scale = _focus(row, temperature)
        total = np.float32(0)
        for j in range(len(row)):
            share = scale * exponential(temperature * (row[j] - highest))
            score = margin + row[j]
            total += share * softplus(score)
            out[j] = weight * share * sigmoid(score)
        own = margin + positive[i]
        loss += np.float64(weight) * (np.float64(softplus(-own)) + total)
        d_positive[i] = -weight * sigmoid(-own)
    return loss


@variant(LOSS)
def adversarial_ranking(positive, scores, weights, margin, temperature, d_positive, gradient):
    """As `ranking`, each of n candidates with n times its self-adversarial share. Equations 22, 25."""
    loss = 0.0
    for i in range(len(positive)):
        row, out = scores[i], gradient[i]
        weight = weights[i]
        floor = margin - positive[i]
        highest, scale = _focus(row, temperature)
        scale *= np.float32(len(row))
        total, count = np.float32(0), np.float32(0)
        for j in range(len(row)):
            excess = floor + row[j]
            share = scale * exponential(temperature * (row[j] - highest))
            violates = share if excess > 0 else np.float32(0)
            total += violates * excess
            count += violates
            out[j] = violates * weight
        loss += np.float64(weight) * total
        d_positive[i] = -weight * count
    return loss


@variant(LOSS)
def adversarial_hinge(positive, scores, weights, margin, temperature, d_positive, gradient):
    """As `hinge`, each candidate with its self-adversarial share. Equations 23, 25."""
    loss = 0.0
    for i in range(len(positive)):
        row, out = scores[i], gradient[i]
        weight = weights[i]
        highest, scale = _focus(row, temperature)
        total = np.float32(0)
        for j in range(len(row)):
            excess = margin + row[j]
            share = scale * exponential(temperature * (row[j] - highest))
            violates = share if excess > 0 else np.float32(0)
            total += violates * excess
            out[j] = violates * weight
        lack = max(margin - positive[i], np.float32(0))
        loss += np.float64(weight) * (np.float64(lack) + total)
        d_positive[i] = -weight if lack > 0 else np.float32(0)
    return loss


LOSSES: dict[str, Variant] = {"softmax": softmax, "logistic": logistic, "ranking": ranking, "hinge": hinge}

# What is trained in the place of a loss when loss.adversarial_temperature is above 0.
ADVERSARIAL: dict[str, Variant] = {
    "logistic": adversarial_logistic,
    "ranking": adversarial_ranking,
    "hinge": adversarial_hinge,
}

# Losses whose margin is an offset to scores, for comparators that are distances.
OFFSETS = frozenset({"logistic"})
