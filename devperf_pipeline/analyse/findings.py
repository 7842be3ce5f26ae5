"""
What slows this stack down, and what does each layer cost?

The rules are in `store/sql/table_findings.sql` and `view_differences.sql`, so that a query sees what the report says.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from devperf_pipeline.store.warehouse import query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devperf_pipeline.store.warehouse import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A bottleneck or a cost that was searched for, as `findings` has it. Impacts and p50 are of one call."""

    finding: str
    kind: Literal["bottleneck", "choice"]
    title: str
    service: str
    operation: str
    users: int
    against: str
    holds: bool
    status: Literal["open", "improved", "optimised", "not found", "cannot tell"]
    against_baseline_id: str | None
    p50_ns: int
    impact_ns: int
    impact_low_ns: int
    impact_high_ns: int
    ratio: float
    ratio_low: float
    ratio_high: float
    rounds: int
    behind_ns: int | None
    server_cores: int | None
    rule: str
    remedy: str
    gain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one layer adds to a task: the service to the way there, the driver to the service, an API to the service."""

    task: str
    layer: Literal["service", "driver", "api"]
    service: str
    p50_ns: int
    against_p50_ns: int
    difference_ns: int
    difference_low_ns: int
    difference_high_ns: int
    rounds: int


def findings(con: "Connection", baseline_id: str) -> "Sequence[Finding]":
    """All that this baseline was searched for, whether it was found or not; what should be repaired comes first."""
    return [
        Finding(**cast("dict[str, Any]", row))
        for row in query(con, "analyse_findings", baseline_id=baseline_id)
    ]


def layers(con: "Connection", baseline_id: str) -> "Sequence[Layer]":
    """The layers of each task of which this baseline has the rows."""
    return [
        Layer(**cast("dict[str, Any]", row)) for row in query(con, "analyse_layers", baseline_id=baseline_id)
    ]
