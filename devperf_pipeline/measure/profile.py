"""How long is measured: quick, standard, full?"""

import difflib
import math
from dataclasses import dataclass, replace

from devperf_pipeline.errors import ConfigurationError
from devperf_pipeline.model import Benchmark

SHORTEST_S = 0.05
"""A shorter round would be mostly the first, slow calls."""

WARMING_S = 0.2
"""What the first warm-up of a benchmark takes, on average."""

OVERRUN = 1.2
"""So many times what it should take a part of a run takes at most; what is then left of it is left out."""

GRACE_S = 30.0
"""So much longer it may take in any case: of a short part a busy moment is a large share."""

BETWEEN_S = 0.1
"""What a round takes beside its measured window: data made ready, a short warm-up, writing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """
    `rounds` windows of `seconds` for each benchmark, after a warm-up of at most `warmup_s`.

    Drivers get `driver_rounds`, where that says fewer. Where there is a `budget_s`, `seconds` is the most, and the
    rounds of a large stack are shorter: see `fitted`. A whole run is planned to take `longest_s` at most: rounds of
    services that answer slowly get what is left of it.
    A load test lasts `load_test_s` at most; the other points of its sweep of users `sweep_s`. Where there is a
    `sweeps_budget_s` for all of them together, points that do not fit into a service's share are left out.
    What everything uses is read every `reading_s` (memory at most once a second), for `idle_s` while nothing is asked.
    """

    name: str
    rounds: int
    seconds: float
    warmup_s: float
    about: str
    budget_s: float | None = None
    longest_s: float | None = None
    driver_rounds: int | None = None
    sweep_s: float = 0.3
    load_test_s: float = 1.5
    sweeps_budget_s: float | None = None
    idle_s: float = 5.0
    reading_s: float = 0.25

    def longest_of(self, expected_s: float) -> float:
        """How long a part of a run may take that was expected to take so long: for ever where nothing bounds the whole."""
        if self.longest_s is None:
            return math.inf
        return max(OVERRUN * expected_s, expected_s + GRACE_S)

    def rounds_of(self, benchmark: Benchmark) -> int:
        """How many rounds a benchmark gets: what an application feels is told by fewer than what the service does."""
        fewer = self.driver_rounds if benchmark.instrument == "driver" else None
        return self.rounds if fewer is None else min(self.rounds, fewer)

    def scaled(self, seconds: float) -> "Profile":
        """The profile with rounds of so many seconds, every other length in proportion, and no budget."""
        share = seconds / self.seconds
        idle_s = self.idle_s * share
        return replace(
            self,
            seconds=seconds,
            warmup_s=self.warmup_s * share,
            budget_s=None,
            longest_s=None,
            sweep_s=self.sweep_s * share,
            load_test_s=self.load_test_s * share,
            sweeps_budget_s=None,
            idle_s=idle_s,
            reading_s=min(self.reading_s, idle_s / 10),
        )

    def fitted(self, benchmarks: int) -> "Profile":
        """
        The profile with rounds so short that so many benchmarks are measured within the budget, but not shorter
        than `SHORTEST_S`.
        """
        if self.budget_s is None or not benchmarks:
            return self
        each = (self.budget_s / benchmarks - WARMING_S) / self.rounds - BETWEEN_S
        return replace(self, seconds=round(min(self.seconds, max(SHORTEST_S, each)), 3))


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            name="quick",
            rounds=5,
            seconds=0.2,
            warmup_s=0.3,
            budget_s=150,
            longest_s=380,
            driver_rounds=3,
            sweeps_budget_s=40,
            about="a whole stack within eight minutes, at most 1 s a benchmark",
        ),
        Profile(
            name="standard",
            rounds=5,
            seconds=2.0,
            warmup_s=2.0,
            sweep_s=3.0,
            load_test_s=20.0,
            idle_s=20.0,
            reading_s=1.0,
            about="10 s a benchmark: firm p99",
        ),
        Profile(
            name="full",
            rounds=5,
            seconds=12.0,
            warmup_s=10.0,
            sweep_s=10.0,
            load_test_s=60.0,
            idle_s=60.0,
            reading_s=1.0,
            about="60 s a benchmark, as the published baseline",
        ),
    )
}


def profile_named(name: str) -> Profile:
    """The profile of that name; where there is none, the `ConfigurationError` names those that exist."""
    if name in PROFILES:
        return PROFILES[name]
    near = difflib.get_close_matches(name, PROFILES, n=1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    known = "; ".join(f"{p.name} ({p.about})" for p in PROFILES.values())
    raise ConfigurationError(f"PROFILE expects one of: {known}. Found {name!r}.{meant}")
