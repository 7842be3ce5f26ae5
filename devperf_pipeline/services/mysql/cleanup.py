"""What is ours in MySQL, how is it told from what is not, and how does it leave, also after a killed run?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from devperf_pipeline.services.database import seed
from devperf_pipeline.services.database.cleanup import OwnSpace

MARKER = "made_by_devperf_for_measuring"
"""The empty table that tells our database from one that only has the same name."""

ITEMS = """
    CREATE TABLE {table} (
        id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
        name VARCHAR(40) NOT NULL,
        value VARCHAR(200) NOT NULL,
        version INT NOT NULL DEFAULT 0
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"""

DIGITS = "(SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)"

FILL = """
    INSERT INTO {table} (id, name, value)
    SELECT n, CONCAT('item-', LPAD(n, 8, '0')), REPEAT(LPAD(n, 10, '0'), 10)
    FROM (SELECT 1 + {number} n FROM {digits}) numbers WHERE n <= {rows} ORDER BY n"""


@dataclass(frozen=True, slots=True)
class OwnDatabase(OwnSpace):
    """Our database; `ask` runs a statement, with its arguments, and returns the rows."""

    name: str
    ask: Callable[..., list[tuple[Any, ...]]]
    mark = f"hold our table {MARKER}"

    @property
    def named(self) -> str:
        return f"database {self.name}"

    def found(self) -> bool | None:
        if not self.ask("SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", [self.name]):
            return None
        marker = "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s"
        return bool(self.ask(marker, [self.name, MARKER]))

    def make(self) -> None:
        self.ask(f"CREATE DATABASE {self.name}")
        self.ask(f"CREATE TABLE {self.name}.{MARKER} (nothing INT)")
        for table in seed.ITEM_TABLES:
            self.ask(ITEMS.format(table=f"{self.name}.{table}"))
            self.fill(table, seed.ROWS)

    def fill(self, table: str, rows: int) -> None:
        """Let a table hold the rows 1 to `rows`, and no others; numbers are made of as many digits as they need."""
        name = f"{self.name}.{table}"
        self.ask(f"TRUNCATE TABLE {name}")
        if rows:
            digits = range(len(str(rows)))
            number = " + ".join(f"{10**digit} * d{digit}.n" for digit in digits)
            joined = ", ".join(f"{DIGITS} d{digit}" for digit in digits)
            self.ask(FILL.format(table=name, number=number, digits=joined, rows=rows))
        self.ask(f"ANALYZE TABLE {name}")

    def drop(self) -> None:
        self.ask(f"DROP DATABASE {self.name}")
