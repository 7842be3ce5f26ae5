"""Which tool wrote this file, and what does it say?"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from devperf_pipeline.errors import ForeignResults
from devperf_pipeline.measure.tools import ab, h2load, other_tools, pgbench, redis_benchmark, sysbench, wrk
from devperf_pipeline.measure.tools.result import Result
from devperf_pipeline.measure.tools.text import Text
from devperf_pipeline.model import ImportedTool, Tool

LARGEST_BYTES = 256 * 2**20
"""A larger file is split before it is imported: all of it is read at once."""


SERVICES: Mapping[str, str] = {
    "pgbench": "postgresql",
    "redis-benchmark": "redis",
    "sysbench": "mysql",
    "mysqlslap": "mysql",
}
"""What tools ask that do not ask for HTTP."""

Parse = Callable[[Text], Result | list[Result]]


@dataclass(frozen=True, slots=True)
class Format:
    """
    One form in which one tool writes results.

    `title` is what people are told that a file was taken for. Its first line begins like `first`, and it has lines
    like each of `lines`. `parse` raises `ForeignResults` where it is not whole.
    """

    title: str
    tool: Tool | ImportedTool
    parse: Parse
    first: str = ""
    lines: tuple[str, ...] = ()

    @property
    def service(self) -> str:
        """What such a tool asks."""
        return SERVICES.get(self.tool, "http")

    def mine(self, text: Text) -> bool:
        """Whether a text is of this form."""
        return bool(re.match(self.first, text.first)) and all(text.has(line) for line in self.lines)

    def results(self, text: Text) -> list[Result]:
        """What it says, run by run."""
        found = self.parse(text)
        return found if isinstance(found, list) else [found]


AGGREGATE = rf"(?!{pgbench.TRANSACTION.pattern}$){pgbench.AGGREGATE.pattern}$"
"""Some lines could be both; a line of a transaction is no sum of an interval."""

FORMATS = (
    Format("a summary of ab", "ab", ab.summary, r"This is ApacheBench"),
    Format("percentiles of ab (-e)", "ab", ab.percentiles, r"Percentage served,Time in ms$"),
    Format("times of ab (-g)", "ab", ab.times, r"starttime\tseconds\tctime\tdtime\tttime\twait$"),
    Format("a summary of wrk", "wrk", wrk.summary, "", (r"^Running .+ test @ \S+", r"^\s*Thread Stats")),
    Format(
        "a summary of h2load",
        "h2load",
        h2load.summary,
        r"starting benchmark\.\.\.$",
        (r"^spawning thread #0",),
    ),
    Format("calls of h2load (--log-file)", "h2load", h2load.log, r"\d{16}\t-?\d{1,3}\t-?\d+$"),
    Format(
        "a summary of pgbench", "pgbench", pgbench.summary, "", (r"^transaction type: ", r"^scaling factor: ")
    ),
    Format("a failure of pgbench", "pgbench", pgbench.failure, r"pgbench: error:"),
    Format("transactions of pgbench (-l)", "pgbench", pgbench.log, rf"{pgbench.TRANSACTION.pattern}$"),
    Format("sums of pgbench (--aggregate-interval)", "pgbench", pgbench.aggregate, AGGREGATE),
    Format("CSV of redis-benchmark", "redis-benchmark", redis_benchmark.from_csv, "", (r'^"test","rps"',)),
    Format(
        "lines of redis-benchmark (-q)",
        "redis-benchmark",
        redis_benchmark.from_quiet,
        "",
        (redis_benchmark.QUIET.pattern,),
    ),
    Format(
        "distributions of redis-benchmark",
        "redis-benchmark",
        redis_benchmark.from_full,
        "",
        (redis_benchmark.FULL.pattern, r"requests completed in"),
    ),
    Format("a summary of sysbench", "sysbench", sysbench.summary, r"sysbench "),
    Format("calls of hey (-o csv)", "hey", other_tools.hey, re.escape(other_tools.HEY)),
    Format("JSON of autocannon", "autocannon", other_tools.autocannon, r'\{(?=.*"sampleInt").*"pipelining"'),
    Format("CSV of mysqlslap", "mysqlslap", other_tools.mysqlslap, other_tools.MYSQLSLAP),
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
    """The text of a file, and its bytes; `ForeignResults` where it cannot be read, is no text, or is too large."""
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
    """What wrote it; `ForeignResults` where nothing that is known here did."""
    for form in FORMATS:
        if form.mine(text):
            return form
    for pattern, expected, is_, do in TELLING_LESS:
        if text.has(pattern):
            text.complain(text.find(pattern, expected).line, expected, is_, do)
    known = ", ".join(form.title for form in FORMATS)
    line, first = next(text.lines, (1, ""))
    return text.complain(line, f"one of: {known}", repr(first[:60]) if first else "nothing")
