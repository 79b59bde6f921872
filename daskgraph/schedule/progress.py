"""How far a training is, as it is committed with every change: whole buckets, and parts of others.

An epoch has one or more sweeps. In each all partitions meet once, and train a part of their buckets' edges.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Bucket = tuple[int, int]


class Stretch(NamedTuple):
    """A bucket, and how much of it is trained."""

    bucket: Bucket
    """Partition of the heads, partition of the tails."""

    blocks: int
    """Blocks of its edges that are trained, in the epoch's order; `Progress.block` edges each, or less."""

    finished: bool = False
    """Whether that is all of them."""


@dataclass(frozen=True)
class Lease:
    """A set of partitions, and the buckets to train while they are held."""

    number: int
    """Tells it from all others of this run."""

    epoch: int
    """Epochs finished before it."""

    partitions: tuple[int, ...]
    """The partitions, ascending."""

    stretches: tuple[Stretch, ...]
    """Buckets in the order in which they are trained, with what is trained of them already."""

    kept: tuple[int, ...] = ()
    """Those of the partitions that are in the worker's memory as they are; the others are read."""

    sweep: int = 0
    """Sweeps of the epoch before it."""

    sweeps: int = 1
    """Sweeps of the epoch: of every bucket one part in so many is trained."""


@dataclass(frozen=True)
class Work:
    """What a stretch of training came to."""

    stretches: Mapping[Bucket, Stretch] = field(default_factory=dict)
    """Every bucket that was trained, as far as it is now."""

    edges: int = 0
    """Edges trained."""

    loss: float = 0.0
    """Their summed loss."""

    seconds: float = 0.0
    """Time spent on them."""

    def __add__(self, later: "Work") -> "Work":
        return Work(
            {**self.stretches, **later.stretches},
            self.edges + later.edges,
            self.loss + later.loss,
            self.seconds + later.seconds,
        )


@dataclass(frozen=True)
class Progress:
    """How far a training is."""

    epoch: int
    """Epochs that are finished."""

    buckets: npt.NDArray[np.bool_]
    """Buckets whose part of the running sweep is trained, (P, P)."""

    partial: Mapping[Bucket, int] = field(default_factory=dict)
    """Buckets that are trained in part, with their trained blocks."""

    block: int = 0
    """Edges of a block; 0 as long as none is counted."""

    held: tuple[int, ...] = ()
    """Partitions that were in memory when the sweep began: its order begins with them."""

    edges: int = 0
    """Edges of the running epoch that are trained."""

    loss: float = 0.0
    """Their summed loss."""

    seconds: float = 0.0
    """Time spent on them."""

    sweep: int = 0
    """Sweeps of the running epoch that are finished."""

    sweeps: int = 1
    """Sweeps of the running epoch."""

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any], partitions: int) -> "Progress":
        """Return what `to_dict` wrote; the beginning where nothing was."""
        bits = np.frombuffer(bytes.fromhex(stored.get("buckets", "")), np.uint8)
        buckets = np.zeros(partitions * partitions, np.bool_)
        found = np.unpackbits(bits, count=min(len(buckets), 8 * len(bits))).astype(np.bool_)
        buckets[: len(found)] = found
        return cls(
            epoch=int(stored.get("epoch", 0)),
            buckets=buckets.reshape(partitions, partitions),
            partial={(int(i), int(j)): int(blocks) for i, j, blocks in stored.get("partial", ())},
            block=int(stored.get("block", 0)),
            held=tuple(int(partition) for partition in stored.get("held", ())),
            sweep=int(stored.get("sweep", 0)),
            sweeps=int(stored.get("sweeps", 1)),
            edges=int(stored.get("edges", 0)),
            loss=float(stored.get("loss", 0.0)),
            seconds=float(stored.get("seconds", 0.0)),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain data; the bitmap of buckets as hexadecimal digits, row by row."""
        return {
            "epoch": self.epoch,
            "buckets": np.packbits(self.buckets.reshape(-1)).tobytes().hex(),
            "partial": [[*bucket, blocks] for bucket, blocks in sorted(self.partial.items())],
            "block": self.block,
            "held": list(self.held),
            "sweep": self.sweep,
            "sweeps": self.sweeps,
            "edges": self.edges,
            "loss": self.loss,
            "seconds": self.seconds,
        }

    def after(self, work: Work) -> "Progress":
        """Return the progress when this work is added to it."""
        buckets, partial = self.buckets.copy(), dict(self.partial)
        for bucket, stretch in work.stretches.items():
            partial.pop(bucket, None)
            if stretch.finished:
                buckets[bucket] = True
            elif stretch.blocks:
                partial[bucket] = stretch.blocks
        return replace(
            self,
            buckets=buckets,
            partial=partial,
            edges=self.edges + work.edges,
            loss=self.loss + work.loss,
            seconds=self.seconds + work.seconds,
        )

    @property
    def between_epochs(self) -> bool:
        """Whether nothing of the running epoch is trained."""
        return not (self.sweep or self.partial or self.buckets.any())

    def next_sweep(self, held: tuple[int, ...]) -> "Progress":
        """Return the beginning of the next sweep of this epoch."""
        nothing = np.zeros_like(self.buckets)
        return replace(self, buckets=nothing, partial={}, held=held, sweep=self.sweep + 1)

    def next_epoch(self, held: tuple[int, ...], sweeps: int = 1) -> "Progress":
        """Return the beginning of the next epoch."""
        nothing = np.zeros_like(self.buckets)
        return Progress(self.epoch + 1, nothing, block=self.block, held=held, sweeps=sweeps)
