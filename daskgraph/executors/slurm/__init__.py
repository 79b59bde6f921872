"""Trainings whose workers are jobs of SLURM."""

from daskgraph.executors.slurm.run import Run
from daskgraph.executors.slurm.script import job_script
from daskgraph.executors.slurm.starting import cancel, check, slurm_client

__all__ = ["Run", "cancel", "check", "job_script", "slurm_client"]
