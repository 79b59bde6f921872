"""Kernels point to the mathematics by number: every number they name must be there."""

import re
from pathlib import Path

import pytest

from daskgraph_kernels import jit

PAGE = Path(__file__).parents[2] / "docs" / "mathematics.md"
WRITTEN = {int(number) for number in re.findall(r"\\tag\{(\d+)\}", PAGE.read_text(encoding="utf-8"))}


def named(text: str) -> set[int]:
    """The numbers of "equation 3", "Equations 40, 41" and "equations 1 to 6", ends only."""
    places = re.findall(r"[Ee]quations?\s+(\d+(?:(?:,| to| and)\s+\d+)*)", text)
    return {int(number) for place in places for number in re.findall(r"\d+", place)}


@pytest.mark.parametrize("path", sorted(Path(jit.__file__).parent.glob("*.py")), ids=lambda path: path.stem)
def test_equations__are_written(path: Path) -> None:
    assert named(path.read_text(encoding="utf-8")) <= WRITTEN


def test_equations__are_pointed_to() -> None:
    sources = [path.read_text(encoding="utf-8") for path in Path(jit.__file__).parent.glob("*.py")]
    pointed = set.union(*(named(text) for text in sources))
    within_ranges = {51, 52, 55, 56}
    assert WRITTEN - within_ranges <= pointed
