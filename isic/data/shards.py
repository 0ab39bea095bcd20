"""What is too much for one job or one file is cut into shards: runs of classes, or of images."""

from __future__ import annotations


def shard(n: int, number: int, count: int) -> range:
    """Shard `number` of 0 … n−1 cut into `count` runs, whose lengths differ by at most one."""
    return range(n * number // count, n * (number + 1) // count)
