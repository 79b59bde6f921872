"""Names to numbers: a hash table of strings, cut into shards that fill independently.

Strings are Arrow's: the bytes bounds[i] to bounds[i + 1] of one text. A shard keeps its own in an arena of
the same form, in the order in which they came; string number r of shard s has the code r * SHARDS + s. The
caller owns all arrays and makes them bigger when asked.
"""

import numpy as np

from .jit import kernel

SHARDS = 16

_MASK = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
# The four highest bits choose the shard, the 32 below them the first slot, the lowest half is the tag.
SHARD_SHIFT = np.uint64(60)
_SLOT_SHIFT = np.uint64(28)
_BASIS_0 = np.uint64(0x811C9DC5)
_BASIS_1 = np.uint64(0x9E3779B9)
_PRIME_0 = np.uint64(0x01000193)
_PRIME_1 = np.uint64(0x85EBCA6B)
_MIX_0 = np.uint64(0x7FEB352D)
_MIX_1 = np.uint64(0x846CA68B)
_SHIFT_0 = np.uint64(16)
_SHIFT_1 = np.uint64(15)
_EMPTY = np.uint64(0)
_ONE = np.uint64(1)


@kernel
def _mix(word):
    """Spread every bit of a 32-bit word over all of them."""
    word = ((word ^ (word >> _SHIFT_0)) * _MIX_0) & _MASK
    word = ((word ^ (word >> _SHIFT_1)) * _MIX_1) & _MASK
    return word ^ (word >> _SHIFT_0)


@kernel
def hash_strings(text, bounds, out):
    """Hash strings into out (n,) uint64: two 32-bit lanes, so that no product exceeds 64 bits."""
    for i in range(out.shape[0]):
        high = _BASIS_0
        low = _BASIS_1
        for j in range(bounds[i], bounds[i + 1]):
            byte = np.uint64(text[j])
            high = ((high ^ byte) * _PRIME_0) & _MASK
            low = ((low ^ byte) * _PRIME_1) & _MASK
        out[i] = (_mix(high) << _HALF) | _mix(low ^ high)


@kernel
def _is_string(text, start, arena, place, length):
    """Whether the `length` bytes at text[start:] and arena[place:] are equal."""
    for k in range(length):  # noqa: SIM110
        if text[start + k] != arena[place + k]:
            return False
    return True


@kernel
def encode(text, bounds, hashes, shard, begin, slots, arena, ends, owners, count, codes):
    """Write codes[i] for the strings i >= begin, all of one shard; return where the table was full, or n.

    slots (power of two,) uint64: tag and number + 1; arena and ends: the shard's strings so far;
    owners (rows,) uint64: their hashes; count (1,): how many they are.
    """
    mask = np.uint64(slots.shape[0] - 1)
    for i in range(begin, codes.shape[0]):
        code = hashes[i]
        start, length = bounds[i], bounds[i + 1] - bounds[i]
        slot = (code >> _SLOT_SHIFT) & mask
        while True:
            entry = slots[slot]
            if entry == _EMPTY:
                row = count[0]
                place = ends[row]
                if row == owners.shape[0] or place + length > arena.shape[0]:
                    return i
                for k in range(length):
                    arena[place + k] = text[start + k]
                ends[row + 1] = place + length
                owners[row] = code
                slots[slot] = ((code & _MASK) << _HALF) | np.uint64(row + 1)
                count[0] = row + 1
                break
            if entry >> _HALF == code & _MASK:
                row = np.int64(entry & _MASK) - 1
                if ends[row + 1] - ends[row] == length and _is_string(text, start, arena, ends[row], length):
                    break
            slot = (slot + _ONE) & mask
        codes[i] = row * SHARDS + shard
    return codes.shape[0]


@kernel
def refill(slots, owners, count):
    """Enter the first `count` strings of a shard into new, empty slots."""
    mask = np.uint64(slots.shape[0] - 1)
    for row in range(count):
        slot = (owners[row] >> _SLOT_SHIFT) & mask
        while slots[slot] != _EMPTY:
            slot = (slot + _ONE) & mask
        slots[slot] = ((owners[row] & _MASK) << _HALF) | np.uint64(row + 1)
