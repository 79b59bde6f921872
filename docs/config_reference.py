"""Writes docs/config.md from the config's own models, so that the page can not drift: run it, or let
tests/test_docs.py say when.
"""

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import AfterValidator

from daskgraph import config
from daskgraph.config.checks import known_variants

PAGE = Path(__file__).with_name("config.md")

HEAD = """# Config

A config is a TOML file (`-c FILE`), single keys (`-s training.epochs=20`, as often as wanted), or in Python
a dict, a path or a `daskgraph.Config`. Later ones win. Every key has a default: no config is needed to begin.

- Unknown keys and impossible values are refused on one line, with the key's path and the nearest known name.
- `-s` takes values as TOML writes them; a bare word is a string. Relations go by their number:
  `-s relations.0.weight=2`; where none are declared, those of a graph store are numbered as
  `Graph.relations` names them.
- Sizes are bytes or text such as `"4GiB"` or `"500MB"`; durations are seconds or text such as `"60s"`.
- `daskgraph info STORE` shows the config that a store was made with.
- A model that exists keeps its config, but for the keys given now. `[graph]`, `[entities]`, `[[relations]]`
  and `[model]` can not change any more; `graph.partitions` is fixed by the import already.

```toml
[model]
dimension = 200
operator = "complex_diagonal"
reciprocal = true

[negatives]
uniform = 400

[training]
epochs = 20
batch_size = 200
```

Types of entities and relations are declared where there are any; `NAME` is the type's:

```toml
[entities.user]
[entities.film]
partitioned = false

[[relations]]
name = "likes"
head = "user"
tail = "film"
operator = "translation"
```

This page is written by `docs/config_reference.py` from `daskgraph/config`; edit it there.
"""

KINDS = {
    ("model", "operator"): "operator",
    ("relations", "operator"): "operator",
    ("model", "comparator"): "comparator",
    ("loss", "function"): "loss",
    ("loss", "regularizer"): "regularizer",
}

TITLES = {"entities": "[entities.NAME]", "relations": "[[relations]]"}

QUANTITIES = {
    "_bytes": "a size",
    "_duration": "a duration",
    "_size": 'a size or `"auto"`',
    "_walltime": "a duration",
}

PLAIN = {bool: "`true` or `false`", int: "whole number", float: "number", str: "text"}


def page() -> str:
    """Return the text of the page."""
    return HEAD + "".join(section(name, model) for name, model in sections())


def sections() -> Iterator[tuple[str, Any]]:
    """Give every table of a config by its name, with its model."""
    for name, field in config.Config.model_fields.items():
        yield name, next(part for part in _parts(field.annotation) if hasattr(part, "model_fields"))


def section(name: str, model: Any) -> str:
    """Return the heading and table of one section."""
    lines = [f"\n## `{TITLES.get(name, f'[{name}]')}`\n", inspect.getdoc(model) or "", ""]
    lines += ["| key | default | allowed | meaning |", "|---|---|---|---|"]
    meanings = dict(_meanings(model))
    for key, field in model.model_fields.items():
        kind = KINDS.get((name, key))
        allowed = _choices(known_variants()[kind]) if kind else _allowed(field.annotation, field.metadata)
        meaning = meanings[key].replace("None: ", "left out: ").replace("|", "\\|")
        cells = (f"`{key}`", _default(field.default), allowed, meaning)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _meanings(model: Any) -> Iterator[tuple[str, str]]:
    """Give every key with the string that stands under it in the source."""
    [definition] = ast.parse(inspect.getsource(model)).body
    assert isinstance(definition, ast.ClassDef)
    for before, after in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name):
            assert isinstance(after, ast.Expr), f"{model.__name__}.{before.target.id} has no meaning"
            yield before.target.id, str(ast.literal_eval(after.value))


def _default(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{list(value)}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def _allowed(annotation: Any, metadata: list[Any]) -> str:
    for item in metadata:
        if isinstance(item, AfterValidator):
            return QUANTITIES[item.func.__name__]
    if get_origin(annotation) is Literal:
        return _choices(get_args(annotation))
    if get_origin(annotation) is tuple:
        return "list of text"
    if get_origin(annotation) in (Union, UnionType):
        parts = [part for part in get_args(annotation) if part is not type(None)]
        return " or ".join(_allowed(part, metadata) for part in parts)
    if hasattr(annotation, "__metadata__"):
        return _allowed(annotation.__origin__, [*annotation.__metadata__, *metadata])
    return PLAIN[annotation] + _bounds(metadata)


def _bounds(metadata: list[Any]) -> str:
    limits = [limit for item in metadata for limit in getattr(item, "metadata", [item])]
    texts = []
    for limit in limits:
        if isinstance(limit, Ge):
            texts.append(f"≥ {limit.ge}")
        elif isinstance(limit, Gt):
            texts.append(f"> {limit.gt}")
        elif isinstance(limit, Le):
            texts.append(f"≤ {limit.le}")
        elif isinstance(limit, Lt) and limit.lt != 2**63:
            texts.append(f"< {limit.lt}")
        elif isinstance(limit, MinLen):
            texts.append("not empty")
    return f" {', '.join(texts)}" if texts else ""


def _choices(values: tuple[Any, ...]) -> str:
    return " ".join(f'`"{value}"`' if isinstance(value, str) else f"`{value}`" for value in values)


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stderr.write(f"{PAGE.name} is written\n")
