"""
What speaks at an address where another protocol was expected?
"""

import socket

from devperf_pipeline.model import Address

PATIENCE_S = 1.0


def heard(address: Address) -> str | None:
    """
    The first line of what a server says when it is greeted in HTTP, or None if it stays silent.

    Most servers that are mistaken for another one speak HTTP, and wait until they are spoken to.
    """
    try:
        with socket.create_connection((address.host, address.port), PATIENCE_S) as sock:
            sock.settimeout(PATIENCE_S)
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            said = sock.recv(80)
    except OSError:
        return None
    return said.split(b"\r\n")[0].decode("latin-1") if said.strip() else None
