"""Train the edges of a bucket on the partitions that are in memory."""

from daskgraph.trainer.trainer import Trained, Trainer

__all__ = ["Trained", "Trainer"]
