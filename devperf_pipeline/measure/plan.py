"""
What will be measured, for how long, and in which order?
"""

import difflib
import random
from collections.abc import Sequence
from dataclasses import dataclass

from devperf_pipeline.errors import ConfigurationError
from devperf_pipeline.model import Benchmark, Instrument, Load
from devperf_pipeline.services.operation import Operation, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """
    How long is measured: `rounds` slices of `seconds` for each benchmark, after at most `warmup_s`.
    """

    name: str
    rounds: int
    seconds: float
    warmup_s: float
    about: str


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            name="quick",
            rounds=5,
            seconds=0.15,
            warmup_s=0.4,
            about="0.75 s a benchmark: a first look within minutes",
        ),
        Profile(name="standard", rounds=5, seconds=2.0, warmup_s=2.0, about="10 s a benchmark: firm p99"),
        Profile(
            name="full",
            rounds=5,
            seconds=12.0,
            warmup_s=10.0,
            about="60 s a benchmark, as the published baseline",
        ),
    )
}


def profile_named(name: str) -> Profile:
    """
    The profile of that name.

    Raises:
        ConfigurationError: there is none; the message names those that exist.

    """
    if name in PROFILES:
        return PROFILES[name]
    near = difflib.get_close_matches(name, PROFILES, n=1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    known = "; ".join(f"{p.name} ({p.about})" for p in PROFILES.values())
    raise ConfigurationError(f"PROFILE expects one of: {known}. Found {name!r}.{meant}")


@dataclass(frozen=True, slots=True)
class Item:
    """
    A benchmark of the plan, with what is needed to run it.
    """

    benchmark: Benchmark
    operation: Operation
    session: Session


def items(service: str, session: Session) -> list[Item]:
    """
    The benchmarks of one service.

    The engine measures each operation with one user and with its own user counts; the driver with one, because
    threads of one Python process would measure the interpreter's lock.
    """
    planned: list[Item] = []

    def add(operation: Operation, users: int, instrument: Instrument) -> None:
        planned.append(Item(Benchmark(service, operation.name, Load(users), instrument), operation, session))

    for operation in session.operations():
        if operation.wire is not None:
            for users in (1, *operation.users):
                add(operation, users, "engine")
        if operation.driver is not None:
            add(operation, 1, "driver")
    return planned


def in_order(planned: Sequence[Item], seed: int, number: int) -> list[Item]:
    """
    The order of one round: every benchmark of every service once, shuffled anew, the same for the same seed.

    Interleaving over the whole sitting keeps a slow minute of the machine from falling on one benchmark alone.
    """
    shuffled = sorted(planned, key=lambda item: item.benchmark.id)
    random.Random(f"{seed}/{number}").shuffle(shuffled)  # noqa: S311 - an order that can be repeated, not a secret
    return shuffled
