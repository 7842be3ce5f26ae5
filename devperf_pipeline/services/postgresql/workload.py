"""
What is PostgreSQL asked, directly and through PgBouncer, by prepared bytes and by psycopg?

Directly, each statement is parsed once and bound by name. PgBouncer in transaction pooling hands every call to
another server connection, so there the unnamed statement is parsed again on each call.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg

from devperf_pipeline.model import Outcome
from devperf_pipeline.services.database.workload import JOIN, Arguments, Result, SqlRecipe
from devperf_pipeline.services.database.workload import RECIPES as SHARED
from devperf_pipeline.services.operation import Driver, Operation, Step, Wire, floor
from devperf_pipeline.services.postgresql import protocol
from devperf_pipeline.services.postgresql.connection import PostgresConnection, failure_of, name_of

RECIPES = (*SHARED, JOIN)


@dataclass(frozen=True, slots=True)
class Workload:
    """The published operations, in a schema whose quoted name is `space`, directly or `pooled`."""

    space: str
    pooled: bool

    def operations(self, fill: Callable[[str, int], None]) -> Sequence[Operation]:
        """The floor and the published operations."""
        return (
            floor("empty statement", _floor_wire, _floor_driver),
            *(recipe.operation(wire=self._wire, driver=self._driver, fill=fill) for recipe in RECIPES),
        )

    def _wire(self, recipe: SqlRecipe, connection: PostgresConnection, user: int, size: int) -> Wire:
        def unnamed(text: str, arguments: Arguments) -> bytes:
            return protocol.parse("", text, arguments) + protocol.execute("", arguments)

        def named(text: str, arguments: Arguments) -> bytes:
            name = name_of(text, connection, lambda name: protocol.parse(name, text, arguments))
            return protocol.execute(name, arguments)

        encode = unnamed if self.pooled else named
        return Wire(
            sockets=(connection.socket,),
            calls=recipe.steps(recipe.texts(self.space), user, size, encode, protocol.complete),
            check=protocol.checker(protocol.tags_of(recipe.exchanges)),
            verify=protocol.verifier(recipe.exchanges),
        )

    def _driver(self, recipe: SqlRecipe, connection: PostgresConnection, user: int, size: int) -> Driver:
        connection.give_back()
        texts = [each.text.replace("{space}", self.space).encode() for each in recipe.statements]
        calls = [list(zip(texts, call, strict=True)) for call in recipe.every_call(user, size)]
        driver, count, named = connection.driver, len(calls), not self.pooled

        def run(number: int) -> list[Result]:
            results: list[Result] = []
            with driver.cursor() as cursor:
                for text, arguments in calls[number % count]:
                    cursor.execute(text, arguments, prepare=named)
                    results.append((cursor.rowcount, cursor.fetchall() if cursor.description else []))
            return results

        def run_in_transaction(number: int) -> list[Result]:
            with driver.transaction():
                return run(number)

        return Driver(
            call=run_in_transaction if recipe.transaction else run,
            check=recipe.check,
            verify=recipe.wrong,
            exceptions=(psycopg.Error,),
            failure=failure_of(driver),
            size=count if recipe.finite else None,
        )


def _floor_wire(connection: PostgresConnection) -> Wire:
    return Wire(
        sockets=(connection.socket,),
        calls=((Step(protocol.EMPTY_QUERY, protocol.complete),),),
        check=protocol.check_nothing,
        verify=protocol.verify_nothing,
    )


def _floor_driver(connection: PostgresConnection) -> Driver:
    connection.give_back()
    driver = connection.driver

    def call(_number: int) -> int:
        with driver.cursor() as cursor:
            return cursor.execute("").rowcount

    return Driver(
        call=call,
        check=lambda count: Outcome.OK if count <= 0 else Outcome.WRONG,
        verify=lambda count: None if count <= 0 else f"the empty statement returned {count} rows",
        exceptions=(psycopg.Error,),
        failure=failure_of(driver),
    )
