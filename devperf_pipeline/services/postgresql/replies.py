"""
Was PostgreSQL's reply right?

A glance after each call (the tag of CommandComplete), a full reading for the replies that are kept.
"""

from collections.abc import Callable, Sequence

from devperf_pipeline.model import Outcome
from devperf_pipeline.services.postgresql.protocol import READY, error_of, messages, rows_of
from devperf_pipeline.services.relational.rows import Statement, what_failed

NOTHING = b"I\x00\x00\x00\x04" + READY + b"I"
"""The whole reply to an empty statement."""


def tags_of(statements: Sequence[Statement | None]) -> list[bytes]:
    """What CommandComplete says when each statement did what it should; None at the ends is BEGIN and COMMIT."""
    tags: list[bytes] = []
    for statement in statements:
        if statement is None:
            tags.append(b"COMMIT\x00" if tags else b"BEGIN\x00")
        else:
            zero = " 0" if statement.verb == "INSERT" else ""
            tags.append(f"{statement.verb}{zero} {statement.count}\x00".encode())
    return tags


def checker(tags: Sequence[bytes]) -> Callable[[list[bytes]], int]:
    """A check of a call's replies, one for each of `tags`, by a few bytes before their end."""

    def check(replies: list[bytes]) -> int:
        for reply, tag in zip(replies, tags, strict=True):
            if not reply.endswith(tag, 0, -6):
                return what_failed(replies, error_of)
        return Outcome.OK

    return check


def check_nothing(replies: list[bytes]) -> int:
    """Check the reply to an empty statement."""
    return Outcome.OK if replies == [NOTHING] else what_failed(replies, error_of)


def verifier(statements: Sequence[Statement | None]) -> Callable[[list[bytes]], str | None]:
    """A full reading of a call's replies: no error, the right tag, every row as it was seeded."""
    tags = tags_of(statements)

    def verify(replies: list[bytes]) -> str | None:
        try:
            for statement, tag, reply in zip(statements, tags, replies, strict=True):
                if (problem := error_of(reply)) is not None:
                    return problem
                said = [body for kind, body in messages(reply) if kind == b"C"]
                if said != [tag]:
                    return f"the server said {said!r} instead of {tag!r}"
                rows = rows_of(reply, statement.row(1) if statement and statement.row else ())
                if statement and (problem := statement.wrong(rows)) is not None:
                    return problem
        except ValueError as error:
            return f"the reply cannot be read: {error}"
        return None

    return verify


def verify_nothing(replies: list[bytes]) -> str | None:
    """Read the reply to an empty statement."""
    return None if replies == [NOTHING] else f"the empty statement was answered {replies!r}"
