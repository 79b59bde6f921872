"""The schedule: every bucket once an epoch, never more than the buffer holds, nothing lost at a commit."""

from itertools import combinations, pairwise
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daskgraph.schedule import (
    ORDERS,
    Abort,
    Commit,
    Committed,
    Dismiss,
    EndEpoch,
    EpochEnded,
    Event,
    Finish,
    Instruction,
    Joined,
    Lease,
    Progress,
    Schedule,
    Stopping,
    Stretch,
    Train,
    Trained,
    Work,
    count_reads,
)
from daskgraph.schedule.comet import group_size, star, walk
from daskgraph.schedule.machine import commit_due
from daskgraph.schedule.orders import held_sets

BLOCKS = 3


def beginning(partitions: int) -> Progress:
    return Progress.from_dict({}, partitions)


def schedule(
    progress: Progress, epochs: int = 1, buffer: int = 2, order: str = "beta", **more: float
) -> Schedule:
    checkpoint = more.get("checkpoint", 60.0)
    return Schedule(
        progress, epochs, buffer=buffer, order=order, checkpoint=checkpoint, seed=int(more.get("seed", 0))
    )


def whole(lease: Lease) -> Work:
    """The work of a lease that was trained to its end: an edge for every block."""
    stretches = {stretch.bucket: Stretch(stretch.bucket, BLOCKS, True) for stretch in lease.stretches}
    return Work(stretches, sum(BLOCKS - stretch.blocks for stretch in lease.stretches), 1.0, 1.0)


class Play:
    """Carries out instructions as an executor would, at one second a lease, and keeps what it was told."""

    def __init__(self, played: Schedule) -> None:
        self.schedule, self.now = played, 0.0
        self.leases: list[Lease] = []
        self.commits: list[Progress] = []
        self.ended: list[Progress] = []

    def run(self, most: int = 10_000) -> "Play":
        todo: list[Instruction] = self.schedule.handle(Joined("one"), self.now)
        for _ in range(most):
            if not todo or isinstance(todo[0], Finish):
                break
            todo = self.schedule.handle(self.event(todo[0]), self.now)
        return self

    def event(self, instruction: Instruction) -> Event:
        match instruction:
            case Train(name, lease, _, _):
                self.now += 1
                self.leases.append(lease)
                return Trained(name, lease.number, whole(lease))
            case Commit(name, progress):
                self.commits.append(progress)
                return Committed(name, 0.01)
            case EndEpoch(progress):
                self.ended.append(progress)
                return EpochEnded()
            case Finish() | Abort() | Dismiss():
                raise AssertionError


def buckets(leases: list[Lease]) -> list[tuple[int, int]]:
    return [stretch.bucket for lease in leases for stretch in lease.stretches]


def every_bucket(partitions: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(partitions) for j in range(partitions)]


@pytest.mark.parametrize("order", ORDERS)
@given(st.integers(1, 12), st.integers(2, 14), st.integers(0, 5))
def test_leases__every_bucket_once_within_the_buffer(
    order: str, partitions: int, buffer: int, seed: int
) -> None:
    play = Play(schedule(beginning(partitions), buffer=buffer, order=order, seed=seed)).run()
    assert sorted(buckets(play.leases)) == every_bucket(partitions)
    for lease in play.leases:
        assert len(lease.partitions) <= min(buffer, partitions)
        assert {part for stretch in lease.stretches for part in stretch.bucket} <= set(lease.partitions)
    assert len(play.ended) == 1
    assert play.ended[0].edges == BLOCKS * partitions**2


@given(st.integers(3, 60), st.integers(2, 16))
def test_beta__reads_as_its_formula_says(partitions: int, buffer: int) -> None:
    if buffer >= partitions:
        return
    rest, step = partitions - buffer, buffer - 1
    x = floor(rest / step)
    reads = count_reads(held_sets("beta", range(partitions), buffer, np.random.default_rng(0)))
    assert reads == rest + (x + 1) * (rest - x * step / 2)


