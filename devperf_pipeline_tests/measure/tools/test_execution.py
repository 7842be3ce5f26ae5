import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from devperf_pipeline.measure.tools import execution
from devperf_pipeline.measure.tools.execution import ToolFailed, run


def runs(process: psutil.Process) -> bool:
    """Whether a process is there, and not only until somebody has waited for it."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class TestRun:
    def test_tells_what_was_printed_and_used(self, tmp_path: Path) -> None:
        """The text is what the tool printed; one that only counts uses most of a core, one that sleeps next to nothing."""
        busy = run(
            [sys.executable, "-c", "print('hello'); sum(range(10_000_000))"], folder=tmp_path, expected_s=30
        )
        idle = run(["sleep", "0.5"], folder=tmp_path, expected_s=5)

        assert "hello\n" == busy.text
        assert idle.client_share < 0.1 < busy.client_share

    def test_failure_is_told_in_its_own_words(self, tmp_path: Path) -> None:
        """An exit status that is not 0 is an error with what the tool said."""
        with pytest.raises(ToolFailed, match="sh ended with 3: no such database"):
            run(["sh", "-c", "echo no such database >&2; exit 3"], folder=tmp_path, expected_s=5)

    def test_missing_program(self, tmp_path: Path) -> None:
        """A program that is not there is an error, not a crash."""
        with pytest.raises(ToolFailed, match="could not be started: No such file"):
            run([tmp_path / "wrk"], folder=tmp_path, expected_s=5)

    def test_a_tool_that_never_ends_is_killed_with_its_children(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After our deadline nothing of it runs any more, and the error says what it had said."""
        monkeypatch.setattr(execution, "GRACE_S", 0.5)
        began = time.monotonic()
        with pytest.raises(ToolFailed, match=r"was killed .* it said: Could not connect"):
            run(
                ["sh", "-c", "echo Could not connect >&2; sleep 61.25 & sleep 61.25"],
                folder=tmp_path,
                expected_s=0.5,
            )
        left = [p for p in psutil.process_iter(["cmdline", "cwd"]) if p.info["cwd"] == str(tmp_path)]
        # Who was killed ends when it gets a core.
        while any(map(runs, left)) and time.monotonic() - began < 20:
            time.sleep(0.02)

        assert time.monotonic() - began < 30
        assert [] == [p.info["cmdline"] for p in left if runs(p)]

    def test_little_of_our_environment_reaches_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Settings of the caller's shell are not those of a tool; what it needs is given."""
        monkeypatch.setenv("PGPASSWORD", "the caller's")
        found = run(["env"], folder=tmp_path, expected_s=5, environment={"REDISCLI_AUTH": "given"}).text

        assert "PGPASSWORD" in os.environ
        assert "caller" not in found
        assert "REDISCLI_AUTH=given\n" in found
