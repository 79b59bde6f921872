"""Carry out a training: here in this process; elsewhere the same leases on many workers."""

from daskgraph.executors.inline import train_inline

__all__ = ["train_inline"]
