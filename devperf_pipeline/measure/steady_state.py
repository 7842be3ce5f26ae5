"""
When is a warm-up over? When the data says so.

Caches fill, plans settle, a just-in-time compiler finishes: until then calls get faster.
The rule looks at medians of blocks of calls: three in a row within 5 % of each other, the last not the fastest of a
falling row. It is the rule that steady-state work on virtual machines uses in longer forms (Barrett et al. 2017),
cut down to what decides within a second.
"""

from collections.abc import Sequence
from statistics import median

BLOCK_CALLS = 200
BLOCK_S = 0.03
BLOCKS = 3
WITHIN = 1.05


class Steadiness:
    """Told the latencies of block after block, knows whether the last three agree."""

    def __init__(self) -> None:
        self._medians: list[float] = []

    def add(self, latencies_ns: Sequence[int]) -> bool:
        """Add a block; True when the warm-up is over."""
        if len(latencies_ns):
            self._medians.append(median(latencies_ns))
        return self.reached

    @property
    def reached(self) -> bool:
        """Whether the last three blocks agree and do not still fall."""
        last = self._medians[-BLOCKS:]
        if len(last) < BLOCKS:
            return False
        falling = last[0] > last[1] > last[2] and last[0] > last[2] * 1.01
        return max(last) <= WITHIN * min(last) and not falling
