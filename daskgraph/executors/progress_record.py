"""The progress of a model as it is committed with every change: which epoch, which of its buckets are
trained.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass
class ProgressRecord:
    """How far a training is."""

    epoch: int
    """Epochs that are finished."""

    buckets: npt.NDArray[np.bool_]
    """Buckets of the running epoch that are trained, (P, P)."""

    edges: int = 0
    """Edges of the running epoch that are trained."""

    loss: float = 0.0
    """Their summed loss."""

    seconds: float = 0.0
    """Time spent on them."""

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any], partitions: int) -> "ProgressRecord":
        """Return what `to_dict` wrote; the beginning where nothing was."""
        bits = np.frombuffer(bytes.fromhex(stored.get("buckets", "")), np.uint8)
        buckets = np.zeros(partitions * partitions, np.bool_)
        found = np.unpackbits(bits, count=min(len(buckets), 8 * len(bits))).astype(np.bool_)
        buckets[: len(found)] = found
        return cls(
            int(stored.get("epoch", 0)),
            buckets.reshape(partitions, partitions),
            int(stored.get("edges", 0)),
            float(stored.get("loss", 0.0)),
            float(stored.get("seconds", 0.0)),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain data; the bitmap of buckets as hexadecimal digits, row by row."""
        return {
            "epoch": self.epoch,
            "buckets": np.packbits(self.buckets.reshape(-1)).tobytes().hex(),
            "edges": self.edges,
            "loss": self.loss,
            "seconds": self.seconds,
        }

    def finish_epoch(self) -> None:
        """Go on to the next epoch."""
        self.epoch += 1
        self.buckets[:] = False
        self.edges, self.loss, self.seconds = 0, 0.0, 0.0
