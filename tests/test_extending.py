"""Operators, comparators and losses of a user's own."""

import inspect
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import daskgraph
from daskgraph.config import Config
from daskgraph.errors import (
    ConfigValueError,
    KernelError,
    NameTakenError,
    RegistrationError,
    SourceError,
    UnknownVariantError,
    UnregisteredError,
)
from daskgraph_kernels import comparators, losses, names, operators
from daskgraph_kernels.jit import COMPILED

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """What a test registers is forgotten after it."""
    lists: list[Any] = [names.OPERATORS, names.COMPARATORS, names.LOSSES, names.EVEN]
    tables: list[Any] = [operators.OPERATORS, comparators.COMPARATORS, losses.LOSSES]
    known_before, tables_before = [list(known) for known in lists], [dict(table) for table in tables]
    yield
    for known, names_before in zip(lists, known_before, strict=True):
        known[:] = names_before
    for table, before in zip(tables, tables_before, strict=True):
        table.clear()
        table.update(before)


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [block] = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    (tmp_path / "stretch.py").write_text(block)
    monkeypatch.chdir(tmp_path)
    model = runpy.run_path(str(tmp_path / "stretch.py"))["model"]
    assert np.isfinite(model.embeddings()[:]).all()
    assert (np.asarray(model.store.read_parameters()["relations/exponent"]) != 0).any()
    assert {answer.entity for answer in model.neighbors("a", k=2)} <= set("bcdef")


def quadratic(
    positive: Any, scores: Any, weights: Any, margin: Any, temperature: Any, d_positive: Any
) -> float:
    loss = 0.0
    for i in range(len(positive)):
        loss += weights[i] * (positive[i] - margin) ** 2
        d_positive[i] = 2 * weights[i] * (positive[i] - margin)
        for j in range(scores.shape[1]):
            score = scores[i, j] if scores[i, j] > -1e8 else np.float32(0)
            loss += weights[i] * score * score
            scores[i, j] = 2 * weights[i] * score
    return loss


def test_loss_and_comparator_of_ones_own(tmp_path: Path) -> None:
    """A dot product by another name trains as the dot product does, whose positives are summed elsewhere."""
    dot = comparators.COMPARATORS["dot"]
    uses = ("pairs", "pairs_backward", "scores", "scores_backward")
    daskgraph.register_comparator("product", **{use: getattr(dot, use).function for use in uses})
    daskgraph.register_loss("quadratic", quadratic)
    trained = []
    for comparator in ("dot", "product"):
        keys = {
            "model": {"comparator": comparator, "dimension": 4, "init_scale": 0.1},
            "loss": {"function": "quadratic", "margin": 2.0},
            "training": {"epochs": 3, "threads": 1},
        }
        path = tmp_path / comparator
        path.with_suffix(".csv").write_text("head,tail\na,b\nb,c\nc,a\n")
        model = daskgraph.train(path.with_suffix(".csv"), path.with_suffix(".model.zarr"), config=keys)
        trained.append(np.asarray(model.embeddings()[:]))
    np.testing.assert_allclose(trained[0], trained[1], rtol=1e-4, atol=1e-6)


def test_names_are_known_and_refused() -> None:
    daskgraph.register_loss("quadratic", quadratic)
    with pytest.raises(
        UnknownVariantError, match=r"did you mean 'quadratic'\? known are: softmax.*quadratic"
    ):
        Config.from_dict({"loss": {"function": "quadratik"}})
    for name in ("softmax", "quadratic"):
        with pytest.raises(NameTakenError, match=name):
            daskgraph.register_loss(name, quadratic)
    cos = comparators.COMPARATORS["cos"]
    kernels = {name: getattr(cos, name).function for name in cos._fields[:6]}
    with pytest.raises(NameTakenError):
        daskgraph.register_comparator("cos", **kernels)
    daskgraph.register_comparator("angle", **kernels, rescales=True, complex_numbers=True)
    with pytest.raises(ConfigValueError, match="even for angle"):
        Config.from_dict({"model": {"comparator": "angle", "dimension": 3}})


