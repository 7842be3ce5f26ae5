"""How is the text of a tool read, so that what is wrong with it is named with its file and line?"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from devperf_pipeline.errors import ForeignResults

LARGEST = 2**53
"""No count and no time that a tool measured is larger: in nanoseconds, 104 days."""

UNITS_NS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60 * 10**9, "h": 3_600 * 10**9}

DURATION = r"([0-9.]+)(us|ms|s|m|h)"
"""A time with its unit, as wrk and h2load write it."""

SHOWN = 80
"""As much of a strange line is repeated in a message."""


class Text:
    """
    The lines of one file, or of what a tool printed, by its `name`.

    Lines end where they are split and where a terminal would write over what was there (carriage return).
    What is not there, or not what was expected, raises `ForeignResults`, which names file and line.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._lines = [part for line in text.split("\n") for part in [line.rstrip("\r").rpartition("\r")[2]]]

    @property
    def first(self) -> str:
        """The first line that is not empty."""
        return next((line for line in self._lines if line.strip()), "")

    @property
    def lines(self) -> Iterator[tuple[int, str]]:
        """Every line that is not empty, and its number, from 1."""
        return ((number, line) for number, line in enumerate(self._lines, 1) if line.strip())

    def has(self, pattern: str) -> bool:
        """Whether a line is like that."""
        return any(re.search(pattern, line) for line in self._lines)

    def find(self, pattern: str, expected: str) -> "Found":
        """The first line like that; `expected` says what should have been there."""
        found = self.maybe(pattern)
        if found is None:
            self.complain(len(self._lines), expected, "the end of the text", "Is it whole?")
        return found

    def maybe(self, pattern: str) -> "Found | None":
        """The first line like that, if there is one."""
        for number, line in enumerate(self._lines, 1):
            if match := re.search(pattern, line):
                return Found(self, number, match)
        return None

    def after(self, number: int) -> Iterator[tuple[int, str]]:
        """The lines after that one, empty ones included."""
        return enumerate(self._lines[number:], number + 1)

    def word(self, pattern: str) -> str | None:
        """The first group of the first line like that, made fit to be shown; None if there is no such line."""
        found = self.maybe(pattern)
        return None if found is None else shown(found[1])

    def count_of(self, pattern: str) -> int:
        """The first group of the first line like that as a whole number; 0 if there is no such line."""
        found = self.maybe(pattern)
        return 0 if found is None else found.count()

    def count(self, line: int, text: str) -> int:
        """A whole number that is not negative."""
        if not re.fullmatch(r"[0-9]{1,16}", text) or int(text) > LARGEST:
            self.complain(line, "a whole number", repr(text[:SHOWN]))
        return int(text)

    def number(self, line: int, text: str) -> float:
        """A number that is not negative."""
        if not re.fullmatch(r"[0-9]{1,16}(\.[0-9]{1,12})?(e-[0-9]{1,2})?", text) or float(text) > LARGEST:
            self.complain(line, "a number", repr(text[:SHOWN]))
        return float(text)

    def duration_ns(self, line: int, text: str, unit: str) -> int:
        """A time in that unit, in nanoseconds."""
        scaled = round(self.number(line, text) * UNITS_NS[unit])
        if scaled > LARGEST:
            self.complain(line, "a time of less than 100 days", f"{text} {unit}")
        return scaled

    def complain(self, line: int, expected: str, found: str, do: str = "") -> NoReturn:
        """Raise `ForeignResults`: what was expected, what was found, what to do."""
        advice = f" {do}" if do else ""
        raise ForeignResults(
            f"{self.name}, line {line}: expected {expected}, found {shown(found)}.{advice} Nothing of it was taken."
        )


@dataclass(frozen=True, slots=True)
class Found:
    """A line that was looked for: its number, and its groups as what they are."""

    text: Text
    line: int
    match: re.Match[str]

    def __getitem__(self, group: int) -> str:
        return self.match[group]

    def count(self, group: int = 1) -> int:
        """A group as a whole number."""
        return self.text.count(self.line, self.match[group])

    def number(self, group: int = 1) -> float:
        """A group as a number."""
        return self.text.number(self.line, self.match[group])

    def time_ns(self, unit: str = "", group: int = 1) -> int:
        """A group as a time in that unit, or in the one that the next group says."""
        return self.text.duration_ns(self.line, self.match[group], unit or self.match[group + 1])


def shown(text: str) -> str:
    """A foreign text fit to be stored and shown: one line, no control characters, not long."""
    clean = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(clean.split())[: 2 * SHOWN]


def slug(text: str) -> str:
    """A name for an operation, from a title: lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60].strip("-") or "unnamed"