@pytest.mark.parametrize("order", sorted(ORDERS.keys() - {"beta"}))
def test_beta__reads_less_than_any_other_order(order: str) -> None:
    random = np.random.default_rng(0)
    beta, other = (count_reads(held_sets(name, range(32), 4, random)) for name in ("beta", order))
    assert beta < other


@pytest.mark.parametrize("order", ["affinity", "chained", "beta"])
def test_orders__neighbours_share_partitions(order: str) -> None:
    random = np.random.default_rng(0)
    sets = list(held_sets(order, random.permutation(12).tolist(), 4, random))
    assert sum(len(set(a) & set(b)) >= 3 for a, b in pairwise(sets)) >= len(sets) - 3


@given(st.integers(1, 40), st.integers(0, 9))
def test_walk__every_pair_once_and_few_jumps(nodes: int, seed: int) -> None:
    steps = walk(nodes, np.random.default_rng(seed))
    assert sorted(tuple(sorted(step)) for step in steps) == list(combinations(range(nodes), 2))
    assert steps[:1] == ([(0, 1)] if nodes > 1 else [])
    jumps = sum(not {*a} & {*b} for a, b in pairwise(steps))
    assert jumps <= (0 if nodes % 2 else nodes // 2 - 1)


@given(st.integers(1, 40))
def test_star__every_pair_once_and_all_meet_the_first_node_first(nodes: int) -> None:
    steps = list(star(nodes))
    assert sorted(tuple(sorted(step)) for step in steps) == list(combinations(range(nodes), 2))
    assert steps[: nodes - 1] == [(0, node) for node in range(1, nodes)]
    assert all({*a} & {*b} for a, b in pairwise(steps))


def test_comet__in_the_first_epoch_all_meet_one_group_first() -> None:
    play = Play(schedule(beginning(12), epochs=2, buffer=4, order="comet")).run()
    first, second = ([set(lease.partitions) for lease in play.leases if lease.epoch == e][:5] for e in (0, 1))
    assert len(set.intersection(*first)) == 2
    assert not set.intersection(*second)


@given(st.integers(5, 40), st.integers(2, 9), st.integers(0, 3))
def test_comet__each_half_stays_for_two_leases(partitions: int, buffer: int, seed: int) -> None:
    sets = list(held_sets("comet", range(partitions), buffer, np.random.default_rng(seed)))
    size = group_size(buffer)
    for before, after in pairwise(sets):
        assert len({*after} - {*before}) <= 2 * size
    alike = [len({*a} & {*b} & {*c}) for a, b, c in zip(sets, sets[1:], sets[2:], strict=False)]
    assert sum(alike) <= size * len(sets) / 2


def test_comet__what_is_within_a_group_is_spread_over_its_leases() -> None:
    play = Play(schedule(beginning(32), buffer=8, order="comet")).run()
    sizes = np.array([len(lease.stretches) for lease in play.leases])
    # Two groups of four, of eight: 32 buckets between them, and a seventh of 16 of each.
    assert sizes.min() >= 32
    assert sizes.max() <= 32 + 16
    assert sizes.sum() == 32**2


def test_sweeps__each_trains_every_bucket_but_the_first_epoch_has_one() -> None:
    played = Schedule(beginning(8), 3, buffer=4, order="comet", sweeps=3, checkpoint=60.0, seed=0)
    play = Play(played).run()
    for epoch, sweeps in enumerate((1, 3, 3)):
        for sweep in range(sweeps):
            leases = [lease for lease in play.leases if (lease.epoch, lease.sweep) == (epoch, sweep)]
            assert sorted(buckets(leases)) == every_bucket(8)
            assert {lease.sweeps for lease in leases} == {sweeps}
    assert [ended.edges for ended in play.ended] == [BLOCKS * 64, 3 * BLOCKS * 64, 3 * BLOCKS * 64]


@given(st.integers(0, 80), st.integers(1, 4))
def test_sweeps__from_any_commit_the_rest_of_the_epoch_is_trained(steps: int, later: int) -> None:
    first = Schedule(beginning(6), 3, buffer=2, order="comet", sweeps=3, checkpoint=2.0, seed=0)
    play = Play(first).run(steps)
    stored = play.commits[-1].to_dict() if play.commits else {}
    progress = Progress.from_dict(stored, 6)
    rest = Play(Schedule(progress, 3, buffer=2, order="comet", sweeps=later, checkpoint=60.0, seed=0)).run()
    if progress.epoch == 3:
        return
    # What is begun keeps its sweeps.
    sweeps = progress.sweeps if not progress.between_epochs else later if progress.epoch else 1
    leases = [lease for lease in rest.leases if lease.epoch == progress.epoch]
    assert {lease.sweeps for lease in leases} == {sweeps}
    left = int((~progress.buckets).sum()) + 36 * (sweeps - progress.sweep - 1)
    assert len(buckets(leases)) == left


def test_outside_in__begins_where_inside_out_ends() -> None:
    random = np.random.default_rng(0)
    outer, inner = (list(held_sets(order, range(10), 2, random)) for order in ("outside_in", "inside_out"))
    first = set(outer[0]) & set(outer[1]) & set(outer[2])
    last = set(inner[-1]) & set(inner[-2]) & set(inner[-3])
    assert len(first) == len(last) == 1


@given(st.integers(1, 8), st.integers(2, 5), st.data())
def test_leases__finished_buckets_stay_out(partitions: int, buffer: int, data: st.DataObject) -> None:
    bits = data.draw(st.lists(st.booleans(), min_size=partitions**2, max_size=partitions**2))
    finished = np.array(bits, np.bool_).reshape(partitions, partitions)
    play = Play(schedule(Progress(0, finished), buffer=buffer)).run()
    assert sorted(buckets(play.leases)) == sorted(zip(*np.nonzero(~finished), strict=True))
    assert all(lease.stretches for lease in play.leases)
    assert len(play.ended) == 1


def test_leases__same_seed_same_leases() -> None:
    first, second, other = (
        Play(schedule(beginning(6), buffer=3, seed=seed)).run().leases for seed in (5, 5, 6)
    )
    assert first == second != other


def test_leases__the_next_epoch_begins_with_what_is_in_memory() -> None:
    play = Play(schedule(beginning(9), epochs=3, buffer=3)).run()
    per_epoch = [[lease for lease in play.leases if lease.epoch == epoch] for epoch in range(3)]
    for before, after in pairwise(per_epoch):
        assert before[-1].partitions == after[0].partitions
        assert [lease.partitions for lease in before] != [lease.partitions for lease in after]


def test_ahead__is_what_comes_next() -> None:
    played = schedule(beginning(6), buffer=2)
    todo, aheads, leases = played.handle(Joined("one"), 0.0), [], []
    while isinstance(train := todo[0], Train):
        leases.append(train.lease)
        aheads.append(train.ahead)
        todo = played.handle(Trained("one", train.lease.number, whole(train.lease)), 0.0)
    assert aheads == [*leases[1:], None]


def test_trained_in_part__goes_on_where_it_was() -> None:
    played = schedule(beginning(1), checkpoint=5.0)
    (train,) = played.handle(Joined("one"), 0.0)
    assert isinstance(train, Train)
    assert train.seconds == 5.0
    part = Work({(0, 0): Stretch((0, 0), 2)}, 2, 1.0, 1.0)
    (commit,) = played.handle(Trained("one", train.lease.number, part), 6.0)
    assert isinstance(commit, Commit)
    assert commit.progress.partial == {(0, 0): 2}
    assert commit.progress.edges == 2
    (again,) = played.handle(Committed("one", 0.1), 6.1)
    assert isinstance(again, Train)
    assert again.lease.stretches == (Stretch((0, 0), 2),)
    resumed = schedule(Progress.from_dict(commit.progress.to_dict(), 1))
    (after,) = resumed.handle(Joined("one"), 0.0)
    assert isinstance(after, Train)
    assert after.lease.stretches == (Stretch((0, 0), 2),)


def test_trained__a_lease_that_is_not_the_running_one_counts_for_nothing() -> None:
    played = schedule(beginning(4))
    (train,) = played.handle(Joined("one"), 0.0)
    assert isinstance(train, Train)
    assert played.handle(Trained("one", train.lease.number + 100, whole(train.lease)), 1.0) == []
    assert not played.progress.buckets.any()


@given(st.integers(1, 7), st.integers(2, 4), st.floats(0.0, 20.0), st.integers(1, 3), st.integers(0, 60))
def test_commits__from_any_of_them_the_rest_is_trained(
    partitions: int, buffer: int, checkpoint: float, epochs: int, steps: int
) -> None:
    first = Play(schedule(beginning(partitions), epochs, buffer, checkpoint=checkpoint)).run(steps)
    stored = first.commits[-1].to_dict() if first.commits else {}
    progress = Progress.from_dict(stored, partitions)
    second = Play(schedule(progress, epochs, buffer, checkpoint=checkpoint)).run()
    if progress.epoch == epochs:
        assert not second.leases
        return
    left = [bucket for bucket in every_bucket(partitions) if not progress.buckets[bucket]]
    assert sorted(buckets([lease for lease in second.leases if lease.epoch == progress.epoch])) == left
    assert [ended.epoch for ended in second.ended] == list(range(progress.epoch, epochs))
    assert second.commits[-1].epoch == epochs


@given(st.floats(0.0, 30.0))
def test_commits__no_more_than_the_checkpoint_is_ever_lost(checkpoint: float) -> None:
    played = schedule(beginning(8), 2, checkpoint=checkpoint)
    play = Play(played)
    todo, committed = played.handle(Joined("one"), 0.0), 0.0
    while not isinstance(todo[0], Finish):
        if isinstance(todo[0], Train):
            assert play.now - committed <= checkpoint
        event = play.event(todo[0])
        committed = play.now if isinstance(event, Committed) else committed
        todo = played.handle(event, play.now)


def test_stopping__commits_what_was_trained() -> None:
    played = schedule(beginning(4))
    (train,) = played.handle(Joined("one"), 0.0)
    assert isinstance(train, Train)
    assert played.handle(Stopping(), 0.5) == []
    played.handle(Trained("one", train.lease.number, whole(train.lease)), 1.0)
    (commit,) = played.handle(Stopping(), 1.5)
    assert isinstance(commit, Commit)
    assert commit.progress.buckets.sum() == len(train.lease.stretches)


def test_epoch_ended__may_stop_the_training() -> None:
    played = schedule(beginning(1), epochs=9)
    (train,) = played.handle(Joined("one"), 0.0)
    assert isinstance(train, Train)
    (end,) = played.handle(Trained("one", train.lease.number, whole(train.lease)), 1.0)
    assert isinstance(end, EndEpoch)
    (commit,) = played.handle(EpochEnded(stop=True), 1.0)
    assert isinstance(commit, Commit)
    assert commit.progress.epoch == 1
    assert played.handle(Committed("one", 0.1), 1.1) == [Finish()]


@pytest.mark.parametrize(
    ("now", "last", "cost", "expected"),
    [(1.0, 0.0, 0.05, True), (1.0, 0.0, 0.2, False), (61.0, 0.0, 30.0, True), (0.1, 0.0, 0.0, True)],
)
def test_commit_due(now: float, last: float, cost: float, expected: bool) -> None:
    assert commit_due(now, last, cost, 60.0) is expected


def test_progress__round_trip() -> None:
    buckets = np.random.default_rng(0).random((5, 5)) < 0.5
    progress = Progress(3, buckets, {(1, 2): 7}, 4096, (4, 0), 17, 1.5, 2.5)
    back = Progress.from_dict(progress.to_dict(), 5)
    np.testing.assert_array_equal(back.buckets, buckets)
    assert back.to_dict() == progress.to_dict()
    empty = Progress.from_dict({}, 5)
    assert empty.epoch == 0
    assert not empty.buckets.any()