def register_own_operator() -> None:
    diagonal = operators.OPERATORS["diagonal"]
    kernels = diagonal.forward.function, diagonal.backward.function
    daskgraph.register_operator("own", *kernels, dict(diagonal.parameters))


def test_stores_with_a_name_that_is_not_registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    edges = pandas.DataFrame({"head": list("abc"), "tail": list("bca")})
    small: dict[str, Any] = {"training": {"epochs": 1, "threads": 1}, "negatives": {"uniform": 3}}
    own = {"model": {"operator": "own", "dimension": 4}, **small}
    known = {"model": {"operator": "diagonal", "dimension": 4}, **small}
    register_own_operator()
    daskgraph.train(edges, config=own)
    forget("own")

    for use in (lambda: daskgraph.train(edges), lambda: daskgraph.open_model("graph.model.zarr").config):
        with pytest.raises(UnregisteredError, match=r"^graph.model.zarr has model.operator = 'own'"):
            use()
    shutil.rmtree("graph.model.zarr")
    with pytest.raises(SourceError, match=r"graph.graph.zarr holds another graph"):
        daskgraph.train(edges.iloc[:2], config=known)
    assert daskgraph.train(edges, config=known).epochs == 1


def test_graph_whose_relation_has_a_name_that_is_not_registered(tmp_path: Path) -> None:
    edges = pandas.DataFrame({"head": list("abc"), "relation": "next", "tail": list("bca")})
    relation = {"name": "next", "operator": "own"}
    register_own_operator()
    daskgraph.import_edges(edges, tmp_path / "g.zarr", config={"relations": [relation]})
    forget("own")
    known: dict[str, Any] = {"model": {"dimension": 4}, "training": {"epochs": 1, "threads": 1}}
    with pytest.raises(
        UnregisteredError, match=r"g.zarr has relations.0.operator = 'own'.*import the module"
    ):
        daskgraph.train(tmp_path / "g.zarr", tmp_path / "m.zarr", config=known)
    known["relations"] = [{"name": "next", "operator": "other"}]
    with pytest.raises(UnknownVariantError, match=r"'other'"):
        daskgraph.train(tmp_path / "g.zarr", tmp_path / "m.zarr", config=known)
    known["relations"] = [{"name": "next", "operator": "none"}]
    assert daskgraph.train(tmp_path / "g.zarr", tmp_path / "m.zarr", config=known).epochs == 1


MODULE = """
import daskgraph
from daskgraph_kernels.operators import OPERATORS

own = OPERATORS["diagonal"]
daskgraph.register_operator("own", own.forward.function, own.backward.function, dict(own.parameters))
"""


