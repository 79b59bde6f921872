"""Where a training runs: in this process, in others of this machine, or on a Dask cluster that runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daskgraph.config import Config
from daskgraph.errors import ConfigValueError
from daskgraph.events import Callback, Notice
from daskgraph.executors.inline import train_inline
from daskgraph.executors.recording import Evaluate
from daskgraph.model import Model
from daskgraph.schedule import share
from daskgraph.sizes import choose_held, choose_sweeps, reads_ahead, worker_config
from daskgraph.spreading import Spread
from daskgraph.store import GraphStore, ModelStore
from daskgraph.threads import available_threads

if TYPE_CHECKING:
    from distributed import Client


def train_anywhere(
    store: ModelStore,
    graph: GraphStore,
    model: Model,
    callback: Callback,
    evaluate: Evaluate | None = None,
    client: Client | None = None,
) -> dict[str, Any]:
    """Train where `[cluster]` says, or on the cluster of a client; otherwise as `train_inline`.

    Raises
    ------
    ConfigValueError
        The cluster can not be reached, or the graph has too few partitions for workers to share.
    """
    cluster = model.config.cluster
    if client is None and cluster.alone:
        return train_inline(store, graph, model, callback, evaluate)
    from daskgraph.executors.cluster import train_on_cluster
    from daskgraph.executors.members import Limits

    own = worker_config(model.config, available_threads(0)) if client is None else model.config
    if client is None:
        check_partitions(model.schema.partitions, cluster.started, callback)
    threads = available_threads(own.training.threads)
    edges, workers = graph.splits["train"], cluster.started
    buffer = choose_held(Model(own, graph.schema), edges, threads)
    partitions, ahead = graph.schema.partitions, reads_ahead(model)
    shared = share(partitions, workers, buffer, ahead=ahead)
    sweeps = choose_sweeps(model, edges, threads * workers, shared, partitions, workers=workers)
    limits = Limits(buffer, shared, ahead, sweeps, cluster.patience_seconds, own.to_dict())
    if client is None and cluster.kind == "slurm":
        from daskgraph.executors.slurm import training_client

        with training_client(model.config, store.path, callback) as (connected, crew):
            limits.crew = crew
            return train_on_cluster(connected, store, graph, model, limits, callback, evaluate)
    with _client(model.config, client) as connected:
        return train_on_cluster(connected, store, graph, model, limits, callback, evaluate)


@contextmanager
def spread_over(
    config: Config, model: Path, callback: Callback, client: Client | None = None
) -> Iterator[Spread | None]:
    """Give who answers questions to the model at a path: the workers that `[cluster]` names, or a client's.

    None: this process.

    Raises
    ------
    ConfigValueError
        The cluster can not be reached.
    SlurmMissingError, SlurmCommandError, SubmissionRefusedError
        As of `check_place`.
    """
    cluster = config.cluster
    if client is None and cluster.alone:
        yield None
        return
    from daskgraph.executors.spreading import ClusterSpread

    own = worker_config(config, available_threads(0)) if client is None else config
    patience, threads = cluster.patience_seconds, own.training.threads
    if client is None and cluster.kind == "slurm":
        from daskgraph.executors.slurm import asking_client

        check_place(config, model, callback)
        with asking_client(config, model, callback) as (connected, crew):
            yield ClusterSpread(connected, patience, threads, crew.awaits, cluster.workers)
        return
    with _client(config, client) as connected:
        yield ClusterSpread(connected, patience, threads)


def check_place(config: Config, path: Path, callback: Callback) -> None:
    """Refuse, before anything is done for the model at a path, a place where it can not be trained.

    Raises
    ------
    SlurmMissingError, SlurmCommandError, SubmissionRefusedError, ConfigValueError
        Jobs can not be submitted here, or SLURM would refuse them.
    """
    if config.cluster.kind == "slurm":
        from daskgraph.executors.slurm import check

        check(config, path, callback)


def check_partitions(partitions: int, workers: int, callback: Callback) -> None:
    """Refuse partitions that several workers can not share, and tell of too few.

    Raises
    ------
    ConfigValueError
        Every lease would need all partitions.
    """
    if workers > 1 and partitions < 4:
        allowed = (
            f"needs a graph of 4 partitions or more, better {4 * workers}, and this one has {partitions}"
        )
        way_on = f"import it again with -s graph.partitions={4 * workers}"
        raise ConfigValueError("cluster.workers", workers, f"{allowed}; {way_on}")
    if partitions < 4 * workers:
        idle = f"{partitions} partitions keep at most {max(1, partitions // 4)} workers busy"
        callback(Notice(f"{idle}; {4 * workers} would keep {workers}"))


@contextmanager
def _client(config: Config, given: Client | None) -> Iterator[Client]:
    """Give a client: the given one, or one to the cluster that is named, or one to a new local cluster."""
    if given is not None:
        yield given
    elif config.cluster.kind == "local":
        from daskgraph.executors.local_cluster import local_client

        with local_client(config.cluster.workers) as client:
            yield client
    else:
        with _connected(config.cluster.address) as client:
            yield client


def _connected(address: str) -> Client:
    from distributed import Client

    if address.endswith(".json") and not Path(address).exists():
        # Dask would wait for it for ever.
        allowed = "should be the scheduler file of a Dask cluster that runs, and there is no such file"
        raise ConfigValueError("cluster.address", address, f"{allowed}; --cluster local trains here")
    try:
        if address.endswith(".json"):
            return Client(scheduler_file=address)
        return Client(address)
    except (OSError, ValueError) as error:
        allowed = f"should be the address or scheduler file of a Dask cluster that runs ({error})"
        raise ConfigValueError("cluster.address", address, allowed) from error
