"""What all errors have in common, and how their messages show names, values and sizes."""

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar


class DaskgraphError(Exception):
    """Base of all errors raised on purpose."""

    exit_status: ClassVar[int] = 1
    """What the command line exits with."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        # The default would call the class with `args`, which lacks whatever was given by keyword.
        if not is_dataclass(self):
            return type(self), self.args
        return type(self), tuple(getattr(self, field.name) for field in fields(self))


class UsageError(DaskgraphError):
    """The request itself is wrong: nothing was started."""

    exit_status = 2


def nearest_name(name: str, known: Sequence[str]) -> str | None:
    """Return the known name that `name` was probably meant to be, or None."""
    from difflib import get_close_matches

    folded = {candidate.casefold(): candidate for candidate in known}
    matches = get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def suggestion(name: str, known: Sequence[str]) -> str:
    """Return "did you mean …?" where a known name is near, else the list of known names."""
    nearest = nearest_name(name, known)
    if nearest is not None:
        return f"did you mean {nearest!r}?"
    return f"known are: {', '.join(known)}" if known else "none is known"


def shown_size(count: int) -> str:
    """Return a number of bytes as people read and write it, rounded up, so that it can be taken as advice.

    >>> shown_size(1500)
    '1.5KiB'
    """
    for unit, base in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= base:
            return f"{-(-10 * count // base) / 10:.1f}{unit}"
    return f"{count}B"


def shortened(value: object, length: int = 120) -> str:
    """Return how a message shows a value, cut where it is long."""
    text = repr(value)
    return text if len(text) <= length else text[: length - 1] + "…"


HOW_TO_IMPORT = " (in a shell: daskgraph --import MODULE …)"
"""How a message tells where modules are named."""
