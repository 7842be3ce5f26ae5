"""What do the tests with containers share? The engine, and containers that are gone when a test ends."""

import contextlib
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devperf_pipeline_tests.containers.container_engine import ContainerEngine, engine

UP_S = 60.0


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """They are collected where they are asked for (`-m containers`): whoever runs all other tests needs no engine."""
    return None if "containers" in (config.getoption("markexpr") or "") else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each of them has the mark."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.containers)


@pytest.fixture(scope="session")
def here() -> Iterator[ContainerEngine]:
    """The engine of this machine; without one there is nothing to verify."""
    with engine() as found:
        if isinstance(found, str):
            pytest.skip(found)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in found.environment.items():
                patch.setenv(name, value)
            yield found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


Redis = Callable[..., tuple[str, int]]


@pytest.fixture
def redis(here: ContainerEngine) -> Iterator[Redis]:
    """Run a Redis with these options, by a name and at a port that may be given; returns both."""
    made: list[str] = []

    def run(*options: str, name: str = "", port: int = 0, image: str = "") -> tuple[str, int]:
        name, port = name or f"devperf-test-{uuid.uuid4().hex[:8]}", port or free_port()
        made.append(name)
        here.run(
            *("run", "-d", "--name", name, "-p", f"127.0.0.1:{port}:6379", *options),
            image or here.image("redis"),
        )
        answers(port)
        return name, port

    yield run
    for name in set(made):
        here.run("rm", "-f", name, check=False)


def answers(port: int) -> None:
    """Wait until a Redis answers at that port."""
    ends = time.monotonic() + UP_S
    while time.monotonic() < ends:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0) as way:
            way.sendall(b"PING\r\n")
            if way.recv(16) == b"+PONG\r\n":
                return
        time.sleep(0.05)
    raise TimeoutError(f"no Redis answers at {port} within {UP_S:.0f} s")
