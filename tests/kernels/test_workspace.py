import itertools

import numpy as np
import pytest
from kernel_examples import Options, make_settings

from daskgraph_kernels.workspace import Sizes, Workspace, allocate

SIZES = Sizes(5, 3, 4)


def make(options: Options) -> Workspace:
    return allocate(make_settings(options), options.reciprocal, SIZES, 6, 6, 3)


@pytest.mark.parametrize(("reciprocal", "in_batch", "bias"), list(itertools.product([False, True], repeat=3)))
def test_allocate__has_room_for_a_batch(reciprocal: bool, in_batch: bool, bias: bool) -> None:
    work = make(Options(reciprocal=reciprocal, in_batch=in_batch, bias=bias))
    uses, columns = 2 * 5 + 3 + 4, 5 if in_batch else 0
    assert work.ids.shape == (uses,)
    assert work.rows.shape == work.prepared.shape == work.gradient.shape == (uses, 6)
    assert work.operated.shape == ((10, 6) if reciprocal else (9, 6))
    assert len(work.head_scores) == 5 * (columns + 3)
    assert len(work.tail_scores) == 5 * (columns + 4)
    assert work.tail_parameter_gradient.shape == ((3, 6) if reciprocal else (1, 6))
    assert work.head_parameter_gradient.shape == ((3, 6) if reciprocal else (0, 6))
    assert (work.slot_of == -1).all()
    assert work.positions.tolist() == list(range(uses))
    assert len(work.saved) >= uses


def test_allocate__begins_at_a_cache_line() -> None:
    works = [make(Options()) for _ in range(4)]
    floats = [array for work in works for array in work if isinstance(array, np.ndarray) and array.size]
    assert not any(array.ctypes.data % 64 for array in floats if array.dtype == np.float32)


def test_allocate__hash_table_is_a_power_of_two_and_half_empty() -> None:
    slots = len(make(Options()).hash_table)
    assert slots & (slots - 1) == 0
    assert slots > 2 * 17


@pytest.mark.parametrize(
    ("comparator", "bias", "separate", "kept"),
    [
        ("dot", False, False, False),
        ("dot", True, True, False),
        ("cos", False, True, False),
        ("l2", False, False, True),
        ("squared_l2", False, False, False),
    ],
)
def test_allocate__shares_what_may_be_shared(comparator: str, bias: bool, separate: bool, kept: bool) -> None:
    work = make(Options(comparator=comparator, bias=bias))
    assert np.shares_memory(work.rows, work.prepared) is not separate
    assert np.shares_memory(work.tail_scores, work.tail_score_gradient) is not kept
