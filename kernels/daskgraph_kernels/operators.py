"""Relation operators: what a relation does to the rows of one side (docs/mathematics.md, equations 1 to
7).
"""

from typing import NamedTuple

import numpy as np
from numba.core import types

from .jit import Ids, Matrix, Variant, inner_kernel, variant
from .products import product

# forward(parameters (R, s), relations (n,), rows (n, d), out (n, d))
FORWARD = types.void(Matrix, Ids, Matrix, Matrix)
# backward(parameters (R, s), relations (n,), slots (n,), rows (n, d), d_out (n, d), d_rows (n, d),
#   d_parameters (k, s))
BACKWARD = types.void(Matrix, Ids, Ids, Matrix, Matrix, Matrix, Matrix)


class Operator(NamedTuple):
    """A relation operator: its parameters in their packed order, and the pair of kernels."""

    forward: Variant
    backward: Variant
    # parameter name -> (shape for dimension d, initial value: "zeros", "ones" or "identity")
    parameters: dict[str, tuple[str, str]]
    complex: bool = False  # rows are complex numbers, and so are parameters that are regularised
    regularized: bool = True  # its parameters count for the penalty


@variant(FORWARD)
def none_forward(parameters, relations, rows, out):
    """Out (n, d) = rows (n, d). Equation 1."""
    for i in range(len(rows)):
        for j in range(rows.shape[1]):
            out[i, j] = rows[i, j]


@variant(BACKWARD)
def none_backward(parameters, relations, slots, rows, d_out, d_rows, d_parameters):
    """d_rows (n, d) += d_out (n, d). Equation 1."""
    for i in range(len(rows)):
        for j in range(rows.shape[1]):
            d_rows[i, j] += d_out[i, j]


@variant(FORWARD)
def translation_forward(parameters, relations, rows, out):
    """Out (n, d) = rows (n, d) + parameters[relations] (n, d). Equation 2."""
    for i in range(len(rows)):
        relation = relations[i]
        for j in range(rows.shape[1]):
            out[i, j] = rows[i, j] + parameters[relation, j]


@variant(BACKWARD)
def translation_backward(parameters, relations, slots, rows, d_out, d_rows, d_parameters):
    """d_rows (n, d) += d_out; d_parameters[slots] += d_out. Equation 2."""
    for i in range(len(rows)):
        slot = slots[i]
        for j in range(rows.shape[1]):
            d_rows[i, j] += d_out[i, j]
            d_parameters[slot, j] += d_out[i, j]


@variant(FORWARD)
def diagonal_forward(parameters, relations, rows, out):
    """Out (n, d) = rows (n, d) * parameters[relations] (n, d). Equation 3."""
    for i in range(len(rows)):
        relation = relations[i]
        for j in range(rows.shape[1]):
            out[i, j] = rows[i, j] * parameters[relation, j]


@variant(BACKWARD)
def diagonal_backward(parameters, relations, slots, rows, d_out, d_rows, d_parameters):
    """d_rows (n, d) += d_out * parameters; d_parameters[slots] += d_out * rows. Equation 3."""
    for i in range(len(rows)):
        relation, slot = relations[i], slots[i]
        for j in range(rows.shape[1]):
            d_rows[i, j] += d_out[i, j] * parameters[relation, j]
            d_parameters[slot, j] += d_out[i, j] * rows[i, j]


@variant(FORWARD)
def complex_diagonal_forward(parameters, relations, rows, out):
    """Out = rows * parameters[relations] as complex numbers, real parts first (n, d). Equation 4."""
    half = rows.shape[1] // 2
    for i in range(len(rows)):
        relation = relations[i]
        for j in range(half):
            real, imaginary = parameters[relation, j], parameters[relation, half + j]
            out[i, j] = rows[i, j] * real - rows[i, half + j] * imaginary
            out[i, half + j] = rows[i, j] * imaginary + rows[i, half + j] * real


