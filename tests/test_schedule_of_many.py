"""The schedule with many workers: each partition with one of them, every bucket trained, whoever dies."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_cluster import Cluster, durations

from daskgraph.schedule import (
    Commit,
    Committed,
    Joined,
    Progress,
    Schedule,
    Stretch,
    Train,
    Trained,
    Work,
)
from daskgraph.schedule.greedy import choose


def cluster(
    partitions: int, buffer: int, epochs: int = 1, checkpoint: float = 10.0, seed: int = 0, **stored: object
) -> Cluster:
    progress, order = Progress.from_dict(stored, partitions), ("comet", "beta")[seed % 2]
    schedule = Schedule(
        progress,
        epochs,
        buffer=buffer,
        order=order,
        ahead=seed % 4 < 2,
        checkpoint=checkpoint,
        seed=seed,
        every_epoch=True,
    )
    return Cluster(schedule, durations(np.random.default_rng(seed)))


def every_bucket(partitions: int, epochs: int = 1) -> set[tuple[int, tuple[int, int]]]:
    return {(e, (i, j)) for e in range(epochs) for i in range(partitions) for j in range(partitions)}


@settings(deadline=None)
@given(
    st.integers(1, 16),
    st.integers(2, 5),
    st.integers(1, 6),
    st.integers(1, 3),
    st.floats(0, 50),
    st.integers(0, 9),
)
def test_many__every_bucket_once_an_epoch(
    partitions: int, buffer: int, workers: int, epochs: int, checkpoint: float, seed: int
) -> None:
    played = cluster(partitions, buffer, epochs, checkpoint, seed)
    for number in range(workers):
        played.join(f"w{number}")
    played.run()
    assert played.finished
    assert set(played.trained) == every_bucket(partitions, epochs)
    assert set(played.trained.values()) == {1}
    assert [progress.edges for progress in played.epochs] == [partitions**2] * epochs
    assert played.committed is not None
    assert played.committed.epoch == epochs


@settings(deadline=None)
@given(
    st.integers(2, 12),
    st.integers(2, 4),
    st.lists(
        st.tuples(st.integers(0, 12), st.sampled_from(["join", "kill", "fail", "leave"]), st.integers(0, 5)),
        max_size=12,
    ),
    st.integers(0, 9),
)
def test_many__who_joins_or_dies_the_epoch_ends_whole(
    partitions: int, buffer: int, happenings: list[tuple[int, str, int]], seed: int
) -> None:
    played = cluster(partitions, buffer, epochs=2, seed=seed)
    played.join("w0")
    played.join("w1")
    for steps, what, number in happenings:
        played.run(steps)
        if played.finished or played.aborted:
            break
        alive = sorted(played.alive)
        if what == "join":
            played.join(f"new{len(played.memory)}")
        elif what == "kill" and len(alive) > 1:
            played.kill(alive[number % len(alive)])
        elif what == "leave" and len(alive) > 1:
            played.send_away(alive[number % len(alive)])
        elif what == "fail" and played.running:
            played.fail(sorted(played.running)[number % len(played.running)])
    if not played.alive - played.leaving:
        played.join("last")
    played.run()
    if played.aborted is not None:
        assert played.aborted.reason in ("a division by zero", "the worker died")
        return
    assert played.finished
    assert set(played.trained) == every_bucket(partitions, 2)
    assert [progress.edges for progress in played.epochs] == [partitions**2] * 2


def test_many__after_all_have_died_a_new_one_ends_it() -> None:
    played = cluster(6, 2)
    played.join("a")
    played.join("b")
    played.run(5)
    for name in ("a", "b"):
        played.kill(name)
    assert not played.step()
    played.join("c")
    played.run()
    assert played.finished
    assert set(played.trained) == every_bucket(6)


def test_many__who_has_to_leave_hands_back_what_it_has_and_loses_nothing() -> None:
    played = cluster(8, 2, checkpoint=1000.0)
    for name in ("a", "b"):
        played.join(name)
    played.run(20)
    played.send_away("a")
    played.run()
    assert played.dismissed == {"a"}
    assert played.finished
    # Nothing had to be trained twice.
    assert played.trained == Counter(dict.fromkeys(every_bucket(8), 1))


def test_many__a_lease_that_fails_three_times_stops_the_training() -> None:
    played = cluster(1, 2)
    played.join("a")
    played.fail("a")
    played.kill("a")
    played.join("b")
    assert played.aborted is None
    played.fail("b")
    assert played.aborted is not None
    assert played.aborted.reason == "a division by zero"
    assert played.aborted.lease.partitions == (0,)


def test_many__a_straggler_blocks_nobody_who_does_not_need_its_partitions() -> None:
    played = cluster(12, 2)
    usual = played.duration
    played.duration = lambda train: 1000.0 if train.worker == "slow" else usual(train)
    for name in ("a", "b"):
        played.join(name)
    played.run(20)
    played.join("slow")
    while played.queue[0][0] < 900:
        played.step()
    held = played.running["slow"]
    blocked = {*held.lease.partitions, *(held.ahead.partitions if held.ahead else ())}
    done = {bucket for _, bucket in played.trained}
    assert done >= {(i, j) for i in range(12) for j in range(12) if not blocked & {i, j}}


def test_many__the_first_pass_grows_from_one_region() -> None:
    played = cluster(16, 4)
    trained: set[int] = set()
    usual = played.duration

    def check(train: object) -> float:
        partitions = set(train.lease.partitions)  # type: ignore[attr-defined]
        assert not trained or partitions & trained
        trained.update(partitions)
        return usual(train)  # type: ignore[arg-type]

    played.duration = check
    for number in range(4):
        played.join(f"w{number}")
    played.run()
    assert played.finished


@pytest.mark.parametrize(("partitions", "buffer", "workers"), [(8, 2, 2), (16, 2, 4), (32, 4, 4), (32, 2, 8)])
@pytest.mark.parametrize("checkpoint", [10.0, 1e6])
def test_many__all_workers_are_busy_when_there_are_partitions_enough(
    partitions: int, buffer: int, workers: int, checkpoint: float
) -> None:
    """However seldom they commit by themselves: who waits for what another has changed makes it commit."""
    played = cluster(partitions, buffer, epochs=4, checkpoint=checkpoint)
    for number in range(workers):
        played.join(f"w{number}")
    played.run()
    assert min(played.busy.values()) / played.now > 0.85


@pytest.mark.parametrize("epoch", [0, 1])
def test_many__who_are_ready_together_share_from_the_start_of_later_epochs(epoch: int) -> None:
    schedule = cluster(8, 8, epochs=2, epoch=epoch).schedule
    first = schedule.handle(Joined("a", others=True), 0.0)
    second = schedule.handle(Joined("b"), 0.0)
    held = [len(given.lease.partitions) for given in [*first, *second] if isinstance(given, Train)]
    # In the first one all grows together, as far as one worker comes.
    assert held == ([2, 2] if epoch else [8])


def test_choose__prefers_what_is_held() -> None:
    left = np.ones((8, 8), np.bool_)
    everywhere = np.ones(8, np.bool_)
    for pair in combinations((0, 1, 2), 2):
        left[np.ix_(pair, pair)] = False
    found = choose(left, (0, 1, 2), (3, 4, 5), 3, everywhere)
    assert found is not None
    assert len(set(found) & {0, 1, 2}) == 2


@pytest.mark.parametrize(("free", "expected"), [((), None), ((3,), (3,))])
def test_choose__without_any_partition_but_these(
    free: tuple[int, ...], expected: tuple[int, ...] | None
) -> None:
    left = np.ones((4, 4), np.bool_)
    assert choose(left, (), free, 2, np.ones(4, np.bool_)) == expected


def test_choose__waits_for_a_partition_that_was_trained() -> None:
    left, aligned = np.ones((4, 4), np.bool_), np.zeros(4, np.bool_)
    aligned[0] = True
    assert choose(left, (), (1, 2), 2, aligned) is None
    found = choose(left, (), (0, 1, 2), 2, aligned)
    assert found is not None
    assert 0 in found


def test_many__a_worker_that_always_fails_is_let_go_and_the_others_end_it() -> None:
    played = cluster(8, 2)
    for name in ("bad", "good"):
        played.join(name)
    while not played.finished and not played.aborted:
        if "bad" in played.running:
            played.fail("bad")
        played.step()
    assert played.dismissed == {"bad"}
    assert played.finished
    assert set(played.trained) == every_bucket(8)


def test_many__who_joins_gets_its_share_when_the_other_has_committed() -> None:
    schedule = Schedule(
        Progress.from_dict({}, 8), 1, buffer=8, order="beta", checkpoint=10.0, seed=0, settle=True
    )
    (train,) = schedule.handle(Joined("a"), 0.0)
    assert isinstance(train, Train)
    assert train.lease.partitions == tuple(range(8))
    assert not schedule.handle(Joined("b"), 1.0)
    # Each of them begins with a partition that was trained.
    done = [Stretch(bucket, 1, True) for bucket in ((0, 1), (2, 3), (4, 5), (6, 7))]
    half = Stretch((1, 0), 5, False)
    work = Work({stretch.bucket: stretch for stretch in (*done, half)}, 9, 1.0, 1.0)
    (commit,) = schedule.handle(Trained("a", train.lease.number, work), 11.0)
    assert isinstance(commit, Commit)
    given = schedule.handle(Committed("a", 0.1), 12.0)
    leases = [told.lease for told in given if isinstance(told, Train)]
    assert [len(lease.partitions) for lease in leases] == [2, 2]
    assert not {*leases[0].partitions} & {*leases[1].partitions}
    stretches = {stretch.bucket: stretch for lease in leases for stretch in lease.stretches}
    assert not stretches.keys() & {stretch.bucket for stretch in done}
    if half.bucket in stretches:
        assert stretches[half.bucket].blocks == 5
