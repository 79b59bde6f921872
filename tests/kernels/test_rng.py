from typing import Any

import numpy as np
import pytest

from daskgraph_kernels.jit import COMPILED, kernel
from daskgraph_kernels.rng import below, derive_key, fill_normal, philox

ROWS = 20_000 if COMPILED else 500


@kernel
def call_philox(key: Any, counter: Any, out: Any) -> None:
    w0, w1, w2, w3 = philox(key, counter[0], counter[1], counter[2], counter[3])
    out[0], out[1], out[2], out[3] = w0, w1, w2, w3


@kernel
def call_below(high: Any, low: Any, limit: Any) -> Any:
    return below(high, low, limit)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_philox__known_answers(counter: str, key: str, expected: str) -> None:
    """The vectors for philox4x32-10 that its authors publish with Random123."""
    low, high = (int(word, 16) for word in key.split())
    words = np.array([int(word, 16) for word in counter.split()], np.uint64)
    out = np.zeros(4, np.uint64)
    call_philox(np.uint64(low | high << 32), words, out)
    assert [f"{word:08x}" for word in out.tolist()] == expected.split()


@pytest.mark.parametrize("limit", [1, 2, 1000, 2**31 + 7, 2**32])
def test_below__reaches_every_integer_and_no_more(limit: int) -> None:
    top = np.uint64(0xFFFFFFFF)
    assert call_below(np.uint64(0), np.uint64(0), np.uint64(limit)) == 0
    assert call_below(top, top, np.uint64(limit)) == limit - 1
    third = np.uint64(0x55555555)
    assert call_below(third, third, np.uint64(limit)) == (0x5555555555555555 * limit) >> 64


def test_derive_key__differs_for_other_parts() -> None:
    parts: list[tuple[int, ...]] = [(a, b, c) for a in range(8) for b in range(8) for c in range(8)]
    parts += [(), (0,), (0, 0), (1,), (-1,), (2**63,)]
    assert len({int(derive_key(*part)) for part in parts}) == len(parts)
    assert derive_key(3, 4) == derive_key(3, 4)


def normal(key: int, first: int, rows: int, columns: int) -> Any:
    out = np.empty((rows, columns), np.float32)
    fill_normal(np.uint64(key), first, out)
    return out


def test_fill_normal__is_normal() -> None:
    from scipy.stats import kstest

    drawn = normal(5, 0, ROWS, 7)
    assert kstest(drawn.ravel(), "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(drawn.T) - np.eye(7)).max() < 5 / np.sqrt(ROWS)
    assert abs(np.corrcoef(drawn[:-1].ravel(), drawn[1:].ravel())[0, 1]) < 5 / np.sqrt(7 * ROWS)


def test_fill_normal__rows_do_not_depend_on_where_filling_began() -> None:
    whole = normal(9, 0, 40, 5)
    np.testing.assert_array_equal(normal(9, 13, 9, 5), whole[13:22])
    np.testing.assert_array_equal(normal(9, 0, 40, 4), whole[:, :4])
    np.testing.assert_array_equal(normal(9, 2**33 - 2, 4, 3)[2:], normal(9, 2**33, 2, 3))


def test_fill_normal__other_keys_give_other_rows() -> None:
    assert (normal(1, 0, 30, 6) != normal(2, 0, 30, 6)).all()
