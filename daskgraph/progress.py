"""Shows events to whoever waits: a live bar on a terminal and in Jupyter, plain lines elsewhere."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Any, TextIO

from daskgraph import events
from daskgraph.events import Callback, Event

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID

_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_WORTH_A_LINE = 1.0


@contextmanager
def show(stream: TextIO | None = None, *, stamped: bool = False) -> Iterator[Callback]:
    """Give a callback that shows progress on a stream (default: standard error) until the block ends.

    Parameters
    ----------
    stream
        Where it is shown.
    stamped
        Whether lines that are no live bar begin with date and time, as long logs need them.

    Examples
    --------
    >>> from daskgraph.events import Notice
    >>> with show(sys.stdout) as callback:
    ...     callback(Notice("32 partitions"))
    32 partitions
    """
    stream = sys.stderr if stream is None else stream
    if not (_in_jupyter() or stream.isatty()):
        stamp = _now if stamped else str
        yield PlainProgress(lambda text: print(f"{stamp()}{text}", file=stream, flush=True))
        return
    display = _live_display(stream)
    with display:
        yield LiveProgress(display)


def line(event: Event) -> str | None:
    """Return the line that tells of an event, None for those that only move a bar."""
    match event:
        case events.Notice(text):
            return text
        case events.ImportStarted(paths):
            return f"import: reading {', '.join(paths)}"
        case events.ImportFinished(summary):
            return _import_line(summary)
        case events.CompileFinished(seconds) if seconds >= _SECONDS_WORTH_A_LINE:
            return f"kernels are ready after {seconds:.1f} s"
        case events.TrainingStarted():
            return _training_line(event)
        case events.EpochFinished():
            return (
                f"epoch {event.epoch}: loss {event.loss:.4f}, "
                f"{event.edges_per_second:,.0f} edges/s, {event.seconds:.1f} s"
            )
        case events.WalksFinished(walks, pairs, seconds):
            return f"walks: {walks:,} walks, {pairs:,} pairs in {seconds:.1f} s"
        case events.EvaluationFinished(split, mrr, hits10, seconds, protocol):
            return f"{split}: MRR {mrr:.4f}, Hits@10 {hits10:.4f}, {seconds:.1f} s; {protocol}"
    return None


class PlainProgress:
    """A callback that writes lines, for logs and pipes."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = monotonic) -> None:
        self._write = write
        self._clock = clock
        self._last = clock()
        self._done = self._to_do = 0

    def __call__(self, event: Event) -> None:
        """Write the event's line, or now and then how far the work has come."""
        text = line(event)
        if text is None and self._clock() - self._last >= _SECONDS_BETWEEN_LINES:
            text = self._partway(event)
        match event:
            case (
                events.EvaluationStarted(_, count)
                | events.WalksStarted(count)
                | events.ClassificationStarted(count)
            ):
                self._done, self._to_do = 0, count
            case (
                events.EvaluationProgress(count)
                | events.WalksProgress(count)
                | events.ClassificationProgress(count)
            ):
                self._done += count
        if text is not None:
            self._last = self._clock()
            self._write(text)

    def _partway(self, event: Event) -> str | None:
        match event:
            case events.ImportProgress(edges, done, total):
                share = f", {done / total:.0%}" if total else ""
                return f"import: {edges:,} edges{share}"
            case events.EvaluationProgress(edges):
                return f"evaluation: {self._done + edges:,} of {self._to_do:,} edges"
            case events.WalksProgress(walks):
                return f"walks: {self._done + walks:,} of {self._to_do:,}"
            case events.ClassificationProgress(trials):
                return f"classification: {self._done + trials:,} of {self._to_do:,} splits"
            case events.EdgesTrained(epoch, edges, loss):
                return f"epoch {epoch}: loss {loss / max(edges, 1):.4f}"
        return None


