"""Choose a regularization by short trainings of the graph itself, judged by its valid edges."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from daskgraph.api.sources import trial_path_beside
from daskgraph.config import Config, merge
from daskgraph.errors import NotAStoreError
from daskgraph.events import Callback, Event, Notice, TrainingFinished
from daskgraph.presets import Trials
from daskgraph.stopping import judged_by, judged_mrr, shown_mrr
from daskgraph.store import ModelStore


def tried(
    trials: Trials,
    config: Config,
    target: Path,
    train: Callable[[Config, Path, Callback], dict[str, Any]],
    callback: Callback,
) -> Config:
    """Return a config with the factor that foretells the valid edges best.

    Parameters
    ----------
    trials
        Which factors to try, and for how many epochs.
    config
        What all trainings have in common.
    target
        Where the model will be; those of the trials are beside it as long as they take.
    train
        From a config, a path that is free, and a callback to the summary of a training, with its evaluation.
    callback
        Is told of the trials as of any training, and what each of them found.

    Raises
    ------
    StoreLockedError
        Another process tries the same.
    """

    def partly(event: Event) -> None:
        # Who waits for the end waits for that of the model.
        if not isinstance(event, TrainingFinished):
            callback(event)

    path = trial_path_beside(target)
    found: dict[float, float] = {}
    while (factor := trials.next(found)) is not None:
        _remove(path)
        try:
            summary = train(merge(config.explicit(), trials.settings(factor)), path, partly)
        finally:
            shutil.rmtree(path, ignore_errors=True)
        entry = {**summary, **judged_by(config.negatives.corrupt)}
        found[factor] = judged_mrr(entry)
        callback(Notice(f"trial: loss.regularization = {factor:g}: valid {shown_mrr(entry)}"))
    best = trials.best(found)
    callback(Notice(f"loss.regularization = {best:g}: the best of {len(found)} trials"))
    return merge(config.explicit(), {"loss": {"regularization": best}})


def _remove(path: Path) -> None:
    """Remove what a trial that was killed left behind, unless it lives."""
    if not path.exists():
        return
    with suppress(NotAStoreError):
        store = ModelStore.open(path)
        with store.lock():
            pass
    shutil.rmtree(path)
