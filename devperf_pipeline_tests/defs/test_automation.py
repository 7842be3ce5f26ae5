import datetime as dt
import json
from pathlib import Path

import dagster as dg
import pytest

from devperf_pipeline.defs import automation
from devperf_pipeline.defs.automation import changed, changed_since, fingerprints, weekly
from devperf_pipeline.defs.graph import all_graphs
from devperf_pipeline.defs.keys import Keys
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.stack_file import load_stack

STACK = """
name = "local"
managed = true
[services.redis]
kind = "redis"
[services.redis.settings]
maxmemory = "256mb"
[services.mysql]
kind = "mysql"
"""


@pytest.fixture(name="folders")
def _folders(tmp_path: Path) -> Folders:
    folders = Folders(tmp_path)
    folders.stacks.mkdir()
    (folders.stacks / "local.toml").write_text(STACK, encoding="utf-8")
    return folders


def state() -> dict[str, dict[str, object]]:
    return {"seen": {}, "asked": {}}


class TestChangedSince:
    def test_first_sight_is_remembered_and_not_measured(self) -> None:
        """Turning the sensor on starts nothing: what is there is what is known."""
        assert ([], True) == changed_since(state(), {"redis": "a"}, 0, settle_s=60)

    def test_change_is_asked_for_once_it_has_settled(self) -> None:
        """A change waits for its time to settle, and restarts it when it changes again."""
        kept = state()
        changed_since(kept, {"redis": "a"}, 0, settle_s=60)

        assert (["redis"], False) == changed_since(kept, {"redis": "b"}, 100, settle_s=60)
        assert (["redis"], False) == changed_since(kept, {"redis": "c"}, 150, settle_s=60)
        assert (["redis"], False) == changed_since(kept, {"redis": "c"}, 200, settle_s=60)
        assert (["redis"], True) == changed_since(kept, {"redis": "c"}, 210, settle_s=60)

    def test_change_and_back_is_no_change(self) -> None:
        """A setting that was tried and taken back measures nothing."""
        kept = state()
        changed_since(kept, {"redis": "a"}, 0, settle_s=60)
        changed_since(kept, {"redis": "b"}, 10, settle_s=60)

        assert ([], True) == changed_since(kept, {"redis": "a"}, 200, settle_s=60)

    def test_silent_service_is_unknown_not_changed(self) -> None:
        """A service without a fingerprint keeps its old one."""
        kept = state()
        changed_since(kept, {"redis": "a", "mysql": "x"}, 0, settle_s=60)

        assert ([], True) == changed_since(kept, {"redis": "a"}, 100, settle_s=60)
        assert "x" == kept["asked"]["mysql"]


class TestFingerprints:
    def test_a_setting_changes_only_its_own_service(self, folders: Folders) -> None:
        """Editing the memory limit of Redis is a change of Redis."""
        before = fingerprints(load_stack("local", folders, CATALOGUE), folders)
        path = folders.stacks / "local.toml"
        path.write_text(path.read_text(encoding="utf-8").replace("256mb", "512mb"), encoding="utf-8")
        after = fingerprints(load_stack("local", folders, CATALOGUE), folders)

        assert ["redis"] == [service for service in before if before[service] != after[service]]


class TestSensor:
    @pytest.fixture(autouse=True)
    def _keys(self, folders: Folders) -> None:
        """The stack as it was when the definitions were loaded."""
        self.keys = Keys(load_stack("local", folders, CATALOGUE))

    def tick(self, folders: Folders, instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult:
        context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=all_graphs(folders))
        result = changed(self.keys, folders)(context)
        assert isinstance(result, dg.SensorResult)
        return result

    def test_change_starts_one_run_of_what_changed(
        self, folders: Folders, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After a change that has settled, one run is asked for: the service, the tables, the report. Then no other."""
        monkeypatch.setattr(automation, "SETTLE_S", 0)
        with dg.DagsterInstance.ephemeral() as instance:
            first = self.tick(folders, instance, None)
            path = folders.stacks / "local.toml"
            path.write_text(path.read_text(encoding="utf-8").replace("256mb", "512mb"), encoding="utf-8")
            second = self.tick(folders, instance, first.cursor)
            third = self.tick(folders, instance, second.cursor)

        assert "nothing changed" in str(first.skip_reason)
        assert second.run_requests
        [request] = second.run_requests
        selected = {key.to_user_string() for key in request.asset_selection or ()}
        assert {
            "local/samples/redis",
            "local/baseline",
            "local/percentiles/redis",
            "local/report",
        } <= selected
        assert "local/samples/mysql" not in selected
        assert "nothing changed" in str(third.skip_reason)

    def test_change_waits_for_a_run_in_progress(
        self, folders: Folders, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """While a run is queued or running the change is kept, and asked for afterwards."""
        monkeypatch.setattr(automation, "SETTLE_S", 0)
        with dg.DagsterInstance.ephemeral() as instance:
            first = self.tick(folders, instance, None)
            (folders.stacks / "local.toml").write_text(STACK.replace("256mb", "512mb"), encoding="utf-8")
            run = instance.create_run_for_job(
                all_graphs(folders).resolve_job_def("local_baseline"), status=dg.DagsterRunStatus.STARTED
            )
            busy = self.tick(folders, instance, first.cursor)
            instance.report_run_canceled(run)
            free = self.tick(folders, instance, busy.cursor)

        assert "a run is in progress; then: redis" in str(busy.skip_reason)
        assert free.run_requests

    def test_broken_stack_file_is_a_reason_to_skip(self, folders: Folders) -> None:
        """A stack file that cannot be read is said, and what was known is kept."""
        with dg.DagsterInstance.ephemeral() as instance:
            first = self.tick(folders, instance, None)
            (folders.stacks / "local.toml").write_text("nonsense", encoding="utf-8")
            second = self.tick(folders, instance, first.cursor)

        assert "local.toml" in str(second.skip_reason)
        assert json.loads(first.cursor or "") == json.loads(second.cursor or "")


class TestSchedule:
    def test_due_now_is_measured(self, folders: Folders) -> None:
        """On time, everything is measured."""
        now = dt.datetime.now(dt.UTC)
        with dg.build_schedule_context(scheduled_execution_time=now) as context:
            assert isinstance(self.due(folders)(context), dg.RunRequest)

    def test_long_missed_is_skipped(self, folders: Folders) -> None:
        """A machine that wakes up hours later does not start to measure at once."""
        then = dt.datetime.now(dt.UTC) - dt.timedelta(hours=5)
        with dg.build_schedule_context(scheduled_execution_time=then) as context:
            assert isinstance(self.due(folders)(context), dg.SkipReason)

    def due(self, folders: Folders) -> dg.ScheduleDefinition:
        return weekly(Keys(load_stack("local", folders, CATALOGUE)))