class LiveProgress:
    """A callback that moves one bar of a rich display, and writes what is worth a line above it."""

    def __init__(self, display: "Progress") -> None:
        self._display = display
        self._task: TaskID | None = None
        self._epochs = 0
        self._epoch = 0
        self._epoch_edges = 0
        self._epoch_loss = 0.0

    def __call__(self, event: Event) -> None:
        """Move the bar."""
        match event:
            case events.ImportStarted():
                self._begin("import", None)
            case events.ImportProgress(edges, done, total):
                self._move(total=total or None, completed=done, note=f"{edges:,} edges")
            case events.CompileStarted():
                self._begin("compiling kernels", None)
            case events.TrainingStarted():
                self._epochs, self._epoch = event.epochs, 0
                self._begin(
                    "training", event.edges * (event.epochs - event.first_epoch + 1 - event.done), rate=True
                )
            case events.EdgesTrained():
                self._trained(event)
            case events.EvaluationStarted(split, edges):
                self._begin(f"evaluating {split}", edges, rate=True)
            case events.WalksStarted(walks):
                self._begin("walking", walks)
            case events.ClassificationStarted(trials):
                self._begin("classifying", trials)
            case (
                events.EvaluationProgress(count)
                | events.WalksProgress(count)
                | events.ClassificationProgress(count)
            ):
                self._move(advance=count)
        text = line(event)
        if text is not None and not isinstance(event, events.ImportStarted | events.EpochFinished):
            self._display.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _begin(self, description: str, total: float | None, rate: bool = False) -> None:
        if self._task is not None:
            self._display.remove_task(self._task)
        self._task = self._display.add_task(description, total=total, note="", rate=rate)

    def _move(self, **changes: Any) -> None:
        if self._task is not None:
            self._display.update(self._task, **changes)

    def _trained(self, event: events.EdgesTrained) -> None:
        if event.epoch != self._epoch:
            self._epoch, self._epoch_edges, self._epoch_loss = event.epoch, 0, 0.0
        self._epoch_edges += event.edges
        self._epoch_loss += event.loss
        self._move(
            advance=event.edges,
            description=f"epoch {event.epoch}/{self._epochs}",
            note=f"loss {self._epoch_loss / max(self._epoch_edges, 1):.4f}",
        )


def _training_line(event: events.TrainingStarted) -> str:
    goes_on = event.first_epoch > 1 or event.done > 0
    parts = [
        f"training{' goes on' if goes_on else ''}: {event.entities:,} entities",
        f"{event.relations:,} relations",
        f"{event.edges:,} edges",
        f"epochs {event.first_epoch} to {event.epochs}",
    ]
    if 0 < event.done < 1:
        parts[-1] += f" ({event.done:.0%} of the first is done)"
    if event.buffer < event.partitions:
        parts.append(f"{event.buffer} of {event.partitions} partitions in memory")
        parts.append(f"{event.sweeps} sweep{'s' if event.sweeps > 1 else ''} an epoch")
    if event.threads:
        parts.append(f"{event.threads} threads")
    return ", ".join(parts)


def _import_line(summary: Mapping[str, Any]) -> str:
    parts = []
    for key in ("edges", "entities", "relations"):
        value = summary.get(key)
        if isinstance(value, dict):
            if key == "edges" and len(value) > 1:
                parts += [f"{count:,} {split} edges" for split, count in value.items()]
                continue
            value = sum(value.values())
        if isinstance(value, int):
            parts.append(f"{value:,} {key}")
    return f"import: {', '.join(parts)} in {summary.get('seconds', 0.0):.1f} s"


def _now() -> str:
    return f"{datetime.now():%Y-%m-%d %H:%M:%S} "


def _in_jupyter() -> bool:
    # Whoever runs in a notebook has loaded IPython already; loading it to ask would be slow.
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


def _live_display(stream: TextIO) -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns: list[ProgressColumn] = [
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        _rate_column(),
        TextColumn("{task.fields[note]}"),
        Remaining(),
    ]
    # Training needs the processor more than the bar does.
    console = Console() if _in_jupyter() else Console(file=stream)
    return Progress(*columns, console=console, refresh_per_second=4, transient=True)


def _rate_column() -> "ProgressColumn":
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class RateColumn(ProgressColumn):
        """Edges per second, where edges are what the bar counts."""

        def render(self, task: Task) -> Text:
            shown = task.fields.get("rate") and task.speed
            return Text(f"{task.speed:,.0f} edges/s" if shown else "")

    return RateColumn()
