"""
Where do timings go while the clock runs?

Into arrays that were allocated before: nothing is created on the way that could make a call look slow.
"""

from array import array
from collections.abc import Sequence

CAPACITY = 1_000_000
"""Calls that one slice can hold; 17 MB. A slice that fills it ends, and says so by its length."""


class Recorder:
    """
    The calls of one or more slices: begin (offset from `origin_ns`), latency, outcome.

    `origin_ns` is the clock when the first slice after `clear` started.
    """

    __slots__ = ("begin_ns", "capacity", "latency_ns", "length", "origin_ns", "outcome")

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self.begin_ns = array("q", bytes(8 * capacity))
        self.latency_ns = array("q", bytes(8 * capacity))
        self.outcome = array("b", bytes(capacity))
        self.length = 0
        self.origin_ns: int | None = None

    def copy(self) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
        """Begins, latencies and outcomes recorded since the last `clear`, in arrays of their own."""
        n = self.length
        return self.begin_ns[:n], self.latency_ns[:n], self.outcome[:n]

    def clear(self) -> None:
        """Forget what was recorded; the memory stays."""
        self.length = 0
        self.origin_ns = None
