import io
import re
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from daskgraph import events, progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


STORY: list[events.Event] = [
    events.ImportStarted(["a.tsv"]),
    events.ImportProgress(1000, 50, 100),
    events.ImportFinished(
        {"edges": {"train": 1500, "test": 500}, "entities": {"entity": 30}, "relations": 2, "seconds": 0.5}
    ),
    events.WalksStarted(60),
    events.WalksProgress(60),
    events.WalksFinished(60, 1200, 0.25),
    events.CompileStarted(),
    events.CompileFinished(12.34),
    events.TrainingStarted(30, 2, 1500, 4, 3, 2, partitions=8, buffer=4, sweeps=5, done=0.256),
    events.TrainingStarted(entities=30, relations=2, edges=1500, epochs=2, first_epoch=1, threads=2),
    events.TrainingStarted(entities=30, relations=2, edges=1500, epochs=2, first_epoch=1, threads=0),
    events.EdgesTrained(1, 1000, 3000.0),
    events.EdgesTrained(1, 500, 1500.0),
    events.EpochFinished(1, 1500, 3.0, 0.5, 3000.0),
    events.EdgesTrained(2, 1500, 1500.0),
    events.EpochFinished(2, 1500, 1.0, 0.5, 3000.0),
    events.Committed(2, 0.1),
    events.EvaluationStarted("test", 500),
    events.EvaluationProgress(200),
    events.EvaluationProgress(300),
    events.EvaluationFinished("test", mrr=0.25, hits10=0.5, seconds=0.25, protocol="filtered"),
    events.Notice("2 partitions"),
]

LINES = """\
import: reading a.tsv
import: 1,500 train edges, 500 test edges, 30 entities, 2 relations in 0.5 s
walks: 60 walks, 1,200 pairs in 0.2 s
kernels are ready after 12.3 s
training goes on: 30 entities, 2 relations, 1,500 edges, epochs 3 to 4 (26% of the first is done), \
4 of 8 partitions in memory, 5 sweeps an epoch, 2 threads
training: 30 entities, 2 relations, 1,500 edges, epochs 1 to 2, 2 threads
training: 30 entities, 2 relations, 1,500 edges, epochs 1 to 2
epoch 1: loss 3.0000, 3,000 edges/s, 0.5 s
epoch 2: loss 1.0000, 3,000 edges/s, 0.5 s
test: MRR 0.2500, Hits@10 0.5000, 0.2 s; filtered
2 partitions
""".splitlines()


def test_show__stamped_lines() -> None:
    stream = io.StringIO()
    with progress.show(stream, stamped=True) as callback:
        callback(events.Notice("2 partitions"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d 2 partitions\n", stream.getvalue())


def test_show__plain_lines() -> None:
    stream = io.StringIO()
    with progress.show(stream) as callback:
        for event in STORY:
            callback(event)
    assert stream.getvalue().splitlines() == LINES


def test_plain__tells_now_and_then_how_far_it_is() -> None:
    lines: list[str] = []
    now = iter(range(0, 10_000, 20))
    callback = progress.PlainProgress(lines.append, clock=lambda: float(next(now)))
    for event in STORY:
        callback(event)
    assert [line for line in lines if line not in LINES] == [
        "import: 1,000 edges, 50%",
        "walks: 60 of 60",
        "epoch 1: loss 3.0000",
        "epoch 1: loss 3.0000",
        "epoch 2: loss 1.0000",
        "evaluation: 200 of 500 edges",
        "evaluation: 500 of 500 edges",
    ]


def test_live__one_bar_for_each_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    display = progress._live_display(stream)
    callback = progress.LiveProgress(display)
    seen: list[tuple[str, float | None, float, str]] = []
    with display:
        for event in STORY:
            callback(event)
            seen += [
                (task.description, task.total, task.completed, task.fields["note"]) for task in display.tasks
            ]
    assert ("import", 100, 50, "1,000 edges") in seen
    assert ("epoch 1/2", 3000, 1500, "loss 3.0000") in seen
    assert ("epoch 2/2", 3000, 3000, "loss 1.0000") in seen
    assert ("evaluating test", 500, 500, "") in seen
    assert "2 partitions" in stream.getvalue()
    assert "epoch 1: loss" not in stream.getvalue()


def test_show__on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with progress.show(stream) as callback:
        assert isinstance(callback, progress.LiveProgress)
        callback(STORY[0])
        callback(events.EvaluationProgress(3))


def test_live__progress_without_a_start_is_ignored() -> None:
    display = progress._live_display(Terminal())
    progress.LiveProgress(display)(events.EvaluationProgress(3))
    assert not display.tasks


def test_in_jupyter(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not progress._in_jupyter()
    shell: Any = type("ZMQInteractiveShell", (), {})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=shell))
    assert progress._in_jupyter()
