"""
Was MySQL's reply right?

A glance after each call, a full reading for the replies that are kept.
"""

from collections.abc import Callable, Sequence

from devperf_pipeline.model import Outcome
from devperf_pipeline.services.mysql.protocol import EOF, ERROR, OK, affected, error_of, rows_of
from devperf_pipeline.services.relational.rows import Statement, what_failed


def checker(statements: Sequence[Statement | None]) -> Callable[[list[bytes]], int]:
    """A check of a call's replies: rows changed, or a whole result with rows; None is BEGIN, COMMIT or PING."""
    # One packet of column count, the columns, EOF, the rows, EOF: the number of the last one counts the rows.
    expected = [(each.row is not None, each.count) if each else (False, 0) for each in statements]

    def check(replies: list[bytes]) -> int:
        for reply, (rows, count) in zip(replies, expected, strict=True):
            if rows:
                if reply[-5] != EOF or reply[4] in {OK, ERROR} or reply[-6] != (reply[4] + count + 3) % 256:
                    return what_failed(replies, error_of)
            elif affected(reply) != count:
                return what_failed(replies, error_of)
        return Outcome.OK

    return check


def verifier(statements: Sequence[Statement | None]) -> Callable[[list[bytes]], str | None]:
    """A full reading of a call's replies: no error, rows changed as expected, every row as it was seeded."""

    def verify(replies: list[bytes]) -> str | None:
        try:
            for statement, reply in zip(statements, replies, strict=True):
                if (problem := error_of(reply)) is not None:
                    return problem
                if statement and statement.row:
                    problem = statement.wrong(rows_of(reply))
                elif affected(reply) != (statement.count if statement else 0):
                    problem = (
                        f"{affected(reply)} rows changed instead of {statement.count if statement else 0}"
                    )
                if problem is not None:
                    return problem
        except (ValueError, IndexError) as error:
            return f"the reply cannot be read: {error}"
        return None

    return verify