@variant(BACKWARD)
def complex_diagonal_backward(parameters, relations, slots, rows, d_out, d_rows, d_parameters):
    """d_rows += d_out * conjugate(parameters); d_parameters[slots] += d_out * conjugate(rows). Equation 4."""
    half = rows.shape[1] // 2
    for i in range(len(rows)):
        relation, slot = relations[i], slots[i]
        for j in range(half):
            real, imaginary = parameters[relation, j], parameters[relation, half + j]
            d_real, d_imaginary = d_out[i, j], d_out[i, half + j]
            d_rows[i, j] += d_real * real + d_imaginary * imaginary
            d_rows[i, half + j] += d_imaginary * real - d_real * imaginary
            d_parameters[slot, j] += d_real * rows[i, j] + d_imaginary * rows[i, half + j]
            d_parameters[slot, half + j] += d_imaginary * rows[i, j] - d_real * rows[i, half + j]


@inner_kernel
def _run_end(relations, first):
    """One past the last of the equal relations that start at `first`."""
    last = first + 1
    while last < len(relations) and relations[last] == relations[first]:
        last += 1
    return last


@inner_kernel
def _apply_matrices(parameters, relations, rows, out, accumulate):
    """Out (n, d) = or += matrix (d, d) of each row's relation · row."""
    d = rows.shape[1]
    first = 0
    while first < len(rows):
        last = _run_end(relations, first)
        matrix = relations[first] * parameters.shape[1]
        part = (rows, first * d, d, 1)
        product(last - first, d, d, part, (parameters, matrix, 1, d), (out, first * d, d, 1), accumulate)
        first = last


@inner_kernel
def _apply_matrices_backward(parameters, relations, slots, rows, d_out, d_rows, d_parameters):
    """d_rows += matrixᵀ · d_out; d_parameters[slots] (d, d) += d_out ⊗ rows."""
    d = rows.shape[1]
    first = 0
    while first < len(rows):
        last = _run_end(relations, first)
        matrix, gradient = relations[first] * parameters.shape[1], slots[first] * parameters.shape[1]
        count, start = last - first, first * d
        product(count, d, d, (d_out, start, d, 1), (parameters, matrix, d, 1), (d_rows, start, d, 1), True)
        product(d, d, count, (d_out, start, 1, d), (rows, start, d, 1), (d_parameters, gradient, d, 1), True)
        first = last


@variant(FORWARD)
def linear_forward(parameters, relations, rows, out):
    """Out (n, d) = matrix (d, d) of each row's relation · row. Equation 5."""
    _apply_matrices(parameters, relations, rows, out, False)


@variant(BACKWARD)
def linear_backward(parameters, relations, slots, rows, d_out, d_rows, d_parameters):
    """d_rows += matrixᵀ · d_out; d_parameters[slots] (d, d) += d_out ⊗ rows. Equation 5."""
    _apply_matrices_backward(parameters, relations, slots, rows, d_out, d_rows, d_parameters)


@variant(FORWARD)
def affine_forward(parameters, relations, rows, out):
    """Out (n, d) = matrix (d, d) · row + translation (d,) of each row's relation. Equation 6."""
    d = rows.shape[1]
    for i in range(len(rows)):
        relation = relations[i]
        for j in range(d):
            out[i, j] = parameters[relation, d * d + j]
    _apply_matrices(parameters, relations, rows, out, True)


@variant(BACKWARD)
def affine_backward(parameters, relations, slots, rows, d_out, d_rows, d_parameters):
    """As linear; the translation's part of d_parameters[slots] += d_out. Equation 6."""
    d = rows.shape[1]
    for i in range(len(rows)):
        slot = slots[i]
        for j in range(d):
            d_parameters[slot, d * d + j] += d_out[i, j]
    _apply_matrices_backward(parameters, relations, slots, rows, d_out, d_rows, d_parameters)


