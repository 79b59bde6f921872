"""Ctrl-C in the middle of a commit: the commit ends first."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from known_graphs import rings

import daskgraph
from daskgraph.executors.interrupts import uninterrupted
from daskgraph.store import ModelStore


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_uninterrupted__ends_first() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        with uninterrupted():
            press()
            done.append("block")
        done.append("never")
    assert done == ["block"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_uninterrupted__the_second_cuts_it_short() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():  # noqa: PT012
        press()
        done.append("first")
        press()
        done.append("never")
    assert done == ["first"]


def test_uninterrupted__elsewhere_changes_nothing() -> None:
    seen: list[Any] = []

    def work() -> None:
        with uninterrupted():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with uninterrupted():
            seen.append(signal.getsignal(signal.SIGINT))
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    assert seen[1] is signal.SIG_IGN


def test_training__interrupted_in_the_middle_of_a_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ModelStore.commit

    def commit(self: ModelStore, *arguments: Any) -> None:
        press()
        real(self, *arguments)

    config = {
        "model": {"dimension": 8},
        "training": {"epochs": 4, "threads": 1, "checkpoint": 0.0, "keep": 1},
    }
    monkeypatch.setattr(ModelStore, "commit", commit)
    with pytest.raises(KeyboardInterrupt):
        daskgraph.train(rings(16), tmp_path / "m.model.zarr", config=config)
    monkeypatch.undo()
    model = daskgraph.open_model(tmp_path / "m.model.zarr")
    assert model.epochs == 1
    assert model.store.snapshots.names() == ["1"]
    assert daskgraph.train(rings(16), model.path).summary["resumed_from"] == 1
