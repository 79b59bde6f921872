"""Train leases on the partitions that are in memory."""

from daskgraph.trainer.feed import block_edges
from daskgraph.trainer.worker import Spent, Worker

__all__ = ["Spent", "Worker", "block_edges"]
