"""Train leases on the partitions that are in memory."""

from daskgraph.trainer.worker import Spent, Worker

__all__ = ["Spent", "Worker"]
