"""One training step of PyTorch-BigGraph, exact: every golden case through the product's own kernels."""

import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_examples import describe_edges, extra_candidates, list_uses, take_step
from numpy.typing import NDArray

from daskgraph_kernels.batch import reciprocal, standard
from daskgraph_kernels.comparators import COMPARATORS
from daskgraph_kernels.losses import LOSSES, OFFSETS
from daskgraph_kernels.negatives import draw_uniform, list_all
from daskgraph_kernels.operators import OPERATORS
from daskgraph_kernels.workspace import (
    Batches,
    Functions,
    Settings,
    Sizes,
    Tables,
    Workspace,
    addresses,
    allocate,
)

Arrays = dict[str, NDArray[Any]]

OWN = Path(__file__).parent / "data" / "golden.zip"
# PBG's names of operator parameters, in the order in which ours are packed.
PBG_PARAMETERS = {
    "none": (),
    "translation": ("translation",),
    "diagonal": ("diagonal",),
    "linear": ("linear_transformation",),
    "affine": ("linear_transformation", "translation"),
    "complex_diagonal": ("real", "imag"),
}


def places() -> list[Path]:
    extra = os.environ.get("DASKGRAPH_GOLDEN")
    return [OWN, *([Path(extra)] if extra else [])]


def names(place: Path) -> list[str]:
    if place.is_dir():
        return sorted(path.name for path in place.glob("*.npz"))
    with zipfile.ZipFile(place) as archive:
        return sorted(name for name in archive.namelist() if name.endswith(".npz"))


def load(place: Path, name: str) -> Arrays:
    if place.is_dir():
        content = (place / name).read_bytes()
    else:
        with zipfile.ZipFile(place) as archive:
            content = archive.read(name)
    with np.load(io.BytesIO(content)) as file:
        return {key: file[key] for key in file.files}


def cases() -> Iterator[Any]:
    for place in places():
        for name in names(place):
            yield pytest.param(place, name, id=f"{place.stem}-{Path(name).stem}")


