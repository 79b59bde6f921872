"""What the machine can do: single-precision products by the BLAS that SciPy brings."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from numba.extending import get_cython_function_address

from daskgraph.threads import single_threaded_products

SQUARE = (1024, 1024, 1024)

_sgemm: Any = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 13)(
    get_cython_function_address("scipy.linalg.cython_blas", "sgemm")
)


@numba.njit(nogil=True)
def _multiply(calls: Any, times: Any) -> None:
    for _ in range(times):
        for c in calls:
            _sgemm(c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10], c[11], c[12])


def seconds_of(shapes: Iterable[tuple[int, int, int]], times: int, clock: Callable[[], float]) -> float:
    """Seconds for `times` rounds of products A (m, k) · B (k, n), by a clock such as time.thread_time."""
    kept = [_arguments(*shape) for shape in shapes]
    calls = np.array([[value.ctypes.data for value in arguments] for arguments in kept])
    _multiply(calls, 1)
    started = clock()
    _multiply(calls, times)
    return clock() - started


def peak(threads: int = 1, times: int = 4) -> float:
    """Operations a second, by the clock on the wall, of large square products on so many threads at once."""
    m, n, k = SQUARE
    with single_threaded_products(), ThreadPoolExecutor(threads) as pool:
        found = [pool.submit(seconds_of, [SQUARE], times, time.perf_counter) for _ in range(threads)]
        return sum(2 * m * n * k * times / future.result() for future in found)


def _arguments(m: int, n: int, k: int) -> list[np.ndarray[Any, Any]]:
    """What sgemm takes, all by address, to multiply random matrices.

    BLAS counts by columns: the product of rows is that of their transposes, the other way round.
    """
    random = np.random.default_rng(0)
    left, right = random.standard_normal((m, k), np.float32), random.standard_normal((k, n), np.float32)
    letter = np.frombuffer(b"n", np.uint8)
    m_, n_, k_ = (np.array(size, np.int32) for size in (m, n, k))
    one, zero = (np.array(factor, np.float32) for factor in (1, 0))
    return [letter, letter, n_, m_, k_, one, right, n_, left, k_, zero, np.zeros((m, n), np.float32), n_]
