"""What does the page about the tables say, `docs/data.md`? It is made from their comments, so it cannot be out of date."""

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined

from devperf_pipeline.store.questions import MACROS
from devperf_pipeline.store.sql_files import meanings
from devperf_pipeline.store.warehouse import query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devperf_pipeline.store.warehouse import Connection


@dataclass(frozen=True, slots=True)
class Relation:
    """One table, view or macro; `columns` are the cells of its table of columns, under `head`."""

    name: str
    row: str
    head: "Sequence[str]"
    columns: "Sequence[Sequence[str]]"


def dictionary(con: "Connection") -> str:
    """
    The page, of the tables, views and macros that the warehouse has.

    Raises:
        StoreError: the warehouse cannot be read.

    """
    types: dict[str, dict[str, str]] = {}
    tables: list[str] = []
    for row in query(con, "report_columns"):
        name = str(row["table_name"])
        types.setdefault(name, {})[str(row["column_name"])] = str(row["data_type"])
        if row["is_table"] and name not in tables:
            tables.append(name)
    # In the order of the meanings: what belongs together stands together.
    tables = [name for name in meanings() if name in tables]
    views = [name for name in meanings() if name in types and name not in tables]
    environment = Environment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - Markdown, not HTML; every word is our own
    )
    template = (files("devperf_pipeline.report") / "templates" / "data.md.jinja").read_text("utf-8")
    page = environment.from_string(template).render(
        groups=[
            {"title": "Macros", "relations": [_macro(name) for name in meanings() if name in MACROS]},
            {"title": "Tables", "relations": [_relation(name, types[name]) for name in tables]},
            {"title": "Views", "relations": [_relation(name, types[name]) for name in views]},
        ]
    )
    return page.rstrip() + "\n"


def _relation(name: str, types: dict[str, str]) -> Relation:
    texts = meanings()[name]
    rows = [
        [f"`{column}`", kind, texts.get(column, "").replace("|", "\\|")] for column, kind in types.items()
    ]
    return Relation(name, texts["row"], ("column", "type", "what it says"), rows)


def _macro(name: str) -> Relation:
    """A macro's comment begins with how it is called."""
    texts = dict(meanings()[name])
    row = texts.pop("row")
    call, _, rest = row.partition(": ")
    columns = [[f"`{column}`", text] for column, text in texts.items()]
    return Relation(name, f"`from {call}`: {rest}", ("column", "what it says"), columns)
