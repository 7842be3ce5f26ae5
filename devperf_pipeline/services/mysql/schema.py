"""Which objects do we make in MySQL, and which of its settings matter?"""

MARKER = "made_by_devperf_for_measuring"
"""The empty table that tells our database from one that only has the same name."""

SETTINGS = (
    "innodb_buffer_pool_size",
    "innodb_flush_log_at_trx_commit",
    "innodb_flush_method",
    "innodb_log_file_size",
    "innodb_redo_log_capacity",
    "innodb_doublewrite",
    "sync_binlog",
    "log_bin",
    "max_connections",
    "transaction_isolation",
    "tx_isolation",
    "query_cache_type",
    "character_set_server",
)

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


def fill(table: str, rows: int) -> str:
    """The statement that lays in the rows 1 to `rows`, with a number made of as many digits as they need."""
    digits = range(len(str(rows)))
    number = " + ".join(f"{10**digit} * d{digit}.n" for digit in digits)
    joined = ", ".join(f"{DIGITS} d{digit}" for digit in digits)
    return FILL.format(table=table, number=number, digits=joined, rows=rows)
