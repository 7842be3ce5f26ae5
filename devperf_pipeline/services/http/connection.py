"""How does one user of an HTTP service stay connected, and what do the driver's responses and errors mean?"""

import socket
from collections.abc import Mapping
from contextlib import suppress
from http.cookiejar import DefaultCookiePolicy

import httpx

from devperf_pipeline.model import Address, Outcome
from devperf_pipeline.services.http import protocol
from devperf_pipeline.services.http.protocol import NONE, Answer
from devperf_pipeline.services.operation import DEADLINE_S
from devperf_pipeline.services.probe import opened, unread
from devperf_pipeline.stack.tls import context

EXCEPTIONS: tuple[type[Exception], ...] = (httpx.HTTPError, OSError)

Response = httpx.Response
"""What the driver returns; nobody else imports the driver."""


class HttpConnection:
    """
    One user's kept connections: sockets for the engine, clients for the driver, each made when first needed.

    There is one of each for each address: the service's, and that of the server that gives the floor. `headers` are
    what requests to an address carry beside the usual; nobody else gets them.
    """

    def __init__(self, headers: Mapping[Address, Mapping[str, str]] | None = None) -> None:
        self._headers = headers or {}
        self._sockets: dict[Address, socket.socket] = {}
        self._clients: dict[Address, httpx.Client] = {}

    def take_socket(self, address: Address) -> socket.socket:
        """
        A connected socket on which nothing is waiting to be read.

        Servers close connections that were idle for a while; such a one is replaced.
        """
        kept = self._sockets.get(address)
        if kept is not None:
            if not unread(kept):
                return kept
            kept.close()
        made = self._sockets[address] = opened(address)
        return made

    def headers(self, address: Address) -> Mapping[str, str]:
        """What every request to that address carries beside the usual."""
        return self._headers.get(address, NONE)

    def client(self, address: Address) -> httpx.Client:
        """The driver, with a connection that it keeps."""
        if address not in self._clients:
            client = httpx.Client(
                base_url=address.url,
                verify=context(address.tls) if address.tls else False,
                timeout=2 * DEADLINE_S,
                limits=httpx.Limits(max_connections=1, keepalive_expiry=None),
                # The engine asks for no compression either: what would differ is how an answer is packed.
                headers={"Accept-Encoding": "identity", "Host": address.called, **self.headers(address)},
                # A proxy that the environment names is for the world outside.
                trust_env=False,
            )
            # The engine sends back no cookie either: whoever did would go on with a session, which is other work.
            client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))
            self._clients[address] = client
        return self._clients[address]

    def close(self) -> None:
        """End them all."""
        for kept in (*self._sockets.values(), *self._clients.values()):
            with suppress(*EXCEPTIONS):
                kept.close()


def answer_of(response: Response) -> Answer:
    """The driver's response, as a plain answer."""
    return Answer(response.status_code, dict(response.headers), response.content)


def status_of(response: Response) -> Outcome:
    """How a call of the driver ended, by its status."""
    return protocol.outcome_of(response.status_code, retry_after="retry-after" in response.headers)


def failure(error: Exception) -> Outcome:
    """How a call ended that the driver raised."""
    match error:
        case httpx.TimeoutException() | TimeoutError():
            return Outcome.TIMEOUT
        case httpx.RemoteProtocolError() if "disconnected" in str(error):
            return Outcome.LOST
        case httpx.RemoteProtocolError() | httpx.DecodingError():
            return Outcome.WRONG
        case _:
            return Outcome.LOST
