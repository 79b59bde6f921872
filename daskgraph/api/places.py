"""Where a model's questions are answered: in this process, or by the workers of a cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from daskgraph.api.training import Given, check_fixed, given_keys
from daskgraph.config import Config, merge, merge_stored
from daskgraph.events import Callback, ignore
from daskgraph.executors import spread_over
from daskgraph.spreading import Spread
from daskgraph.store import ModelStore


@contextmanager
def place(
    store: ModelStore, config: Given, client: Any, callback: Callback | None = None
) -> Iterator[Spread | None]:
    """Give those who answer; None: this process.

    Parameters
    ----------
    store
        The model.
    config
        Its `[cluster]` says who, and `[training]` with how many threads; those that make a model can only be
        what they are in the model.
    client
        A `distributed.Client`, whose workers answer.
    callback
        Told what becomes of jobs of SLURM.

    Raises
    ------
    FixedKeyError
        Another key is given that the model has not.
    ConfigValueError
        The cluster can not be reached.
    SlurmMissingError, SlurmCommandError, SubmissionRefusedError
        Jobs can not be submitted here, or SLURM would refuse them.
    """
    with spread_over(_asked(store, config), store.path, callback or ignore, client) as spread:
        yield spread


def _asked(store: ModelStore, given: Given) -> Config:
    """Return the model's config with what is given now; where it was trained does not count."""
    stored = {name: keys for name, keys in store.config.items() if name != "cluster"}
    base = merge_stored(stored, {}, store.path)
    config = merge(base.explicit(), given_keys(given))
    check_fixed(base, config)
    return config
