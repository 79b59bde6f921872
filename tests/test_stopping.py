"""When training has gone on long enough: decided from the history alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daskgraph.config import EvaluationConfig
from daskgraph.stopping import (
    RESTORED,
    best_epoch,
    cooldown_factor,
    evaluation_due,
    evaluations_waited,
    is_over,
    judged_by,
    rate_factor,
)

NAN = float("nan")


def history(figures: Sequence[float | None]) -> list[dict[str, Any]]:
    """An entry for every epoch, without an evaluation where there is no figure."""
    entries: list[dict[str, Any]] = [{"epoch": epoch} for epoch in range(1, len(figures) + 1)]
    for entry, figure in zip(entries, figures, strict=True):
        if figure is not None:
            entry["evaluation"] = {"mrr": figure}
    return entries


@pytest.mark.parametrize(
    ("figures", "best", "waited"),
    [
        ([], None, 0),
        ([None, None], None, 0),
        ([0.1], 1, 0),
        ([0.1, 0.2, 0.3], 3, 0),
        ([0.3, 0.2, None, 0.1], 1, 2),
        ([0.3, 0.3], 1, 1),
        ([NAN, 0.1, NAN], 2, 1),
        ([None, 0.1, None, 0.4, None, 0.2], 4, 1),
    ],
)
def test_best_and_waited(figures: list[float | None], best: int | None, waited: int) -> None:
    assert best_epoch(history(figures)) == best
    assert evaluations_waited(history(figures)) == waited


@given(st.lists(st.none() | st.floats(0, 1), max_size=20), st.integers(1, 4))
def test_is_over__as_one_who_watches_would_say(figures: list[float | None], patience: int) -> None:
    best, waited = -1.0, 0
    for figure in figures:
        if figure is not None:
            waited = 0 if figure > best else waited + 1
            best = max(best, figure)
    assert is_over(history(figures), 100, patience) == (waited >= patience)
    assert not is_over(history(figures), 100, 0)


def test_best_and_waited__figures_of_another_protocol_do_not_count() -> None:
    entries = history([0.9, 0.8, 0.2, 0.3, 0.1])
    for entry in entries[:2]:
        entry["evaluation"]["comparable"] = "only with the same 10 sampled entities"
    assert best_epoch(entries) == 4
    assert evaluations_waited(entries) == 1
    assert not is_over(entries, 10, 2)


def test_best__of_the_side_that_is_trained() -> None:
    assert judged_by("both") == {}
    figures = [(0.3, 0.4), (0.35, 0.2), (0.2, 0.38)]
    entries = [
        {"epoch": epoch, "evaluation": {"mrr": mrr, "sides": {"tail": {"mrr": tail}}}, **judged_by("tail")}
        for epoch, (mrr, tail) in enumerate(figures, 1)
    ]
    assert best_epoch(entries) == 1
    assert evaluations_waited(entries) == 2
    # Who changes what is trained begins anew: the mean of both sides says something else.
    assert best_epoch([*entries, {"epoch": 4, "evaluation": {"mrr": 0.1}}]) == 4


@pytest.mark.parametrize(
    ("figures", "plateau", "halvings"),
    [
        ([], 1, 0),
        ([0.1, 0.2, 0.3], 1, 0),
        ([0.3, 0.2, 0.1], 1, 2),
        ([0.3, 0.2, 0.1], 2, 1),
        ([0.3, 0.2, 0.4, 0.4, 0.1, 0.1], 2, 1),
        ([0.3, 0.30001], 1, 1),
        ([NAN, NAN, 0.1, NAN], 1, 1),
        ([None, 0.1, None, 0.1], 1, 1),
    ],
)
def test_rate_factor(figures: list[float | None], plateau: int, halvings: int) -> None:
    assert rate_factor(history(figures), 0.5, plateau) == 0.5**halvings
    assert rate_factor(history(figures), 1.0, plateau) == 1


def test_rate_factor__goes_by_the_loss_without_evaluations() -> None:
    entries = [{"epoch": number, "loss": loss} for number, loss in enumerate([3.0, 2.0, 2.5, 2.0, 1.0], 1)]
    assert rate_factor(entries, 0.1, 1) == pytest.approx(0.01)


def test_cooldown_factor() -> None:
    assert [cooldown_factor(epoch, 5, 0) for epoch in (1, 5)] == [1, 1]
    found = [cooldown_factor(epoch, 20, 0.25) for epoch in (1, 15, 16, 20, 21)]
    assert found == pytest.approx([1, 1, 0.1**0.2, 0.1, 0.1])
    # Of one epoch all cools: a part of an epoch has no rate of its own.
    assert cooldown_factor(1, 1, 0.5) == pytest.approx(0.1)


def test_is_over__more_epochs_or_patience_go_on() -> None:
    entries = history([0.3, 0.2, 0.1])
    entries[-1][RESTORED] = {"epoch": 1, "epochs": 10, "patience": 2}
    assert is_over(entries, 10, 2)
    assert is_over(entries, 5, 1)
    assert not is_over(entries, 11, 2)
    assert not is_over(entries, 10, 3)
    assert not is_over(entries, 10, 0)
    # Whoever goes on waits anew, and the best stays the best.
    entries += [{"epoch": 4, "evaluation": {"mrr": 0.2}}]
    assert best_epoch(entries) == 1
    assert not is_over(entries, 11, 2)
    assert is_over([*entries, {"epoch": 5, "evaluation": {"mrr": 0.2}}], 11, 2)


def test_evaluation_due() -> None:
    def due(**keys: Any) -> list[int]:
        return [epoch for epoch in range(1, 7) if evaluation_due(epoch, 6, EvaluationConfig(**keys))]

    assert due() == []
    assert due(every=2) == [2, 4]
    assert due(every=2, patience=1) == [2, 4, 6]
    assert due(every=4, patience=1) == [4, 6]
    assert due(every=4, patience=1, at_end=False) == [4]
    assert due(every=3, patience=1, at_end=False) == [3, 6]
