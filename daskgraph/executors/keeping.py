"""Which states of a model outlive the next epoch, and whether there will be one.

The last epochs are kept as snapshots, and so is the best one, for whose sake training may stop early.
"""

from collections.abc import Mapping
from typing import Any

from daskgraph.config import Config
from daskgraph.errors import DamagedStoreError
from daskgraph.events import Callback, Notice
from daskgraph.stopping import RESTORED, History, best_epoch, held_epoch, is_over, shown_mrr
from daskgraph.store import ModelStore
from daskgraph.store.snapshots import BEST


def at_epoch_end(progress: Mapping[str, Any]) -> bool:
    """Tell whether a progress record says that whole epochs were trained, and nothing of the next."""
    return bool(progress.get("epoch")) and not progress.get("edges")


class Keeper:
    """Keeps what `training.keep` and `evaluation.patience` ask for.

    Parameters
    ----------
    store
        The model in training; its lock is held.
    config
        Its config.
    callback
        Told when training stops early, and which epoch the model holds in the end.
    """

    def __init__(self, store: ModelStore, config: Config, callback: Callback) -> None:
        self._store, self._callback = store, callback
        self._count = config.training.keep
        self._epochs, self._patience = config.training.epochs, config.evaluation.patience

    def is_over(self, history: History) -> bool:
        """Tell whether training ends with the last epoch of this history, though others were asked for."""
        return is_over(history, self._epochs, self._patience)

    def needs_commit(self, history: History) -> bool:
        """Tell whether an epoch's end is to be committed at once, since it may be kept."""
        return self._count > 0 or (self._patience > 0 and "evaluation" in history[-1])

    def keep(self) -> None:
        """Keep the last commit, if it stands at the end of an epoch; a second time changes nothing.

        So it is called at the beginning too: whoever died between commit and snapshot had no time for it.
        """
        if not self._count and not self._patience:
            return
        progress, history = self._store.progress, self._store.history
        if not at_epoch_end(progress) or RESTORED in history[-1]:
            return
        epoch = int(progress["epoch"])
        if self._count:
            self._take(str(epoch))
            self._store.snapshots.keep_last(epoch, self._count)
        if self._patience and best_epoch(history) == epoch:
            self._take(BEST)

    def finish(self) -> dict[str, int]:
        """Make the vectors those of the best epoch; return what the summary says of it."""
        history = self._store.history
        best = best_epoch(history)
        if not self._patience or best is None:
            return {}
        if held_epoch(history) != best and not self._restore(best, history):
            return {}
        return {"best_epoch": best}

    def _take(self, name: str) -> None:
        # One of that name may be left from before the model was restored to an earlier epoch.
        if not self._store.is_kept_as(name):
            self._store.snapshots.take(name)

    def _restore(self, best: int, history: History) -> bool:
        last = history[-1]
        stopped = f"training stops after epoch {last['epoch']}: " if self.is_over(history) else ""
        mark = {"epoch": best, "epochs": self._epochs, "patience": self._patience}
        marked = [*history[:-1], {**last, RESTORED: mark}]
        if self._store.snapshots.epoch(BEST) != best:
            self._tell(f"{stopped}epoch {best} was the best, but is not kept; the model holds the last")
            return False
        try:
            self._store.restore(BEST, self._store.progress, marked)
        except DamagedStoreError as error:
            self._tell(f"{stopped}epoch {best} was the best, but the model holds the last: {error}")
            return False
        entry = next(entry for entry in history if entry["epoch"] == best)
        figure = shown_mrr(entry)
        self._tell(f"{stopped}the model holds epoch {best}, the best on the valid split ({figure})")
        return True

    def _tell(self, text: str) -> None:
        self._callback(Notice(text))
