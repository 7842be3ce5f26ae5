"""What would disturb a measurement of a broker: alarms, room that is short, a vhost that is not ours?"""

from collections.abc import Iterator

from devperf_pipeline.errors import ServiceRefused
from devperf_pipeline.services.rabbitmq.cleanup import OwnVhost
from devperf_pipeline.services.rabbitmq.management import Management

NEEDED_BYTES = 64 * 2**20
"""What our messages take at most: 20,000 of 1 KiB, and what a broker keeps beside each."""


def of_broker(management: Management, vhost: OwnVhost) -> Iterator[str]:
    """One sentence each; nothing is created."""
    try:
        management.refuse_alarms()
    except ServiceRefused as error:
        yield str(error)
    node = management.node()
    for kind, free in (
        ("memory", node.get("mem_limit", 0) - node.get("mem_used", 0)),
        ("disk", node.get("disk_free", 0) - node.get("disk_free_limit", 0)),
    ):
        if node and free < NEEDED_BYTES:
            yield (
                f"{kind} is short: {max(free, 0) // 2**20} MiB until it blocks publishers, "
                f"and we take up to {NEEDED_BYTES // 2**20}"
            )
    if not vhost.created:
        yield f"our user may not create a vhost: its queues lie in {vhost.name!r}, whose policies hold for them too"
    elif vhost.is_foreign():
        yield f"a vhost {vhost.ours!r} exists that this project did not make: rename it"
