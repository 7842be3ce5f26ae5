import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from devperf_pipeline.services.http.floor_server import ANSWER, FloorServer
from devperf_pipeline.services.http.protocol import complete, encode


class TestFloorServer:
    def test_answers_again_and_again(self) -> None:
        """Every request on a kept connection gets the same whole answer, also one that comes in two pieces."""
        server = FloorServer()
        try:
            with socket.create_connection((server.address.host, server.address.port), 10) as connection:
                request = encode("GET", "/", str(server.address))
                for piece in (request, request[:10], request[10:]):
                    connection.sendall(piece)
                    if piece != request[:10]:
                        assert connection.recv(1024) == ANSWER
                assert complete(ANSWER)
        finally:
            server.stop()

    def test_a_driver_takes_it_for_a_server(self) -> None:
        """The driver reads an empty 200."""
        server = FloorServer()
        try:
            response = httpx.get(f"http://{server.address}/", trust_env=False)
            assert (200, b"") == (response.status_code, response.content)
        finally:
            server.stop()

    def test_stops(self) -> None:
        """When stopped nothing listens any more, and a second stop does nothing."""
        server = FloorServer()
        server.stop()
        server.stop()
        with socket.socket() as probe:
            assert probe.connect_ex((server.address.host, server.address.port)) != 0

    def test_stands_with_us(self) -> None:
        """It moves to the cores of who started it, with all of its threads."""
        server = FloorServer()
        cores = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, {min(cores)})
            server.stand_with_us()
            pid = server._process.pid
            threads = [int(thread.name) for thread in Path(f"/proc/{pid}/task").iterdir()]
            found = {frozenset(os.sched_getaffinity(thread)) for thread in threads}
            assert {frozenset({min(cores)})} == found
        finally:
            os.sched_setaffinity(0, cores)
            server.stop()

    def test_ends_with_its_starter(self) -> None:
        """Killed without a chance to clean up, the starter leaves no server behind."""
        code = (
            "import time\n"
            "from devperf_pipeline.services.http.floor_server import FloorServer\n"
            "print(FloorServer().address.port, flush=True)\n"
            "time.sleep(60)\n"
        )
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as starter:
            assert starter.stdout is not None
            port = int(starter.stdout.readline())
            with socket.create_connection(("127.0.0.1", port), 10):
                starter.kill()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) != 0:
                    return
            time.sleep(0.02)
        raise AssertionError("the server still listens")
