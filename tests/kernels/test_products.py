import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from kernel_examples import random_floats

from daskgraph_kernels.jit import kernel, processor_features
from daskgraph_kernels.products import (
    as_matrix,
    pair_products,
    rows_by_rows,
    weighted_columns,
    weighted_rows,
)

SHAPES = [
    (3, 4, 5, 0, 0),
    (3, 4, 5, 2, 0),
    (3, 4, 5, 1, 3),
    (1, 1, 1, 0, 0),
    (17, 33, 8, 5, 2),
    (2, 0, 4, 1, 1),
    (50, 100, 100, 0, 0),
    (11, 47, 31, 0, 1),
    (6, 9, 600, 0, 0),
    (130, 20, 33, 0, 0),
    (4, 300, 16, 0, 4),
]
# Tells the kernels that the processor has wide vectors; LLVM itself still knows better.
WIDE = """
import sys
import pytest
import daskgraph_kernels.jit
daskgraph_kernels.jit.processor_features = lambda: "+avx512f"
import daskgraph_kernels.tiles
assert daskgraph_kernels.tiles.LANES == 16
sys.exit(pytest.main(["-q", sys.argv[1], "-k", "in_some_columns or pair_products"]))
"""
# A processor without an instruction for products of pairs.
PLAIN = """
import sys
import pytest
import daskgraph_kernels.jit
daskgraph_kernels.jit.processor_features = lambda: ""
import daskgraph_kernels.tiles
assert daskgraph_kernels.tiles.PAIR_PRODUCTS is None
sys.exit(pytest.main(["-q", sys.argv[1], "-k", "pair_products"]))
"""


@kernel
def call_products(
    left: Any, right: Any, scores: Any, column: Any, weights: Any, rows: Any, columns: Any, accumulate: Any
) -> None:
    rows_by_rows(left, right, scores, column)
    weighted_rows(weights, column, right, rows, accumulate)
    weighted_columns(weights, column, left, columns, accumulate)


@kernel
def call_pair_products(left: Any, right: Any, out: Any) -> None:
    pair_products(left, right, out)


@kernel
def call_as_matrix(flat: Any, rows: Any, columns: Any) -> Any:
    matrix = as_matrix(flat, rows, columns)
    matrix[rows - 1, 0] = 5
    return matrix[0, columns - 1]


@pytest.mark.parametrize("accumulate", [True, False])
@pytest.mark.parametrize(("m", "n", "d", "before", "after"), SHAPES)
def test_products__in_some_columns(m: int, n: int, d: int, before: int, after: int, accumulate: bool) -> None:
    random = np.random.default_rng(7)
    left, right, weights = (
        random_floats(random, *shape) for shape in ((m, d), (n, d), (m, before + n + after))
    )
    scores, rows, columns = np.full_like(weights, 9), random_floats(random, m, d), random_floats(random, n, d)
    own = weights[:, before : before + n].astype(float)
    expected = accumulate * rows + own @ right, accumulate * columns + own.T @ left
    call_products(left, right, scores, before, weights, rows, columns, accumulate)
    np.testing.assert_allclose(
        scores[:, before : before + n], left.astype(float) @ right.T, rtol=1e-4, atol=1e-5
    )
    assert (scores[:, :before] == 9).all()
    assert (scores[:, before + n :] == 9).all()
    np.testing.assert_allclose(rows, expected[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(columns, expected[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("m", "n", "k"), [(3, 4, 5), (1, 1, 1), (17, 33, 8), (0, 2, 2), (2, 0, 2), (50, 100, 50), (6, 9, 600)]
)
def test_pair_products(m: int, n: int, k: int) -> None:
    random = np.random.default_rng(7)
    # As long as they may be: sums come near to 2**31.
    longest = int((2**30.9 / (2 * k)) ** 0.5)
    left, right = (random.integers(-longest, longest + 1, (rows, 2 * k)).astype(np.int16) for rows in (m, n))
    left[:1], right[:1] = longest, -longest
    out = np.full((m, n), np.nan, np.float32)
    call_pair_products(left.view(np.int32), right.view(np.int32), out)
    np.testing.assert_allclose(out, left.astype(float) @ right.T.astype(float), rtol=1e-6, atol=500)


def test_as_matrix__is_a_view() -> None:
    flat = np.arange(20, dtype=np.float32)
    assert call_as_matrix(flat, 3, 4) == 3
    assert flat[8] == 5


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("processor", [WIDE, PLAIN], ids=["wide", "plain"])
def test_products__on_another_processor(processor: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", processor, __file__]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.compiled
@pytest.mark.skipif("+avx512vnni" not in processor_features(), reason="the processor has no such instruction")
def test_pair_products__one_instruction_for_products_and_sums() -> None:
    """Nothing that LLVM does to the loop takes them apart."""

    @numba.njit
    def multiply(left: Any, right: Any, out: Any) -> None:
        pair_products(left, right, out)

    left, right = np.ones((5, 8), np.int32), np.ones((32, 8), np.int32)
    multiply(left, right, np.zeros((5, 32), np.float32))
    [code] = multiply.inspect_asm().values()
    assert "vpdpwssd" in code
    assert "vpmaddwd" not in code
