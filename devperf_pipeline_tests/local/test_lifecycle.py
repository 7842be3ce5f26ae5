import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from devperf_pipeline.errors import ConfigurationError
from devperf_pipeline.local import process, process_record
from devperf_pipeline.local.lifecycle import RECORD, down, down_all, processes, running, up, would_run
from devperf_pipeline.model import Service, Stack
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.stack_file import load_stack

STARTER = """
import sys
from pathlib import Path
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.stack.stack_file import load_stack
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.local.lifecycle import up
up(load_stack(sys.argv[1], Folders(Path(sys.argv[2])), CATALOGUE), Folders(Path(sys.argv[2])))
print("whole", flush=True)
sys.stdin.read()
"""


def silent(_: str) -> None:
    """Say nothing."""


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Folders]:
    """A project folder in which nothing of ours is left running."""
    found = Folders(tmp_path)
    found.stacks.mkdir()
    yield found
    down("small", found, silent)


def small(folders: Folders, *kinds: str, settings: str = "") -> Stack:
    """A managed stack of these kinds; `settings` are lines for the first."""
    tables = [f'[services.{kind}]\nkind = "{kind}"\n' for kind in kinds]
    tables.insert(1, f"[services.{kinds[0]}.settings]\n{settings}\n")
    (folders.stacks / "small.toml").write_text('name = "small"\nmanaged = true\n' + "\n".join(tables))
    return load_stack("small", folders, CATALOGUE)


def everything(folders: Folders) -> list[int]:
    """The ids of all processes that work in the private folder of the small stack."""
    return sorted(one.pid for one in process.strays(folders.servers / "small"))


def is_open(port: int) -> bool:
    """Whether somebody listens on that loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def starter(folders: Folders) -> "subprocess.Popen[bytes]":
    """Another run of this project that starts the small stack and then stays."""
    path = str(folders.stacks / "small.toml")
    return subprocess.Popen(
        [sys.executable, "-c", STARTER, path, str(folders.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def wait_for(condition: object, seconds: float = 60) -> None:
    """Wait until the condition, a function without arguments, is true."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.servers
class TestUp:
    def test_starts_every_service_on_loopback(self, running_stack: Stack) -> None:
        """Whatever is not missing listens at each of its addresses."""
        up_now = [service for service in running_stack.services if service.name not in running_stack.missing]
        assert up_now != []
        for service in up_now:
            assert [True] * len(service.addresses) == [is_open(address.port) for address in service.addresses]

    def test_listens_nowhere_but_on_loopback(self, running_stack: Stack, stack_folders: Folders) -> None:
        """No process of the stack can be reached from another machine."""
        listening: set[str] = set()
        for one in process.strays(stack_folders.servers / running_stack.name):
            # A server's helper may have ended since.
            with suppress(psutil.NoSuchProcess, FileNotFoundError):
                listening |= {
                    each.laddr.ip for each in one.net_connections("tcp") if each.status == psutil.CONN_LISTEN
                }
        assert listening <= {"127.0.0.1", "::1"}
        assert "127.0.0.1" in listening

    def test_shows_no_password_to_other_users(self, running_stack: Stack, stack_folders: Folders) -> None:
        """No password is in a command line, an environment or a log."""
        passwords = [s.credentials.password for s in running_stack.services if s.credentials]
        assert passwords != []
        shown: list[str] = [path.read_text(errors="replace") for path in stack_folders.logs.iterdir()]
        started = process.strays(stack_folders.servers / running_stack.name)
        for one in started:
            shown += [*one.cmdline(), *one.environ().values()]
        assert [] == [text for text in shown for password in passwords if password in text]

    def test_closes_every_file_with_a_password(self, running_stack: Stack, stack_folders: Folders) -> None:
        """A file that holds a password is closed to group and others, or lies in a folder that is."""
        folder = stack_folders.servers / running_stack.name
        passwords = [s.credentials.password.encode() for s in running_stack.services if s.credentials]
        holding = [path for path in folder.rglob("*") if path.is_file() and _holds(path, passwords)]
        assert folder / RECORD in holding
        assert [] == [
            path for path in holding if path.stat().st_mode & 0o077 and path.parent.stat().st_mode & 0o077
        ]

    def test_names_the_main_processes(self, running_stack: Stack, stack_folders: Folders) -> None:
        """Each service has one main process, a cluster one a node."""
        nodes = {
            service.name: 3 if service.kind == "redis_cluster" else 1
            for service in running_stack.services
            if service.name not in running_stack.missing
        }
        assert nodes == {name: len(processes(stack_folders, name)) for name in nodes}

    def test_again_returns_what_runs(self, folders: Folders) -> None:
        """A second start finds the first one and changes nothing."""
        stack = small(folders, "redis")
        first = up(stack, folders, silent)
        assert (first, first) == (up(stack, folders, silent), running(stack, folders))

    def test_starts_again_when_settings_changed(self, folders: Folders) -> None:
        """Another setting in the stack file is another stack."""
        first = up(small(folders, "redis"), folders, silent)
        changed = small(folders, "redis", settings='maxmemory = "9mb"')
        assert running(changed, folders) is None
        second = up(changed, folders, silent)
        assert [False, True] == [is_open(one.service("redis").address.port) for one in (first, second)]

    def test_starts_again_when_a_server_died(self, folders: Folders) -> None:
        """A stack with a dead server does not count as running."""
        stack = small(folders, "redis")
        up(stack, folders, silent)
        os.kill(processes(folders, "redis")[0], signal.SIGKILL)
        wait_for(lambda: running(stack, folders) is None)
        assert {} == up(stack, folders, silent).missing

    def test_goes_on_without_a_server_that_fails(self, folders: Folders) -> None:
        """A server that refuses its settings is missing, with its own words; the others run."""
        stack = small(folders, "postgresql", "redis", settings="no_such_setting = 1")
        found = up(stack, folders, silent)
        assert list(found.missing) == ["postgresql"]
        assert 'unrecognized configuration parameter "no_such_setting"' in found.missing["postgresql"]
        assert is_open(found.service("redis").address.port)
        assert processes(folders, "postgresql") == []

    def test_refuses_a_stack_of_somebody_else(self, folders: Folders) -> None:
        """A stack that is not managed is never started."""
        visited = Stack(name="small", path=Path("small.toml"), managed=False, services=())
        with pytest.raises(ConfigurationError, match=r"managed = false"):
            up(visited, folders, silent)

    def test_leaves_nothing_behind_when_interrupted(self, folders: Folders) -> None:
        """Ctrl-C in the middle of a start stops what was started."""
        small(folders, "redis", "rabbitmq")
        other = starter(folders)
        wait_for(lambda: processes(folders, "rabbitmq"))
        began = time.monotonic()
        other.send_signal(signal.SIGINT)
        other.communicate()
        assert time.monotonic() - began < 30
        assert ([], False) == (everything(folders), folders.servers.exists())


