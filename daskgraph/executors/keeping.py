"""Which states of a model outlive the next epoch: snapshots of the last epochs."""

from collections.abc import Mapping
from typing import Any

from daskgraph.config import Config
from daskgraph.store import ModelStore


def at_epoch_end(progress: Mapping[str, Any]) -> bool:
    """Tell whether a progress record says that whole epochs were trained, and nothing of the next."""
    return bool(progress.get("epoch")) and not progress.get("edges")


class Keeper:
    """Keeps what `training.keep` asks for.

    Parameters
    ----------
    store
        The model in training; its lock is held.
    config
        Its config.
    """

    def __init__(self, store: ModelStore, config: Config) -> None:
        self._store = store
        self._count = config.training.keep

    @property
    def every_epoch(self) -> bool:
        """Whether each epoch's end is to be committed, since it will be kept."""
        return self._count > 0

    def keep(self) -> None:
        """Keep the last commit, if it stands at the end of an epoch; a second time changes nothing.

        So it is called at the beginning too: whoever died between commit and snapshot had no time for it.
        """
        progress = self._store.progress
        if not at_epoch_end(progress):
            return
        epoch = int(progress["epoch"])
        if self._count:
            self._take(str(epoch))
            self._store.snapshots.keep_last(epoch, self._count)

    def _take(self, name: str) -> None:
        # One of that name may be left from before the model was restored to an earlier epoch.
        if not self._store.is_kept_as(name):
            self._store.snapshots.take(name)
