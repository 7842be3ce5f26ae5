"""
What does an answer say of a rate limit: that one answered in its place, or how many calls one allows?

A limit that says nothing until it is reached is found on every call (`protocol.check`).
"""

import re
from dataclasses import dataclass

from devperf_pipeline.model import Outcome
from devperf_pipeline.services.http.protocol import Answer, outcome_of
from devperf_pipeline.services.operation import Pace

ENOUGH_CALLS = 5_000
"""A limit from here on is not kept to: rounds may fit into it, and every call tells when they do not."""

SHARE = 0.9
"""So much of a limit is used: whoever asked just before us had a part of it."""

LIMIT_HEADER = re.compile(r"ratelimit|(x-)?rate-?limit-(limit|policy)(-\w+)?")
ALLOWED = re.compile(r"(?:(?<=q=)|(?<=r=)|(?<=limit=)|^)\d+")
LEFT_HEADER = re.compile(r"(x-)?rate-?limit-remaining")
WINDOW = re.compile(r";\s*w=(\d+)")
UNITS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
WORDS = re.compile(r"(\d+)\s*(?:/|per|requests?\s*/)\s*(second|minute|hour|day)")


@dataclass(frozen=True, slots=True)
class Limit:
    """So many `calls` in any `seconds`, told in these words; `left` are those that are not used up, where it is said."""

    calls: int
    seconds: float
    told: str
    left: int | None = None

    def __str__(self) -> str:
        return f"{self.calls} calls in {self.seconds:g} s ({self.told})"

    def pace(self) -> Pace:
        """The pace at which it lets us ask."""
        pace = Pace(max(1, int(SHARE * self.calls)), self.seconds)
        pace.note(1 if self.left is None else self.calls - self.left)
        return pace


def limited_by(answer: Answer) -> str | None:
    """What an answer says of a rate limit that no benchmark fits into, or None."""
    if refusal := refused_by(answer):
        return refusal
    for name, value in answer.headers.items():
        if LIMIT_HEADER.fullmatch(name):
            allowed = [int(number) for number in ALLOWED.findall(value)]
            if allowed and min(allowed) < ENOUGH_CALLS:
                return f"{name}: {value[:60]}"
    return None


def refused_by(answer: Answer) -> str | None:
    """How a rate limit answered in the place of what was asked, or None."""
    if outcome_of(answer.status, retry_after="retry-after" in answer.headers) is not Outcome.LIMITED:
        return None
    waits = answer.headers.get("retry-after")
    return f"status {answer.status}{f', Retry-After: {waits[:40]}' if waits else ''}"


def limit_told(answer: Answer) -> Limit | None:
    """The limit that the headers of an answer tell with its time: who knows both can keep to it."""
    left = next((value for name, value in answer.headers.items() if LEFT_HEADER.fullmatch(name)), "")
    for name, value in answer.headers.items():
        allowed = [int(number) for number in ALLOWED.findall(value)] if LIMIT_HEADER.fullmatch(name) else []
        window = WINDOW.search(value)
        seconds = int(window[1]) if window else UNITS.get(name.rpartition("-")[2], 0)
        if allowed and 0 < min(allowed) < ENOUGH_CALLS and seconds:
            least = min(allowed)
            used = int(left) if left.isdecimal() and int(left) <= least else None
            return Limit(least, seconds, f"{name}: {value[:60]}", used)
    return None


def limit_in(text: str) -> Limit | None:
    """The limit that an API tells in words such as "100/minute"."""
    found = WORDS.search(text)
    return found and Limit(int(found[1]), UNITS[found[2]], text[:60])
