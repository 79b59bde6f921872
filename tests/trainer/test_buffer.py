"""The buffer: rows come back as they left, from the model or from what is staged, whatever is read ahead."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_graphs import cliques

from daskgraph.buffer import Buffer
from daskgraph.config import Config
from daskgraph.errors import StaleLeaseError
from daskgraph.events import ignore
from daskgraph.ingest import import_edges
from daskgraph.model import Model
from daskgraph.store import GraphStore, ModelStore

PARTITIONS = 6


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> GraphStore:
    path = tmp_path_factory.mktemp("graphs") / "g.graph.zarr"
    config = Config.from_dict({"graph": {"partitions": PARTITIONS}})
    import_edges([cliques(20, 5)], path, config=config, callback=ignore)
    return GraphStore.open(path)


def model_of(graph: GraphStore, **training: object) -> Model:
    config = {"model": {"dimension": 4}, "graph": {"partitions": PARTITIONS}, "training": training}
    return Model(Config.from_dict(config), graph.schema)


def new_store(folder: Path, graph: GraphStore) -> ModelStore:
    model = model_of(graph)
    return ModelStore.create(folder / "m.model.zarr", model.config.to_dict(), graph, model.stored_shapes())


def commit(store: ModelStore, buffer: Buffer, model: Model) -> None:
    staging = buffer.stage()
    staging.write_parameters(model.unpack(model.initial()))
    store.commit(staging, {"epoch": 1})
    buffer.committed()


STEPS = st.lists(
    st.tuples(
        st.sets(st.integers(0, PARTITIONS - 1), min_size=2, max_size=2),
        st.sets(st.integers(0, PARTITIONS - 1), max_size=2),
        st.booleans(),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_hold__every_row_is_what_was_last_written_to_it(
    graph: GraphStore, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[set[int], set[int], bool]]
) -> None:
    store, model = new_store(tmp_path_factory.mktemp("m"), graph), model_of(graph)
    buffer = Buffer(store, graph, model, 2)
    table = buffer.tables["entity"]
    expected: dict[int, float] = {}
    for number, (held, ahead, commits) in enumerate(steps):
        buffer.hold(sorted(held))
        assert table.places.keys() == held
        spans = sorted(tuple(span) for span in table.ranges)
        assert all(a[1] <= b[0] for a, b in pairwise(spans))
        buffer.read_ahead(sorted(ahead))
        for partition in held:
            rows, sums = table.view(partition, table.places[partition])
            if partition in expected:
                assert (rows == expected[partition]).all()
                assert (sums == expected[partition]).all()
            else:
                assert np.abs(rows).max() < 0.01
                assert not sums.any()
            expected[partition] = float(10 * number + partition + 1)
            rows[:], sums[:] = expected[partition], expected[partition]
        if commits:
            commit(store, buffer, model)
    commit(store, buffer, model)
    buffer.close()
    bounds = graph.partition_bounds("entity")
    for partition, value in expected.items():
        first, last = int(bounds[partition]), int(bounds[partition + 1])
        rows, sums = store.read_rows("entity", first, last)
        assert (rows == value).all()
        assert (sums == value).all()


def test_read_ahead__takes_no_slot_that_is_in_use(graph: GraphStore, tmp_path: Path) -> None:
    buffer = Buffer(new_store(tmp_path, graph), graph, model_of(graph), 2)
    buffer.hold((0, 1))
    buffer.read_ahead((2, 3, 4))
    assert buffer.has([0, 1, 2])
    assert not buffer.has([3])
    assert len({buffer.place("entity", partition) for partition in (0, 1, 2)}) == 3
    with pytest.raises(KeyError, match="4"):
        buffer.place("entity", 4)


def test_tables__begin_at_a_cache_line(graph: GraphStore, tmp_path: Path) -> None:
    # Several are held at a time, for one may be there by chance.
    store = new_store(tmp_path, graph)
    buffers = [Buffer(store, graph, model_of(graph), 2) for _ in range(4)]
    tables = [table for buffer in buffers for table in buffer.tables.values()]
    assert not any(array.ctypes.data % 64 for table in tables for array in (table.rows, table.sums))


def test_reads__count_what_comes_after_the_first_fill(graph: GraphStore, tmp_path: Path) -> None:
    buffer = Buffer(new_store(tmp_path, graph), graph, model_of(graph), 3)
    for held, reads in (((0, 1, 2), 0), ((1, 2, 3), 1), ((1, 2, 3), 1), ((0, 4, 5), 4)):
        buffer.hold(held)
        assert buffer.reads == reads


def test_write__after_the_lease_was_taken_back_is_refused(graph: GraphStore, tmp_path: Path) -> None:
    store = new_store(tmp_path, graph)
    buffer = Buffer(store, graph, model_of(graph), 2)
    buffer.hold((0, 1))
    buffer.hold((1, 2))
    buffer.hold((1, 2))
    store.sweep()
    with pytest.raises(StaleLeaseError):
        buffer.stage()
