from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from devperf_pipeline.defs import secret_check
from devperf_pipeline.defs.command_line import prepare_home
from devperf_pipeline.errors import MeasurementError
from devperf_pipeline.model import Baseline, Stack
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.secret import Secret, Secrets
from devperf_pipeline_tests import external_stack

PASSWORD = "opens-nothing-4711"


@dg.job
def any_job() -> None:
    """A run has to be of some job."""


@pytest.fixture(name="home")
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    """A project with a Dagster home of its own."""
    folders = Folders(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(folders.dagster_home))
    prepare_home(folders)
    return folders


@pytest.fixture(name="instance")
def _instance(home: Folders) -> Iterator[dg.DagsterInstance]:
    assert home.dagster_home.is_dir()
    with dg.DagsterInstance.get() as instance:
        yield instance


def used(run: dg.DagsterRun, line: str = "redis-server") -> None:
    """Leave what a run with one secret would."""
    baseline = Baseline(
        id="20261125T031500Z-3f9a",
        stack="external",
        profile="quick",
        seed=1,
        began_at_ns=0,
        host={},
        facts={},
    )
    secrets = Secrets((Secret("the password of redis", PASSWORD),), {})
    lines = {"the command line of process 1": line}
    told = secret_check.Used(baseline=baseline, secrets=secrets, command_lines=lines)
    secret_check.remember(run.run_id, lambda: told)


class TestFoundIn:
    def test_nothing(self, home: Folders, instance: dg.DagsterInstance) -> None:
        """A run that wrote no secret down has no leak."""
        run = instance.create_run_for_job(any_job)
        used(run)

        assert [] == secret_check.found_in(instance, run, home)

    def test_in_an_event_of_dagster(self, home: Folders, instance: dg.DagsterInstance) -> None:
        """An event's message is searched, however Dagster stores it."""
        run = instance.create_run_for_job(any_job)
        instance.report_engine_event(f"could not log in with {PASSWORD}", run)
        used(run)
        [leak] = secret_check.found_in(instance, run, home)

        assert leak.place.startswith("event ")
        assert leak.place.endswith("of the run (ENGINE_EVENT)")

    def test_in_the_configuration_of_the_run(self, home: Folders, instance: dg.DagsterInstance) -> None:
        """Tags and configuration of a run are searched."""
        run = instance.create_run_for_job(any_job, tags={"note": PASSWORD})
        used(run)

        assert "Dagster's record of the run" in {
            leak.place for leak in secret_check.found_in(instance, run, home)
        }

    def test_in_captured_output(self, home: Folders, instance: dg.DagsterInstance) -> None:
        """What a step wrote to its terminal is searched, where Dagster keeps it."""
        run = instance.create_run_for_job(any_job)
        captured = home.dagster_home / "storage" / run.run_id / "compute_logs" / "measure.err"
        captured.parent.mkdir(parents=True)
        captured.write_text(f"AUTH {PASSWORD}")
        used(run)
        [leak] = secret_check.found_in(instance, run, home)

        assert leak.place.endswith("measure.err")

    def test_on_a_command_line(self, home: Folders, instance: dg.DagsterInstance) -> None:
        """What everybody can read of our servers is searched."""
        run = instance.create_run_for_job(any_job)
        used(run, f"redis-server\0--requirepass\0{PASSWORD}")
        [leak] = secret_check.found_in(instance, run, home)

        assert "the password of redis in the command line of process 1" == str(leak)


@pytest.mark.servers
class TestRealRun:
    @pytest.fixture(name="project")
    def _project(self, running_stack: Stack, home: Folders, monkeypatch: pytest.MonkeyPatch) -> Folders:
        """A stack of a running Redis, and a MySQL that is not there."""
        password = external_stack.describe(
            home, running_stack.service("redis"), absent="TEST_NOBODYS_PASSWORD"
        )
        monkeypatch.setenv("TEST_REDIS_PASSWORD", password)
        monkeypatch.setenv("TEST_NOBODYS_PASSWORD", PASSWORD)
        return home

    def check(self, project: Folders, instance: dg.DagsterInstance) -> dg.AssetCheckEvaluation:
        key = dg.AssetCheckKey(external_stack.keys(project).baseline, secret_check.CHECK)
        record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
        return record.event.dagster_event.asset_check_evaluation_data  # type: ignore[union-attr]

    def test_clean_then_leaking(self, project: Folders, instance: dg.DagsterInstance) -> None:
        """A clean run passes. One that wrote a password to a log fails with the place, and keeps what it measured."""
        external_stack.measure(project, seconds=0.01)
        clean = self.check(project, instance)
        project.logs.mkdir(parents=True)
        (project.logs / "external-mysql.log").write_text(f"connecting with {PASSWORD}\n", encoding="utf-8")
        with pytest.raises(
            MeasurementError, match=r"the password of mysql in data/logs/external-mysql\.log"
        ) as error:
            external_stack.measure(project, seconds=0.01)
        leaking = self.check(project, instance)

        assert (True, False) == (clean.passed, leaking.passed)
        assert "2 secrets sought, none found" == clean.metadata["what was seen"].value
        assert dg.AssetCheckSeverity.ERROR is leaking.severity
        assert PASSWORD not in str(error.value)
        assert dg.DagsterRunStatus.FAILURE is instance.get_runs(limit=1)[0].status
        assert 2 == len(list(project.samples.glob("baseline_id=*/samples.parquet")))

    def test_one_service_alone(self, project: Folders, instance: dg.DagsterInstance) -> None:
        """Samples that are materialised without their baseline are searched too."""
        project.logs.mkdir(parents=True)
        (project.logs / "external-mysql.log").write_text(f"connecting with {PASSWORD}\n", encoding="utf-8")
        with pytest.raises(dg.Failure, match=r"data/logs/external-mysql\.log"):
            external_stack.measure_redis_alone(project, instance)

        assert instance.get_latest_materialization_event(
            external_stack.keys(project).made("samples", "redis")
        )
