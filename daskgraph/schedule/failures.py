"""Who failed on what: when a bucket is given up, and when a worker is."""

from collections import Counter
from collections.abc import Collection, Iterable

from daskgraph.schedule.progress import Bucket

ATTEMPTS = 3
"""So many leases may fail on a bucket, or in a row on a worker."""


class Failures:
    """What failed since it last went well."""

    def __init__(self) -> None:
        self._buckets: dict[Bucket, list[str]] = {}
        self._workers: Counter[str] = Counter()

    def add(self, worker: str, buckets: Iterable[Bucket]) -> None:
        """Know that a worker failed on these buckets."""
        self._workers[worker] += 1
        for bucket in buckets:
            self._buckets.setdefault(bucket, []).append(worker)

    def forget(self, worker: str, buckets: Iterable[Bucket]) -> None:
        """Know that a worker has committed these buckets."""
        del self._workers[worker]
        for bucket in buckets:
            self._buckets.pop(bucket, None)

    def distrusts(self, worker: str) -> bool:
        """Tell whether a worker failed too often since its last commit."""
        return self._workers[worker] >= ATTEMPTS

    def is_hopeless(self, buckets: Iterable[Bucket], workers: Collection[str]) -> bool:
        """Tell whether one of these buckets failed often enough, on several workers or all there are.

        Parameters
        ----------
        buckets
            What failed just now.
        workers
            Who could try next.
        """
        tried = [self._buckets[bucket] for bucket in buckets if len(self._buckets[bucket]) >= ATTEMPTS]
        return any(len(set(by)) >= ATTEMPTS or set(by) >= set(workers) for by in tried)
