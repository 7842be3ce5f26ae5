"""What does RabbitMQ's management API know and do for us?"""

import base64
import json
import time
from typing import Any

from devperf_pipeline.errors import ConfigurationError, ServiceRefused, WrongAnswer
from devperf_pipeline.model import Credentials, Service
from devperf_pipeline.services.http.client import HttpClient

FIGURES_AFTER_S = 8.0
"""A broker collects figures of itself every five seconds."""


class Management:
    """The management API of one broker, asked as our user."""

    def __init__(self, service: Service) -> None:
        if len(service.addresses) < 2:
            raise ConfigurationError(
                f"{service.name}: expected two addresses, AMQP and management API, found {len(service.addresses)}. "
                "Add the other one to the stack file (the management plugin listens on port 15672 by default)."
            )
        self._service = service
        self.where = f"{service.name} at {service.addresses[1]} (management API)"
        credentials = service.credentials or Credentials("guest", "guest")
        self.username = credentials.username
        token = base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}"}
        self._client = HttpClient(
            self.where,
            service.addresses[1],
            remedy="Start it with the management plugin, or correct the second address in the stack file.",
        )

    def node(self) -> dict[str, Any]:
        """What the first node says of itself. Its figures come some seconds after its start: wait for them."""
        ends = time.monotonic() + FIGURES_AFTER_S
        while True:
            status, nodes = self.ask("GET", "/nodes")
            # Reading it takes a tag that our user may not have.
            if status != 200 or not nodes:
                return {}
            if "mem_limit" in nodes[0] or time.monotonic() > ends:
                return nodes[0]
            time.sleep(0.2)

    def refuse_alarms(self, patience_s: float = 0.0) -> None:
        """
        Publishers of a broker with an alarm wait for ever: that is no latency.

        An alarm that the round before has caused ends by itself: `patience_s` is how long it may take.

        Raises:
            ServiceRefused: memory or disk is short.

        """
        ends = time.monotonic() + patience_s
        while True:
            status, answer = self.ask("GET", "/health/checks/alarms")
            if status != 503:
                return
            if time.monotonic() > ends:
                break
            time.sleep(0.2)
        alarms = {f"{alarm.get('resource')} on {alarm.get('node')}" for alarm in answer.get("alarms", ())}
        raise ServiceRefused(
            f"{self._service.where} blocks publishers: alarm of "
            f"{', '.join(sorted(alarms)) or answer.get('reason')}. Free memory or disk, or raise "
            "vm_memory_high_watermark or lower disk_free_limit."
        )

    def do(self, method: str, path: str, body: dict[str, str] | None = None) -> Any:
        """What is answered; raises a `ServiceError` where it is no success."""
        status, answer = self.ask(method, path, body)
        if 200 <= status < 300:
            return answer
        words = answer.get("reason") if isinstance(answer, dict) else answer  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        raise ServiceRefused(
            f"{self.where} answers {status} to {method} {path}: {words}. "
            f"Correct user name and password, or what user {self.username!r} may do."
        )

    def ask(self, method: str, path: str, body: dict[str, str] | None = None) -> tuple[int, Any]:
        """Status and what is answered, whatever it is; raises a `ServiceError` where nothing is."""
        text = json.dumps(body).encode() if body else None
        answer = self._client.ask(method, f"/api{path}", text, headers=self._headers)
        # The next question comes minutes later.
        self._client.close()
        try:
            return answer.status, json.loads(answer.body) if answer.body else {}
        except ValueError as error:
            raise WrongAnswer(
                f"{self.where} does not answer as RabbitMQ does: {answer.status} {answer.body[:60]!r}. "
                "Correct the second address in the stack file."
            ) from error
