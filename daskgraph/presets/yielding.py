"""What a preset chooses gives way to what its user gives, where the two do not go together."""

from collections.abc import Callable, Mapping
from typing import Any

NEEDS: dict[str, dict[str, Callable[[Any], bool]]] = {
    "evaluation.patience": {"evaluation.every": lambda every: every != 0},
    "negatives.stand_for_all": {
        "negatives.in_batch": lambda in_batch: not in_batch,
        "negatives.frequency": lambda power: power == 0,
        "loss.function": lambda name: name == "softmax",
    },
    "negatives.all": {"negatives.uniform": lambda _: False, "negatives.frequency": lambda _: False},
}
"""Keys that presets choose, and what others have to be for that, where those are given."""


def flat(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a config's sections by their paths.

    >>> flat({"evaluation": {"every": 0}})
    {'evaluation.every': 0}
    """
    return {
        f"{section}.{key}": value
        for section, keys in sections.items()
        if isinstance(keys, Mapping)
        for key, value in keys.items()
    }


def ruled_out(given: Mapping[str, Any]) -> frozenset[str]:
    """Return the keys that no preset should choose beside those given, sections of a config.

    >>> sorted(ruled_out({"evaluation": {"every": 0}}))
    ['evaluation.patience']
    """
    told = flat(given)
    return frozenset(
        path
        for path, others in NEEDS.items()
        if any(other in told and not fits(told[other]) for other, fits in others.items())
    )
