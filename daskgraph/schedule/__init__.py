"""Decide which buckets are trained next, by whom, and when work is committed. Nothing here reads a clock or a
file.
"""

from daskgraph.schedule.greedy import share
from daskgraph.schedule.machine import Schedule
from daskgraph.schedule.messages import (
    Abort,
    Commit,
    Committed,
    Dismiss,
    EndEpoch,
    EpochEnded,
    Event,
    Failed,
    Finish,
    Instruction,
    Joined,
    Leaving,
    Left,
    Stopping,
    Train,
    Trained,
)
from daskgraph.schedule.orders import ORDERS, count_reads
from daskgraph.schedule.progress import Bucket, Lease, Progress, Stretch, Work

__all__ = [
    "ORDERS",
    "Abort",
    "Bucket",
    "Commit",
    "Committed",
    "Dismiss",
    "EndEpoch",
    "EpochEnded",
    "Event",
    "Failed",
    "Finish",
    "Instruction",
    "Joined",
    "Lease",
    "Leaving",
    "Left",
    "Progress",
    "Schedule",
    "Stopping",
    "Stretch",
    "Train",
    "Trained",
    "Work",
    "count_reads",
    "share",
]
