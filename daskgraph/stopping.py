"""When to evaluate, which epoch was the best, and when training has gone on long enough.

All is decided from the history alone, so that whoever dies and comes again decides the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from daskgraph.config import EvaluationConfig

History = Sequence[Mapping[str, Any]]
"""For every epoch its number, its `evaluation` where one ran, and the side it is `judged` by, if not both."""

_BETTER = 1e-4
"""Share by which a figure must be better to count as that."""

JUDGED = "judged"
"""Entry of an evaluated epoch of which one side alone is trained: "head" or "tail"."""

RESTORED = "restored"
"""Entry of an epoch after which the vectors became those of the best one: `epoch`, and the `epochs` and
`patience` under which that was decided."""


def evaluation_due(epoch: int, epochs: int, evaluation: EvaluationConfig) -> bool:
    """Tell whether the figures of an epoch belong in the history.

    Those of the last epoch do only where the best one is looked for: else the finished model is evaluated.
    """
    regular = evaluation.every > 0 and epoch % evaluation.every == 0
    if epoch < epochs:
        return regular
    return evaluation.patience > 0 and (regular or evaluation.at_end)


def best_epoch(history: History) -> int | None:
    """Return the epoch with the best filtered MRR, the first of equals; None if none was evaluated.

    Only figures of the last protocol, and of the side that is trained, count: others say different things.

    >>> best_epoch([{"epoch": 1, "evaluation": {"mrr": 0.2}}, {"epoch": 2}])
    1
    """
    figures = {int(entry["epoch"]): judged_mrr(entry) for entry in _comparable(history)}
    return max(figures, key=figures.__getitem__, default=None)


def judged_by(corrupt: str) -> dict[str, str]:
    """Return what an entry says of the side it is judged by; nothing where both sides are trained.

    Parameters
    ----------
    corrupt
        `negatives.corrupt`.
    """
    return {} if corrupt == "both" else {JUDGED: corrupt}


def judged_mrr(entry: Mapping[str, Any]) -> float:
    """Return the filtered MRR of an entry's evaluation, of the side it is judged by; the worst if none is.

    >>> judged_mrr({"evaluation": {"mrr": 0.3, "sides": {"tail": {"mrr": 0.4}}}, "judged": "tail"})
    0.4
    """
    evaluation = entry["evaluation"]
    found = evaluation["sides"][entry[JUDGED]]["mrr"] if JUDGED in entry else evaluation.get("mrr")
    return -math.inf if found is None or math.isnan(found) else float(found)


def shown_mrr(entry: Mapping[str, Any]) -> str:
    """Return what `judged_mrr` is, for people.

    >>> shown_mrr({"evaluation": {"mrr": 0.3, "sides": {"tail": {"mrr": 0.4}}}, "judged": "tail"})
    'MRR 0.4000 of tails'
    """
    return f"MRR {judged_mrr(entry):.4f}" + (f" of {entry[JUDGED]}s" if JUDGED in entry else "")


def held_epoch(history: History) -> int:
    """Return the epoch whose vectors the model holds: the last, or a better one that was restored."""
    if not history:
        return 0
    last = history[-1]
    return int(last.get(RESTORED, last)["epoch"])


def evaluations_waited(history: History) -> int:
    """Return how many evaluations brought nothing better since the best, or since one was last restored."""
    best = best_epoch(history)
    counted = {int(entry["epoch"]) for entry in _comparable(history)}
    waited = 0
    for entry in history:
        waited += entry["epoch"] in counted
        if entry["epoch"] == best or RESTORED in entry:
            waited = 0
    return waited


def is_over(history: History, epochs: int, patience: int) -> bool:
    """Tell whether to stop before the last epoch; whoever asks for more epochs or patience may go on.

    Parameters
    ----------
    history
        Entries of all epochs so far.
    epochs, patience
        `training.epochs` and `evaluation.patience`; without patience it is never over.
    """
    if not patience or not history:
        return False
    before = history[-1].get(RESTORED)
    if before is not None:
        return epochs <= int(before["epochs"]) and patience <= int(before["patience"])
    return evaluations_waited(history) >= patience


def rate_factor(history: History, decay: float, plateau: int) -> float:
    """Return what is left of the learning rates after all plateaus so far.

    A plateau is so many evaluations in a row, or epochs where there are none, of which none is better than
    the best before: in MRR, or in the mean loss of an edge.

    Parameters
    ----------
    history
        Entries of all epochs so far.
    decay, plateau
        `training.decay` and `training.plateau`.
    """
    judged = _comparable(history)
    figures = [judged_mrr(entry) for entry in judged] or [-float(entry["loss"]) for entry in history]
    factor, best, waited = 1.0, -math.inf, 0
    for figure in figures if decay < 1 else ():
        if figure > best + _BETTER * abs(best) or math.isinf(best):
            best, waited = figure, 0
        else:
            waited += 1
        if waited == plateau:
            factor, waited = factor * decay, 0
    return factor


def cooldown_factor(epoch: int, epochs: int, cooldown: float) -> float:
    """Return what is left of the learning rates in an epoch near the last one: at last a tenth.

    Parameters
    ----------
    epoch
        The epoch, from 1.
    epochs, cooldown
        `training.epochs` and `training.cooldown`.

    >>> [round(cooldown_factor(epoch, 10, 0.2), 2) for epoch in (8, 9, 10)]
    [1.0, 0.32, 0.1]
    """
    length = epochs * cooldown
    gone = epoch - (epochs - length)
    return float(0.1 ** min(1.0, gone / length)) if length and gone > 0 else 1.0


def _comparable(history: History) -> list[Mapping[str, Any]]:
    """Return the entries whose evaluations were made in the way of the last one."""
    judged = [entry for entry in history if "evaluation" in entry]
    return [entry for entry in judged if _protocol(entry) == _protocol(judged[-1])]


def _protocol(entry: Mapping[str, Any]) -> Any:
    return entry["evaluation"].get("comparable"), entry.get(JUDGED)
