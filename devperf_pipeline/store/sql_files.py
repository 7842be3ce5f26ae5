"""Where is the SQL? One statement a file in `sql/`, and what tables and columns mean in `sql/meaning.toml`."""

import tomllib
from importlib.resources import files


def statement(name: str) -> str:
    """The statement in `sql/<name>.sql`."""
    return (files("devperf_pipeline.store") / "sql" / f"{name}.sql").read_text("utf-8")


def meanings() -> dict[str, dict[str, str]]:
    """For each table and view: what one row means (under "row"), and what each column does."""
    return tomllib.loads((files("devperf_pipeline.store") / "sql" / "meaning.toml").read_text("utf-8"))


def literal(text: str) -> str:
    """`text` as SQL writes it down, for the few statements that take no parameters (views, comments)."""
    return "'" + text.replace("'", "''") + "'"
