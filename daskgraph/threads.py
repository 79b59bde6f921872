"""How many threads work, and how other libraries are kept from adding their own."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


def available_threads(chosen: int, environment: Mapping[str, str] | None = None) -> int:
    """Return the number of threads to work with: the chosen one, or as many as this process may use.

    Parameters
    ----------
    chosen
        `training.threads`; 0 leaves the choice to the CPU affinity and to SLURM_CPUS_PER_TASK.
    environment
        The environment variables; those of this process by default.
    """
    if chosen:
        return chosen
    variables = os.environ if environment is None else environment
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    lent = variables.get("SLURM_CPUS_PER_TASK", "")
    return min(affinity, int(lent)) if lent.isdigit() and int(lent) > 0 else affinity


@contextmanager
def single_threaded_products() -> Iterator[None]:
    """Hold BLAS to one thread, where several of ours call it."""
    import scipy.linalg.cython_blas  # noqa: F401  (a BLAS that is loaded later would not be held)
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield
