"""Plans: figures worked out by hand, what more of everything changes, and what is said where nothing fits."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from daskgraph.config import Config
from daskgraph.errors import (
    BufferTooBigError,
    DoesNotFitError,
    MemoryTooSmallError,
    TooFewPartitionsError,
    TooManyWorkersError,
    UnpartitionedTooBigError,
)
from daskgraph.graph import EntityType, GraphSchema, RelationType
from daskgraph.model import Model
from daskgraph.planning import (
    IDLE_BYTES,
    Choice,
    Memory,
    Rates,
    Sizes,
    Table,
    beta_reads,
    choose,
    choose_buffer,
    make_plan,
    memory_of,
)
from daskgraph.planning.plans import LEASE_SECONDS, Rounds
from daskgraph.schedule import count_reads
from daskgraph.schedule.orders import held_sets
from daskgraph.sizes import sizes_of

MEBI, GIBI = 1 << 20, 1 << 30


def sizes(
    rows: int = 1 << 20, edges: int = 1 << 24, small_rows: int = 0, workspace: int = MEBI, **keys: Any
) -> Sizes:
    """One partitioned type of 1 KiB a row, and perhaps one without partitions."""
    tables = [Table("user", rows, 1024, True)]
    if small_rows:
        tables.append(Table("item", small_rows, 1024, False))

    def workspace_bytes(held: Mapping[str, int]) -> int:
        return workspace

    given = {
        "edge_bytes": 24,
        "reading_bytes": 104,
        "slice_edges": MEBI,
        "parameter_bytes": MEBI,
        "batch_size": 100,
        **keys,
    }
    return Sizes(tuple(tables), edges, workspace_bytes=workspace_bytes, **given)


def test_memory__of_a_graph_held_whole() -> None:
    memory = memory_of(sizes(), Choice(1, 1))
    assert memory == Memory(IDLE_BYTES, GIBI, (104 + 24) * MEBI, MEBI, MEBI, 3 * MEBI)
    assert memory.above_idle == GIBI + 133 * MEBI
    assert memory.total == IDLE_BYTES + memory.above_idle


def test_memory__of_a_buffer_and_half_as_many_partitions_more() -> None:
    memory = memory_of(sizes(small_rows=1 << 10), Choice(64, 4))
    assert memory.vectors == 6 * GIBI // 64 + MEBI
    # All edges between two and two of 64 partitions are less than a slice: none is trained while it is made.
    assert memory.edges == (1 << 24) * 8 // 64**2 * 104
    one_by_one = memory_of(replace(sizes(small_rows=1 << 10), in_groups=False), Choice(64, 4))
    assert one_by_one.edges == 2 * memory.edges
    assert memory.files == 9 * MEBI


def test_memory__of_features_in_the_place_of_entities() -> None:
    table = Table("user", 1 << 20, 1024, False, features=1 << 10)
    featurised = replace(sizes(), tables=(table,))
    assert memory_of(featurised, Choice(1, 1)).vectors == MEBI
    assert featurised.table_bytes == GIBI + MEBI
    huge = replace(sizes(), tables=(table._replace(features=1 << 30),))
    with pytest.raises(
        UnpartitionedTooBigError, match=r"'user' takes 1024.0GiB .* or import again with fewer fea"
    ):
        choose(huge, GIBI)


def test_sizes__of_a_featurised_type() -> None:
    kinds = EntityType("user", 1000, False, True, 50, 3000), EntityType("item", 10)
    relations = (RelationType("buys", "user", "item"),)
    types = {"user": {"featurized": True}, "item": {}}
    named = [{"name": "buys", "head": "user", "tail": "item"}]
    config = Config.from_dict({"entities": types, "relations": named, "model": {"dimension": 8}})
    featurised = sizes_of(Model(config, GraphSchema(kinds, relations)), 5000, 1)
    plain_user = EntityType("user", 1000, False)
    plain = sizes_of(Model(config, GraphSchema((plain_user, kinds[1]), relations)), 5000, 1)
    assert memory_of(featurised, Choice(1, 1)).vectors == (50 + 10) * 4 * 9
    assert featurised.parameter_bytes - plain.parameter_bytes == 8 * (1000 + 3000)
    held = {"user": 1000, "item": 10}
    # A use has three features on average: two numbers a pair, and what finds them.
    more = featurised.workspace_bytes(held) - plain.workspace_bytes(held)
    assert more >= 3 * 400 * 2 * 8


def test_memory__where_only_one_partition_would_be_left_out() -> None:
    assert memory_of(sizes(), Choice(4, 3)) == memory_of(sizes(), Choice(4, 4))


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        (4 * GIBI, Choice(1, 1)),
        # Half of it holds all vectors.
        (2 * GIBI, Choice(1, 1)),
        # 6 of 8 partitions take 768 MiB, all 1024.
        (2 * GIBI - 1, Choice(8, 4)),
        # 6 of 8 take 768 MiB, 6 of 16 take 384, 9 of 16 576.
        (GIBI, Choice(16, 4)),
        # 6 of 16 are too many for 256 MiB, 6 of 32 are not, 9 of 32 are.
        (512 * MEBI, Choice(32, 4)),
    ],
)
def test_choose(memory: int, expected: Choice) -> None:
    assert choose(sizes(), memory) == expected


def test_choose__as_buffer_and_workers_want_it() -> None:
    assert choose(sizes(), GIBI, buffer=2) == Choice(8, 2)
    assert choose(sizes(), GIBI, buffer=6) == Choice(32, 6)
    assert choose(sizes(), 64 * GIBI, workers=3) == Choice(32, 4)
    assert choose(sizes(), 64 * GIBI, workers=3, buffer=2) == Choice(16, 2)


def test_choose__has_no_more_partitions_than_entities() -> None:
    assert choose(sizes(rows=24, edges=72), 1 << 30, buffer=16, workers=1) == Choice(1, 1)
    few = replace(sizes(rows=1 << 20), tables=(Table("user", 11, 100 * MEBI, True),))
    assert choose(few, 1500 * MEBI) == Choice(11, 4)


@pytest.mark.parametrize(
    ("partitions", "memory", "expected"),
    [(64, 4 * GIBI, 64), (64, GIBI, 20), (64, 512 * MEBI, 10), (4, 1900 * MEBI, 2), (5, 1900 * MEBI, 2)],
)
def test_choose_buffer(partitions: int, memory: int, expected: int) -> None:
    assert choose_buffer(sizes(), memory, partitions).buffer == expected


@pytest.mark.parametrize(("asked", "expected"), [(1, 2), (2, 2), (3, 3), (5, 6), (6, 6), (99, 6)])
def test_choose_buffer__as_asked(asked: int, expected: int) -> None:
    assert choose_buffer(sizes(), 64 * GIBI, 6, buffer=asked) == Choice(6, expected)


@pytest.mark.parametrize(
    ("given", "memory", "partitions", "error", "message"),
    [
        ({}, 128 * MEBI, 64, MemoryTooSmallError, "an idle process 225.0MiB, workspaces"),
        ({"workspace": GIBI}, GIBI, 64, MemoryTooSmallError, "lower negatives.uniform"),
        ({"parameter_bytes": GIBI}, GIBI, 64, MemoryTooSmallError, "operator with fewer numbers"),
        (
            {"small_rows": 1 << 20},
            GIBI,
            64,
            UnpartitionedTooBigError,
            r"'item' takes 1.0GiB .* give 2.0GiB or more, .* entities.item.partitioned = true",
        ),
        ({}, GIBI, 1, TooFewPartitionsError, r"in 1 partition takes 2.0GiB .* graph.partitions=8"),
        ({}, 512 * MEBI, 4, TooFewPartitionsError, r"in 4 partitions takes 1.5GiB .* graph.partitions=16"),
        ({"rows": 1 << 30}, 300 * MEBI, 4, TooFewPartitionsError, r"graph.partitions=\d+"),
    ],
)
def test_what_does_not_fit_is_named(
    given: dict[str, Any], memory: int, partitions: int, error: type[DoesNotFitError], message: str
) -> None:
    with pytest.raises(error, match=message):
        choose_buffer(sizes(**given), memory, partitions)


def test_a_buffer_that_does_not_fit_is_named() -> None:
    with pytest.raises(BufferTooBigError, match=r"training.buffer = 40 takes 1.9GiB, .* 20 would fit"):
        choose_buffer(sizes(), GIBI, 64, buffer=40)


def test_workers_that_are_too_many_are_named() -> None:
    with pytest.raises(TooManyWorkersError, match=r"5 workers .* enough for 4; .* graph.partitions=20"):
        choose_buffer(sizes(), 64 * GIBI, 16, workers=5)
    with pytest.raises(TooManyWorkersError, match=r"graph.partitions=32"):
        choose_buffer(sizes(), 64 * GIBI, 16, workers=4, buffer=4)
    assert choose_buffer(sizes(), 64 * GIBI, 16, workers=4) == Choice(16, 2)


def test_advice_can_be_taken() -> None:
    with pytest.raises(TooFewPartitionsError) as raised:
        choose_buffer(sizes(), 512 * MEBI, 4)
    error = raised.value
    assert choose_buffer(sizes(), error.needed, 4).buffer == 2
    assert error.fitting is not None
    assert choose_buffer(sizes(), 512 * MEBI, error.fitting).buffer >= 2


def test_plan__figures() -> None:
    rates = Rates(edges_per_second=1 << 20, read_bytes_per_second=GIBI, write_bytes_per_second=GIBI / 4)
    plan = make_plan(sizes(), Choice(64, 4), epochs=3, rates=rates, extra_disk=5)
    assert (plan.partitions, plan.buckets, plan.buffer, plan.swaps) == (64, 4096, 4, 690)
    assert plan.memory_bytes == plan.memory.total
    assert plan.disk_bytes == 2 * GIBI + MEBI + 5
    # 690 partitions of 16 MiB are read at 1 GiB/s and written at a quarter of it; edges take 16 s.
    assert plan.seconds == pytest.approx(3 * 690 * (5 / 64 + LEASE_SECONDS) + 4)
    assert plan.workers_at_most == 8
    assert plan.entities == {"user": 1 << 20}


def test_plan__of_several_workers() -> None:
    rates = Rates(1 << 20, GIBI, GIBI / 4)
    plan = make_plan(sizes(), Choice(64, 4), epochs=3, workers=4, rates=rates)
    assert plan.seconds == pytest.approx(3 * 690 * (5 / 64 + LEASE_SECONDS) / 4 + 4)


def test_plan__in_memory() -> None:
    rates = Rates(1 << 20, GIBI, GIBI / 4)
    plan = make_plan(replace(sizes(), copies=2), Choice(1, 1), epochs=3, rates=rates)
    assert (plan.swaps, plan.workers_at_most, plan.notes) == (0, 1, ())
    assert plan.seconds == pytest.approx(3 * 16 + 4)
    assert plan.disk_bytes == 4 * GIBI + 2 * MEBI


def test_plan__tells_of_small_buckets() -> None:
    [note] = make_plan(sizes(edges=10_000), Choice(64, 4), epochs=1).notes
    assert note.startswith("a bucket holds 2 edges, fewer than 4 batches of 100")


def test_plan__tells_where_changing_partitions_takes_longest() -> None:
    plan = make_plan(
        sizes(edges=10**6),
        Choice(8, 4),
        epochs=10,
        rates=Rates(1e6, GIBI, GIBI),
        count_rounds=lambda *_: Rounds(5, 60, 64),
    )
    [note] = plan.notes
    assert note.startswith("changing partitions takes 16 s an epoch, training 1 s")
    assert note.endswith("or training.sweeps=1, which costs quality")
    assert (plan.sweeps, plan.swaps) == (5, 64)


def test_plan__as_plain_data() -> None:
    plan = make_plan(sizes(), Choice(64, 4), epochs=3)
    assert plan.to_dict()["seconds"] is None
    assert plan.to_dict()["memory"]["vectors"] == plan.memory.vectors
    assert {"partitions", "buckets", "memory_bytes", "disk_bytes", "swaps", "workers_at_most"} <= set(
        plan.to_dict()
    )


@given(st.integers(2, 80), st.integers(2, 20))
def test_beta_reads__as_the_schedule_reads(partitions: int, buffer: int) -> None:
    assume(buffer < partitions)
    sets = held_sets("beta", range(partitions), buffer, np.random.default_rng(0))
    assert beta_reads(partitions, buffer) == count_reads(sets)


trainings = st.builds(
    sizes,
    rows=st.integers(1, 1 << 26),
    edges=st.integers(1, 1 << 32),
    small_rows=st.integers(0, 1 << 20),
    workspace=st.integers(0, 1 << 28),
)
limits = st.integers(1 << 27, 1 << 37)
buffers = st.sampled_from([0, 0, 2, 3, 8])
crews = st.sampled_from([1, 1, 2, 5])


def chosen(given: Sizes, limit: int, buffer: int, workers: int = 1) -> Choice | None:
    try:
        return choose(given, limit, buffer=buffer, workers=workers)
    except DoesNotFitError:
        return None


@given(trainings, limits, buffers, crews)
def test_what_is_chosen_fits(training: Sizes, limit: int, buffer: int, workers: int) -> None:
    choice = chosen(training, limit, buffer, workers)
    if choice is not None:
        assert memory_of(training, choice).needed <= limit
        assert workers == 1 or make_plan(training, choice, epochs=1).workers_at_most >= workers
        assert choose_buffer(training, limit, choice.partitions, buffer=buffer, workers=workers) == choice


@given(trainings, limits, st.integers(0, 1 << 36), buffers, crews)
def test_more_memory__never_gives_more_partitions(
    training: Sizes, limit: int, more: int, buffer: int, workers: int
) -> None:
    less = chosen(training, limit, buffer, workers)
    if less is not None:
        best = choose(training, limit + more, buffer=buffer, workers=workers)
        assert best.partitions <= less.partitions
        again = choose_buffer(training, limit + more, less.partitions, buffer=buffer, workers=workers)
        assert again.buffer >= less.buffer


@given(st.integers(1, 1 << 24), st.integers(0, 1 << 24), limits, st.integers(1, 1 << 30))
def test_more_entities__never_take_less(rows: int, more: int, limit: int, edges: int) -> None:
    small, large = sizes(rows=rows, edges=edges), sizes(rows=rows + more, edges=edges)
    fewer, many = chosen(small, limit, 0), chosen(large, limit, 0)
    if many is not None and rows >= 1 << 12:
        assert fewer is not None
        assert fewer.partitions <= many.partitions
        plans = [make_plan(training, many, epochs=1) for training in (small, large)]
        assert plans[0].memory_bytes <= plans[1].memory_bytes
        assert plans[0].disk_bytes <= plans[1].disk_bytes


@given(trainings, limits)
def test_what_does_not_fit__fits_with_what_is_advised(training: Sizes, limit: int) -> None:
    error = refusal(training, limit, 8)
    if error is not None:
        assert error.needed > limit
    if isinstance(error, TooFewPartitionsError):
        assert choose_buffer(training, error.needed, 8)
        assert error.fitting is None or choose_buffer(training, limit, error.fitting)


def refusal(
    training: Sizes, limit: int, partitions: int
) -> TooFewPartitionsError | UnpartitionedTooBigError | MemoryTooSmallError | None:
    try:
        choose_buffer(training, limit, partitions)
    except (TooFewPartitionsError, UnpartitionedTooBigError, MemoryTooSmallError) as error:
        return error
    return None
