import select
import socket
from collections.abc import Mapping
from contextlib import closing

import httpx
import pytest

from devperf_pipeline.model import Address, Outcome
from devperf_pipeline.services.http.connection import HttpConnection, failure
from devperf_pipeline_tests.services.fake_apis import Reply, Request, serving


class TestHttpConnection:
    def test_replaces_what_the_server_closed(self) -> None:
        """A kept connection that the server has closed meanwhile is replaced before it is used."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address, connection = Address(*listener.getsockname()), HttpConnection()
            first = connection.take_socket(address)
            theirs, _ = listener.accept()
            assert first is connection.take_socket(address)
            theirs.close()
            select.select([first], [], [], 5)  # until the end of it has come
            second = connection.take_socket(address)
            connection.close()
        assert first is not second

    def test_driver_asks_as_the_engine_does(self) -> None:
        """What the driver asks depends on no answer before: no cookie is sent back, and no compression is asked for."""
        received: list[Mapping[str, str]] = []

        def api(request: Request) -> Reply:
            received.append(request.headers)
            return 200, {"Set-Cookie": "session=7; Path=/"}, {}

        with serving(api) as address:
            connection = HttpConnection()
            for _ in range(2):
                connection.client(address).get("/")
            connection.close()
        assert [None, None] == [headers.get("cookie") for headers in received]
        assert ["identity", "identity"] == [headers.get("accept-encoding") for headers in received]


class TestFailure:
    @pytest.mark.parametrize(
        ("error", "expected"),
        [
            (httpx.ReadTimeout("x"), Outcome.TIMEOUT),
            (httpx.ReadError("x"), Outcome.LOST),
            (httpx.ConnectError("x"), Outcome.LOST),
            (httpx.RemoteProtocolError("Server disconnected without sending a response."), Outcome.LOST),
            (httpx.RemoteProtocolError("illegal status line"), Outcome.WRONG),
        ],
    )
    def test_failure(self, error: Exception, expected: Outcome) -> None:
        """Each way in which the driver fails has its outcome."""
        assert expected == failure(error)


class TestHeaders:
    def test_are_for_one_address(self) -> None:
        """What requests to an address carry, by either instrument, those to another do not."""
        here, elsewhere = Address("127.0.0.1", 1), Address("127.0.0.1", 2)
        with closing(HttpConnection({here: {"Authorization": "Bearer s3cret"}})) as connection:
            assert ("Bearer s3cret", None) == (
                connection.client(here).headers.get("authorization"),
                connection.client(elsewhere).headers.get("authorization"),
            )
            assert ({"Authorization": "Bearer s3cret"}, {}) == (
                connection.headers(here),
                connection.headers(elsewhere),
            )
            assert not connection.client(here).follow_redirects
