"""
What will be measured, for how long, and in which order?

One plan, two uses: `run.measure` executes it, `run.dry_run` returns it to be printed.
"""

import random
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from devperf_pipeline.measure.profile import Profile, profile_named
from devperf_pipeline.measure.steps import BenchmarkStep, InFlightStep, Measurable, SweepStep
from devperf_pipeline.measure.tools.steps import ToolPlan
from devperf_pipeline.model import Benchmark, Instrument, Load, Service, Stack, Stage
from devperf_pipeline.services.operation import Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """
    What is to be measured and how: services (all of the stack if none are named), profile, seed of the order.

    `stages` says what is done, with which of these services (all of them if none are named there).
    """

    profile: Profile
    services: tuple[str, ...] = ()
    stages: Mapping[Stage, tuple[str, ...]] = field(default_factory=lambda: {"samples": ()})
    seed: int = field(default_factory=lambda: secrets.randbelow(2**31))

    def wanted(self, stack: Stack) -> list[Service]:
        """The services that are to be measured."""
        return [one for one in stack.services if not self.services or one.name in self.services]

    def chosen(self, stage: Stage, measurable: Sequence[Measurable]) -> list[Measurable]:
        """The services that a stage is about."""
        named = self.stages.get(stage)
        return [one for one in measurable if named is not None and (not named or one.service.name in named)]


def options_of(profile: str, stages: Mapping[Stage, tuple[str, ...]], seconds: float) -> RunOptions:
    """
    The options that these words say; raises a `ConfigurationError` where there is no such profile.

    `stages` says what is done with which services, `seconds` how long each round lasts, all else in proportion
    (0: as the profile says).
    """
    found = profile_named(profile)
    return RunOptions(
        profile=found.scaled(seconds) if seconds else found,
        services=tuple(dict.fromkeys(service for those in stages.values() for service in those)),
        stages={stage: those for stage, those in stages.items() if those},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    Every step of a run, stage by stage, and the profile as it fits so many benchmarks.

    `objects` are those that the sessions create and remove, by service; the tools' are in their plans.
    `asked_s` is what it took to ask everything that the plan is made of.
    `problems` says why a service is not measured. Each one that is has an entry in `unmeasurable`: which of its rows
    are not measured, or not all that could be measured of them, and why.
    """

    profile: Profile
    seed: int
    stages: Sequence[Stage]
    services: Sequence[str]
    samples: Sequence[BenchmarkStep] = ()
    in_flight: Sequence[InFlightStep] = ()
    sweeps: Sequence[SweepStep] = ()
    tools: Sequence[ToolPlan] = ()
    titles: Mapping[str, str] = field(default_factory=dict[str, str])
    explained: Mapping[str, str] = field(default_factory=dict[str, str])
    objects: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    asked_s: float = 0.0
    problems: Mapping[str, str] = field(default_factory=dict[str, str])
    unmeasurable: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])


def benchmarks(service: str, operations: Sequence[Operation]) -> Iterator[tuple[Benchmark, Operation]]:
    """
    The benchmarks of one service.

    The engine measures each operation with one user and with its own user counts; the driver with one, because
    threads of one Python process would measure the interpreter's lock.
    """
    for operation in operations:
        users = (1, *operation.users) if operation.wire is not None else ()
        of: list[tuple[int, Instrument]] = [(each, "engine") for each in users]
        if operation.driver is not None:
            of.append((1, "driver"))
        for each, instrument in of:
            yield Benchmark(service, operation.name, Load(each), instrument), operation


def in_order(steps: Sequence[BenchmarkStep], seed: int, number: int) -> list[BenchmarkStep]:
    """
    The order of one round: every benchmark of every service once, shuffled each time, the same for the same seed.

    Interleaving over the whole run keeps a slow minute of the machine from falling on one benchmark alone.
    """
    shuffled = sorted(steps, key=lambda step: step.benchmark.id)
    random.Random(f"{seed}/{number}").shuffle(shuffled)  # noqa: S311 - an order that can be repeated, not a secret
    return [step for step in shuffled if number <= step.rounds]
