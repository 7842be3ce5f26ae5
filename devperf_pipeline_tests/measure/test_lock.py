import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from devperf_pipeline.errors import AlreadyMeasuring, ConfigurationError
from devperf_pipeline.measure import lock

HOLD = """
import sys
from devperf_pipeline.measure import lock
with lock.only_one():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(name="path")
def _path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "measuring.lock"
    monkeypatch.setenv("DEVPERF_LOCK", str(path))
    return path


@pytest.fixture(name="holder")
def _holder(path: Path):  # noqa: ANN202 - a generator of a process
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert "held\n" == holder.stdout.readline()
        yield holder
        holder.kill()


class TestOnlyOne:
    def test_a_second_one_is_refused_with_the_holders_name(self, holder: subprocess.Popen[str]) -> None:
        """Who comes second is told which process measures, and since when."""
        with (
            pytest.raises(AlreadyMeasuring, match=f"process {holder.pid}, since 20"),
            lock.only_one(wait_s=0),
        ):
            pass

    def test_a_killed_holder_frees_it(self, holder: subprocess.Popen[str]) -> None:
        """SIGKILL of the holder leaves nothing that anybody would have to clean."""
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()

        with lock.only_one(wait_s=0):
            pass

    def test_it_is_free_again_afterwards(self, path: Path) -> None:
        """One after the other is fine, and nothing stays behind."""
        for _ in range(2):
            with lock.only_one(wait_s=0):
                assert path.read_text(encoding="utf-8").startswith(f"process {os.getpid()}")

        assert not path.exists()

    def test_a_lock_file_that_cannot_be_opened(self, path: Path) -> None:
        """Something else under that name is told, not followed."""
        path.symlink_to("/dev/null")

        with pytest.raises(ConfigurationError, match="Expected to open the lock file"), lock.only_one():
            pass
