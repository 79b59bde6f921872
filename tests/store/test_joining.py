from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from graph_examples import encode, order_of
from hypothesis import given
from hypothesis import strategies as st

from daskgraph.store import joining, names
from daskgraph.store.joining import common_rows
from daskgraph.store.names import Names, write_names

IDS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3), unique=True)


def written(folder: Path, strings: list[str]) -> Names:
    write_names(folder, *encode(strings), order_of(strings))
    return Names(folder)


@given(one=IDS, other=IDS, common=IDS, walked=st.sampled_from([1, 2, 1 << 19]), loaded=st.booleans())
def test_common_rows(one: list[str], other: list[str], common: list[str], walked: int, loaded: bool) -> None:
    mine = list(dict.fromkeys([*common, *one]))
    theirs = list(dict.fromkeys([*other, *reversed(common)]))
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(joining, "WALKED", walked)
        patch.setattr(names, "SMALL_BYTES", names.SMALL_BYTES if loaded else 0)
        patch.setattr(names, "BLOCK", 2)
        left, right = written(Path(folder, "one"), mine), written(Path(folder, "other"), theirs)
        found = [pair for rows in common_rows(left, right) for pair in zip(*map(list, rows), strict=True)]
    expected = [(mine.index(name), theirs.index(name)) for name in set(mine) & set(theirs)]
    assert sorted(found) == sorted(expected)