class Step:
    """A golden case in the kernels' own terms."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays
        self.case: dict[str, Any] = json.loads(str(arrays["case"]))
        case = self.case
        self.reciprocal = bool(case.get("dynamic"))
        self.operator = OPERATORS[case["operator"]]
        self.comparator = COMPARATORS[case["comparator"]]
        all_candidates = bool(case.get("all_negs"))
        relation_rate = case.get("relation_lr")
        # PBG knows no offset, and no candidates that stand for others.
        margin = np.float32(0 if case["loss"] in (*OFFSETS, "softmax") else case["margin"])
        self.settings = Settings(
            identity=case["operator"] == "none",
            complex_parameters=self.operator.complex,
            separate=self.comparator.rescales or bool(case.get("bias")),
            keeps_scores=True,
            product=self.comparator.product,
            bias=bool(case.get("bias")),
            shared_table=bool(case.get("same_type")),
            in_batch=case.get("num_batch_negs", 1) > 0 and not all_candidates,
            all_candidates=all_candidates,
            corrupt_head=not case.get("disable_lhs_negs", False),
            corrupt_tail=not case.get("disable_rhs_negs", False),
            uniform=len(arrays["lhs_uniform"]),
            head_margin=margin,
            tail_margin=margin,
            regularization=np.float32(case.get("regularization_coef", 0)),
            max_norm=np.float32(case.get("max_norm") or 0),
            learning_rate=np.float32(case["lr"]),
            relation_learning_rate=np.float32(case["lr"] if relation_rate is None else relation_rate),
        )
        functions = Functions(
            self.operator.forward,
            self.operator.backward,
            *self.comparator[:6],
            LOSSES[case["loss"]],
            list_all if all_candidates else draw_uniform,
        )
        self.functions = addresses(functions)
        self.forward_backward = reciprocal if self.reciprocal else standard
        self.tables = self._tables()
        self.batches = self._batches()
        self.work = self._list_uses()

    def _tables(self) -> Tables:
        arrays, case = self.arrays, self.case
        head = arrays["before/lhs_embeddings"].copy()
        tail = head if case.get("same_type") else arrays["before/rhs_embeddings"].copy()
        head_sums = np.zeros(len(head), np.float32)
        head_global = self._vector("before/global_embs.emb_a")
        head_global_sums = np.zeros_like(head_global)
        tail_global = self._vector("before/global_embs.emb_b") if not case.get("same_type") else head_global
        head_parameters, tail_parameters = self._parameters("lhs"), self._parameters("rhs")
        return Tables(
            head=head,
            head_sums=head_sums,
            head_ranges=np.array([[0, len(head)]]),
            head_global=head_global,
            head_global_sums=head_global_sums,
            tail=tail,
            tail_sums=head_sums if tail is head else np.zeros(len(tail), np.float32),
            tail_ranges=np.array([[0, len(tail)]]),
            tail_global=tail_global,
            tail_global_sums=head_global_sums if tail_global is head_global else np.zeros_like(tail_global),
            head_parameters=head_parameters,
            head_parameter_sums=np.zeros_like(head_parameters),
            tail_parameters=tail_parameters,
            tail_parameter_sums=np.zeros_like(tail_parameters),
            relation_weights=np.full(case["num_relations"], case.get("relation_weight", 1.0), np.float32),
        )

    def _vector(self, key: str) -> NDArray[np.float32]:
        return self.arrays[key].copy() if key in self.arrays else np.zeros(0, np.float32)

    def _parameters(self, side: str, prefix: str = "before", suffix: str = "") -> NDArray[np.float32]:
        """PBG's parameters of one side, packed (relations, s)."""
        count = self.case["num_relations"]
        parts = []
        for name in PBG_PARAMETERS[self.case["operator"]]:
            key = f"{prefix}/{side}_operators.0.{name}{suffix}"
            plural = f"{prefix}/{side}_operators.0.{name}s{suffix}"
            found = self.arrays.get(key, self.arrays.get(plural))
            if found is not None:
                parts.append(found.reshape(count, -1))
        if not parts:
            return np.zeros((count, 0), np.float32)
        return np.ascontiguousarray(np.concatenate(parts, axis=1))

    def _batches(self) -> Batches:
        arrays = self.arrays
        edges = len(arrays["lhs"])
        weight = arrays["weight"] if self.case.get("weighted") else np.zeros(0)
        return Batches(
            head=arrays["lhs"].astype(np.int64),
            relation=arrays["relation"].astype(np.int64),
            tail=arrays["rhs"].astype(np.int64),
            weight=weight.astype(np.float32),
            starts=np.array([0, edges]),
        )

    def _list_uses(self) -> Workspace:
        settings, tables, case = self.settings, self.tables, self.case
        self.sizes = Sizes(
            len(self.batches.head),
            int(extra_candidates(settings, tables.head_ranges, settings.corrupt_head)),
            int(extra_candidates(settings, tables.tail_ranges, settings.corrupt_tail)),
        )
        dimension, parameter_size = tables.head.shape[1], tables.tail_parameters.shape[1]
        work = allocate(
            settings, self.reciprocal, self.sizes, dimension, parameter_size, case["num_relations"]
        )
        list_uses(self.functions, settings, tables, self.batches, np.uint64(0), 0, work.ids)
        if not settings.all_candidates:
            heads = self.sizes.batch + self.sizes.head_extra
            work.ids[self.sizes.batch : heads] = self.arrays["lhs_uniform"][: self.sizes.head_extra]
            work.ids[heads + self.sizes.batch :] = self.arrays["rhs_uniform"][: self.sizes.tail_extra]
        return work

    def differentiate(self) -> tuple[float, float]:
        """Loss and penalty; their gradients are left in the workspace."""
        self.slots = int(describe_edges(self.settings, self.tables, self.batches, self.work, 0, self.sizes))
        result: tuple[float, float] = self.forward_backward(
            self.functions, self.settings, self.tables, self.work, self.sizes
        )
        return result

    def step(self) -> None:
        take_step(self.functions, self.settings, self.tables, self.work, self.sizes, self.slots)

    def row_gradient(self, side: str) -> NDArray[np.float32]:
        """Dense gradient of one side's table, summed over the uses of each row."""
        table = self.tables.head if side == "lhs" else self.tables.tail
        heads = self.sizes.batch + self.sizes.head_extra
        uses = heads + self.sizes.batch + self.sizes.tail_extra
        start, stop = (0, heads) if side == "lhs" else (heads, uses)
        if self.settings.shared_table:
            start, stop = 0, uses
        dense = np.zeros_like(table)
        np.add.at(dense, self.work.ids[start:stop], self.work.gradient[start:stop])
        return dense

    def parameter_gradient(self, side: str) -> NDArray[np.float32]:
        table = self.tables.head_parameters if side == "lhs" else self.tables.tail_parameters
        gradient = self.work.head_parameter_gradient if side == "lhs" else self.work.tail_parameter_gradient
        dense = np.zeros_like(table)
        if table.shape[1]:
            dense[self.work.batch_relations[: self.slots]] = gradient[: self.slots]
        return dense


