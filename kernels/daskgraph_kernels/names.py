"""The names of all variants, as plain data: config checks them without loading Numba."""

OPERATORS = ("none", "translation", "diagonal", "linear", "affine", "complex_diagonal", "rotation")
COMPARATORS = ("dot", "cos", "l2", "squared_l2", "l1", "complex_modulus")
LOSSES = ("softmax", "logistic", "ranking", "hinge")
REGULARIZERS = ("n3", "l2")
