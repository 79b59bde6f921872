"""The feed: every edge of a lease once, at its place in memory, other edges together each epoch."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from daskgraph.buffer import Buffer
from daskgraph.config import Config
from daskgraph.events import ignore
from daskgraph.ingest import import_edges
from daskgraph.model import Model
from daskgraph.schedule import Lease, Stretch
from daskgraph.sizes import block_edges, slice_edges
from daskgraph.store import GraphStore, ModelStore
from daskgraph.trainer.feed import Feed, Slice

EDGES = 5000
BATCH = 16


class Setup:
    """A weighted graph of two types in four partitions, two of them in memory."""

    def __init__(self, folder: Path) -> None:
        random = np.random.default_rng(0)
        frame = pd.DataFrame(
            {
                "head": [f"u{number}" for number in random.integers(0, 300, EDGES)],
                "relation": random.choice(["likes", "follows"], EDGES),
                "tail": 0,
                "weight": np.arange(EDGES, dtype=np.float32),
            }
        )
        prefix = np.where(frame["relation"] == "likes", "i", "u")
        frame["tail"] = [
            f"{kind}{number}" for kind, number in zip(prefix, random.integers(0, 300, EDGES), strict=True)
        ]
        config = Config.from_dict(
            {
                "graph": {"partitions": 4},
                "model": {"dimension": 4},
                "training": {"batch_size": BATCH, "buffer": 2, "threads": 1},
                "entities": {"user": {}, "item": {"partitioned": False}},
                "relations": [
                    {"name": "likes", "head": "user", "tail": "item"},
                    {"name": "follows", "head": "user", "tail": "user"},
                ],
            }
        )
        import_edges([frame], folder / "g.graph.zarr", config=config, callback=ignore)
        self.graph = GraphStore.open(folder / "g.graph.zarr")
        self.model = Model(config, self.graph.schema)
        self.store = ModelStore.create(
            folder / "m.model.zarr", config.to_dict(), self.graph, self.model.stored_shapes()
        )
        self.buffer = Buffer(self.store, self.graph, self.model, 2)
        self.feed = Feed(self.graph, self.model, self.buffer)


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


def lease(epoch: int = 0, blocks: int = 0) -> Lease:
    buckets = [(1, 3), (3, 1), (1, 1), (3, 3)]
    return Lease(1, epoch, (1, 3), tuple(Stretch(bucket, blocks) for bucket in buckets))


def weights(slices: list[Slice]) -> np.ndarray:
    return np.concatenate([part.batches.weight for piece in slices for part in piece.parts])


def stored(setup: Setup, bucket: tuple[int, int]) -> np.ndarray:
    offsets = setup.graph.bucket_offsets("train")
    number = bucket[0] * 4 + bucket[1]
    found = setup.graph.read_edges("train", int(offsets[number]), int(offsets[number + 1])).weight
    assert found is not None
    return found


def test_slices__every_edge_of_the_lease_once(setup: Setup) -> None:
    setup.buffer.hold((1, 3))
    slices = list(setup.feed.slices(lease(), 64))
    expected = np.concatenate([stored(setup, stretch.bucket) for stretch in lease().stretches])
    assert sorted(weights(slices)) == sorted(expected)
    last = {stretch.bucket: stretch for piece in slices for stretch in piece.stretches}
    assert last.keys() == {stretch.bucket for stretch in lease().stretches}
    assert all(stretch.finished for stretch in last.values())


def test_slices__heads_and_tails_are_their_places_in_memory(setup: Setup) -> None:
    setup.buffer.hold((1, 3))
    users = setup.buffer.tables["user"]
    head, relation, tail, weight = setup.graph.read_edges("train", 0, EDGES)
    assert weight is not None
    columns = (head, relation, tail, weight)
    row_of = {float(w): (h, r, t) for h, r, t, w in zip(*columns, strict=True)}
    rows = {
        int(place) + offset: int(users.bounds[part]) + offset
        for part, place in users.places.items()
        for offset in range(users.size(part))
    }
    for piece in setup.feed.slices(lease(), 64):
        for part in piece.parts:
            batches = part.batches
            for head, relation, tail, weight in zip(*batches[:4], strict=True):
                expected = row_of[float(weight)]
                tail_row = tail if relation == 0 else rows[int(tail)]
                assert (rows[int(head)], relation, tail_row) == expected


def test_slices__other_edges_meet_in_another_epoch(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    setup.buffer.hold((1, 3))
    monkeypatch.setattr(setup.feed, "_size", 200)
    first, second = (
        [set(weights([piece])) for piece in setup.feed.slices(lease(epoch), 16)] for epoch in (0, 1)
    )
    assert len(first) > 4
    assert set.union(*first) == set.union(*second)
    full = [piece for piece in first if len(piece) >= 200]
    assert all(len(one & other) < 0.9 * len(one) for one in full for other in second)


def test_slices__from_any_stretch_the_rest(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    setup.buffer.hold((1, 3))
    monkeypatch.setattr(setup.feed, "_size", 200)
    slices = list(setup.feed.slices(lease(), 16))
    done = {stretch.bucket: stretch for stretch in slices[0].stretches}
    left = [done.get(stretch.bucket, stretch) for stretch in lease().stretches]
    rest = Lease(2, 0, (1, 3), tuple(stretch for stretch in left if not stretch.finished))
    again = list(setup.feed.slices(rest, 16))
    np.testing.assert_array_equal(np.sort(weights(again)), np.sort(weights(slices[1:])))


def test_slices__of_partitions_that_are_still_being_read(setup: Setup) -> None:
    setup.buffer.hold((0, 1))
    setup.buffer.read_ahead((1, 3))
    ahead = next(setup.feed.slices(lease(), 64))
    setup.buffer.hold((1, 3))
    now = next(setup.feed.slices(lease(), 64))
    for one, other in zip(ahead.parts, now.parts, strict=True):
        np.testing.assert_array_equal(one.batches.head, other.batches.head)
        np.testing.assert_array_equal(one.batches.tail, other.batches.tail)


def with_keys(setup: Setup, **changes: dict[str, object]) -> Model:
    tables = setup.model.config.to_dict()
    for section, keys in changes.items():
        tables[section].update(keys)
    return Model(Config.from_dict(tables), setup.graph.schema)


def test_slice_edges__fewer_where_an_edge_takes_long(setup: Setup) -> None:
    usual = slice_edges(setup.model)
    slow = slice_edges(with_keys(setup, model={"dimension": 400}, negatives={"uniform": 10_000}))
    assert usual == (32 << 20) // 28
    assert 16 * BATCH * 2 <= slow < usual // 100
    assert slice_edges(with_keys(setup, negatives={"uniform": 10**9})) == 16 * BATCH * 2


def test_block_edges__a_chunk_or_an_even_part_of_it(setup: Setup) -> None:
    assert block_edges(setup.model, 1 << 16) == 1 << 16
    slow = with_keys(setup, model={"dimension": 400}, negatives={"uniform": 10_000})
    block = block_edges(slow, 1 << 16)
    assert (1 << 16) % block == 0
    assert block <= slice_edges(slow)