def shell(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    # -P: as an installed command, which does not look for modules where it is called.
    command = [sys.executable, "-P", "-m", "daskgraph.cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_modules_are_imported_from_a_shell(tmp_path: Path) -> None:
    (tmp_path / "my_module.py").write_text(MODULE)
    (tmp_path / "broken.py").write_text("import daskgraph\ndaskgraph.nothing\n")
    (tmp_path / "e.csv").write_text("head,tail\na,b\nb,c\nc,a\n")
    given = [
        "train",
        "e.csv",
        "-s",
        "model.operator=own",
        "-s",
        "model.dimension=4",
        "-s",
        "training.epochs=1",
    ]
    unknown = shell(tmp_path, *given)
    assert (unknown.returncode, unknown.stderr.count("\n")) == (2, 1)
    assert "'own' is unknown" in unknown.stderr
    assert "--import MODULE" in unknown.stderr
    assert shell(tmp_path, "--import", "my_module", *given).returncode == 0
    unknown = shell(tmp_path, "neighbors", "e.model.zarr", "a")
    assert "Error: e.model.zarr has model.operator = 'own'" in unknown.stderr
    known = shell(tmp_path, "--import", "my_module", "neighbors", "e.model.zarr", "a")
    assert {line.split("\t")[0] for line in known.stdout.splitlines()} == {"entity", "b", "c"}
    for module, reason in (("missing", "no such module"), ("broken", "no attribute 'nothing'")):
        failed = shell(tmp_path, "--import", module, *given)
        assert (failed.returncode, failed.stderr.count("\n")) == (2, 1)
        assert failed.stderr.startswith(f"Error: --import {module}: ")
        assert reason in failed.stderr


def forget(operator: str) -> None:
    """As another process does that never heard of it."""
    operators.OPERATORS.pop(operator)
    names.OPERATORS.remove(operator)


def test_operators_that_can_not_work_are_refused() -> None:
    diagonal = operators.OPERATORS["diagonal"]
    kernels = diagonal.forward.function, diagonal.backward.function
    with pytest.raises(NameTakenError):
        daskgraph.register_operator("linear", *kernels)
    with pytest.raises(
        RegistrationError, match=r"forward takes 7 arguments; it will be called with 4: forward\(p"
    ):
        daskgraph.register_operator("swapped", *reversed(kernels))
    for shape in (("2d", "zeros"), ("d", "random"), ("d", "identity")):
        with pytest.raises(RegistrationError, match="allowed are the shapes"):
            daskgraph.register_operator("strange", *kernels, {"numbers": shape})
    half = {"numbers": ("d/2", "ones")}
    with pytest.raises(RegistrationError, match="regularized=False"):
        daskgraph.register_operator("half", *kernels, half, complex_numbers=True)
    assert "half" not in names.OPERATORS
    daskgraph.register_operator("half", *kernels, half)
    with pytest.raises(ConfigValueError, match="even for half"):
        Config.from_dict({"model": {"operator": "half", "dimension": 3}})


def adds_text(parameters: Any, relations: Any, rows: Any, out: Any) -> None:
    for i in range(len(rows)):
        out[i] = rows[i] + "x"


def returns_nothing(
    positive: Any, scores: Any, weights: Any, margin: Any, temperature: Any, d_positive: Any
) -> None:
    d_positive[:] = positive


@pytest.mark.skipif(not COMPILED, reason="nothing is compiled")
def test_functions_that_can_not_be_compiled_are_named(tmp_path: Path) -> None:
    diagonal = operators.OPERATORS["diagonal"]
    daskgraph.register_operator("text", adds_text, diagonal.backward.function, {"numbers": ("d", "ones")})
    daskgraph.register_loss("nothing", returns_nothing)
    edges = pandas.DataFrame({"head": list("abc"), "tail": list("bca")})
    line = inspect.getsourcelines(adds_text)[1] + 2
    for keys, said in (
        (
            {"model": {"operator": "text", "dimension": 4}},
            rf"^forward of 'text' .*add.*\(test_extending.py, line {line}\); it is called as forward\("
            r"parameters: float32\[:, :\], relations: int64\[:\], .*\)",
        ),
        (
            {"loss": {"function": "nothing"}, "model": {"dimension": 4}},
            r"function of 'nothing'.*mismatch of return type: none vs float64; .*margin: float32.*-> float64",
        ),
    ):
        with pytest.raises(KernelError, match=said) as raised:
            daskgraph.train(edges, tmp_path / "m.zarr", config=keys)
        assert "TypingError" in repr(raised.value.__cause__)
        assert "\n" not in str(raised.value)
        assert not (tmp_path / "m.zarr").exists()


PROGRAM = """
import sys
import numpy as np
from daskgraph.registration import register_loss
from daskgraph_kernels.losses import LOSSES

{source}

register_loss("quadratic", quadratic)
one, two = np.ones(1, np.float32), np.ones((1, 2), np.float32)
print(LOSSES["quadratic"](one, two, one, 3, 0, one.copy()))
"""


@pytest.mark.skipif(not COMPILED, reason="nothing is compiled")
@pytest.mark.parametrize("as_file", [True, False], ids=["file", "text"])
def test_compiled_again_when_its_source_changes(as_file: bool, tmp_path: Path) -> None:
    source = "from typing import Any\n" + inspect.getsource(quadratic)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    found = []
    for factor in ("weights[i] * score * score", "weights[i] * score * 5.0"):
        program = PROGRAM.format(source=source.replace("weights[i] * score * score", factor))
        (tmp_path / "own.py").write_text(program)
        arguments = [str(tmp_path / "own.py")] if as_file else ["-c", program]
        done = subprocess.run(
            [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=True
        )
        found.append(float(done.stdout))
    assert found == [6, 14]
