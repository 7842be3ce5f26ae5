"""
Which columns has what is stored? `schema.toml` says so once; statements, frames and comments follow from it.

Types are DuckDB's words. A column is required unless its type ends with a question mark.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import polars as pl

from devperf_pipeline.store.sql_files import literal

POLARS: Mapping[str, Any] = {
    "varchar": pl.String,
    "boolean": pl.Boolean,
    "tinyint": pl.Int8,
    "integer": pl.Int32,
    "bigint": pl.Int64,
    "double": pl.Float64,
    "timestamptz": pl.Datetime("us", "UTC"),
    "double[]": pl.List(pl.Float64),
    "bigint[]": pl.List(pl.Int64),
    "map(varchar, varchar)": pl.Object,
    'struct("key" varchar, "value" varchar)[]': pl.List(pl.Struct({"key": pl.String, "value": pl.String})),
}
"""What Polars calls the types of columns."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `kind` is its type, None in views and macros, where it follows from their statement."""

    name: str
    comment: str
    kind: str | None = None
    required: bool = True

    @property
    def declared(self) -> str:
        """The column as a table declares it."""
        return f"{self.name} {self.kind}{' not null' if self.required else ''}"


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, a view, a macro or a file of a baseline: what one row means, and its columns in order."""

    name: str
    row: str
    columns: Mapping[str, Column]

    @property
    def is_file(self) -> bool:
        """Whether it is a file of a baseline, not a part of the warehouse."""
        return self.name.endswith(".parquet")

    @property
    def frame(self) -> dict[str, Any]:
        """Its columns as Polars has them."""
        return {name: POLARS[column.kind] for name, column in self.columns.items() if column.kind}

    @property
    def create(self) -> str:
        """The statement that makes the empty table."""
        return f"create table {self.name} ({', '.join(column.declared for column in self.columns.values())})"

    @property
    def empty(self) -> str:
        """A question with its columns and no row."""
        columns = ", ".join(f"null::{column.kind} as {name}" for name, column in self.columns.items())
        return f"select {columns} where false"

    @property
    def insert(self) -> str:
        """The statement that fills the table from the Parquet files `$files`, which may lack columns."""
        rows = "select * from read_parquet($files, hive_partitioning = false)"
        return f"insert into {self.name} by name {rows}"

    def comments(self, kind: str) -> Iterator[str]:
        """The statements that say what it means to whoever opens the warehouse."""
        yield f"comment on {kind} {self.name} is {literal(self.row)}"
        if kind != "macro table":
            for column in self.columns.values():
                yield f"comment on column {self.name}.{column.name} is {literal(column.comment)}"


@cache
def relations() -> Mapping[str, Relation]:
    """Everything that is described, by name, in the order of the page."""
    text = (files("devperf_pipeline.store") / "schema.toml").read_text("utf-8")
    found: dict[str, Relation] = {}
    for name, said in tomllib.loads(text).items():
        row, like = said.pop("row"), said.pop("like", None)
        only, without = said.pop("only", None), said.pop("without", ())
        taken = found[like].columns if like else {}
        own = {column: _column(column, meaning) for column, meaning in said.items()}
        kept = {column: taken[column] for column in only or taken if column not in without}
        found[name] = Relation(name, row, kept | own)
    return found


def relation(name: str) -> Relation:
    """What is described under that name."""
    return relations()[name]


def _column(name: str, said: str | list[str]) -> Column:
    if isinstance(said, str):
        return Column(name, said)
    kind, comment = said
    return Column(name, comment, kind.removesuffix("?"), not kind.endswith("?"))
