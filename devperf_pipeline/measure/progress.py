"""How far is the run, and how long to go?"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from devperf_pipeline.model import Round

LONGEST_PROBLEM = 60
"""So much of what is wrong fits on a terminal's line; the report has all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One round of one benchmark is done: which, how many of how many, and seconds to go if the rest takes as long."""

    benchmark: str
    round_number: int
    rounds: int
    done: int
    of: int
    left_s: float
    problem: str | None

    def __str__(self) -> str:
        left = spoken(self.left_s)
        said = self.problem.splitlines()[0] if self.problem else ""
        trouble = (
            f"  ({said if len(said) <= LONGEST_PROBLEM else said[: LONGEST_PROBLEM - 1] + '…'})"
            if said
            else ""
        )
        return (
            f"{100 * self.done // self.of:3} %  round {self.round_number} of {self.rounds}  {left:>12} to go"
            f"  {self.benchmark}{trouble}"
        )


def spoken(seconds: float) -> str:
    """A time as people say it: "5 min 02 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


class Watch:
    """Counts rounds and estimates what is left from the pace so far."""

    def __init__(
        self,
        *,
        rounds: int,
        of: int,
        tell: Callable[[Progress], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rounds, self._of, self._tell, self._clock = rounds, of, tell, clock
        self._began = clock()
        self._done = 0

    def round_done(self, measured: Round) -> None:
        """Tell that one more round is done."""
        self._done += 1
        spent = self._clock() - self._began
        self._tell(
            Progress(
                benchmark=measured.benchmark.id,
                round_number=measured.number,
                rounds=self._rounds,
                done=self._done,
                of=self._of,
                left_s=spent / self._done * (self._of - self._done),
                problem=measured.problem,
            )
        )

    def dropped(self, count: int) -> None:
        """So many rounds will not be measured after all."""
        self._of = max(self._done, self._of - count)
