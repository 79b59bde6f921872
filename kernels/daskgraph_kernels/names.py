"""The names of all variants, as plain data: config checks them without loading Numba."""

OPERATORS = ("none", "translation", "diagonal", "linear", "affine", "complex_diagonal")
COMPARATORS = ("dot", "cos", "l2", "squared_l2")
LOSSES = ("softmax", "logistic", "ranking")
REGULARIZERS = ("n3", "l2")
