"""
How does pgbench ask the published operations?

One script each, `{space}` for the schema that is ours; the statements are those of `relational/workload.py`.
A client counts its transactions in `n`, where each consumes a row; `size` is how many it makes at most.
"""

from devperf_pipeline.services.relational import workload as asked
from devperf_pipeline.services.relational.rows import CALLS, ROWS, Recipe, name_of, value_of

ANY_KEY = rf"\set id random(1, {ROWS})"
OWN_ROW = r"\set n :n + 1" + "\n" + r"\set id 1 + :client_id * :size + :n"
NEW_KEY = rf"\set id 1 + {ROWS} + :client_id * {CALLS} + random(0, {CALLS - 1})"

NAME, VALUE = f"'{name_of(1)}'", f"'{value_of(1)}'"


def _script(recipe: Recipe, before: str, *arguments: tuple[str, ...]) -> str:
    """The recipe's statements, after `before`, with one tuple of arguments for each."""
    lines = [statement.text for statement in recipe.statements]
    lines = [
        f"{line.replace('%s', '{}').replace('{space}', '{{space}}').format(*given)};"
        for line, given in zip(lines, arguments, strict=True)
    ]
    if recipe.transaction:
        lines = ["BEGIN;", *lines, "COMMIT;"]
    return "\n".join([before, *lines]) + "\n"


SCRIPTS = {
    asked.INSERT.name: _script(asked.INSERT, "", (NAME, VALUE)),
    asked.SELECT_BY_KEY.name: _script(asked.SELECT_BY_KEY, ANY_KEY, (":id",)),
    asked.FULL_SCAN.name: _script(asked.FULL_SCAN, "", ()),
    asked.UPDATE.name: _script(asked.UPDATE, ANY_KEY, (VALUE, ":id")),
    asked.DELETE.name: _script(asked.DELETE, OWN_ROW, (":id",)),
    asked.TRANSACTION.name: _script(
        asked.TRANSACTION,
        NEW_KEY,
        (":id", NAME, VALUE),
        (":id",),
        (VALUE, ":id"),
        (":id",),
        (":id",),
    ),
    asked.JOIN.name: _script(asked.JOIN, "", ()),
}
"""By name of the operation. `-D n=-1 -D size=…` starts the count of rows."""
