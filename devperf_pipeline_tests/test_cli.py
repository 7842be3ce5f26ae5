import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

VISITED = """
name = "visited"
managed = false

[services.{kind}]
kind = "{kind}"
address = "127.0.0.1:{port}"
username = "somebody"
password = "wrong"
"""


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Path:
    (tmp_path / "stacks").mkdir()
    return tmp_path


def devperf(root: Path, *arguments: str) -> tuple[int, str, float]:
    """
    Run the command; its exit status, what it said, and how long it took.
    """
    began = time.monotonic()
    done = subprocess.run(
        [Path(sys.executable).with_name("devperf"), *arguments],
        env={**os.environ, "DEVPERF_ROOT": str(root)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr + done.stdout, time.monotonic() - began


@pytest.fixture(name="silent_port")
def _silent_port() -> Iterator[int]:
    """
    A port that accepts and never answers.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        kept: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    kept.append(listener.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        for sock in kept:
            sock.close()


class TestBadInput:
    def test_unknown_profile(self, root: Path) -> None:
        """
        PROFILE=nonsense is answered with the profiles that exist, before anything is started.
        """
        (root / "stacks" / "local.toml").write_text(VISITED.format(kind="redis", port=1), encoding="utf-8")
        status, said, _ = devperf(root, "baseline", "--profile", "nonsense")

        assert 1 == status
        assert "PROFILE expects one of: quick" in said
        assert "Traceback" not in said

    def test_typo_in_a_stack_file(self, root: Path) -> None:
        """
        A wrong key is named with file, line and the nearest right one.
        """
        text = VISITED.format(kind="redis", port=1).replace("address", "adress")
        (root / "stacks" / "visited.toml").write_text(text, encoding="utf-8")
        status, said, _ = devperf(root, "baseline", "--stack", "visited")

        assert 1 == status
        assert "visited.toml" in said
        assert "line 7" in said
        assert "'address'" in said

    def test_unknown_service(self, root: Path) -> None:
        """
        A service that the stack does not have is answered with those it has.
        """
        (root / "stacks" / "visited.toml").write_text(VISITED.format(kind="redis", port=1), encoding="utf-8")
        status, said, _ = devperf(root, "baseline", "--stack", "visited", "--service", "reddis")

        assert 1 == status
        assert "redis" in said
        assert "Found 'reddis'" in said

    def test_data_that_is_no_folder(self, root: Path) -> None:
        """
        A file in the place of the data folder is found before anything is started.
        """
        (root / "stacks" / "visited.toml").write_text(VISITED.format(kind="redis", port=1), encoding="utf-8")
        (root / "data").write_text("not a folder", encoding="utf-8")
        status, said, _ = devperf(root, "baseline", "--stack", "visited")

        assert 1 == status
        assert str(root / "data") in said
        assert "Traceback" not in said

    @pytest.mark.parametrize("kind", ["redis", "postgresql", "mysql", "rabbitmq", "vault", "fastapi"])
    def test_port_that_never_answers(self, root: Path, silent_port: int, kind: str) -> None:
        """
        A port that accepts and never answers ends within the deadline, and says which service and where.
        """
        text = VISITED.format(kind=kind, port=silent_port)
        if kind == "rabbitmq":
            text = text.replace("address = ", "addresses = [").replace(
                f'{silent_port}"', f'{silent_port}", "127.0.0.1:{silent_port}"]'
            )
        if kind == "fastapi":
            text = "\n".join(
                line for line in text.splitlines() if not line.startswith(("username", "password"))
            )
        (root / "stacks" / "visited.toml").write_text(text, encoding="utf-8")
        status, said, seconds = devperf(root, "baseline", "--stack", "visited")

        assert 1 == status
        assert f"127.0.0.1:{silent_port}" in said
        assert "Traceback" not in said
        assert seconds < 30
