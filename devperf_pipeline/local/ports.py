"""Which loopback port is free?"""

import random
import socket
from threading import Lock

from devperf_pipeline.errors import ServiceMissing

LOOPBACK = "127.0.0.1"

PORTS = range(10_000, 21_000)
"""Below the ports that systems give to outgoing connections (32768 and up), also with a cluster's 10,000 on top."""

CLUSTER_BUS = 10_000

_given: set[int] = set()
_giving = Lock()


def free_port(*, above: int = 0) -> int:
    """
    A loopback port that nobody listens on and that this process has not given away; `above` it another one too.

    Raises:
        ServiceMissing: every port that was tried is taken.

    """
    with _giving:
        for _ in range(200):
            port = random.choice(PORTS)  # noqa: S311 - a port is no secret
            wanted = [port, port + above] if above else [port]
            if _given.isdisjoint(wanted) and all(map(_is_free, wanted)):
                _given.update(wanted)
                return port
    raise ServiceMissing(
        f"Expected a free loopback port between {PORTS.start} and {PORTS.stop}; 200 that were tried are taken. "
        "End some of the programs that listen there."
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
