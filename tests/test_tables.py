import io
import json
from typing import NamedTuple

import numpy as np
import pytest

from daskgraph import tables

EVALUATION = {
    "edges": 2000,
    "mrr": 0.25,
    "mean_rank": 250.5,
    "hits": {"1": 0.125, "10": 0.5},
    "auc": 0.9,
    "seen": {"edges": 1990, "mrr": 0.26, "mean_rank": 240.0, "hits": {"1": 0.13, "10": 0.51}, "auc": 0.91},
    "sides": {"head": {"mrr": 0.2}, "tail": {"mrr": 0.3}},
}


class Answer(NamedTuple):
    entity: str
    label: str | None
    score: float


def test_write_table__plain_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    answers = [Answer("/m/1", "Ünïted", 0.5), Answer("/m/2", None, -1.25)]
    tables.write_table(("entity", "label", "score"), tables.answer_rows(answers))
    assert capsys.readouterr().out == "entity\tlabel\tscore\n/m/1\tÜnïted\t0.5000\n/m/2\t\t-1.2500\n"


def test_write_table__pretty_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    tables.write_table(("entity", "score"), [("[bold]", "0.5"), ("b", "-12.25")], stream)
    lines = [line.strip() for line in stream.getvalue().splitlines() if line.strip()]
    assert lines[0].split() == ["entity", "score"]
    assert lines[2].split() == ["[bold]", "0.5"]
    assert lines[3].endswith("-12.25")


def test_write_json(capsys: pytest.CaptureFixture[str]) -> None:
    value = {
        "answers": [Answer("a", None, float("inf"))],
        "counts": (np.int64(3), np.float32(0.5)),
        "label": "Ünïted",
        1: True,
    }
    tables.write_json(value)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "Ünïted" in out
    assert json.loads(out) == {
        "answers": [{"entity": "a", "label": None, "score": None}],
        "counts": [3, 0.5],
        "label": "Ünïted",
        "1": True,
    }


def test_evaluation_rows() -> None:
    assert list(tables.evaluation_rows(EVALUATION)) == [
        ("edges", "2,000", "1,990", "-", "-"),
        ("MRR", "0.25", "0.26", "0.2", "0.3"),
        ("Hits@1", "0.125", "0.13", "-", "-"),
        ("Hits@10", "0.5", "0.51", "-", "-"),
        ("mean rank", "250.5", "240.0", "-", "-"),
        ("AUC", "0.9", "0.91", "-", "-"),
    ]


def test_evaluation_rows__nothing_seen() -> None:
    rows = tables.evaluation_rows({key: value for key, value in EVALUATION.items() if key != "seen"})
    assert {row[2] for row in rows} == {"-"}


def test_relation_rows__most_edges_first() -> None:
    rows = list(tables.relation_rows({"few": EVALUATION | {"edges": 1}, "many": EVALUATION}))
    assert [row[:2] for row in rows] == [("many", "2,000"), ("few", "1")]
    assert len(rows[0]) == 1 + len(tables.figure_names(EVALUATION))


def test_flat_rows() -> None:
    values = {"a": {"b": 1.5, "c": None}, "list": [{"x": True}, {"x": False}], "numbers": [1, 2]}
    assert list(tables.flat_rows(values)) == [
        ("a.b", "1.5"),
        ("a.c", "-"),
        ("list.0.x", "yes"),
        ("list.1.x", "no"),
        ("numbers", "1, 2"),
    ]
