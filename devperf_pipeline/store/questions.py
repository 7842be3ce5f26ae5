"""
Which published tables, views and macros stand beside what was measured, so that people can ask questions?

All of it lives in the warehouse itself: any client has it, from any working directory, without this project.
"""

from collections.abc import Mapping
from pathlib import Path

import duckdb

from devperf_pipeline.store.schema import relation
from devperf_pipeline.store.sql_files import statement

PUBLISHED = {
    "published_cells": "cells.csv",
    "published_rows": "rows.csv",
    "published_metrics": "metrics.csv",
}
"""Tables of what others published, and the file of each publication that they are made from."""

USE = ("tool_runs", "resource_use")
"""Views that others here are made of."""

UNIONS: Mapping[str, tuple[str, ...]] = {
    "measurements": (
        "measurements_facts",
        "measurements_benchmarks",
        "measurements_comparisons",
        "measurements_tools",
        "measurements_load_tests",
        "measurements_use",
        "measurements_memory",
        "measurements_findings",
    ),
    "lint": (
        "lint_published_runs",
        "lint_published_users",
        "lint_published_shape",
        "lint_published_order",
        "lint_published_totals",
        "lint_published_relative",
        "lint_percentiles",
        "lint_baselines",
        "lint_load_tests",
        "lint_tools",
    ),
}
"""Views that are put together from several statements."""

MACROS = ("coverage_of", "compare", "history", "ranking", "slowest", "percentile_of")
"""Table macros: views with arguments."""


def publications() -> Path:
    """The folder of what others published: one folder each, part of this project as its code is."""
    return Path(__file__).parents[2].resolve() / "data" / "published"


def add_questions(con: duckdb.DuckDBPyConnection) -> None:
    """
    Add the published tables, and the views and macros over all tables.

    Raises:
        duckdb.Error: a file of a publication cannot be read.

    """
    for table, file in PUBLISHED.items():
        con.execute(relation(table).create)
        files = sorted(map(str, publications().glob(f"*/{file}")))
        if files:
            con.execute(statement(f"insert_{table}"), {"files": files})
    for view in USE:
        con.execute(statement(f"view_{view}"))
    for view, parts in UNIONS.items():
        union = "\nunion all by name\n".join(f"(\n{statement(part)}\n)" for part in parts)
        con.execute(f"create view {view} as\n{union}")
    for macro in MACROS:
        con.execute(statement(f"macro_{macro}"))
    con.execute(statement("view_coverage"))
