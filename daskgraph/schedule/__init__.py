"""Decide which buckets are trained next, by whom, and when work is committed. Nothing here reads a clock or a
file.
"""

from daskgraph.schedule.machine import (
    Commit,
    Committed,
    EndEpoch,
    EpochEnded,
    Finish,
    Instruction,
    Joined,
    Schedule,
    Stopping,
    Train,
    Trained,
)
from daskgraph.schedule.orders import ORDERS, count_reads
from daskgraph.schedule.progress import Bucket, Lease, Progress, Stretch, Work

__all__ = [
    "ORDERS",
    "Bucket",
    "Commit",
    "Committed",
    "EndEpoch",
    "EpochEnded",
    "Finish",
    "Instruction",
    "Joined",
    "Lease",
    "Progress",
    "Schedule",
    "Stopping",
    "Stretch",
    "Train",
    "Trained",
    "Work",
    "count_reads",
]
