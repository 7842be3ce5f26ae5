"""What are the assets of a stack called, and by what are versions of them told apart?"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

import dagster as dg

from devperf_pipeline.model import Stack, Stage
from devperf_pipeline.services import CATALOGUE

STAGES: tuple[Stage, ...] = get_args(Stage)


def identifier(name: str) -> str:
    """A name as Dagster takes it for jobs, groups and steps: letters, digits and _."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def digest(text: str) -> str:
    """A short name of what a text says: another text has another one."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Keys:
    """The assets of one stack's graph: `<stack>/<stage>/<service>`, and what there is once a stack."""

    stack: Stack

    @property
    def prefix(self) -> str:
        """What the names of this stack's job, steps, groups, schedule and sensor begin with."""
        return identifier(self.stack.name)

    @property
    def job(self) -> str:
        return f"{self.prefix}_baseline"

    @property
    def step(self) -> str:
        """The step that measures."""
        return f"{self.prefix}_measure"

    @property
    def infrastructure(self) -> dg.AssetKey:
        return dg.AssetKey([self.stack.name, "infrastructure"])

    @property
    def baseline(self) -> dg.AssetKey:
        return dg.AssetKey([self.stack.name, "baseline"])

    @property
    def comparison(self) -> dg.AssetKey:
        return dg.AssetKey([self.stack.name, "comparison"])

    @property
    def findings(self) -> dg.AssetKey:
        return dg.AssetKey([self.stack.name, "findings"])

    @property
    def report(self) -> dg.AssetKey:
        return dg.AssetKey([self.stack.name, "report"])

    def percentiles(self, service: str) -> dg.AssetKey:
        return dg.AssetKey([self.stack.name, "percentiles", service])

    def made(self, stage: Stage, service: str) -> dg.AssetKey:
        """What one stage of a run makes of one service."""
        return dg.AssetKey([self.stack.name, stage, service])

    def services(self, stage: Stage) -> list[str]:
        """The services of the stack that a stage of a run is about."""
        return [
            service.name
            for service in self.stack.services
            if stage in {"samples", "resources"}
            or (stage == "load_tests" and CATALOGUE[service.kind].load_tested)
            or (stage == "tools" and CATALOGUE[service.kind].tools)
        ]

    def steps(self) -> list[tuple[Stage, str]]:
        """Every stage of a run with every service that it is about."""
        return [(stage, service) for stage in STAGES for service in self.services(stage)]

    def all_made(self) -> list[dg.AssetKey]:
        """What all stages make of all services."""
        return [self.made(stage, service) for stage, service in self.steps()]

    def derived(self) -> list[dg.AssetKey]:
        """What follows from a baseline, whichever services it measured."""
        of_services = [self.percentiles(service.name) for service in self.stack.services]
        return [*of_services, self.comparison, self.findings, self.report]

    def selection(self, services: Iterable[str]) -> list[dg.AssetKey]:
        """What a baseline of these services makes: all stages of them, the baseline, and all that follows from it."""
        wanted = set(services)
        staged = [self.made(stage, name) for stage, name in self.steps() if name in wanted]
        return [self.infrastructure, *staged, self.baseline, *self.derived()]
