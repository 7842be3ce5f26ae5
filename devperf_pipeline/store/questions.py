"""
Which published tables, views and macros stand beside what was measured, so that people can ask questions?

All of it lives in the warehouse itself: any client has it, from any working directory, without this project.
"""

from collections.abc import Mapping
from pathlib import Path

import duckdb

from devperf_pipeline.store.statements import statement

PUBLISHED = {
    "published_cells": "cells.csv",
    "published_rows": "rows.csv",
    "published_metrics": "metrics.csv",
}
"""Tables of what others published, and the file of each publication that they are made from."""

USE = ("tool_runs", "resource_use")
"""Views that others here are made of."""

UNIONS: Mapping[str, Mapping[str, str]] = {
    "measurements": {
        "measurements_facts": "infrastructure",
        "measurements_benchmarks": "percentiles",
        "measurements_comparisons": "percentiles",
        "measurements_tools": "tool_runs",
        "measurements_load_tests": "load_tests",
        "measurements_use": "resource_use",
        "measurements_memory": "memory_per_request",
        "measurements_findings": "findings",
    },
    "lint": {
        "lint_published_runs": "published_cells",
        "lint_published_users": "published_cells",
        "lint_published_shape": "published_cells",
        "lint_published_order": "published_cells",
        "lint_published_totals": "published_cells",
        "lint_published_relative": "published_cells",
        "lint_percentiles": "percentiles",
        "lint_baselines": "baselines",
        "lint_load_tests": "load_tests",
        "lint_tools": "stated",
    },
}
"""Views that are put together from several statements, each with the table that it reads."""

NEEDS = {"resource_use": "resources"}

MACROS = ("coverage_of", "compare", "history", "ranking", "slowest", "percentile_of")
"""Table macros: views with arguments."""


def publications() -> Path:
    """
    The folder of what others published: one folder each, part of this project as its code is.
    """
    return Path(__file__).parents[2].resolve() / "data" / "published"


def add_questions(con: duckdb.DuckDBPyConnection) -> None:
    """
    Add the published tables, and every view and macro whose tables are there.

    Raises:
        duckdb.Error: a file of a publication cannot be read.

    """
    for table, file in PUBLISHED.items():
        con.execute(statement(f"table_{table}"))
        files = sorted(map(str, publications().glob(f"*/{file}")))
        if files:
            con.execute(statement(f"insert_{table}"), {"files": files})
    for view in USE:
        if view not in NEEDS or NEEDS[view] in relations(con):
            con.execute(statement(f"view_{view}"))
    there = relations(con)
    for view, parts in UNIONS.items():
        texts = [statement(part) for part, table in parts.items() if table in there]
        con.execute(
            f"create view {view} as\n" + "\nunion all by name\n".join(f"(\n{text}\n)" for text in texts)
        )
    for macro in MACROS:
        con.execute(statement(f"macro_{macro}"))
    con.execute(statement("view_coverage"))


def relations(con: duckdb.DuckDBPyConnection) -> set[str]:
    """
    The names of all tables and views that are there.
    """
    return {str(name) for (name,) in con.execute(statement("relations")).fetchall()}
