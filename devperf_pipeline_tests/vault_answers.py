"""How does a Vault answer that is never there when it is needed: sealed, standing by, with another token?"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from devperf_pipeline.model import Address

WELL = {"initialized": True, "sealed": False, "standby": False, "version": "1.18.1"}
SEALED = (503, {"errors": ["Vault is sealed"]})
DENIED = (403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]})
NOTHING = (404, {"errors": []})

Answer = tuple[int, Any]


@dataclass(slots=True)
class Told:
    """
    What such a Vault answers to a method and path, one after another and the last for ever, and what it heard.

    `heard` has the token of each request with it.
    """

    answers: dict[str, Answer | list[Answer]]
    address: Address = field(default_factory=lambda: Address("127.0.0.1", 0))
    heard: list[tuple[str, str, Any]] = field(default_factory=list[tuple[str, str, Any]])

    def answer(self, asked: str, token: str, body: Any) -> Answer:
        self.heard.append((asked, token, body))
        found = self.answers.get(asked, NOTHING)
        if isinstance(found, list):
            return found.pop(0) if len(found) > 1 else found[0]
        return found


@contextmanager
def vault_that_says(answers: dict[str, Answer | list[Answer]]) -> Iterator[Told]:
    """A server that speaks HTTP and JSON as Vault does. Keys are as "GET secret/data/postgres"."""
    told = Told(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            asked = f"{self.command} {self.path.removeprefix('/v1/')}"
            status, answer = told.answer(asked, self.headers.get("X-Vault-Token", ""), body)
            text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_LIST = do_DELETE = do  # noqa: N815 - the base class looks for these names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name is the base class's
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        told.address = Address("127.0.0.1", server.server_port)
        try:
            yield told
        finally:
            server.shutdown()
            thread.join()
