"""What a training will take, before it runs: partitions, memory, disk, swaps, time. Arithmetic alone.

A worker holds `training.buffer` partitions of every partitioned type, and one more that is on its way from or
to the disk; types without partitions are whole in memory. Vectors may take half of `training.memory`, and all
together no more than the whole.
"""

from daskgraph.planning.choosing import choose, choose_buffer
from daskgraph.planning.memory import IDLE_BYTES, Choice, Memory, Sizes, Table, memory_of
from daskgraph.planning.plans import Plan, Rates, Rounds, beta_reads, expected_pairs, make_plan

__all__ = [
    "IDLE_BYTES",
    "Choice",
    "Memory",
    "Plan",
    "Rates",
    "Rounds",
    "Sizes",
    "Table",
    "beta_reads",
    "choose",
    "choose_buffer",
    "expected_pairs",
    "make_plan",
    "memory_of",
]
