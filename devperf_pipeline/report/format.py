"""
How does a number, or a word that somebody else chose, look to a reader?

Times are integer nanoseconds up to this module and text from here on.
Everything that a server, a file or a host name said is hostile until `cell`, `prose` or `sql` made it harmless.
"""

import math
import re
import unicodedata
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

Unit = Literal["µs", "ms"]

DASH = "–"  # noqa: RUF001 - a dash, not a minus: nothing stands here
"""What stands where there is no number, or none that could be trusted."""

_NS: dict[Unit, int] = {"µs": 1_000, "ms": 1_000_000}
_S_NS = 1_000_000_000
_SPOKEN = (("µs", 1_000, 100_000), ("ms", 1_000_000, _S_NS), ("s", _S_NS, 60 * _S_NS))

_LINKS = re.compile(r"://|www\.", re.IGNORECASE)
_MARKUP = re.compile(r"[\\`*\[\]|~]|(?<![^\W_])_|_(?![^\W_])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"}


def unit_for(times_ns: Iterable[int | None]) -> Unit:
    """The one unit in which a table of such medians is read down: µs while all of them are below a millisecond."""
    known = [time_ns for time_ns in times_ns if time_ns is not None]
    return "µs" if known and max(known) < _NS["ms"] else "ms"


def in_unit(time_ns: int | None, unit: Unit) -> str:
    """A time without its unit, which the head of the column names: three digits that count ("0.0198", "4,012")."""
    return DASH if time_ns is None else _significant(time_ns / _NS[unit])


