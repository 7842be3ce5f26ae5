"""On what machine was it measured, what ran there, and what do the words of the tables mean?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devperf_pipeline.report import format as show
from devperf_pipeline.report.rows import ENOUGH_FOR_P95, ENOUGH_FOR_P99, ENOUGH_FOR_P999

if TYPE_CHECKING:
    from devperf_pipeline.report.loaded import Report

_HOST = ("host", "cpu_model", "cpu_cores", "memory_bytes", "os", "kernel")
"""What a reader asks first of a machine; all its other facts follow."""

TARGETS: Mapping[str, Mapping[str, str]] = {
    "postgresql": {
        "shared_buffers": "512MB",
        "effective_cache_size": "2GB",
        "work_mem": "16MB",
        "max_connections": "200",
    },
    "mysql": {"innodb_buffer_pool_size": "536870912", "max_connections": "200"},
    "redis": {"maxmemory": "536870912"},
}
"""What the published baseline of 2025-10-29 recommends to try, in each server's own words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where client and servers ran with so many users: a kind, and the cores after it."""

    kind: str
    cores: str
    least: int
    most: int

    @property
    def client(self) -> str:
        """The cores of the client, where it has cores of its own."""
        return self.cores.partition("|")[0]

    @property
    def servers(self) -> str:
        """The cores of the servers, where they have cores of their own."""
        return self.cores.partition("|")[2]


def environment(report: "Report") -> Mapping[str, Any]:
    """The facts of the machine that were found, and the names of those that it does not have or does not tell."""
    host = report.host
    keys = [*(key for key in _HOST if key in host), *(key for key in host if key not in _HOST)]
    return {
        "found": [
            (_name(key), _fact(key, host[key])) for key in keys if host[key] not in {"none", "unknown"}
        ],
        "absent": [_name(key) for key in keys if host[key] == "none"],
        "unknown": [_name(key) for key in keys if host[key] == "unknown"],
    }


def how_to_read(report: "Report") -> Mapping[str, Any]:
    """From how many calls on percentiles are told, where client and servers ran, whether any bounds are too narrow, and any limit was met."""
    rows = [row for part in report.parts for row in part.rows]
    new = [row for part in report.parts for row in part.new]
    return {
        "enough": (ENOUGH_FOR_P95, ENOUGH_FOR_P99, ENOUGH_FOR_P999),
        "places": placements((row.placement, row.users) for row in new),
        "dagger": any(
            row.p95_bounds == "samples" and row.trusted_p95_ns and not row.is_floor for row in rows
        ),
        "throttled": any(row.throttled for row in rows),
    }


def tuning(report: "Report") -> Mapping[str, Any]:
    """Settings as they are beside those that are recommended."""
    return {
        "rows": [
            (part.title, setting, _setting(part.settings[setting]), _setting(target))
            for part in report.parts
            for setting, target in TARGETS.get(part.kind, {}).items()
            if setting in part.settings
        ]
    }


def placements(readings: Iterable[tuple[str, int]]) -> Sequence[Placement]:
    """Where client and servers ran in readings of such placements and users, the fewest users first."""
    users: dict[str, set[int]] = {}
    for placement, number in readings:
        users.setdefault(placement, set()).add(number)
    found = [
        Placement(
            kind=name.partition(":")[0], cores=name.partition(":")[2], least=min(numbers), most=max(numbers)
        )
        for name, numbers in users.items()
    ]
    return sorted(found, key=lambda one: one.least)


def _name(key: str) -> str:
    return key.removesuffix("_bytes").replace("_", " ")


def _fact(key: str, value: str) -> str:
    return show.size(int(value)) if key.endswith("_bytes") and value.isdecimal() else show.plain(value, 160)


def _setting(value: str) -> str:
    """A setting as it is, and as a size where it is a long number of bytes."""
    return show.size(int(value)) if value.isdecimal() and int(value) >= 1 << 20 else value
