"""From files, dicts and overrides to the keys that were given, and from those to a config."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

from daskgraph.config.models import Config
from daskgraph.errors import (
    ConfigFileError,
    ConfigValueError,
    OverrideError,
    UnknownVariantError,
    UnregisteredError,
)

_LINE = re.compile(r" ?\(at (?:line (\d+), column \d+|end of document)\)$")


def load(
    files: Iterable[str | Path] = (),
    dicts: Iterable[Mapping[str, Any]] = (),
    overrides: Iterable[str] = (),
) -> dict[str, Any]:
    """Return the keys that were given, later ones over earlier ones: files, then dicts, then overrides.

    Overrides of single relations stay numbered (`{"relations": {"0": …}}`) unless the relations were given
    too. Nothing but syntax is checked yet: `merge` does that. Raises ConfigError.
    """
    given = [*map(read_toml, files), *dicts, *map(parse_override, overrides)]
    return reduce(lambda base, new: _overlaid(base, new, ""), given, {})


def merge(base: Mapping[str, Any], given: Mapping[str, Any]) -> Config:
    """Return the config of `base` with the keys of `given` over it.

    Tables merge key by key; a list of relations replaces the base's, numbered relations change theirs.
    Raises ConfigError.
    """
    if isinstance(given.get("relations"), Mapping) and not base.get("relations"):
        base = {**base, "relations": []}
    return Config.from_dict(_overlaid(dict(base), given, ""))


def merge_stored(stored: Mapping[str, Any], given: Mapping[str, Any], store: str | Path) -> Config:
    """Return the config of what a store holds with the keys of `given` over it; errors as of `merge`.

    Raises
    ------
    UnregisteredError
        What the store holds names an operator, comparator or loss that this process does not know.
    """
    try:
        return merge(stored, given)
    except UnknownVariantError as error:
        if _value_at(stored, error.path) != error.given:
            raise
        raise UnregisteredError(str(store), error.path, error.given) from None


def _value_at(tables: Any, path: str) -> Any:
    for key in path.split("."):
        if isinstance(tables, Mapping):
            tables = tables.get(key)
        elif isinstance(tables, list | tuple) and int(key) < len(tables):
            tables = tables[int(key)]
        else:
            return None
    return tables


def read_toml(path: str | Path) -> dict[str, Any]:
    """Return the tables of a TOML file. Raises ConfigFileError with file and line."""
    try:
        text = Path(path).read_bytes().decode()
    except OSError as error:
        raise ConfigFileError(str(path), None, error.strerror or str(error)) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigFileError(str(path), line, "not UTF-8") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_refusal(str(path), text, str(error)) from None


def parse_override(text: str) -> dict[str, Any]:
    """Return `section.key=value` as nested tables. Raises OverrideError.

    >>> parse_override("training.checkpoint=30s")
    {'training': {'checkpoint': '30s'}}
    """
    key, equals, value = text.partition("=")
    # A newline would let one override smuggle in another key.
    if not equals or not value.strip() or "\n" in key:
        raise OverrideError(text)
    try:
        tables = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        raise OverrideError(text) from None
    return _with_leaf(tables, _parse_value(value.strip()))


def _parse_value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return parsed["value"] if len(parsed) == 1 else text


def _with_leaf(tables: dict[str, Any], value: Any) -> dict[str, Any]:
    return {
        key: _with_leaf(inner, value) if isinstance(inner, dict) else value for key, inner in tables.items()
    }


def _overlaid(base: Any, given: Any, path: str) -> Any:
    if not isinstance(given, Mapping):
        return given
    if isinstance(base, list | tuple):
        return _overlaid_items(base, given, path)
    if not isinstance(base, Mapping):
        return dict(given)
    changed = {key: _overlaid(base.get(key), value, _joined(path, key)) for key, value in given.items()}
    return {**base, **changed}


def _overlaid_items(base: list[Any] | tuple[Any, ...], given: Mapping[str, Any], path: str) -> list[Any]:
    items = list(base)
    for key, value in given.items():
        if not (key.isdecimal() and int(key) < len(items)):
            allowed = f"has no such item; items are numbered 0 to {len(items) - 1}"
            if not items:
                allowed = (
                    f"is an empty list; declare [[{path}]] in a config, or set this in training a graph store"
                )
            raise ConfigValueError(_joined(path, key), value, f"can not be set: {path} {allowed}")
        items[int(key)] = _overlaid(items[int(key)], value, _joined(path, key))
    return items


def _joined(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _syntax_refusal(path: str, text: str, message: str) -> ConfigFileError:
    match = _LINE.search(message)
    line = None
    if match:
        line = int(match[1]) if match[1] else len(text.splitlines()) or 1
        message = message[: match.start()]
    return ConfigFileError(path, line, f"TOML syntax: {message[:1].lower()}{message[1:]}")