@variant(FORWARD, allocates=True)
def rotation_forward(parameters, relations, rows, out):
    """Out = rows * e**(i parameters[relations]) as complex numbers, real parts first (n, d). Equation 7."""
    half = rows.shape[1] // 2
    cosines, sines = np.empty(half, np.float32), np.empty(half, np.float32)
    for i in range(len(rows)):
        if i == 0 or relations[i] != relations[i - 1]:
            _unit_numbers(parameters, relations[i], cosines, sines)
        for j in range(half):
            real, imaginary = rows[i, j], rows[i, half + j]
            out[i, j] = real * cosines[j] - imaginary * sines[j]
            out[i, half + j] = real * sines[j] + imaginary * cosines[j]


@variant(BACKWARD, allocates=True)
def rotation_backward(parameters, relations, slots, rows, d_out, d_rows, d_parameters):
    """d_rows += d_out turned back; d_parameters[slots] (d/2) += how far d_out points across out. Equation
    7.
    """
    half = rows.shape[1] // 2
    cosines, sines = np.empty(half, np.float32), np.empty(half, np.float32)
    for i in range(len(rows)):
        if i == 0 or relations[i] != relations[i - 1]:
            _unit_numbers(parameters, relations[i], cosines, sines)
        slot = slots[i]
        for j in range(half):
            d_real = d_out[i, j] * cosines[j] + d_out[i, half + j] * sines[j]
            d_imaginary = d_out[i, half + j] * cosines[j] - d_out[i, j] * sines[j]
            d_rows[i, j] += d_real
            d_rows[i, half + j] += d_imaginary
            d_parameters[slot, j] += d_imaginary * rows[i, j] - d_real * rows[i, half + j]


@inner_kernel
def _unit_numbers(parameters, relation, cosines, sines):
    """Cosines and sines (d/2,) of one relation's phases."""
    for j in range(len(cosines)):
        cosines[j] = np.cos(parameters[relation, j])
        sines[j] = np.sin(parameters[relation, j])


# A shape is written in d, the dimension; packed parameters stand in this order.
OPERATORS: dict[str, Operator] = {
    "none": Operator(none_forward, none_backward, {}),
    "translation": Operator(translation_forward, translation_backward, {"translation": ("d", "zeros")}),
    "diagonal": Operator(diagonal_forward, diagonal_backward, {"diagonal": ("d", "ones")}),
    "linear": Operator(linear_forward, linear_backward, {"linear": ("d,d", "identity")}),
    "affine": Operator(
        affine_forward, affine_backward, {"linear": ("d,d", "identity"), "translation": ("d", "zeros")}
    ),
    "complex_diagonal": Operator(
        complex_diagonal_forward,
        complex_diagonal_backward,
        {"real": ("d/2", "ones"), "imaginary": ("d/2", "zeros")},
        complex=True,
    ),
    # A turn has the modulus 1, whatever its phase: there is nothing to keep short.
    "rotation": Operator(
        rotation_forward, rotation_backward, {"phase": ("d/2", "zeros")}, complex=True, regularized=False
    ),
}


def parameter_shape(shape: str, dimension: int) -> tuple[int, ...]:
    """The shape of one relation's parameter: "d", "d/2" or "d,d" for `dimension`."""
    sizes = {"d": dimension, "d/2": dimension // 2}
    return tuple(sizes[part] for part in shape.split(","))


def packed_size(operator: Operator, dimension: int) -> int:
    """How many numbers one relation's packed parameters take."""
    shapes = (parameter_shape(shape, dimension) for shape, _ in operator.parameters.values())
    return sum(int(np.prod(shape)) for shape in shapes)


def initial_parameters(operator: Operator, dimension: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """One relation's packed parameters (s,) before training: the operator that changes nothing."""
    parts = []
    for shape, kind in operator.parameters.values():
        size = parameter_shape(shape, dimension)
        full = {"zeros": np.zeros, "ones": np.ones}.get(kind)
        parts.append((full(size) if full else np.eye(dimension)).reshape(-1))
    return np.concatenate([np.empty(0), *parts]).astype(np.float32)