@pytest.mark.servers
class TestAfterAKill:
    def test_up_replaces_what_a_killed_start_left(self, folders: Folders) -> None:
        """A start that was killed in its middle leaves servers, which the next start ends before it starts its own."""
        stack = small(folders, "redis", "postgresql", "rabbitmq")
        other = starter(folders)
        wait_for(lambda: processes(folders, "rabbitmq"))
        other.kill()
        other.communicate()
        left = everything(folders)
        assert left != []
        found = up(stack, folders, silent)
        assert {} == found.missing
        assert [] == [pid for pid in left if pid in everything(folders)]

    def test_down_ends_what_a_killed_run_left(self, folders: Folders) -> None:
        """Servers outlive a run that was killed, and `down` ends them all, Erlang's helpers too."""
        small(folders, "redis", "rabbitmq")
        other = starter(folders)
        assert other.stdout is not None
        while b"whole" not in other.stdout.readline():
            assert other.poll() is None
        other.kill()
        other.communicate()
        assert {"redis", "rabbitmq"} == set(down("small", folders, silent))
        assert ([], False) == (everything(folders), folders.servers.exists())

    def test_down_ends_what_no_record_tells(self, folders: Folders) -> None:
        """A server whose record was lost is found by its folder."""
        up(small(folders, "redis"), folders, silent)
        (folders.servers / "small" / RECORD).unlink()
        assert len(everything(folders)) == 1
        down("small", folders, silent)
        assert everything(folders) == []

    def test_spares_a_process_that_got_the_same_id(self, folders: Folders) -> None:
        """A recorded id that belongs to somebody else by now is left alone."""
        stranger = subprocess.Popen(["sleep", "60"])
        try:
            folder = folders.servers / "small"
            folders.servers.mkdir(mode=0o711)
            folder.mkdir(mode=0o711)
            old = process_record.Record(path=folder / RECORD)
            old.append(process.Recorded(service="redis", pid=stranger.pid, born_s=time.time() - 3600))
            assert [] == down("small", folders, silent)
            assert stranger.poll() is None
        finally:
            stranger.kill()
            stranger.wait()


class TestDown:
    def test_is_content_when_nothing_runs(self, tmp_path: Path) -> None:
        """Stopping what is not there says so, and leaves no folder."""
        said: list[str] = []
        folders = Folders(tmp_path)
        assert ([], ["Nothing was up."], False) == (
            down("small", folders, said.append),
            said,
            folders.servers.exists(),
        )

    def test_all_is_every_stack_of_this_project(self, tmp_path: Path) -> None:
        """Two stacks run, the file of neither is there any more: both are stopped, and nothing stays behind."""
        folders = Folders(tmp_path)
        servers: list[subprocess.Popen[bytes]] = []
        try:
            for name in ("one", "two"):
                folder = folders.servers / name
                folder.mkdir(parents=True, mode=0o711)
                servers.append(subprocess.Popen(["sleep", "60"], start_new_session=True))
                born_s = psutil.Process(servers[-1].pid).create_time()
                running_there = process_record.Record(path=folder / RECORD)
                running_there.append(process.Recorded(service=name, pid=servers[-1].pid, born_s=born_s))

            assert ["one", "two"] == down_all(folders)
            assert [-signal.SIGTERM] * 2 == [server.wait(5) for server in servers]
            assert not folders.servers.exists()
        finally:
            for server in servers:
                server.kill()
                server.wait()

    def test_all_of_nothing(self, tmp_path: Path) -> None:
        """Where nothing was ever started nothing is stopped."""
        assert [] == down_all(Folders(tmp_path))

    def test_refuses_a_name_that_leads_elsewhere(self, tmp_path: Path) -> None:
        """The name of a stack cannot point out of the private folder."""
        with pytest.raises(ConfigurationError, match="Expected the name of a stack"):
            down("../small", Folders(tmp_path), silent)


class TestWouldRun:
    def test_changes_with_a_setting(self) -> None:
        """What would run tells every setting, without starting anything."""
        told = [
            would_run(
                Stack(
                    name="small",
                    path=Path("small.toml"),
                    managed=True,
                    services=(Service(name="cache", kind="redis", settings={"maxmemory": size}),),
                )
            )["cache"]["setting maxmemory"]
            for size in ("1mb", "2mb")
        ]
        assert told == ["1mb", "2mb"]


def _holds(path: Path, words: list[bytes]) -> bool:
    try:
        content = path.read_bytes()
    except OSError:
        # A server's own temporary file that is gone by now, or a socket.
        return False
    return any(word in content for word in words)
