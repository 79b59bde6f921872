"""The script of a job, as dask-jobqueue writes it: one worker, with all that the job is lent."""

from __future__ import annotations

import math
import shlex
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from daskgraph.config import Config
from daskgraph.errors import SlurmMissingError
from daskgraph.executors.slurm.run import Run

ANYWHERE = "tls://DRIVER:PORT"
"""Stands for the driver's address in a script that is only looked at."""

DEATH_TIMEOUT = 120
"""Seconds that a job waits for its driver; imports from a shared file system are slow when many begin."""

OWN = tuple(
    f"export DASK_DISTRIBUTED__WORKER__MEMORY__{limit}=False" for limit in ("TARGET", "SPILL", "PAUSE")
)
"""Dask knows nothing of our arrays' memory: it must neither spill nor pause for it."""


PRIVATE = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")
"""A worker's pages are for nobody; without an address even what is left of them listens everywhere."""

_SWEEP = (
    'if [ -e "${left[0]}" ] && listed=$(squeue -h -u "$(id -u)" -o "+%i+"); then',
    '    for folder in "${left[@]}"; do',
    '        case "$listed" in *"+${folder##*-}+"*) ;; *) [ -O "$folder" ] && rm -rf "$folder" ;; esac',
    "    done",
    "fi",
)
"""A job that is killed outright leaves its scratch: the next one on its node removes what no job has."""

_PLACE = 'echo "job $SLURM_JOB_ID on $(hostname): $(hostname -I 2>/dev/null)"'
"""Begins every log: whoever looks for a way between nodes needs their addresses."""


def _job_class() -> Any:
    # Whoever imports it loses the handler of Ctrl-C, to one that exits without a commit.
    handler = signal.getsignal(signal.SIGINT)
    try:
        from dask_jobqueue.slurm import SLURMJob
    except ImportError:
        raise SlurmMissingError("dask-jobqueue", "pip install 'daskgraph[slurm]'") from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)
    return SLURMJob


def job_script(config: Config, run: Run, address: str = ANYWHERE) -> str:
    """Return the script of every job of a run.

    Parameters
    ----------
    config
        Its `[cluster]` says what a job is lent.
    run
        Names job and files.
    address
        Where the driver listens.

    Raises
    ------
    SlurmMissingError
        dask-jobqueue is not installed.
    """
    cluster = config.cluster
    # Every argument is given: what it leaves out is taken from files that a site or user may have.
    job = _job_class()(
        scheduler=address,
        # All jobs share a script, and every worker is known by its job's number.
        name="$SLURM_JOB_ID",
        job_name=run.name,
        queue=cluster.queue or None,
        account=cluster.account or None,
        walltime=walltime_text(cluster.walltime_seconds),
        cores=1,
        processes=1,
        job_cpu=cluster.cores,
        memory=f"{cluster.worker_memory_bytes}B",
        job_mem=f"{math.ceil(cluster.memory_bytes / 2**20)}M",
        job_extra_directives=[*_directives(run), *cluster.directives],
        job_directives_skip=[f"#SBATCH {option}" for option in ("-e", "-o", *cluster.skip_directives)],
        job_script_prologue=[_PLACE, *cluster.prologue, *_scratch(cluster.scratch, run), *OWN],
        log_directory=".",
        local_directory='"$DASKGRAPH_SCRATCH"',
        interface=cluster.interface or None,
        death_timeout=DEATH_TIMEOUT,
        nanny=True,
        protocol="tls://",
        python=shlex.quote(sys.executable),
        shebang="#!/usr/bin/env bash",
        worker_command="distributed.cli.dask_worker",
        worker_extra_args=[*PRIVATE, *_certificate(run.certificate)],
    )
    return str(job.job_script())


def walltime_text(seconds: float) -> str:
    """Return a walltime as SLURM reads it, in whole minutes, which is all that it counts.

    >>> walltime_text(2 * 86400 + 90)
    '2-00:02:00'
    """
    minutes = math.ceil(seconds / 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    return f"{days}-{hours:02}:{minutes:02}:00" if days else f"{hours:02}:{minutes:02}:00"


def certificate_files(folder: Path) -> tuple[Path, Path]:
    """Return where certificate and key of a run are."""
    return folder / "certificate.pem", folder / "key.pem"


def _directives(run: Run) -> list[str]:
    # SLURM would start a lost job again under its old name, while another one has taken its place.
    log = str(run.log("%j")).replace('"', '\\"')
    return ["--no-requeue", f'-o "{log}"']


def _scratch(folder: str, run: Run) -> list[str]:
    return [
        f'DASKGRAPH_SCRATCH="{folder}/{run.name}-$SLURM_JOB_ID"',
        f'left=("{folder}/{run.family}"-*)',
        *_SWEEP,
        'mkdir -p -m 700 "$DASKGRAPH_SCRATCH" || exit 1',
        "trap 'rm -rf \"$DASKGRAPH_SCRATCH\"' EXIT",
    ]


def _certificate(folder: Path) -> list[str]:
    certificate, key = (shlex.quote(str(path)) for path in certificate_files(folder))
    return ["--tls-ca-file", certificate, "--tls-cert", certificate, "--tls-key", key]
