"""Carry out a training, or answer a question: in this process, or the same on many workers."""

from daskgraph.executors.choosing import check_place, spread_over, train_anywhere
from daskgraph.executors.inline import train_inline

__all__ = ["check_place", "spread_over", "train_anywhere", "train_inline"]
