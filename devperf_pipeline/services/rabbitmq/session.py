"""How is RabbitMQ measured?"""

import time
from collections.abc import Sequence
from typing import Any

from devperf_pipeline.errors import ServiceError, ServiceRefused, WrongAnswer
from devperf_pipeline.model import Facts, Service
from devperf_pipeline.services.operation import DEADLINE_S, FLOOR, Operation, Session
from devperf_pipeline.services.probe import hung_up_after, probe, show
from devperf_pipeline.services.rabbitmq import protocol
from devperf_pipeline.services.rabbitmq.cleanup import OwnVhost
from devperf_pipeline.services.rabbitmq.connection import (
    EXCEPTIONS,
    MARK,
    RabbitConnection,
    connect,
    explanation,
)
from devperf_pipeline.services.rabbitmq.management import Management
from devperf_pipeline.services.rabbitmq.preflight import of_broker
from devperf_pipeline.services.rabbitmq.workload import body_of, operations, queue_of

KEPT = 100
"""
How many messages a queue that is published to keeps: the oldest goes when one more comes, as if it were consumed.

Without this the queues of one round of 10 KiB messages fill a broker of 256 MB, and what is measured is its alarm.
"""

FILL_CHUNK = 100


def open_session(service: Service) -> "RabbitSession":
    """A session with a broker; raises a `ServiceError`."""
    received = probe(
        service, service.address, send=protocol.PROTOCOL_HEADER, enough=lambda received: len(received) >= 11
    )
    if received[0] != protocol.METHOD or received[7:11] != protocol.CONNECTION_START:
        raise WrongAnswer(
            f"{service.name}: expected AMQP 0-9-1 at {service.address}, found {show(received)}. "
            "Correct the address in the stack file."
        )
    return RabbitSession(service, Management(service))


class RabbitSession(Session):
    """A session with one broker."""

    exceptions = EXCEPTIONS

    def __init__(self, service: Service, management: Management) -> None:
        super().__init__()
        self._service = service
        self._management = management
        self._vhost = OwnVhost(service, management)
        self._filler: RabbitConnection | None = None

    def facts(self) -> Facts:
        """Versions of RabbitMQ and Erlang, and settings, asked from the management API."""
        overview = self._management.do("GET", "/overview")
        version, whose = str(overview["rabbitmq_version"]), "shared: our user may not create one"
        settings = {
            "vhost": f"{self._vhost.name} ({'our own' if self._vhost.created else whose})",
            "queues": "classic, durable",
            # Without ports: a stack that is started again has others and is the same infrastructure.
            "listeners": ", ".join(sorted({each["protocol"] for each in overview.get("listeners", ())})),
            "rates_mode": str(overview.get("rates_mode", "")),
        }
        node = self._management.node()
        settings |= {name: str(node[name]) for name in ("mem_limit", "disk_free_limit") if name in node}
        product = f"RabbitMQ {version} (Erlang {overview['erlang_version']})"
        return Facts(product=product, version=version, settings=settings)

    def objects(self) -> Sequence[str]:
        """A vhost of our own where we may make one, and a queue for each user of each operation."""
        own = [f"vhost {self._vhost.name}"] if self._vhost.created else []
        names = [operation.name for operation in self.operations() if operation.name != FLOOR]
        return [*own, *(f"queue {queue_of(self._vhost.ours, name, 0)[:-1]}*" for name in names)]

    def preflight(self) -> Sequence[str]:
        found = list(of_broker(self._management, self._vhost))
        if not self._vhost.created:
            try:
                self.connect().close()
            except ServiceError as error:
                found.append(str(error))
        return found

    def prepare(self) -> None:
        """Make a vhost of our own, or make sure of the shared one; each operation's `reset` makes its queues."""
        self._management.refuse_alarms()
        self._vhost.claim()
        self._filler = self.connect()

    def operations(self) -> Sequence[Operation]:
        return operations(self._vhost.ours, self._fill)

    def connect(self) -> RabbitConnection:
        return connect(self._service, self._vhost.name)

    def renew(self, service: Service) -> None:
        management = Management(service)
        vhost = OwnVhost(service, management)
        self.close()
        self._service, self._management, self._vhost = service, management, vhost
        self._filler = self.connect()

    def clean(self) -> None:
        self._end_filler()
        self._vhost.remove()

    def close(self) -> None:
        self._end_filler()

    def _fill(self, operation: str, users: int, size: int) -> None:
        """New queues for the users of an operation, each with `size` messages; raises a `ServiceError`."""
        assert self._filler is not None, "prepare() comes before reset()"
        filler = self._filler
        arguments = {"x-queue-type": "classic", "x-made-by": MARK} | ({} if size else {"x-max-length": KEPT})
        self._management.refuse_alarms(patience_s=DEADLINE_S)
        try:
            channel = filler.fresh_channel()
            queues = [queue_of(self._vhost.ours, operation, user) for user in range(users)]
            for queue in queues:
                with hung_up_after(filler.socket):
                    channel.queue_delete(queue)
                    channel.queue_declare(queue, durable=True, arguments=arguments)
                message = protocol.publish(channel.channel_number, queue, body_of(1), persistent=True)
                # Straight to the socket, without confirms: the count tells whether all arrived.
                for sent in range(0, size, FILL_CHUNK):
                    filler.send(message * min(FILL_CHUNK, size - sent))
            for queue in queues if size else ():
                self._await_messages(filler, channel, queue, size)
        except EXCEPTIONS as error:
            self._management.refuse_alarms()
            raise explanation(self._service, error) from error

    def _await_messages(self, filler: RabbitConnection, channel: Any, queue: str, expected: int) -> None:
        """Wait until a queue holds what was sent: it answers questions before it takes messages in."""
        ends, found = time.monotonic() + DEADLINE_S, -1
        while time.monotonic() < ends:
            with hung_up_after(filler.socket):
                before, found = found, channel.queue_declare(queue, passive=True).method.message_count
            if found == expected:
                return
            if found > before:
                ends = time.monotonic() + DEADLINE_S
            time.sleep(0.002)
        raise ServiceRefused(
            f"{self._service.name}: {expected} messages were sent to queue {queue!r}, it holds {found}. "
            "Look at the broker's policies (maximal length, time to live) and alarms."
        )

    def _end_filler(self) -> None:
        if self._filler is not None:
            self._filler.close()
            self._filler = None