def duration(time_ns: float | None) -> str:
    """
    A time with the unit that suits it: "19.8 µs", "0.62 ms", "1.50 s", "3 min 12 s".

    A tenth of a millisecond is already written in ms: that is how the services' users speak.
    """
    if time_ns is None:
        return DASH
    time_ns = round(time_ns)
    if time_ns < 0:
        return f"−{duration(-time_ns)}"  # noqa: RUF001 - a minus, which a hyphen is not
    for unit, size_ns, below_ns in _SPOKEN:
        if time_ns < below_ns:
            return f"{_spoken(time_ns / size_ns)} {unit}"
    minutes, seconds = divmod(round(time_ns / _S_NS), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"


def per_cent(value: float | None) -> str:
    """A figure that is in per cent already, with one decimal and without its sign: "97.0"."""
    return DASH if value is None else f"{value:.1f}"


def age(time_ns: int) -> str:
    """How long ago, in the one unit that matters: "45 s", "3 min", "5 h", "2 days"."""
    seconds = max(0, time_ns) // _S_NS
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3_600:
        return f"{seconds // 60} min"
    if seconds < 2 * 86_400:
        return f"{seconds // 3_600} h"
    return f"{seconds // 86_400} days"


def moment(epoch_ns: int) -> str:
    """A point in time for people everywhere: "2026-11-25 03:15 UTC"."""
    return datetime.fromtimestamp(epoch_ns // _S_NS, UTC).strftime("%Y-%m-%d %H:%M UTC")


def throughput(per_second: float | None) -> str:
    """Calls a second: "18,000/s", "8.53/s"."""
    if per_second is None or not math.isfinite(per_second):
        return DASH
    return f"{_significant(_rounded(per_second))}/s"


def size(size_bytes: float | None) -> str:
    """Bytes in binary units: "256 MiB", "7.6 GiB"."""
    if size_bytes is None:
        return DASH
    value, unit = float(round(size_bytes)), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):  # noqa: B007 - the unit it stops at is the answer
        if value < 1024:
            break
        value /= 1024
    else:
        value *= 1024
    return f"{_short(value)} {unit}"


def signed_size(size_bytes: float | None) -> str:
    """A difference of bytes: "2 KiB", "−512 B"."""  # noqa: RUF002 - a minus, which a hyphen is not
    return size(size_bytes) if size_bytes is None or size_bytes >= 0 else f"−{size(-size_bytes)}"  # noqa: RUF001 - the same


def count(number: int | None) -> str:
    """A whole number with its thousands apart: "1,234,567"."""
    return DASH if number is None else f"{number:,}"


def users(number: int) -> str:
    """How many users, in words: "1 user", "1,000 users"."""
    return "1 user" if number == 1 else f"{count(number)} users"


def percent(share: float) -> str:
    """A share from 0 to 1: "0.3 %"; what is not quite nothing says so ("< 0.1 %")."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    return f"{_short(share * 100)} %"


def change(ratio: float | None) -> str:
    """How much longer than before: "+12 %"; from three times on "4.5 times"."""
    if ratio is None or not math.isfinite(ratio):
        return DASH
    if ratio >= 3:
        return f"{_short(ratio)} times"
    sign = "+" if ratio >= 1 else "−"  # noqa: RUF001 - a minus, which a hyphen is not
    return f"{sign}{_short(round(abs(ratio - 1) * 100, 1))} %"


def times(ratio: float | None) -> str:
    """How many times as much: "2.4", "112"."""
    return DASH if ratio is None or not math.isfinite(ratio) else _spoken(ratio)


def enumeration(words: Iterable[str]) -> str:
    """Words in a row: "one, two and three"."""
    *before, last = words
    return f"{', '.join(before)} and {last}" if before else last


def number(value: float) -> int | float:
    """Three digits that count, still a number: for tables that sort by it."""
    rounded = _rounded(value)
    return int(rounded) if rounded.is_integer() else rounded


def plain(text: object, limit: int = 80) -> str:
    """One line without control, invisible or direction-changing characters, at most `limit` characters long."""
    # Cut before looking at each character: a banner may be megabytes long.
    head = str(text)[: limit * 4]
    seen = "".join(" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in head)
    line = " ".join(seen.split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def cell(text: object, limit: int = 80) -> str:
    """Hostile text as one harmless cell of a Markdown table: no markup, no link, no mention, no HTML."""
    return _escape(plain(text, limit))


def prose(text: object, limit: int = 600) -> str:
    """Hostile text as part of a sentence; what stood between backticks (a command to copy) stays code."""
    parts = plain(text, limit).split("`")
    if len(parts) % 2 == 0 or not all(part.strip() for part in parts[1::2]):
        return _escape("`".join(parts))  # a backtick without a partner: none of them is markup
    return "".join(f"`{part}`" if place % 2 else _escape(part) for place, part in enumerate(parts))


def sql(text: object) -> str:
    """Hostile text as a string literal in SQL that people copy."""
    return "'" + plain(text, 500).replace("'", "''") + "'"


def label(text: object, limit: int = 34) -> str:
    """Text for a picture: only what every font can draw."""
    return plain(text, limit).replace("…", "...").encode("latin-1", "replace").decode("latin-1")


def file_name(text: str) -> str:
    """A file's name made of somebody's word: the same for the same word, never a path, never another word's."""
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", text[:200]).strip("-")[:60]
    return safe if safe and safe == text else f"{safe or 'x'}-{zlib.crc32(text.encode(errors='replace')):08x}"


def _escape(line: str) -> str:
    """One clean line with every sign that means something in Markdown taken literally."""
    line = "".join(_ENTITIES.get(sign, sign) for sign in line)
    line = _MARKUP.sub(lambda match: f"\\{match[0]}", line)
    return _LINKS.sub(lambda match: match[0].replace(":", "&#58;").replace(".", "&#46;"), line)


def _rounded(value: float) -> float:
    """Three digits that count."""
    if value == 0 or not math.isfinite(value):
        return 0.0
    return round(value, 2 - math.floor(math.log10(abs(value))))


def _significant(value: float) -> str:
    """Three digits that count, trailing zeros kept so that a column lines up; whole numbers from 100 on."""
    if value == 0:
        return "0"
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    places = 2 - math.floor(math.log10(abs(_rounded(value))))
    return f"{value:.{places}f}"


def _spoken(value: float) -> str:
    """Two decimals below 10, one below 100, none above."""
    if value >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}"


def _short(value: float) -> str:
    """The same without zeros that say nothing."""
    text = _spoken(value)
    return text.rstrip("0").rstrip(".") if "." in text else text
