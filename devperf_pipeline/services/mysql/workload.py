"""
What is MySQL asked, by prepared bytes and by pymysql?

Each statement is prepared once, a call of the engine executes it by its number.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import pymysql

from devperf_pipeline.model import Outcome
from devperf_pipeline.services.database.workload import RECIPES, Arguments, Result, SqlRecipe
from devperf_pipeline.services.mysql import protocol
from devperf_pipeline.services.mysql.connection import MysqlConnection, failure, number_of
from devperf_pipeline.services.operation import Driver, Operation, Step, Wire, floor


def operations(database: str, fill: Callable[[str, int], None]) -> Sequence[Operation]:
    """The floor and the six published operations, in our database."""
    wire, driver = partial(_wire, database), partial(_driver, database)
    return (
        floor("COM_PING", _floor_wire, _floor_driver),
        *(recipe.operation(wire=wire, driver=driver, fill=fill) for recipe in RECIPES),
    )


def _wire(database: str, recipe: SqlRecipe, connection: MysqlConnection, user: int, size: int) -> Wire:
    def encode(text: str, arguments: Arguments) -> bytes:
        if text in {"BEGIN", "COMMIT"}:
            return protocol.command(protocol.QUERY, text.encode())
        return protocol.execute(number_of(text.replace("%s", "?"), connection), arguments)

    return Wire(
        sockets=(connection.socket,),
        calls=recipe.steps(recipe.texts(database), user, size, encode, protocol.complete),
        check=protocol.checker(recipe.exchanges),
        verify=protocol.verifier(recipe.exchanges),
    )


def _driver(database: str, recipe: SqlRecipe, connection: MysqlConnection, user: int, size: int) -> Driver:
    """One user's calls through pymysql, which quotes the arguments into the text of each call."""
    connection.give_back()
    texts = [statement.text.replace("{space}", database) for statement in recipe.statements]
    calls = [list(zip(texts, call, strict=True)) for call in recipe.every_call(user, size)]
    driver, count = connection.driver, len(calls)

    def run(number: int) -> list[Result]:
        results: list[Result] = []
        with driver.cursor() as cursor:
            for text, arguments in calls[number % count]:
                cursor.execute(text, arguments)
                results.append((cursor.rowcount, list(cursor.fetchall()) if cursor.description else []))
        return results

    def run_in_transaction(number: int) -> list[Result]:
        driver.begin()
        try:
            results = run(number)
            driver.commit()
        except pymysql.Error:
            with suppress(pymysql.Error):
                driver.rollback()
            raise
        return results

    return Driver(
        call=run_in_transaction if recipe.transaction else run,
        check=recipe.check,
        verify=recipe.wrong,
        exceptions=(pymysql.Error,),
        failure=failure,
        size=count if recipe.finite else None,
    )


def _floor_wire(connection: MysqlConnection) -> Wire:
    ping = protocol.command(protocol.PING)
    return Wire(
        sockets=(connection.socket,),
        calls=((Step(ping, protocol.complete),),),
        check=protocol.checker([None]),
        verify=protocol.verifier([None]),
    )


def _floor_driver(connection: MysqlConnection) -> Driver:
    connection.give_back()
    driver = connection.driver

    def call(_number: int) -> bool:
        driver.ping(reconnect=False)
        return driver.open

    return Driver(
        call=call,
        check=lambda open_still: Outcome.OK if open_still else Outcome.WRONG,
        verify=lambda open_still: None if open_still else "the connection is not open after a PING",
        exceptions=(pymysql.Error,),
        failure=failure,
    )
