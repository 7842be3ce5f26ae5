import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from devperf_pipeline.local import process
from devperf_pipeline.local.process import Recorded

LEADERLESS = """
import ctypes, pathlib, signal, threading, time
def work():
    signal.sigwait([signal.SIGTERM])
    time.sleep(0.3)
    pathlib.Path("done").touch()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
threading.Thread(target=work).start()
print("ready", flush=True)
ctypes.CDLL(None).pthread_exit(0)
"""
"""Its first thread ends at once, and it looks dead from then on; another one works on when it is asked to end."""

STUBBORN = "trap '' TERM; echo ready; while :; do sleep 1; done"


def begin(folder: Path, script: str, *, grace_s: float = 30) -> Recorded:
    """Start a shell script in that folder, and wait until it has said something."""
    log = folder / "log"
    with log.open("wb") as file:
        child = process.spawn(
            ["sh", "-c", script],
            folder=folder,
            log=file,
            user=None,
            environment=process.small_environment({}),
        )
    while not log.read_text():
        time.sleep(0.01)
    return Recorded(service="it", pid=child.pid, born_s=process.born_s(child.pid), grace_s=grace_s)


class TestSpawn:
    def test_starts_a_session_of_its_own(self, tmp_path: Path) -> None:
        """Ctrl-C goes to our session; servers are in another."""
        started = begin(tmp_path, "echo ready; exec sleep 60")
        assert (started.pid, True) == (os.getsid(started.pid), os.getsid(0) != started.pid)
        assert process.end([started]) == 1

    def test_inherits_nothing_secret(self, tmp_path: Path) -> None:
        """The environment of a server is small, whatever ours holds."""
        begun = begin(tmp_path, "env")
        process.end([begun])
        names = {line.partition("=")[0] for line in (tmp_path / "log").read_text().splitlines()}
        assert names <= {"LANG", "LC_ALL", "PATH", "TZ", "PWD", "OLDPWD", "SHLVL", "_"}


class TestFind:
    def test_knows_the_living(self, tmp_path: Path) -> None:
        """A recorded process is found as long as it lives, and not after."""
        started = begin(tmp_path, "echo ready; exec sleep 60")
        assert process.find(started) is not None
        os.kill(started.pid, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while process.find(started) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert process.find(started) is None

    def test_tells_a_reused_id_by_its_birth(self) -> None:
        """The same id with another birth is another process."""
        mine = process.born_s(os.getpid())
        records = [Recorded(service="it", pid=os.getpid(), born_s=born_s) for born_s in (mine, mine - 60)]
        assert [True, False] == [process.find(one) is not None for one in records]


class TestEnd:
    def test_waits_for_every_thread(self, tmp_path: Path) -> None:
        """A process whose first thread has ended, as Erlang's does, has not ended before the others, and is reaped then."""
        (tmp_path / "work.py").write_text(LEADERLESS)
        started = begin(tmp_path, f"exec {sys.executable} work.py")
        while psutil.Process(started.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        ended = process.end([started])

        assert (1, True) == (ended, (tmp_path / "done").exists())
        with pytest.raises(ChildProcessError):
            os.waitpid(started.pid, os.WNOHANG)

    def test_kills_who_does_not_listen(self, tmp_path: Path) -> None:
        """A process that ignores the request is killed after its grace, with its children."""
        started = begin(tmp_path, STUBBORN, grace_s=0.3)
        began = time.monotonic()
        assert process.end([started]) >= 1
        assert 0.3 <= time.monotonic() - began < 10
        assert process.strays(tmp_path) == []

    def test_finds_what_was_never_recorded(self, tmp_path: Path) -> None:
        """A process that works in the folder is ended though no record tells of it."""
        begin(tmp_path, "echo ready; exec sleep 60")
        assert process.end([], tmp_path) == 1
        assert process.strays(tmp_path) == []


class TestStrays:
    def test_spares_a_neighbour_with_a_longer_name(self, tmp_path: Path) -> None:
        """A folder whose name only begins alike is somebody else's."""
        (tmp_path / "stack").mkdir()
        (tmp_path / "stack-2").mkdir()
        other = subprocess.Popen(["sleep", "60"], cwd=tmp_path / "stack-2")
        try:
            assert process.strays(tmp_path / "stack") == []
            assert [other.pid] == [one.pid for one in process.strays(tmp_path / "stack-2")]
        finally:
            other.kill()
            other.wait()
