"""Carry out a training: in this process, or the same leases on many workers."""

from daskgraph.executors.choosing import check_place, train_anywhere
from daskgraph.executors.inline import train_inline

__all__ = ["check_place", "train_anywhere", "train_inline"]
