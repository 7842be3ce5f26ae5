"""
What are the assets called?
"""

import dagster as dg

from devperf_pipeline.services import CATALOGUE

SERVICES = tuple(CATALOGUE)
INFRASTRUCTURE = dg.AssetKey("infrastructure")
BASELINE = dg.AssetKey("baseline")
TABLES = tuple(dg.AssetKey(name) for name in ("baselines", "rounds", "percentiles"))
REPORT = dg.AssetKey(["reports", "baseline"])


def samples(service: str) -> dg.AssetKey:
    """
    The key of one service's samples.
    """
    return dg.AssetKey(["samples", service])


def selection(services: tuple[str, ...]) -> list[dg.AssetKey]:
    """
    Everything that a baseline of these services makes: their samples, the tables and the report.
    """
    return [INFRASTRUCTURE, *map(samples, services), BASELINE, *TABLES, REPORT]
