"""
How long does a run take, part by part?

Told by a dry run and when a run begins, kept with the baseline, and compared with what it took when it ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from devperf_pipeline.measure import in_flight, resources
from devperf_pipeline.measure.pacing import rounds_s
from devperf_pipeline.measure.plan import Plan
from devperf_pipeline.measure.progress import spoken
from devperf_pipeline.measure.steps import together

PREPARE_S = 1.0
"""What a service takes to have our objects made, beside what was asked of it."""

CLEAN_S = 0.5
"""What a service takes to have them removed."""

TABLES_S = 20.0
"""What is done with samples when the last call has ended: they become one file, tables and the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Seconds of each part of a run, in order. The last two come when everything is measured."""

    parts: Mapping[str, float]

    @property
    def measuring_s(self) -> float:
        """From the first question until everything is measured."""
        return self.whole_s - self.parts[CLEANING] - self.parts[TABLES]

    @property
    def whole_s(self) -> float:
        """Until the report is there."""
        return sum(self.parts.values())

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {spoken(took_s)}" for name, took_s in self.parts.items() if took_s >= 1)
        return f"{spoken(self.whole_s)} ({parts})"


CLEANING = "cleaning"
TABLES = "tables and report"


def forecast(plan: Plan) -> Forecast:
    """What a plan takes, as far as one knows before it is executed."""
    services = len(plan.unmeasurable)
    return Forecast(
        parts={
            "asking and preparing": plan.asked_s + PREPARE_S * services,
            "at rest": resources.seconds(plan),
            "requests in flight": sum(map(in_flight.seconds, plan.in_flight)),
            "rounds": rounds_s(plan.samples),
            "load tests": together(step.cost for step in plan.sweeps).expected_s,
            "tools": together(each.cost for each in plan.tools).expected_s,
            CLEANING: CLEAN_S * services,
            TABLES: TABLES_S,
        }
    )
