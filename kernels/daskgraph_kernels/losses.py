"""Losses of a batch's scores, with their gradients (docs/mathematics.md, equations 20 to 25).

An ignored candidate has the score IGNORED, which no loss feels.
"""

import numpy as np
from numba.core import types

from .elementary import exponential, maximum, sigmoid, softplus
from .jit import Matrix, Variant, Vector, inner_kernel, variant

# loss(positive (b,), scores (b, n), weights (b,), margin, temperature, d_positive (b,)) -> summed loss;
#   scores become their gradients, in place: loops over two arrays that may be one do not vectorise
LOSS = types.float64(Vector, Matrix, Vector, types.float32, types.float32, Vector)

IGNORED = np.float32(-1e9)

# How many numbers of at most 2 are multiplied before their logarithm is taken: one for all costs less.
_FACTORS = 120


@variant(LOSS)
def softmax(positive, scores, weights, margin, temperature, d_positive):
    """Σ weights (log(e**own + Σ e**scores) - own) over b rows of n candidates, own = positive - margin.

    The margin is the logarithm of how many entities a candidate stands for. Equations 20, 26.
    """
    loss = 0.0
    for i in range(len(positive)):
        row = scores[i]
        score = positive[i] - margin
        highest = score
        for j in range(len(row)):
            highest = maximum(highest, row[j])
        own = exponential(score - highest)
        total = own
        for j in range(len(row)):
            share = exponential(row[j] - highest)
            total += share
            row[j] = share
        weight = weights[i]
        loss += weight * (np.log(np.float64(total)) + highest - score)
        scale = weight / total
        d_positive[i] = own * scale - weight
        for j in range(len(row)):
            row[j] *= scale
    return loss


@variant(LOSS)
def logistic(positive, scores, weights, margin, temperature, d_positive):
    """Σ weights (softplus(-positive) + Σ softplus(scores) / n) over b rows of n candidates.

    The margin, 0 but for distances, is added to every score. Equations 21, 24.
    """
    loss = 0.0
    for i in range(len(positive)):
        row = scores[i]
        weight = weights[i]
        share = weight / np.float32(max(len(row), 1))
        total = 0.0
        for start in range(0, len(row), _FACTORS):
            part = row[start : start + _FACTORS]
            linear, product = np.float32(0), np.float32(1)
            for j in range(len(part)):
                score = margin + part[j]
                small = exponential(-abs(score))
                linear += max(score, np.float32(0))
                product *= np.float32(1) + small
                part[j] = share * (np.float32(1) if score >= 0 else small) / (np.float32(1) + small)
            total += linear + np.log(np.float64(product))
        own = margin + positive[i]
        loss += np.float64(weight) * softplus(-own) + np.float64(share) * total
        d_positive[i] = -weight * sigmoid(-own)
    return loss


@variant(LOSS)
def ranking(positive, scores, weights, margin, temperature, d_positive):
    """Σ weights Σ max(0, margin - positive + score) over b rows of n candidates. Equation 22."""
    loss = 0.0
    for i in range(len(positive)):
        row = scores[i]
        weight = weights[i]
        floor = margin - positive[i]
        total, count = np.float32(0), np.float32(0)
        for j in range(len(row)):
            excess = floor + row[j]
            violates = np.float32(1) if excess > 0 else np.float32(0)
            total += violates * excess
            count += violates
            row[j] = violates * weight
        loss += np.float64(weight) * total
        d_positive[i] = -weight * count
    return loss


@variant(LOSS)
def hinge(positive, scores, weights, margin, temperature, d_positive):
    """Σ weights (max(0, margin - positive) + Σ max(0, margin + scores) / n) over b rows of n candidates.
    Equation 23.
    """
    loss = 0.0
    for i in range(len(positive)):
        row = scores[i]
        weight = weights[i]
        share = weight / np.float32(max(len(row), 1))
        total = np.float32(0)
        for j in range(len(row)):
            excess = margin + row[j]
            violates = np.float32(1) if excess > 0 else np.float32(0)
            total += violates * excess
            row[j] = violates * share
        lack = max(margin - positive[i], np.float32(0))
        loss += np.float64(weight) * lack + np.float64(share) * total
        d_positive[i] = -weight if lack > 0 else np.float32(0)
    return loss


@inner_kernel
def _focus(row, temperature):
    """What gives candidate j its share, second * e**(temperature * (row[j] - first)). Equation 25."""
    highest = IGNORED
    for j in range(len(row)):
        highest = maximum(highest, row[j])
    total = np.float32(0)
    for j in range(len(row)):
        total += exponential(temperature * (row[j] - highest))
    return highest, np.float32(1) / max(total, np.float32(1))


@variant(LOSS)
def adversarial_logistic(positive, scores, weights, margin, temperature, d_positive):
    """As `logistic`, each candidate with its self-adversarial share. Equations 21, 24, 25."""
    loss = 0.0
    for i in range(len(positive)):
        row = scores[i]
        weight = weights[i]
        highest, scale = _focus(row, temperature)
        total = np.float32(0)
        for j in range(len(row)):
            share = scale * exponential(temperature * (row[j] - highest))
            score = margin + row[j]
            total += share * softplus(score)
            row[j] = weight * share * sigmoid(score)
        own = margin + positive[i]
        loss += np.float64(weight) * (np.float64(softplus(-own)) + total)
        d_positive[i] = -weight * sigmoid(-own)
    return loss


@variant(LOSS)
def adversarial_ranking(positive, scores, weights, margin, temperature, d_positive):
    """As `ranking`, each of n candidates with n times its self-adversarial share. Equations 22, 25."""
    loss = 0.0
    for i in range(len(positive)):
        row = scores[i]
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
            row[j] = violates * weight
        loss += np.float64(weight) * total
        d_positive[i] = -weight * count
    return loss


@variant(LOSS)
def adversarial_hinge(positive, scores, weights, margin, temperature, d_positive):
    """As `hinge`, each candidate with its self-adversarial share. Equations 23, 25."""
    loss = 0.0
    for i in range(len(positive)):
        row = scores[i]
        weight = weights[i]
        highest, scale = _focus(row, temperature)
        total = np.float32(0)
        for j in range(len(row)):
            excess = margin + row[j]
            share = scale * exponential(temperature * (row[j] - highest))
            violates = share if excess > 0 else np.float32(0)
            total += violates * excess
            row[j] = violates * weight
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
