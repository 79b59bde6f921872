"""Results for people: a table on a terminal, tab-separated lines in a pipe, or JSON."""

import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, TextIO

from daskgraph.errors import shown_size

Row = Sequence[str]


def write_json(value: Any, stream: TextIO | None = None) -> None:
    """Write one JSON document on one line; numbers that JSON lacks become null.

    >>> write_json({"mrr": float("nan")}, sys.stdout)
    {"mrr": null}
    """
    stream = sys.stdout if stream is None else stream
    stream.write(json.dumps(_jsonable(value), ensure_ascii=False) + "\n")


def write_table(columns: Row, rows: Iterable[Row], stream: TextIO | None = None) -> None:
    """Write rows under column names; all but the first column of numbers are aligned to the right."""
    stream = sys.stdout if stream is None else stream
    if not stream.isatty():
        stream.writelines("\t".join(row) + "\n" for row in [columns, *rows])
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    listed = list(rows)
    table = Table(box=box.SIMPLE_HEAD)
    for number, name in enumerate(columns):
        numeric = bool(listed) and all(_is_number(row[number]) for row in listed)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in listed:
        table.add_row(*map(Text, row))
    Console(file=stream).print(table)


def answer_rows(answers: Iterable[tuple[str, str | None, float]]) -> Iterator[Row]:
    """Return the rows of named answers: entity, label, score."""
    return ((entity, label or "", f"{score:.4f}") for entity, label, score in answers)


def evaluation_rows(evaluation: Mapping[str, Any]) -> Iterator[Row]:
    """Return the rows of an evaluation: figure, over all edges, over edges whose entities were seen, and
    over heads and over tails alone.
    """
    sides = evaluation.get("sides") or {}
    parts = [evaluation.get("seen"), sides.get("head"), sides.get("tail")]
    for name, value in _figures(evaluation).items():
        yield name, shown(value), *(shown(_figures(part or {}).get(name)) for part in parts)


def classification_rows(classification: Mapping[str, Any]) -> Iterator[Row]:
    """Return the rows of a classification: fraction, micro and macro F1, each with its spread."""
    names = ("micro_f1", "micro_f1_spread", "macro_f1", "macro_f1_spread")
    for fraction, scores in classification["fractions"].items():
        yield fraction, *(f"{scores[name]:.4f}" for name in names)


def relation_rows(evaluations: Mapping[str, Mapping[str, Any]]) -> Iterator[Row]:
    """Return the rows of evaluations by relation, the one with most edges first."""
    ordered = sorted(evaluations.items(), key=lambda item: -item[1].get("edges", 0))
    return ((name, *map(shown, _figures(evaluation).values())) for name, evaluation in ordered)


def figure_names(evaluation: Mapping[str, Any]) -> list[str]:
    """Return the names of an evaluation's figures in the order of its rows."""
    return list(_figures(evaluation))


def write_facts(title: str, facts: Mapping[str, Any], as_json: bool) -> None:
    """Write nested facts under a title, a row each, or as JSON."""
    if as_json:
        write_json(facts)
    else:
        write_table((title, "value"), flat_rows(facts))


def flat_rows(values: Mapping[str, Any], prefix: str = "") -> Iterator[Row]:
    """Return a row for every number or text in nested tables, under its dotted path.

    >>> list(flat_rows({"edges": {"train": 12000}, "splits": ["train"]}))
    [('edges.train', '12,000'), ('splits', 'train')]
    """
    for key, value in values.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from flat_rows(value, f"{path}.")
        elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
            yield from flat_rows({str(number): item for number, item in enumerate(value)}, f"{path}.")
        else:
            yield path, shown(value)


def plan_rows(plan: Any) -> Iterator[Row]:
    """Return the rows of a plan, sizes and times as people read them."""
    for name, count in plan.entities.items():
        yield ("entities" if len(plan.entities) == 1 else f"entities, {name}"), shown(count)
    yield "edges", shown(plan.edges)
    yield "partitions", shown(plan.partitions)
    yield "buckets", shown(plan.buckets)
    yield "partitions in memory", shown(plan.buffer)
    yield "memory", shown_size(plan.memory_bytes)
    for field in fields(plan.memory):
        yield f"  {field.name}", shown_size(getattr(plan.memory, field.name))
    yield "disk", shown_size(plan.disk_bytes)
    yield "sweeps an epoch", shown(plan.sweeps)
    yield "partitions read an epoch", shown(plan.swaps)
    if plan.rates is not None:
        yield "edges/s", shown(round(plan.rates.edges_per_second))
        yield "time", shown_time(plan.seconds)
    yield "workers at most", shown(plan.workers_at_most)
    yield from (("note", note) for note in plan.notes)


def shown_time(seconds: float) -> str:
    """Return a duration in its two greatest units.

    >>> shown_time(93784), shown_time(3.21)
    ('1 d 2 h', '3.2 s')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    first = next(index for index, (_, size) in enumerate(units) if seconds >= size)
    left, parts = round(seconds), []
    for unit, size in units[first : first + 2]:
        parts.append(f"{left // size} {unit}")
        left %= size
    return " ".join(parts)


def shown(value: Any) -> str:
    """Return a value as people read it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value))
    return str(value)


def _figures(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    figures = {"edges": evaluation.get("edges"), "MRR": evaluation.get("mrr")}
    figures |= {f"Hits@{k}": share for k, share in evaluation.get("hits", {}).items()}
    return figures | {"mean rank": evaluation.get("mean_rank"), "AUC": evaluation.get("auc")}


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", ""))
    except ValueError:
        return text == "-"
    return True


def _jsonable(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
