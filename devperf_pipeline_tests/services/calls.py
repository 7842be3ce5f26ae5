"""How do tests make the calls of an operation?"""

from collections.abc import Sequence
from typing import Any

import pytest

from devperf_pipeline.measure.engine import blocking, exchange
from devperf_pipeline.model import Outcome
from devperf_pipeline.services.operation import Operation, Session, Wire

CALLS = 40

Verdict = tuple[int, str | None]

RIGHT: Verdict = (Outcome.OK, None)


def named(session: Session, name: str) -> Operation:
    """The operation of that name."""
    return {operation.name: operation for operation in session.operations()}[name]


def by_engine(operation: Operation, connections: Sequence[Any], calls: int = CALLS) -> list[Verdict]:
    """Outcome and verdict of every call, a user for each connection, in turn."""
    assert operation.wire is not None
    if operation.reset:
        operation.reset(len(connections), calls)
    wires = [operation.wire(connection, user, calls) for user, connection in enumerate(connections)]
    verdicts: list[Verdict] = []
    for wire in wires:
        blocking(wire.sockets)
    for number in range(calls):
        for wire in wires:
            if wire.before is not None:
                wire.before()
            replies = exchange(wire.sockets, wire.calls[number % len(wire.calls)])
            verdicts.append((wire.check(replies), wire.verify(replies)))
    return verdicts


def by_driver(operation: Operation, connections: Sequence[Any], calls: int = CALLS) -> list[Verdict]:
    """The same through the driver."""
    assert operation.driver is not None
    if operation.reset:
        operation.reset(len(connections), calls)
    drivers = [operation.driver(connection, user, calls) for user, connection in enumerate(connections)]
    verdicts: list[Verdict] = []
    for number in range(calls):
        for driver in drivers:
            if driver.before is not None:
                driver.before()
            returned = driver.call(number)
            verdicts.append((driver.check(returned), driver.verify(returned)))
    return verdicts


def failed(operation: Operation, wire: Wire, connection: Any) -> str | None:
    """The verdict of the engine on a call that the server refuses; by the driver it is an error as well."""
    assert operation.driver is not None
    blocking(wire.sockets)
    replies = exchange(wire.sockets, wire.calls[0])
    assert Outcome.ERROR == wire.check(replies)
    driver = operation.driver(connection, 0, CALLS)
    with pytest.raises(driver.exceptions) as caught:
        driver.call(0)
    assert Outcome.ERROR == driver.failure(caught.value)
    return wire.verify(replies)
