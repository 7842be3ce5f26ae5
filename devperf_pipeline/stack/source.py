"""Where in a stack file is something wrong, and how is that said?"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from devperf_pipeline.errors import ConfigurationError

Keys = tuple[str | int, ...]
"""Nested keys of a stack file; a number is a place in a list of tables, from 1."""


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a stack file, to say where something is wrong in it."""

    path: Path
    text: str

    def complain(self, keys: Keys, expected: str, found: str, advice: str = "") -> NoReturn:
        """Say what is wrong with the value of these nested keys."""
        subject = f"{'.'.join(map(str, keys))}: " if keys else ""
        raise ConfigurationError(
            f"{self.place(keys)}: {subject}expected {expected}, found {found}.{advice and ' ' + advice}"
        )

    def place(self, keys: Keys) -> str:
        """
        The file, and the line where the innermost of these keys is written, or the nearest one around it.

        A number among them is a place in a list of tables, from 1.
        """
        lines = self.text.splitlines()
        at = 0
        for depth, key in enumerate(keys):
            names = [rf"[\"']?{re.escape(part)}[\"']?" for part in keys[: depth + 1] if isinstance(part, str)]
            table = r"\s*\.\s*".join(names)
            if isinstance(key, int):
                headers = re.compile(rf"\s*\[\[\s*{table}\s*\]\]")
                found = [number for number, line in enumerate(lines) if headers.match(line)]
                at = found[key - 1] if key <= len(found) else at
                continue
            wanted = re.compile(
                rf"\s*(\[\s*{table}\s*\]|({table}|{names[-1]})\s*[=.]|[^#=]*=\s*\{{.*\b{names[-1]}\s*=)"
            )
            at = next((number for number in range(at, len(lines)) if wanted.match(lines[number])), at)
        return f"{self.path}, line {at + 1}"


def nearest(word: str, valid: Iterable[str], before: str = "") -> str:
    """A question that offers the valid word most like this one, or nothing."""
    found = get_close_matches(word, list(valid), n=1)
    return f"{before}Did you mean '{found[0]}'?" if found else ""


def shown(value: Any) -> str:
    """A value as a message shows it: short, and without anything that a terminal would obey."""
    return repr(value) if len(repr(value)) <= 80 else f"{repr(value)[:80]}…"
