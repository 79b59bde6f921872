"""How much memory this process may use: the machine's, or what a container or a job of SLURM leaves it.

`distributed.system.MEMORY_LIMIT` tells nearly the same, but loads all of Dask into a training that needs
none, and knows only the topmost control group.
"""

import os
import resource
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path


def available_memory(environment: Mapping[str, str] | None = None, root: Path = Path("/")) -> int:
    """Return the least of all limits, in bytes.

    These are the machine's memory, what is set for resident memory (`RLIMIT_RSS`, which SLURM sets), the
    limits of the process's control group and those above it, and what a job of SLURM has on this node.

    Parameters
    ----------
    environment
        The environment variables; those of this process by default.
    root
        The folder with `proc` and `sys`.
    """
    variables = os.environ if environment is None else environment
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    resident = resource.getrlimit(resource.RLIMIT_RSS)[0]
    limits = [physical, resident, *_group_limits(root), *_job_limits(variables)]
    return min(limit for limit in limits if limit > 0)


def _group_limits(root: Path) -> Iterator[int]:
    """Give the limits of the control groups, of version 1 and 2, that this process is in."""
    try:
        lines = (root / "proc" / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        mounted = root / "sys" / "fs" / "cgroup"
        if "memory" in controllers.split(","):
            yield from _limits_upwards(mounted / "memory", path, "memory.limit_in_bytes")
        elif not controllers:
            yield from _limits_upwards(mounted, path, "memory.max")


def _limits_upwards(mounted: Path, path: str, name: str) -> Iterator[int]:
    # Within a container only the group at the top may be there, under a path that the host knows.
    group = mounted / path.lstrip("/")
    for folder in (group, *group.parents):
        with suppress(OSError, ValueError):  # ValueError: "max", no limit
            yield int((folder / name).read_text())
        if folder == mounted:
            return


def _job_limits(variables: Mapping[str, str]) -> Iterator[int]:
    """Give what SLURM lends this job on this node; it counts in MiB, and 0 is all there is."""
    whole, share = variables.get("SLURM_MEM_PER_NODE", ""), variables.get("SLURM_MEM_PER_CPU", "")
    if whole.isdigit():
        yield int(whole) << 20
    cores = variables.get("SLURM_CPUS_ON_NODE", "")
    if share.isdigit() and cores.isdigit():
        yield int(share) * int(cores) << 20
