"""Counter-based random numbers: every draw is a function of a key and a counter, never of timing."""

import numpy as np

from .jit import inner_kernel, kernel

_MASK = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_WEYL_0 = np.uint64(0x9E3779B9)
_WEYL_1 = np.uint64(0xBB67AE85)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_0 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_1 = np.uint64(0x94D049BB133111EB)


def derive_key(*parts: int) -> np.uint64:
    """Mix integers (seed, epoch, bucket, ...) into one 64-bit key (the finaliser of SplitMix64, chained)."""
    state = 0
    for part in parts:
        state = (state + (part & 0xFFFFFFFFFFFFFFFF) + int(_GOLDEN)) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 30)) * int(_MIX_0)) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 27)) * int(_MIX_1)) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return np.uint64(state)


@inner_kernel
def mixed(key, number):
    """64 bits for a number and a key: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), faster than Philox."""
    state = key + (number + np.uint64(1)) * _GOLDEN
    state = (state ^ (state >> np.uint64(30))) * _MIX_0
    state = (state ^ (state >> np.uint64(27))) * _MIX_1
    return state ^ (state >> np.uint64(31))


@inner_kernel
def philox(key, c0, c1, c2, c3):
    """Philox 4x32-10 (Salmon et al., SC 2011): four 32-bit words, as uint64, for a 128-bit counter."""
    k0 = key & _MASK
    k1 = key >> _HALF
    for _ in range(10):
        product_0 = _MULTIPLIER_0 * c0
        product_1 = _MULTIPLIER_1 * c2
        c0, c1, c2, c3 = (
            (product_1 >> _HALF) ^ c1 ^ k0,
            product_1 & _MASK,
            (product_0 >> _HALF) ^ c3 ^ k1,
            product_0 & _MASK,
        )
        k0 = (k0 + _WEYL_0) & _MASK
        k1 = (k1 + _WEYL_1) & _MASK
    return c0, c1, c2, c3


@inner_kernel
def below(high, low, limit):
    """The 64-bit fraction (high, low) of `limit` <= 2**32, rounded down: an integer in [0, limit)."""
    return np.int64((high * limit + ((low * limit) >> _HALF)) >> _HALF)


@kernel
def fill_normal(key, first, out):
    """Fill out (n, d) with standard normal numbers; row i depends on `key` and `first` + i alone."""
    unit = 1.0 / 4294967296.0
    for i in range(out.shape[0]):
        row = np.uint64(first + i)
        for j in range(0, out.shape[1], 2):
            w0, w1, _, _ = philox(key, np.uint64(j >> 1), np.uint64(0), row & _MASK, row >> _HALF)
            radius = np.sqrt(-2.0 * np.log((np.float64(w0) + 0.5) * unit))
            angle = 2.0 * np.pi * np.float64(w1) * unit
            out[i, j] = radius * np.cos(angle)
            if j + 1 < out.shape[1]:
                out[i, j + 1] = radius * np.sin(angle)
