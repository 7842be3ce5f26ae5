"""
How do the rules come into the warehouse: what a machine is, when a benchmark is slower, who is the fastest, what is found?

Each rule is one statement in `sql/`. What every report reads is kept as a table, made by the same statement that
answers a question of a person.
"""

import duckdb

from devperf_pipeline.model import OUTSIDE
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.stack.host import WATCHED
from devperf_pipeline.store.confidence import t_quantile
from devperf_pipeline.store.sql_files import statement
from devperf_pipeline.store.summary import BUSY

MOST_REPEATS = 20
"""`table_levels.sql` learns from as many baselines, so no more quantiles are needed."""

RULES = (
    "macro_kind_of",
    "macro_calls_needed",
    "macro_is_busy",
    "macro_assumed_floor",
    "macro_known",
    "table_host_facts",
    "table_machines",
    "table_levels",
    "macro_comparisons_of",
    "macro_compared",
    "table_comparisons",
    "view_current",
    "macro_asking",
    "macro_rankings_of",
    "table_rankings",
    "table_rules",
    "view_partners",
    "view_differences",
    "view_agreements",
    "table_findings",
    "macro_weakness",
)
"""In the order in which they need each other."""

PARAMETERS = {
    "table_host_facts": {"keys": list(WATCHED), "effects": list(WATCHED.values())},
    "table_levels": {"t": [t_quantile(freedom) for freedom in range(1, MOST_REPEATS)]},
}

CONSTANTS = {
    "$outside": str(OUTSIDE),
    "$busy": str(BUSY),
    "$kinds": "|".join(sorted(CATALOGUE, key=len, reverse=True)),  # the longest that fits comes first
}
"""What stands in macros, which take no parameters."""

RULE_MACROS = ("comparisons_of", "rankings_of")
"""Rules that a person can ask, too."""

RULE_TABLES = tuple(name.removeprefix("table_") for name in RULES if name.startswith("table_"))


def add_rules(con: duckdb.DuckDBPyConnection) -> None:
    """
    Add the rules' tables, views and macros to a warehouse whose measured tables are filled.

    Raises:
        duckdb.Error: the file cannot be written.

    """
    for name in RULES:
        con.execute(with_constants(statement(name)), PARAMETERS.get(name))


def with_constants(text: str) -> str:
    """A rule's statement with what stands in macros in its place."""
    for placeholder, constant in CONSTANTS.items():
        text = text.replace(placeholder, constant)
    return text
