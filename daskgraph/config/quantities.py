"""Sizes and durations as people write them."""

import math
import re

_BYTES = {"": 1, "b": 1} | {
    letter + suffix: base**power
    for power, letter in enumerate("kmgtp", start=1)
    for suffix, base in (("", 1000), ("b", 1000), ("i", 1024), ("ib", 1024))
}
_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_WALLTIME = re.compile(r"(?:(?P<d>\d+)-)?(?P<h>\d+):(?P<m>\d+):(?P<s>\d+)")
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]*)\s*")


def parse_bytes(text: str | int) -> int:
    """Return a size such as "4GiB", "500 MB" or 1024 in bytes.

    Raises ValueError for anything else.

    >>> parse_bytes("1.5KiB")
    1536
    """
    return round(_parse(text, _BYTES, "a size such as '4GiB' or '500MB'"))


def parse_seconds(text: str | float) -> float:
    """Return a duration such as "60s", "5min", "2h" or 0.5 in seconds.

    Raises ValueError for anything else.

    >>> parse_seconds("5min")
    300.0
    """
    return _parse(text, _SECONDS, "a duration such as '60s', '5min' or '2h'")


def parse_walltime(text: str | float) -> float:
    """Return a duration, or one as SLURM writes it (HH:MM:SS or D-HH:MM:SS), in seconds.

    Raises ValueError for anything else.

    >>> parse_walltime("2-12:00:00") == parse_walltime("60h")
    True
    """
    match = _WALLTIME.fullmatch(str(text).strip())
    if match is None:
        return _parse(text, _SECONDS, "a duration such as '90min', '12h' or '2-00:00:00'")
    return sum(int(number or 0) * _SECONDS[unit] for unit, number in match.groupdict().items())


def _parse(given: str | float, units: dict[str, float] | dict[str, int], allowed: str) -> float:
    match = _QUANTITY.fullmatch(str(given))
    if match is None or match[2].lower() not in units:
        raise ValueError(f"should be {allowed}")
    value = float(match[1]) * units[match[2].lower()]
    if not math.isfinite(value):
        raise ValueError(f"should be {allowed}")
    return value
