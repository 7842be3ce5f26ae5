"""Where in the stack file is something wrong, and how is that said?"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from devperf_pipeline.errors import ConfigurationError

TYPES: Mapping[type, str] = {
    str: "text in quotes",
    bool: "true or false",
    int: "a number",
    list: "a list",
    dict: "a table",
}


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a stack file, to say where something is wrong in it."""

    path: Path
    text: str

    def complain(self, keys: tuple[str, ...], expected: str, found: str, advice: str = "") -> NoReturn:
        """Say what is wrong with the value of these nested keys."""
        where = f"{self.path}, line {self.line(keys)}"
        subject = f"{'.'.join(keys)}: " if keys else ""
        raise ConfigurationError(
            f"{where}: {subject}expected {expected}, found {found}.{advice and ' ' + advice}"
        )

    def line(self, keys: tuple[str, ...]) -> int:
        """The line where the innermost of these keys is written, or the nearest one around it; counted from 1."""
        lines = self.text.splitlines()
        at = 0
        for depth, key in enumerate(keys):
            name = rf"[\"']?{re.escape(key)}[\"']?"
            table = r"\s*\.\s*".join(rf"[\"']?{re.escape(part)}[\"']?" for part in keys[: depth + 1])
            wanted = re.compile(
                rf"\s*(\[\s*{table}\s*\]|({table}|{name})\s*[=.]|[^#=]*=\s*\{{.*\b{name}\s*=)"
            )
            at = next((number for number in range(at, len(lines)) if wanted.match(lines[number])), at)
        return at + 1

    def check_keys(self, keys: tuple[str, ...], table: Mapping[str, Any], valid: Iterable[str]) -> None:
        """Refuse keys that are not known, with the nearest one that is."""
        for key in table:
            if key not in valid:
                self.complain((*keys, key), f"one of {', '.join(valid)}", repr(key), nearest(key, valid))

    def take(
        self, keys: tuple[str, ...], table: Mapping[str, Any], key: str, kind: type, default: Any = None
    ) -> Any:
        """The value of a key, of that type. Without a default it must be there."""
        if key not in table:
            if default is None:
                self.complain(
                    keys, f"the key '{key}' ({TYPES[kind]})", "none", f"Add it to {self.path.name}."
                )
            return default
        value = table[key]
        # true is an int to Python, and not to people.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.complain((*keys, key), TYPES[kind], shown(value))
        return value


def nearest(word: str, valid: Iterable[str], before: str = "") -> str:
    """A question that offers the valid word most like this one, or nothing."""
    found = get_close_matches(word, list(valid), n=1)
    return f"{before}Did you mean '{found[0]}'?" if found else ""


def shown(value: Any) -> str:
    """A value as a message shows it: short, and without anything that a terminal would obey."""
    return repr(value) if len(repr(value)) <= 80 else f"{repr(value)[:80]}…"
