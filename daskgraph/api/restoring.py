"""Go back to an earlier state of a model."""

from collections.abc import Sequence

from daskgraph.errors import DamagedStoreError, NoWholeSnapshotError
from daskgraph.events import Callback, Notice
from daskgraph.store import ModelStore


def restore_model(store: ModelStore, name: str | None, callback: Callback) -> None:
    """Restore a snapshot by name, or the latest whole one; errors as of `daskgraph.restore`."""
    with store.lock():
        store.sweep()
        if name is None:
            name = _restore_latest(store, store.snapshots.names(), callback)
        else:
            store.restore(name)
    epoch = store.progress["epoch"]
    callback(Notice(f"{store.path} is as it was after epoch {epoch}, of its snapshot {name}"))


def _restore_latest(store: ModelStore, names: Sequence[str], callback: Callback) -> str:
    for name in sorted(names, key=lambda name: store.snapshots.epoch(name) or 0, reverse=True):
        try:
            store.restore(name)
        except DamagedStoreError as error:
            callback(Notice(f"snapshot {name} is left out: {error}"))
        else:
            return name
    raise NoWholeSnapshotError(str(store.path), tuple(names))
