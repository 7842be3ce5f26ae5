"""Where is the SQL? One statement a file in `sql/`."""

from importlib.resources import files


def statement(name: str) -> str:
    """The statement in `sql/<name>.sql`."""
    return (files("devperf_pipeline.store") / "sql" / f"{name}.sql").read_text("utf-8")


def literal(text: str) -> str:
    """`text` as SQL writes it down, for the few statements that take no parameters (views, comments)."""
    return "'" + text.replace("'", "''") + "'"
