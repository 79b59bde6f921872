import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daskgraph_kernels import jit
from daskgraph_kernels.comparators import dot_pairs
from daskgraph_kernels.jit import COMPILED, Variant, variant

compiled_only = pytest.mark.skipif(not COMPILED, reason="nothing is compiled")

SOURCES = Path(jit.__file__).parent

# Prints where compiled kernels are kept, and what one of them gives.
PROGRAM = """
import numpy as np
from daskgraph_kernels import jit
from daskgraph_kernels.comparators import dot_pairs
out = np.zeros(2, np.float32)
dot_pairs(np.ones((2, 3), np.float32), np.ones((2, 3), np.float32), out)
print(jit._cache_folder(), out.tolist())
"""


def run_program(**environment: str) -> str:
    paths = os.pathsep.join([str(SOURCES.parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def plain_pairs(query: Any, positive: Any, out: Any) -> None:
    out[0] = 3


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_variant__survives_pickling(protocol: int) -> None:
    assert pickle.loads(pickle.dumps(dot_pairs, protocol)) is dot_pairs


def test_variant__of_a_function_with_its_own_name_survives_pickling() -> None:
    own = Variant(dot_pairs.signature, plain_pairs, allocates=True)
    again = pickle.loads(pickle.dumps(own))
    assert (again.function, again.allocates) == (plain_pairs, True)
    assert again.signature == own.signature


def test_variant__keeps_the_docstring() -> None:
    assert "Equation 10" in (dot_pairs.__doc__ or "")


def test_variant__may_be_called_from_python_and_by_address() -> None:
    """Both forms of one function are compiled and cached apart."""
    assert dot_pairs.address() == dot_pairs.address()
    rows, out = np.ones((2, 3), np.float32), np.zeros(2, np.float32)
    dot_pairs(rows, rows, out)
    assert out.tolist() == [3, 3]


@compiled_only
def test_variant__address_is_stable() -> None:
    address = dot_pairs.address()
    assert isinstance(address, int)
    assert Variant(dot_pairs.signature, dot_pairs.function).address() == address
    assert dot_pairs.address() == address


def test_caller__calls_what_it_is_given() -> None:
    from kernel_examples import call_pairs_at

    from daskgraph_kernels.comparators import PAIRS

    first = variant(PAIRS)(plain_pairs)
    rows, out = np.ones((1, 2), np.float32), np.zeros(1, np.float32)
    for chosen, expected in ((first, 3), (dot_pairs, 2)):
        call_pairs_at(chosen.address(), rows, rows, out)
        assert out[0] == expected


@compiled_only
def test_cache__folder_carries_the_digest() -> None:
    folder = jit._cache_folder()
    assert folder is not None
    assert jit.sources_digest()[:16] in Path(folder).name
    assert jit.machine_digest()[:8] in Path(folder).name


def test_sources_digest__notices_any_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied = tmp_path / "kernels"
    shutil.copytree(SOURCES, copied, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(jit, "__file__", str(copied / "jit.py"))
    digest = jit.sources_digest.__wrapped__
    assert digest() == jit.sources_digest()
    seen = {digest()}
    for name in ("elementary.py", "jit.py"):
        with (copied / name).open("a") as file:
            file.write("# changed\n")
        seen.add(digest())
    (copied / "elementary.py").rename(copied / "fundamental.py")
    seen.add(digest())
    assert len(seen) == 4


@compiled_only
def test_cache__is_used_again_and_repaired(tmp_path: Path) -> None:
    folder, result = run_program(NUMBA_CACHE_DIR=str(tmp_path)).split(maxsplit=1)
    assert result == "[3.0, 3.0]"
    files = sorted(Path(folder).glob("comparators.dot_pairs*"))
    kept = [path.stat().st_mtime_ns for path in files]
    assert files
    assert run_program(NUMBA_CACHE_DIR=str(tmp_path)).endswith(result)
    assert [path.stat().st_mtime_ns for path in files] == kept
    for path in files:
        path.write_bytes(b"")
    assert run_program(NUMBA_CACHE_DIR=str(tmp_path)).endswith(result)


@compiled_only
@pytest.mark.parametrize("variable", ["NUMBA_CACHE_DIR", "XDG_CACHE_HOME"])
def test_cache__kernels_work_where_nothing_can_be_written(tmp_path: Path, variable: str) -> None:
    (tmp_path / "file").write_text("no folder")
    environment = {"NUMBA_CACHE_DIR": "", variable: str(tmp_path / "file" / "cache")}
    assert run_program(**environment) == "None [3.0, 3.0]"


@compiled_only
def test_cache__full_disk_costs_no_more_than_compiling_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile.save", refuse)
    rows, out = np.ones((1, 2), np.float32), np.zeros(1, np.float32)
    Variant(dot_pairs.signature, plain_pairs)(rows, rows, out)
    assert out[0] == 3
