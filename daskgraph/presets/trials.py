"""How strong a regularizer should be: which factors to try in short trainings, and which of them to take."""

from collections.abc import Mapping
from typing import Any, NamedTuple

STEP = 2.5
"""Factors that are tried are so many times apart: the best is a broad hill."""

MOST_TRIALS = 4
"""Trainings at most."""

SHARE = 12
"""A trial costs one in so many of what the training does, for three or four of them together a third."""

LITTLE = 1e12
"""Multiplications that a trial may take in any case: some twenty seconds of two cores."""

FEWEST, ENOUGH = 3, 12
"""Epochs of a trial. Short ones favour weak regularizers, for nothing is learnt by heart yet."""

EDGES = 50
"""With fewer valid edges than these, one factor, or epoch, looks like another."""

CANDIDATES = 1000
"""Candidates of a trial at most: each stands for as many as there are for it, so factors mean the same."""


class Trials(NamedTuple):
    """Short trainings, to find a factor of `loss.regularization`."""

    start: float
    """The factor to begin with."""

    epochs: int
    """Epochs of each, cooled like those of the training they are for."""

    fewer: bool
    """Whether `CANDIDATES` are enough, where the training itself has more."""

    def settings(self, factor: float) -> dict[str, dict[str, Any]]:
        """Return what a trial of a factor changes in the config of the training it is for."""
        changes: dict[str, dict[str, Any]] = {
            "loss": {"regularization": factor},
            "training": {"epochs": self.epochs, "keep": 0},
            "evaluation": {"every": 0, "patience": 0, "at_end": True},
        }
        if self.fewer:
            changes["negatives"] = {
                "all": False,
                "uniform": CANDIDATES,
                "in_batch": False,
                "stand_for_all": True,
            }
        return changes

    def next(self, found: Mapping[float, float]) -> float | None:
        """Return the factor to try next, or None when enough is known.

        Parameters
        ----------
        found
            The valid MRR by factors that were tried.

        >>> trials = Trials(0.03, 5, False)
        >>> trials.next({}), trials.next({0.03: 0.31}), trials.next({0.03: 0.31, 0.012: 0.28})
        (0.03, 0.012, 0.075)
        """
        if len(found) >= MOST_TRIALS:
            return None
        factors = [self._factor(steps) for steps in range(-MOST_TRIALS, MOST_TRIALS + 1)]
        if not found:
            return factors[MOST_TRIALS]
        place = factors.index(self.best(found))
        beside = factors[place - 1], factors[place + 1]
        return next((factor for factor in beside if factor not in found), None)

    def best(self, found: Mapping[float, float]) -> float:
        """Return the factor that was best."""
        return max(found, key=lambda factor: found[factor])

    def _factor(self, steps: int) -> float:
        return float(f"{self.start * STEP**steps:.2g}")


def trials_for(start: float, epochs: int, valid: int, cost: float, fewer: float) -> Trials | None:
    """Return the trials worth their time before a training of so many epochs, None if there are none.

    Parameters
    ----------
    start
        The factor to begin with.
    epochs
        Epochs of the training.
    valid
        Valid edges.
    cost
        Multiplications of one of its epochs.
    fewer
        Those of an epoch with `CANDIDATES`, where these are enough for a trial; else the same.
    """
    affordable = int(max(epochs * cost / SHARE, LITTLE) / fewer)
    if valid < EDGES or epochs < 2 * FEWEST or affordable < FEWEST:
        return None
    return Trials(start, min(affordable, ENOUGH, epochs), fewer < cost)
