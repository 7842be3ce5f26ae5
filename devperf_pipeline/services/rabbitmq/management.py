"""What does RabbitMQ's management API know and do for us: versions, alarms, a vhost of our own?"""

import base64
import http.client
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from devperf_pipeline.errors import ConfigurationError, ServiceRefused, ServiceUnreachable, WrongAnswer
from devperf_pipeline.model import Credentials, Service
from devperf_pipeline.services.operation import DEADLINE_S, OUR_NAME
from devperf_pipeline.services.probe import hung_up_after

MARK = "devperf_pipeline"
LARGEST_ANSWER_BYTES = 16 * 2**20


NEEDED_BYTES = 64 * 2**20
"""What our messages take at most: 20,000 of 1 KiB, and what a broker keeps beside each."""

FIGURES_AFTER_S = 8.0
"""A broker collects figures of itself every five seconds."""


class Management:
    """The management API of one broker, asked as our user. Every answer comes within the deadline."""

    def __init__(self, service: Service) -> None:
        if len(service.addresses) < 2:
            raise ConfigurationError(
                f"{service.name}: expected two addresses, AMQP and management API, found {len(service.addresses)}. "
                "Add the other one to the stack file (the management plugin listens on port 15672 by default)."
            )
        self._service = service
        self._address = service.addresses[1]
        credentials = service.credentials or Credentials("guest", "guest")
        self._username = credentials.username
        token = base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
        self.own_vhost = self._may_create_vhosts()

    @property
    def vhost(self) -> str:
        """Where our queues live: a vhost of our own, or the one that the stack file names."""
        return OUR_NAME if self.own_vhost else self._service.database or ""

    def _may_create_vhosts(self) -> bool:
        tags = self._get("/whoami")["tags"]
        # Before RabbitMQ 3.9 tags were one string.
        if "administrator" in (tags.split(",") if isinstance(tags, str) else tags):
            return True
        if not self._service.database:
            raise ServiceRefused(
                f"{self._service.name} at {self._address}: user {self._username!r} may not create a vhost of its own. "
                "Give it the tag 'administrator', or name a vhost that it may use as database in the stack file."
            )
        return False

    def facts(self) -> tuple[str, str, dict[str, str]]:
        """Versions of RabbitMQ and Erlang, and settings."""
        overview = self._get("/overview")
        settings = {
            "vhost": f"{self.vhost} ({'our own' if self.own_vhost else 'shared: our user may not create one'})",
            "queues": "classic, durable",
            # Without ports: a stack that is started anew has others and is the same infrastructure.
            "listeners": ", ".join(
                sorted({listener["protocol"] for listener in overview.get("listeners", ())})
            ),
            "rates_mode": str(overview.get("rates_mode", "")),
        }
        node = self._node()
        settings.update({name: str(node[name]) for name in ("mem_limit", "disk_free_limit") if name in node})
        return str(overview["rabbitmq_version"]), str(overview["erlang_version"]), settings

    def _node(self) -> dict[str, Any]:
        """What the first node says of itself. Its figures come some seconds after its start: wait for them."""
        ends = time.monotonic() + FIGURES_AFTER_S
        while True:
            status, nodes = self._call("GET", "/nodes")
            # Reading it takes a tag that our user may not have.
            if status != http.client.OK or not nodes:
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
            status, answer = self._call("GET", "/health/checks/alarms")
            if status != http.client.SERVICE_UNAVAILABLE:
                return
            if time.monotonic() > ends:
                break
            time.sleep(0.2)
        alarms = {f"{alarm.get('resource')} on {alarm.get('node')}" for alarm in answer.get("alarms", ())}
        raise ServiceRefused(
            f"{self._service.name} at {self._service.address} blocks publishers: alarm of "
            f"{', '.join(sorted(alarms)) or answer.get('reason')}. Free memory or disk, or raise "
            "vm_memory_high_watermark or lower disk_free_limit."
        )

    def preflight(self) -> Iterator[str]:
        """What would spoil a measurement: alarms, room that is short, a vhost that is not ours."""
        try:
            self.refuse_alarms()
        except ServiceRefused as error:
            yield str(error)
        node = self._node()
        for kind, free, least in (
            ("memory", node.get("mem_limit", 0) - node.get("mem_used", 0), NEEDED_BYTES),
            ("disk", node.get("disk_free", 0) - node.get("disk_free_limit", 0), NEEDED_BYTES),
        ):
            if node and free < least:
                yield f"{kind} is short: {max(free, 0) // 2**20} MiB until it blocks publishers, and we take up to {least // 2**20}"
        if not self.own_vhost:
            yield (
                f"our user may not create a vhost: its queues lie in {self.vhost!r}, whose policies hold for them too"
            )
            return
        status, vhost = self._call("GET", f"/vhosts/{OUR_NAME}")
        if status == http.client.OK and vhost.get("description") != MARK:
            yield f"a vhost {OUR_NAME!r} exists that this project did not make: rename it"

    def claim(self) -> None:
        """
        Remove what an earlier visit left; where we have a vhost of our own, create it.

        Raises:
            ServiceRefused: a vhost or a queue of our name exists that we did not make.

        """
        self.remove()
        if not self.own_vhost:
            foreign = [queue["name"] for queue in self._queues()]
            if foreign:
                raise ServiceRefused(
                    f"{self._service.name}: expected no queue {OUR_NAME}.* in vhost {self.vhost!r}, found {foreign[0]!r}, "
                    "which this project did not make. Rename or remove it."
                )
            return
        status, _ = self._call("GET", f"/vhosts/{OUR_NAME}")
        if status == http.client.OK:
            raise ServiceRefused(
                f"{self._service.name}: a vhost {OUR_NAME!r} exists that this project did not make (its description is "
                f"not {MARK!r}). Rename or remove it."
            )
        self._do("PUT", f"/vhosts/{OUR_NAME}", {"description": MARK})
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        self._do("PUT", f"/permissions/{OUR_NAME}/{quote(self._username, safe='')}", everything)

    def remove(self) -> None:
        """Remove our vhost, or our queues in a shared one. What has not our mark stays."""
        if self.own_vhost:
            status, vhost = self._call("GET", f"/vhosts/{OUR_NAME}")
            if status == http.client.OK and vhost.get("description") == MARK:
                self._do("DELETE", f"/vhosts/{OUR_NAME}")
            return
        for queue in self._queues():
            if MARK in queue.get("arguments", {}).values():
                self._do("DELETE", f"/queues/{quote(self.vhost, safe='')}/{quote(queue['name'], safe='')}")

    def _queues(self) -> list[dict[str, Any]]:
        queues = self._get(f"/queues/{quote(self.vhost, safe='')}?columns=name,arguments")
        return [queue for queue in queues if queue["name"].startswith(f"{OUR_NAME}.")]

    def _get(self, path: str) -> Any:
        return self._do("GET", path)

    def _do(self, method: str, path: str, body: dict[str, str] | None = None) -> Any:
        """An answer that must be a success."""
        status, answer = self._call(method, path, body)
        if 200 <= status < 300:
            return answer
        words = answer.get("reason") if isinstance(answer, dict) else answer
        raise ServiceRefused(
            f"{self._service.name} at {self._address} (management API) answers {status} to {method} {path}: {words}. "
            f"Correct user name and password, or what user {self._username!r} may do."
        )

    def _call(self, method: str, path: str, body: dict[str, str] | None = None) -> tuple[int, Any]:
        where = f"{self._service.name} at {self._address} (management API)"
        connection = http.client.HTTPConnection(self._address.host, self._address.port, timeout=DEADLINE_S)
        try:
            connection.connect()
            with hung_up_after(connection.sock):
                connection.request(method, f"/api{path}", json.dumps(body) if body else None, self._headers)
                response = connection.getresponse()
                text = response.read(LARGEST_ANSWER_BYTES)
            return response.status, json.loads(text) if text else {}
        except TimeoutError as error:
            raise ServiceUnreachable(
                f"{where} does not answer within {DEADLINE_S:g} s. Look at the server."
            ) from error
        except OSError as error:
            raise ServiceUnreachable(
                f"{where} cannot be reached: {error}. Start it with the management plugin, or correct the address."
            ) from error
        except (http.client.HTTPException, ValueError) as error:
            raise WrongAnswer(
                f"{where} does not answer as RabbitMQ does: {type(error).__name__}: {error!s:.100}. "
                "Correct the second address in the stack file."
            ) from error
        finally:
            connection.close()
