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
def _root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with an empty folder of stack files, in which the command runs."""
    (tmp_path / "stacks").mkdir()
    monkeypatch.setenv("DEVPERF_ROOT", str(tmp_path))
    # Set by the command for its own process, which here is that of the tests.
    monkeypatch.setenv("DAGSTER_HOME", "")
    return tmp_path


def describe(root: Path, text: str) -> None:
    (root / "stacks" / "external.toml").write_text(text, encoding="utf-8")


def devperf(*arguments: str) -> tuple[int, str]:
    """Run the command in this process: its exit status, and what it said."""
    done = CliRunner().invoke(main, arguments)
    # What is no answer of the command shows its traceback.
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


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


class TestProgram:
    def test_ends_as_the_shell_expects(self, root: Path) -> None:
        """The installed program ends with status 1 and one paragraph on standard error, without a traceback."""
        program = Path(sys.executable).with_name("devperf")
        ended = subprocess.run([program, "report"], capture_output=True, text=True, timeout=120, check=False)

        assert (1, "") == (ended.returncode, ended.stdout)
        assert ended.stderr.startswith("devperf: There is no warehouse at ")
        assert "Traceback" not in ended.stderr


class TestBadInput:
    def test_unknown_profile(self, root: Path) -> None:
        """PROFILE=nonsense is answered with the profiles that exist, before anything is started."""
        (root / "stacks" / "local.toml").write_text(EXTERNAL.format(kind="redis", port=1), encoding="utf-8")
        status, said = devperf("baseline", "--profile", "nonsense")

        assert 1 == status
        assert "PROFILE expects one of: quick" in said

    def test_typo_in_a_stack_file(self, root: Path) -> None:
        """A wrong key is named with file, line and the nearest right one."""
        text = EXTERNAL.format(kind="redis", port=1).replace("address", "adress")
        describe(root, text)
        status, said = devperf("baseline", "--stack", "external")

        assert 1 == status
        assert "external.toml" in said
        assert "line 7" in said
        assert "'address'" in said

    def test_unknown_service(self, root: Path) -> None:
        """A service that the stack does not have is answered with those it has."""
        describe(root, EXTERNAL.format(kind="redis", port=1))
        status, said = devperf("baseline", "--stack", "external", "--service", "reddis")

        assert 1 == status
        assert "redis" in said
        assert "Found 'reddis'" in said

    @pytest.mark.parametrize("name", ["data", "reports", ".dagster"])
    def test_a_file_in_the_place_of_a_folder(self, root: Path, name: str) -> None:
        """A file where a folder must be is found before anything is started."""
        describe(root, EXTERNAL.format(kind="redis", port=1))
        (root / name).write_text("not a folder", encoding="utf-8")
        status, said = devperf("baseline", "--stack", "external")

        assert 1 == status
        assert str(root / name) in said

    @pytest.mark.parametrize("seconds", ["nan", "-1", "0", "1e9"])
    def test_rounds_of_no_length(self, root: Path, seconds: str) -> None:
        """A length that no round can have is answered with those it can have."""
        describe(root, EXTERNAL.format(kind="redis", port=1))
        status, said = devperf("baseline", "--stack", "external", "--seconds", seconds)

        assert 1 == status
        assert "--seconds expects" in said

    def test_port_that_there_is_not(self, root: Path) -> None:
        """A port beyond the last is answered with the range."""
        status, said = devperf("ui", "--port", "99999")

        assert 2 == status
        assert "1<=x<=65535" in said

    def test_port_that_never_answers(self, root: Path, silent_port: int) -> None:
        """A port that accepts and never answers ends within the deadline, and says which service and where."""
        kinds = ("redis", "postgresql", "mysql", "mongodb", "rabbitmq", "vault", "fastapi")
        text = 'name = "external"\nmanaged = false\n'
        for kind in kinds:
            two = ", ".join([f'"127.0.0.1:{silent_port}"'] * (2 if kind == "rabbitmq" else 1))
            login = "" if kind == "fastapi" else 'username = "somebody"\npassword = "wrong"\n'
            text += f'[services.{kind}]\nkind = "{kind}"\naddresses = [{two}]\n{login}'
        describe(root, text)
        began = time.monotonic()
        status, said = devperf("baseline", "--stack", "external")

        assert 1 == status
        at = f"127.0.0.1:{silent_port}"
        told = {kind for kind in kinds for line in said.splitlines() if kind in line.lower() and at in line}
        assert set(kinds) == told, said
        assert time.monotonic() - began < 150 * len(kinds)


class TestDryRun:
    def test_tells_what_would_be_started(self, root: Path) -> None:
        """Of a stack that does not run it is told which servers would be started, and nothing is, nor written."""
        (root / "stacks" / "small.toml").write_text(
            'name = "small"\nmanaged = true\n[services.redis]\nkind = "redis"\n[services.redis.settings]\nmaxmemory = "64mb"\n'
        )
        status, said = devperf("baseline", "--stack", "small", "--dry-run")

        assert 0 == status
        assert "The stack small does not run." in said
        assert "setting maxmemory: 64mb" in said
        assert "devperf up --stack small" in said
        assert [root / "stacks"] == list(root.iterdir())

    def test_tells_who_cannot_be_measured(self, root: Path, silent_port: int) -> None:
        """Of an external stack each service is asked; one that does not answer is told with the reason."""
        describe(root, EXTERNAL.format(kind="redis", port=silent_port))
        status, said = devperf("baseline", "--stack", "external", "--dry-run")

        assert 0 == status
        assert "would not be measured: redis" in said
        assert [root / "stacks"] == list(root.iterdir())


class TestDoctor:
    def test_asks_the_services_of_an_external_stack(self, root: Path, silent_port: int) -> None:
        """Whether a service that somebody else started can be measured is its own answer, not what is installed here."""
        text = EXTERNAL.format(kind="redis", port=silent_port)
        describe(root, text)
        status, said = devperf("doctor", "--stack", "external")

        assert 0 == status
        assert f"127.0.0.1:{silent_port} accepts connections and does not answer" in said

    def test_stack_that_does_not_run(self, root: Path) -> None:
        """Of a stack that is not up, each service has a line: the paths of what would start it, or how to get that."""
        (root / "stacks" / "local.toml").write_text(
            'name = "local"\nmanaged = true\n[services.redis]\nkind = "redis"\n', encoding="utf-8"
        )
        status, said = devperf("doctor")

        assert 0 == status
        assert said.startswith("local does not run. devperf up --stack local starts it, ")
        assert re.search(r"\nredis +(/\S*redis-server|missing\. To get it: .+)\n", said)


class TestRebuild:
    def test_leaves_a_run_under_way_alone(self, root: Path) -> None:
        """The rounds of a baseline that is being measured are no leftovers; once nobody measures, they are."""
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


class TestTry:
    OWN = (
        EXTERNAL
        + """
[[services.{kind}.operations]]
title = "orders of a customer"
sql = "select 1"
"""
    )

    def test_names_the_nearest_title(self, root: Path) -> None:
        """A title that no operation has is told with those that there are, and the one most like it."""
        describe(root, self.OWN.format(kind="postgresql", port=1))
        status, said = devperf("try", "--stack", "external", "order of a customer")

        assert 1 == status
        assert "expected the title of one of its operations (orders of a customer), found 'order of a" in said
        assert "Did you mean 'orders of a customer'?" in said

    def test_says_where_it_has_no_answer(self, root: Path) -> None:
        """What cannot be asked is told with the place of the operation, and the command fails."""
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        describe(root, self.OWN.format(kind="postgresql", port=port))
        status, said = devperf("try", "--stack", "external", "orders of a customer")

        assert 1 == status
        assert f"postgresql: orders of a customer ({root}/stacks/external.toml, line 11)" in said
        assert "found none" in said or "should answer" in said
