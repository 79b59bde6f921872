"""Trainings and questions whose workers are jobs of SLURM."""

from daskgraph.executors.slurm.run import Run
from daskgraph.executors.slurm.script import job_script
from daskgraph.executors.slurm.starting import asking_client, cancel, check, training_client

__all__ = ["Run", "asking_client", "cancel", "check", "job_script", "training_client"]