def close(actual: Any, expected: Any, step: Step) -> None:
    loose = step.case["comparator"] in ("squared_l2", "l2") or step.case["loss"] == "softmax"
    relative, absolute = (1e-4, 1e-5) if loose else (2e-5, 2e-6)
    scale = float(np.abs(expected).max(initial=0)) if np.size(expected) else 0.0
    np.testing.assert_allclose(actual, expected, rtol=relative, atol=absolute * max(1.0, scale))


def check_scores(step: Step) -> None:
    size = step.sizes.batch
    for index, side in enumerate(("lhs", "rhs")):
        close(step.work.positive[index, :size], step.arrays[f"scores/{side}_pos"], step)
        expected = step.arrays[f"scores/{side}_neg"]
        flat = step.work.head_scores if side == "lhs" else step.work.tail_scores
        actual = flat[: expected.size].reshape(expected.shape)
        assert ((actual < -1e8) == (expected < -1e8)).all()
        close(np.where(expected < -1e8, 0, actual), np.where(expected < -1e8, 0, expected), step)


def felt_elements(gradient: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where a gradient is more than rounding: Adagrad's first step has the size lr, and the sign of the
    noise elsewhere.
    """
    largest = np.abs(gradient).max(initial=0)
    felt: NDArray[np.bool_] = (np.abs(gradient) > 1e-6 * largest) | (gradient == 0)
    return felt


@pytest.mark.parametrize(("place", "name"), list(cases()))
def test_golden__forward_and_gradients(place: Path, name: str) -> None:
    step = Step(load(place, name))
    arrays = step.arrays
    loss, penalty = step.differentiate()
    close(loss, float(arrays["loss"]), step)
    close(penalty, float(arrays["regularization"]), step)
    check_scores(step)
    close(step.tables.head, arrays["forward/lhs_embeddings"], step)
    close(step.tables.tail, arrays["forward/rhs_embeddings"], step)
    for side in ("lhs", "rhs"):
        close(step.row_gradient(side), arrays[f"grad/{side}_embeddings"], step)
        close(step.parameter_gradient(side), step._parameters(side, "grad"), step)


@pytest.mark.parametrize(("place", "name"), list(cases()))
def test_golden__one_step(place: Path, name: str) -> None:
    step = Step(load(place, name))
    arrays, tables = step.arrays, step.tables
    step.differentiate()
    step.step()
    if "after/lhs_embeddings" not in arrays:
        assert step.case.get("duplicates"), "only cases with repeated rows may lack the tables after a step"
        return
    close(tables.head, arrays["after/lhs_embeddings"], step)
    close(tables.tail, arrays["after/rhs_embeddings"], step)
    close(tables.head_sums, arrays["after/lhs_accumulator"], step)
    close(tables.tail_sums, arrays["after/rhs_accumulator"], step)
    for side, values, sums in (
        ("lhs", tables.head_parameters, tables.head_parameter_sums),
        ("rhs", tables.tail_parameters, tables.tail_parameter_sums),
    ):
        felt = felt_elements(step._parameters(side, "grad"))
        close(values[felt], step._parameters(side, "after")[felt], step)
        close(sums, step._parameters(side, "after", ".accumulator"), step)
    for key, vector, totals in (
        ("emb_a", tables.head_global, tables.head_global_sums),
        ("emb_b", tables.tail_global, tables.tail_global_sums),
    ):
        if len(vector):
            close(vector, arrays[f"after/global_embs.{key}"], step)
            close(totals, arrays[f"after/global_embs.{key}.accumulator"], step)
