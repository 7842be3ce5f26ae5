"""How does one user of Vault stay connected, and what do the driver's errors mean?"""

from contextlib import suppress

import hvac
import requests
from hvac.exceptions import RateLimitExceeded, VaultError

from devperf_pipeline.model import Address, Outcome
from devperf_pipeline.services.http.connection import HttpConnection
from devperf_pipeline.services.operation import DEADLINE_S
from devperf_pipeline.stack.credentials import session_to

EXCEPTIONS: tuple[type[Exception], ...] = (VaultError, OSError)
"""What the driver raises; the errors of requests, which it uses, are OSErrors."""

VaultClient = hvac.Client
"""The driver; nobody else imports it."""


class VaultConnection(HttpConnection):
    """One user's kept connections: sockets for the engine, a driver for each address and token."""

    def __init__(self) -> None:
        super().__init__()
        self._drivers: dict[tuple[Address, str], VaultClient] = {}

    def vault(self, address: Address, token: str) -> VaultClient:
        """The driver, with a connection that it keeps."""
        key = (address, token)
        if key not in self._drivers:
            session = session_to(address)
            # An empty token is one: without any the driver would look for one in the environment and at home.
            self._drivers[key] = hvac.Client(
                url=address.url,
                token=token,
                timeout=int(2 * DEADLINE_S),
                session=session,
                allow_redirects=False,
            )
        return self._drivers[key]

    def close(self) -> None:
        """End them all."""
        super().close()
        for driver in self._drivers.values():
            with suppress(*EXCEPTIONS):
                driver.session.close()


def failure(error: Exception) -> Outcome:
    """How a call ended that the driver raised."""
    match error:
        case requests.Timeout() | TimeoutError():
            return Outcome.TIMEOUT
        case RateLimitExceeded():
            return Outcome.LIMITED
        case VaultError():
            return Outcome.ERROR
        case requests.exceptions.InvalidJSONError():
            return Outcome.WRONG
        case _:
            return Outcome.LOST
