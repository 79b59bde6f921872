from typing import Any

import numpy as np
import pytest
from kernel_examples import random_floats

from daskgraph_kernels.jit import kernel
from daskgraph_kernels.transposing import transpose


@kernel
def call_transpose(source: Any, rows: Any, columns: Any, out: Any, accumulate: Any) -> None:
    transpose(source, rows, columns, out, accumulate)


@pytest.mark.parametrize("accumulate", [True, False])
@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (1, 1), (8, 8), (7, 20), (50, 50), (33, 16), (16, 35)])
def test_transpose(rows: int, columns: int, accumulate: bool) -> None:
    random = np.random.default_rng(4)
    source, out = random_floats(random, rows, columns + 3), random_floats(random, columns, rows + 5)
    expected = out.copy()
    expected[:, :rows] = source[:, :columns].T + (out[:, :rows] if accumulate else 0)
    call_transpose(source, rows, columns, out, accumulate)
    np.testing.assert_array_equal(out, expected)
