"""Which tool wrote this file, and what does it say?"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from devperf_pipeline.errors import ForeignResults
from devperf_pipeline.measure.tools import ab, h2load, other_tools, pgbench, redis_benchmark, sysbench, wrk
from devperf_pipeline.measure.tools.result import Result
from devperf_pipeline.measure.tools.text import Text
from devperf_pipeline.model import ImportedTool, Tool

LARGEST_BYTES = 256 * 2**20
"""A larger file is split before it is imported: all of it is read at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """
    One form in which one tool writes results.

    `title` is what people are told that a file was taken for; `service` is what such a tool asks.
    """

    title: str
    tool: Tool | ImportedTool
    service: str
    mine: Callable[[Text], bool]
    results: Callable[[Text], list[Result]]


def _one(parse: Callable[[Text], Result]) -> Callable[[Text], list[Result]]:
    return lambda text: [parse(text)]


def _form(
    title: str,
    tool: Tool | ImportedTool,
    service: str,
    mine: Callable[[Text], bool],
    results: Callable[[Text], list[Result]],
) -> Format:
    return Format(title=title, tool=tool, service=service, mine=mine, results=results)


FORMATS = (
    _form("a summary of ab", "ab", "http", ab.is_summary, _one(ab.summary)),
    _form("percentiles of ab (-e)", "ab", "http", ab.is_percentiles, _one(ab.percentiles)),
    _form("times of ab (-g)", "ab", "http", ab.is_times, _one(ab.times)),
    _form("a summary of wrk", "wrk", "http", wrk.is_summary, _one(wrk.summary)),
    _form("a summary of h2load", "h2load", "http", h2load.is_summary, _one(h2load.summary)),
    _form("calls of h2load (--log-file)", "h2load", "http", h2load.is_log, _one(h2load.log)),
    _form("a summary of pgbench", "pgbench", "postgresql", pgbench.is_summary, _one(pgbench.summary)),
    _form("a failure of pgbench", "pgbench", "postgresql", pgbench.is_failure, _one(pgbench.failure)),
    _form("transactions of pgbench (-l)", "pgbench", "postgresql", pgbench.is_log, _one(pgbench.log)),
    _form(
        "sums of pgbench (--aggregate-interval)",
        "pgbench",
        "postgresql",
        pgbench.is_aggregate,
        _one(pgbench.aggregate),
    ),
    _form(
        "CSV of redis-benchmark", "redis-benchmark", "redis", redis_benchmark.is_csv, redis_benchmark.from_csv
    ),
    _form(
        "lines of redis-benchmark (-q)",
        "redis-benchmark",
        "redis",
        redis_benchmark.is_quiet,
        redis_benchmark.from_quiet,
    ),
    _form(
        "distributions of redis-benchmark",
        "redis-benchmark",
        "redis",
        redis_benchmark.is_full,
        redis_benchmark.from_full,
    ),
    _form("a summary of sysbench", "sysbench", "mysql", sysbench.is_summary, _one(sysbench.summary)),
    _form("calls of hey (-o csv)", "hey", "http", other_tools.is_hey, _one(other_tools.hey)),
    _form(
        "JSON of autocannon", "autocannon", "http", other_tools.is_autocannon, _one(other_tools.autocannon)
    ),
    _form("CSV of mysqlslap", "mysqlslap", "mysql", other_tools.is_mysqlslap, other_tools.mysqlslap),
)


TELLING_LESS = (
    (
        r"^\s+Requests/sec:\s",
        "calls of hey",
        "its summary, which rounds to tenths of a millisecond",
        "Run hey with -o csv.",
    ),
    (
        r"^\s+Average number of seconds to run all queries",
        "CSV of mysqlslap",
        "its text",
        "Run mysqlslap with --csv.",
    ),
    (
        r"^Could not connect to Redis",
        "a run that ended",
        "redis-benchmark without a Redis to ask",
        "It measured nothing.",
    ),
    (
        r"^apr_(socket|pollset)\w*: ",
        "a run that ended",
        "ab without a server that answered",
        "It measured nothing.",
    ),
)
"""What else the same tools write, by a line of it: what was expected in its place, what it is, and what to do."""


def read(path: Path) -> tuple[Text, bytes]:
    """
    The text of a file, and its bytes.

    Raises:
        ForeignResults: it cannot be read, is no text, or is larger than `LARGEST_BYTES`.

    """
    try:
        if not path.is_file():
            raise ForeignResults(
                f"{path}: expected a file of results, found {'no file' if not path.exists() else 'none'}."
            )
        if path.stat().st_size > LARGEST_BYTES:
            raise ForeignResults(
                f"{path}, line 1: expected at most {LARGEST_BYTES:,} bytes, found {path.stat().st_size:,}. Split it."
            )
        data = path.read_bytes()
    except OSError as error:
        raise ForeignResults(
            f"{path}: expected to read it, found: {error.strerror}. Make it readable."
        ) from error
    zero = data.find(b"\0")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        zero = error.start
        text = ""
    if zero >= 0:
        line = data[:zero].count(b"\n") + 1
        raise ForeignResults(
            f"{path}, line {line}: expected text, found the byte 0x{data[zero]:02x}. Is it the right file?"
        )
    return Text(str(path), text), data


def recognised(text: Text) -> Format:
    """
    What wrote it.

    Raises:
        ForeignResults: nothing that is known here.

    """
    for form in FORMATS:
        if form.mine(text):
            return form
    for pattern, expected, is_, do in TELLING_LESS:
        if text.has(pattern):
            text.complain(text.find(pattern, expected)[0], expected, is_, do)
    known = ", ".join(form.title for form in FORMATS)
    line, first = next(text.lines, (1, ""))
    return text.complain(line, f"one of: {known}", repr(first[:60]) if first else "nothing")
