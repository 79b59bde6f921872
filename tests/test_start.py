"""What a start of Python, of `import daskgraph` and of the command line costs."""

import subprocess
import sys
import time

import pytest

import daskgraph

HEAVY = (
    "numpy",
    "numba",
    "pandas",
    "zarr",
    "pyarrow",
    "scipy",
    "dask",
    "distributed",
    "rich",
    "pydantic",
    "api",
)

# Other processes may have the processor: the quickest of several starts is the honest one.
STARTS = 5


def quickest(*arguments: str) -> float:
    return min(seconds_of(*arguments) for _ in range(STARTS))


def seconds_of(*arguments: str) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - begin


def test_import__is_quick() -> None:
    assert quickest("-c", "import daskgraph") - quickest("-c", "pass") < 0.4


def test_help__is_quick() -> None:
    assert quickest("-m", "daskgraph.cli", "--help") < 0.5


@pytest.mark.parametrize("module", ["daskgraph", "daskgraph.cli"])
def test_import__loads_nothing_heavy(module: str) -> None:
    script = f"import sys, {module}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    loaded = set(run.stdout.split())
    assert not loaded & {*HEAVY, "daskgraph.api", "daskgraph.config"}


def test_public_names_are_there() -> None:
    for name in daskgraph.__all__:
        assert getattr(daskgraph, name).__module__.startswith("daskgraph")
    assert set(daskgraph.__all__) < set(dir(daskgraph))


def test_unknown_name__is_refused_with_the_known_ones() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'trian'; it has .* train"):
        daskgraph.trian  # noqa: B018
