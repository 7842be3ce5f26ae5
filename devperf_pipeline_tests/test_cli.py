import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from devperf_pipeline.cli import main
from devperf_pipeline.measure import lock
from devperf_pipeline.model import Baseline
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store.samples import SampleStore

EXTERNAL = """
name = "external"
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
    """Run the command; its exit status, what it said, and how long it took."""
    began = time.monotonic()
    done = subprocess.run(
        [Path(sys.executable).with_name("devperf"), *arguments],
        env={**os.environ, "DEVPERF_ROOT": str(root)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stderr + done.stdout, time.monotonic() - began


@pytest.fixture(name="silent_port")
def _silent_port() -> Iterator[int]:
    """A port that accepts and never answers."""
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
        """PROFILE=nonsense is answered with the profiles that exist, before anything is started."""
        (root / "stacks" / "local.toml").write_text(EXTERNAL.format(kind="redis", port=1), encoding="utf-8")
        status, said, _ = devperf(root, "baseline", "--profile", "nonsense")

        assert 1 == status
        assert "PROFILE expects one of: quick" in said
        assert "Traceback" not in said

    def test_typo_in_a_stack_file(self, root: Path) -> None:
        """A wrong key is named with file, line and the nearest right one."""
        text = EXTERNAL.format(kind="redis", port=1).replace("address", "adress")
        (root / "stacks" / "external.toml").write_text(text, encoding="utf-8")
        status, said, _ = devperf(root, "baseline", "--stack", "external")

        assert 1 == status
        assert "external.toml" in said
        assert "line 7" in said
        assert "'address'" in said

    def test_unknown_service(self, root: Path) -> None:
        """A service that the stack does not have is answered with those it has."""
        (root / "stacks" / "external.toml").write_text(
            EXTERNAL.format(kind="redis", port=1), encoding="utf-8"
        )
        status, said, _ = devperf(root, "baseline", "--stack", "external", "--service", "reddis")

        assert 1 == status
        assert "redis" in said
        assert "Found 'reddis'" in said

    @pytest.mark.parametrize("name", ["data", "reports", ".dagster"])
    def test_a_file_in_the_place_of_a_folder(self, root: Path, name: str) -> None:
        """A file where a folder must be is found before anything is started."""
        (root / "stacks" / "external.toml").write_text(
            EXTERNAL.format(kind="redis", port=1), encoding="utf-8"
        )
        (root / name).write_text("not a folder", encoding="utf-8")
        status, said, _ = devperf(root, "baseline", "--stack", "external")

        assert 1 == status
        assert str(root / name) in said
        assert "Traceback" not in said

    @pytest.mark.parametrize("seconds", ["nan", "-1", "0", "1e9"])
    def test_rounds_of_no_length(self, root: Path, seconds: str) -> None:
        """A length that no round can have is answered with those it can have."""
        (root / "stacks" / "external.toml").write_text(
            EXTERNAL.format(kind="redis", port=1), encoding="utf-8"
        )
        status, said, _ = devperf(root, "baseline", "--stack", "external", "--seconds", seconds)

        assert 1 == status
        assert "--seconds expects" in said
        assert "Traceback" not in said

    def test_port_that_there_is_not(self, root: Path) -> None:
        """A port beyond the last is answered with the range."""
        status, said, _ = devperf(root, "ui", "--port", "99999")

        assert 2 == status
        assert "1<=x<=65535" in said

    @pytest.mark.parametrize(
        "kind", ["redis", "postgresql", "mysql", "mongodb", "rabbitmq", "vault", "fastapi"]
    )
    def test_port_that_never_answers(self, root: Path, silent_port: int, kind: str) -> None:
        """A port that accepts and never answers ends within the deadline, and says which service and where."""
        text = EXTERNAL.format(kind=kind, port=silent_port)
        if kind == "rabbitmq":
            text = text.replace("address = ", "addresses = [").replace(
                f'{silent_port}"', f'{silent_port}", "127.0.0.1:{silent_port}"]'
            )
        if kind == "fastapi":
            text = "\n".join(
                line for line in text.splitlines() if not line.startswith(("username", "password"))
            )
        (root / "stacks" / "external.toml").write_text(text, encoding="utf-8")
        status, said, seconds = devperf(root, "baseline", "--stack", "external")

        assert 1 == status
        assert f"127.0.0.1:{silent_port}" in said
        assert "Traceback" not in said
        assert seconds < 150


class TestDryRun:
    def test_tells_what_would_be_started(self, root: Path) -> None:
        """Of a stack that does not run it is told which servers would be started, and nothing is, nor written."""
        (root / "stacks" / "small.toml").write_text(
            'name = "small"\nmanaged = true\n[services.redis]\nkind = "redis"\n[services.redis.settings]\nmaxmemory = "64mb"\n'
        )
        status, said, _ = devperf(root, "baseline", "--stack", "small", "--dry-run")

        assert 0 == status
        assert "The stack small does not run." in said
        assert "setting maxmemory: 64mb" in said
        assert "devperf up --stack small" in said
        assert [root / "stacks"] == list(root.iterdir())

    def test_tells_who_cannot_be_measured(self, root: Path, silent_port: int) -> None:
        """Of an external stack each service is asked; one that does not answer is told with the reason."""
        (root / "stacks" / "external.toml").write_text(EXTERNAL.format(kind="redis", port=silent_port))
        status, said, _ = devperf(root, "baseline", "--stack", "external", "--dry-run")

        assert 0 == status
        assert "would not be measured: redis" in said
        assert [root / "stacks"] == list(root.iterdir())


class TestDoctor:
    def test_asks_the_services_of_an_external_stack(self, root: Path, silent_port: int) -> None:
        """Whether a service that somebody else started can be measured is its own answer, not what is installed here."""
        text = EXTERNAL.format(kind="redis", port=silent_port)
        (root / "stacks" / "external.toml").write_text(text, encoding="utf-8")
        status, said, _ = devperf(root, "doctor", "--stack", "external")

        assert 0 == status
        assert f"127.0.0.1:{silent_port} accepts connections and does not answer" in said

    def test_stack_that_does_not_run(self, tmp_path: Path) -> None:
        """Of a stack that is not up, each service has a line: the paths of what would start it, or how to get that."""
        (tmp_path / "stacks").mkdir()
        (tmp_path / "stacks" / "local.toml").write_text(
            'name = "local"\nmanaged = true\n[services.redis]\nkind = "redis"\n', encoding="utf-8"
        )
        status, said, _ = devperf(tmp_path, "doctor")

        assert 0 == status
        assert said.startswith("local does not run. devperf up --stack local starts it, ")
        assert re.search(r"\nredis +(/\S*redis-server|missing\. To get it: .+)\n", said)


class TestRebuild:
    def test_leaves_a_run_under_way_alone(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The rounds of a baseline that is being measured are no leftovers; once nobody measures, they are."""
        monkeypatch.setattr(lock, "lock_path", lambda: root / "measuring.lock")
        monkeypatch.setenv("DEVPERF_ROOT", str(root))
        begun = Baseline(
            id="20261125T031500Z-3f9a",
            stack="local",
            profile="quick",
            seed=1,
            began_at_ns=1,
            host={},
            facts={},
        )
        SampleStore(Folders(root)).begin(begun)
        incoming = Folders(root).incoming / begun.id
        with lock.only_one():
            during = CliRunner().invoke(main, ["rebuild"])
            still_there = incoming.is_dir()
        after = CliRunner().invoke(main, ["rebuild"])

        assert (0, True) == (during.exit_code, still_there)
        assert "is being measured" in during.output
        assert (0, False) == (after.exit_code, incoming.exists())
