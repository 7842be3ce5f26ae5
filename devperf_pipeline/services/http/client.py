"""How is an HTTP service asked outside of any measurement: to prepare it, to check it, and to clean up?"""

from collections.abc import Mapping

from devperf_pipeline.errors import ServiceUnreachable, WrongAnswer
from devperf_pipeline.model import Address
from devperf_pipeline.services.http import protocol
from devperf_pipeline.services.http.connection import HttpConnection
from devperf_pipeline.services.http.protocol import NONE, Answer
from devperf_pipeline.services.operation import DEADLINE_S, Pace
from devperf_pipeline.stack.tls import refusal


class HttpClient:
    """Requests on a kept connection. Every answer comes whole within its deadline. `pace` hears of each, if one is set."""

    pace: Pace | None = None

    def __init__(
        self,
        where: str,
        address: Address,
        *,
        headers: Mapping[str, str] = NONE,
        remedy: str = "Look at its log.",
    ) -> None:
        self.where, self.headers = where, headers
        self._address, self._remedy = address, remedy
        self._connection = HttpConnection()

    def ask(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] = NONE,
        deadline_s: float = DEADLINE_S,
    ) -> Answer:
        """Whatever is answered; raises a `ServiceError` where nothing is, or nothing of HTTP."""
        sent = {**self.headers, **headers}
        request = protocol.encode(method, target, self._address.called, body, headers=sent)
        if self.pace is not None:
            self.pace.note()
        try:
            answer = protocol.ask(self._connection.take_socket(self._address), request, deadline_s)
        except OSError as error:
            # What comes late must not be taken for the next answer.
            self.close()
            if refused := refusal(self.where, self._address, error):
                raise refused from error
            raise ServiceUnreachable(
                f"{self.where} does not answer {method} {target} ({error}). {self._remedy}"
            ) from error
        except WrongAnswer as error:
            self.close()
            raise WrongAnswer(f"{self.where}, {method} {target}: {error}. {self._remedy}") from error
        if "close" in answer.headers.get("connection", "").lower():
            self.close()
        return answer

    def close(self) -> None:
        """End the connection; the next request makes a new one."""
        self._connection.close()
        self._connection = HttpConnection()
