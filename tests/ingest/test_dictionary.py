from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daskgraph.ingest.dictionary import Dictionary
from daskgraph.ingest.strings import arrow_strings, listed_strings, strings_of

POOL = ThreadPoolExecutor(2)


def parts(blocks: list[list[str]]) -> list[tuple[np.ndarray, np.ndarray]]:
    return [strings_of(listed_strings(block)) for block in blocks]


@given(st.lists(st.lists(st.lists(st.text(max_size=4), max_size=20), max_size=3), max_size=4))
def test_codes_stand_for_strings(calls: list[list[list[str]]]) -> None:
    dictionary = Dictionary(POOL)
    seen: dict[str, int] = {}
    for blocks in calls:
        given = [name for block in blocks for name in block]
        codes = dictionary.encode(parts(blocks))
        assert len(codes) == len(given)
        for name, code in zip(given, codes.tolist(), strict=True):
            assert seen.setdefault(name, code) == code
    assert len(set(seen.values())) == len(seen) == len(dictionary)
    strings = arrow_strings(dictionary.strings()).to_pylist()
    positions = dictionary.positions()
    assert {name: strings[positions[code]] for name, code in seen.items()} == {name: name for name in seen}
    assert sorted(dictionary.codes().tolist()) == sorted(seen.values())


def test_growth() -> None:
    names = [f"entity number {number}" for number in range(20_000)] + ["long " * 5000]
    dictionary = Dictionary(POOL)
    codes = dictionary.encode(parts([names[:15_000], names[15_000:], names]))
    assert len(dictionary) == len(names)
    np.testing.assert_array_equal(codes[: len(names)], codes[len(names) :])
    assert sorted(arrow_strings(dictionary.strings()).to_pylist()) == sorted(names)


def test_codes__any_number_of_threads() -> None:
    blocks = parts([[str(number * number % 977) for number in range(2000)]])
    with ThreadPoolExecutor(1) as one:
        np.testing.assert_array_equal(Dictionary(one).encode(blocks), Dictionary(POOL).encode(blocks))
