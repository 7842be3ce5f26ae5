"""What does the page about the tables say, `docs/data.md`? It is made from their comments, so it cannot be out of date."""

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined

from devperf_pipeline.store import schema
from devperf_pipeline.store.questions import MACROS
from devperf_pipeline.store.schema import relations
from devperf_pipeline.store.warehouse import query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    # In the order of the schema: what belongs together stands together.
    tables = [name for name in relations() if name in tables]
    views = [name for name in relations() if name in types and name not in tables]
    environment = Environment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - Markdown, not HTML; every word is our own
    )
    template = (files("devperf_pipeline.report") / "templates" / "data.md.jinja").read_text("utf-8")
    page = environment.from_string(template).render(
        groups=[
            {"title": "Macros", "relations": [_macro(name) for name in relations() if name in MACROS]},
            {"title": "Tables", "relations": [_relation(name, types[name]) for name in tables]},
            {"title": "Views", "relations": [_relation(name, types[name]) for name in views]},
            {
                "title": "Files of a baseline",
                "relations": [_file(one) for one in relations().values() if one.is_file],
            },
        ]
    )
    return page.rstrip() + "\n"


def _relation(name: str, types: "Mapping[str, str]") -> Relation:
    described = relations()[name]
    rows = [
        [f"`{column}`", kind, described.columns[column].comment.replace("|", "\\|")]
        for column, kind in types.items()
    ]
    return Relation(name, described.row, ("column", "type", "what it says"), rows)


def _file(described: schema.Relation) -> Relation:
    return _relation(described.name, {name: str(one.kind) for name, one in described.columns.items()})


def _macro(name: str) -> Relation:
    """A macro's comment begins with how it is called."""
    described = relations()[name]
    call, _, rest = described.row.partition(": ")
    columns = [[f"`{column.name}`", column.comment] for column in described.columns.values()]
    return Relation(name, f"`from {call}`: {rest}", ("column", "what it says"), columns)
