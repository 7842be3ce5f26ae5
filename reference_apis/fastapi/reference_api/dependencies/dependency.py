"""
What is a dependency to the API, and how is it asked without ever waiting too long?
"""

import asyncio
from collections.abc import Awaitable
from typing import Literal, Protocol, TypeVar

DEADLINE_S = 2.0
"""How long a dependency may take, for a whole request or a whole check."""

NAMES = ("vault", "postgres", "mysql", "mongodb", "redis", "rabbitmq")
"""Every dependency there can be, in the order in which `/health/all` asks."""

Answer = TypeVar("Answer")


class Dependency(Protocol):
    """
    A server that the API uses. Connections are made when first needed, pooled, and replaced when they break.

    `errors` is everything that its driver may raise when the server is not well.
    """

    name: str
    errors: tuple[type[Exception], ...]

    async def open(self) -> None:
        """
        Make the pool. Connects to nothing yet, so that the API starts without its dependencies.
        """

    async def check(self) -> str:
        """
        Ask the server something real; its version.
        """
        ...

    async def close(self) -> None:
        """
        End every connection.
        """


class DependencyUnavailable(Exception):
    """
    A dependency is not configured, or does not answer as it should.
    """

    def __init__(self, reason: Literal["absent", "unreachable"], error: str) -> None:
        super().__init__(error)
        self.reason = reason
        self.error = error


async def ask(dependency: Dependency, answer: Awaitable[Answer]) -> Answer:
    """
    What the dependency answers, within the deadline.

    Raises:
        DependencyUnavailable: it does not. The message names the driver's error but does not quote it:
            drivers like to quote the address they were given, password included.

    """
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await answer
    except TimeoutError as error:
        raise DependencyUnavailable(
            "unreachable", f"{dependency.name} did not answer within {DEADLINE_S:g} s"
        ) from error
    except dependency.errors as error:
        raise DependencyUnavailable(
            "unreachable", f"{dependency.name} did not answer ({type(error).__name__})"
        ) from error
