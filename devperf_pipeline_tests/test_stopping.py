import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from devperf_pipeline.model import Stack
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store.warehouse import build
from devperf_pipeline_tests import external_stack
from devperf_pipeline_tests.services.fake_apis import DevstackCore, Reply, Request, serving

pytestmark = pytest.mark.servers

LARGEST_FILE = 2 * 2**20

LONGEST_HANG_S = 80.0
"""Whoever waited for such an answer would be far beyond the seconds that ending takes."""


@pytest.fixture(name="folders")
def _folders(running_stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    """A project whose stack is one running Redis."""
    folders = Folders(tmp_path)
    password = external_stack.describe(folders, running_stack.service("redis"))
    monkeypatch.setenv("TEST_REDIS_PASSWORD", password)
    monkeypatch.setenv("DEVPERF_ROOT", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(folders.dagster_home))
    return folders


def begin(seconds: float) -> subprocess.Popen[str]:
    """A baseline of that stack, in a process group of its own as a shell would make it."""
    return subprocess.Popen(
        [
            Path(sys.executable).with_name("devperf"),
            "baseline",
            "--stack",
            "external",
            "--seconds",
            str(seconds),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@contextmanager
def small_files() -> Iterator[None]:
    """Whoever is started meanwhile may write files as large as the samples of a short baseline, not as a warehouse."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def first_round(running: subprocess.Popen[str]) -> str:
    """Wait until one round is kept; what was said up to there."""
    said = ""
    assert running.stdout
    while " to go " not in said:
        line = running.stdout.readline()
        assert line, said
        said += line
    return said


def baselines(folders: Folders) -> list[tuple[str, bool]]:
    """State of each baseline, and whether it has samples."""
    with duckdb.connect(str(folders.warehouse), read_only=True) as con:
        return con.execute(
            "select state, exists (from samples s where s.baseline_id = b.baseline_id) from baselines b order by baseline_id"
        ).fetchall()


class TestStopping:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_what_was_measured_is_in_the_tables_at_once(
        self, folders: Folders, number: signal.Signals
    ) -> None:
        """Ctrl-C ends with status 130 and no traceback, and finished rounds can be asked for right away."""
        with begin(0.2) as running:
            said = first_round(running)
            os.killpg(running.pid, number)
            said += running.communicate(timeout=120)[0]

        assert 130 == running.returncode
        assert "Traceback" not in said
        assert "No secret may be" not in said
        assert said.endswith("devperf: interrupted; every round that had ended is kept.\n")
        assert [("interrupted", True)] == baselines(folders)
        assert [] == list(folders.incoming.iterdir())

    def test_what_was_written_is_searched_for_secrets(self, folders: Folders) -> None:
        """A baseline that is interrupted says which secret is in which file of it, and not what it is."""
        secret = os.environ["TEST_REDIS_PASSWORD"]
        folders.logs.mkdir(parents=True)
        (folders.logs / "external-redis.log").write_text(f"AUTH {secret}\n", encoding="utf-8")
        with begin(0.2) as running:
            said = first_round(running)
            os.killpg(running.pid, signal.SIGINT)
            said += running.communicate(timeout=120)[0]

        assert 130 == running.returncode
        assert "the password of redis in data/logs/external-redis.log" in said
        assert secret not in said

    def test_next_baseline_takes_in_what_a_killed_one_left(self, folders: Folders) -> None:
        """SIGKILL in the middle loses no finished round, and neither samples, tables nor Dagster's queue keep a wound."""
        with begin(0.2) as running:
            first_round(running)
            running.kill()
        with begin(0.01) as running:
            said = running.communicate(timeout=120)[0]
        with dg.DagsterInstance.get() as instance:
            runs = [run.status for run in instance.get_runs()]

        assert 0 == running.returncode, said
        assert [("interrupted", True), ("complete", True)] == baselines(folders)
        assert [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE] == runs


class TestSlowApi:
    def test_an_api_that_hangs_holds_nobody_who_asks_to_stop(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where an API answers nothing any more, SIGTERM ends its baseline all the same, and says what may be left there."""
        monkeypatch.setenv("DEVPERF_ROOT", str(tmp_path))
        monkeypatch.setenv("DAGSTER_HOME", str(Folders(tmp_path).dagster_home))
        hangs, over = threading.Event(), threading.Event()

        def hanging(request: Request) -> Reply:
            if hangs.is_set():
                over.wait(LONGEST_HANG_S)
            return api(request)

        api = DevstackCore("Go")
        with serving(hanging) as address:
            Folders(tmp_path).stacks.mkdir()
            (Folders(tmp_path).stacks / "external.toml").write_text(
                f'name = "external"\nmanaged = false\n[services.gin]\nkind = "gin"\naddress = "{address}"\n',
                encoding="utf-8",
            )
            with begin(0.05) as running:
                said = first_round(running)
                hangs.set()
                asked_at = time.monotonic()
                os.killpg(running.pid, signal.SIGTERM)
                said += running.communicate(timeout=120)[0]
                took_s = time.monotonic() - asked_at
            over.set()

        assert 130 == running.returncode
        assert "Traceback" not in said
        assert "gin: what is ours could not be removed: " in said
        assert took_s < LONGEST_HANG_S / 2


class TestFull:
    def test_tables_that_cannot_be_made_cost_no_sample(self, folders: Folders) -> None:
        """Where the disk is full for the tables alone, the end says that samples are safe, where, and how to go on."""
        with small_files():
            running = begin(0.01)
        with running:
            said = running.communicate(timeout=120)[0]
        [samples] = folders.samples.glob("baseline_id=*/samples.parquet")

        assert 1 == running.returncode
        assert "Traceback" not in said
        assert f"its samples are safe in {samples.parent}" in said
        assert "No space for " in said
        assert "devperf rebuild" in said
        assert build(folders).samples > 0
