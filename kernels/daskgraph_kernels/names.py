"""The names of all variants, as plain data: config checks them without loading Numba.

daskgraph.registration adds to them, as it does to the tables of kernels.
"""

OPERATORS = ["none", "translation", "diagonal", "linear", "affine", "complex_diagonal", "rotation"]
COMPARATORS = ["dot", "cos", "l2", "squared_l2", "l1", "complex_modulus"]
LOSSES = ["softmax", "logistic", "ranking", "hinge"]
REGULARIZERS = ["n3", "l2"]
# Operators and comparators that take rows for complex numbers: these must have an even length.
EVEN = ["complex_diagonal", "rotation", "complex_modulus"]
