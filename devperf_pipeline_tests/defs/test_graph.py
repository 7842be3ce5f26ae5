import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from devperf_pipeline.definitions import defs
from devperf_pipeline.defs import keys
from devperf_pipeline.defs.command_line import fail_dead_runs, prepare_home
from devperf_pipeline.defs.measuring import CLI_TAG
from devperf_pipeline.model import Stack
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline_tests import external_stack

pytestmark = pytest.mark.servers


@pytest.fixture(name="project", scope="module")
def _project(running_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folders]:
    """A project whose stack is a running Redis, and a MySQL that is not there; measured once."""
    folders = Folders(tmp_path_factory.mktemp("graph"))
    password = external_stack.describe(folders, running_stack.service("redis"), absent="TEST_REDIS_PASSWORD")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(folders.dagster_home))
        patch.setenv("TEST_REDIS_PASSWORD", password)
        external_stack.measure(folders, seconds=0.02)
        yield folders


@pytest.fixture(name="instance")
def _instance(project: Folders) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.get() as instance:
        yield instance


class TestOneRun:
    def test_is_one_successful_run_of_the_job(self, instance: dg.DagsterInstance) -> None:
        """The UI shows what the command did: one run of `baseline`, green although a service was absent."""
        [run] = instance.get_runs()

        assert ("baseline", dg.DagsterRunStatus.SUCCESS) == (run.job_name, run.status)
        # Without it the pages of jobs and the overview would not know of the run.
        assert "__repository__@devperf_pipeline" == run.tags[".dagster/repository"]

    def test_measured_service_is_materialised_with_its_numbers(self, instance: dg.DagsterInstance) -> None:
        """The page of samples/redis has a row count, a table, a picture, and percentiles to be drawn over time."""
        event = instance.get_latest_materialization_event(keys.samples("redis"))
        assert event
        assert event.asset_materialization
        metadata = event.asset_materialization.metadata

        assert int(str(metadata["dagster/row_count"].value)) > 1000
        assert "data:image/svg+xml;base64," in str(metadata["latency"].value)
        assert isinstance(metadata["percentiles"], dg.TableMetadataValue)
        assert 0 < float(str(metadata["p50 ms, GET (hit)"].value)) < 10

    def test_other_stages_have_pages_too(self, instance: dg.DagsterInstance) -> None:
        """Load test and resources have a table each, the load test its picture, and numbers to be drawn over time."""
        pages = {}
        for stage in ("load_tests", "resources"):
            event = instance.get_latest_materialization_event(keys.made(stage, "redis"))
            assert event
            assert event.asset_materialization
            pages[stage] = event.asset_materialization.metadata
            assert isinstance(pages[stage]["measured"], dg.TableMetadataValue)

        assert float(str(pages["load_tests"]["calls/s, 100 users"].value)) > 1_000
        assert "data:image/svg+xml;base64," in str(pages["load_tests"]["shown"].value)

    @pytest.mark.parametrize(
        ("table", "shows"),
        [
            ("baselines", "complete"),
            ("rounds", "| Redis, one node |"),
            ("percentiles", "**Redis, one node**"),
            ("load_tests", "data:image/svg+xml;base64,"),
            ("knees", "Redis, one node, GET"),
            ("resources", "| PSS |"),
        ],
    )
    def test_tables_show_what_is_new(self, instance: dg.DagsterInstance, table: str, shows: str) -> None:
        """The page of a table shows rows of the newest baseline, rendered."""
        event = instance.get_latest_materialization_event(dg.AssetKey(table))
        assert event
        assert event.asset_materialization
        assert shows in str(event.asset_materialization.metadata["newest baseline"].value)

    def test_absent_service_has_failed_checks_and_nothing_else(self, instance: dg.DagsterInstance) -> None:
        """samples/mysql is not materialised; its check says at which address nobody answered."""
        key = dg.AssetCheckKey(keys.samples("mysql"), "measured")
        record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
        evaluation = record.event.dagster_event.asset_check_evaluation_data  # type: ignore[union-attr]

        assert instance.get_latest_materialization_event(keys.samples("mysql")) is None
        assert not evaluation.passed
        assert "127.0.0.1" in str(evaluation.metadata["what was seen"].value)

    def test_nothing_is_said_of_what_the_stack_does_not_have(self, instance: dg.DagsterInstance) -> None:
        """A baseline of everything is one of what the stack has: no check of another service fails."""
        named = [dg.AssetCheckKey(keys.samples(service), "measured") for service in keys.SERVICES]
        records = instance.event_log_storage.get_latest_asset_check_execution_by_key(named)

        judged = {
            key.asset_key.path[-1]
            for key, found in records.items()
            if found.event
            and found.event.dagster_event
            and found.event.dagster_event.event_type_value == "ASSET_CHECK_EVALUATION"
        }
        assert {"mysql", "redis"} == judged

    def test_tables_and_report_are_there(self, project: Folders, instance: dg.DagsterInstance) -> None:
        """The absent service costs nobody else: tables and report are materialised, and the report names it."""
        assert instance.get_latest_materialization_event(keys.REPORT)
        report = (project.reports / "latest.md").read_text(encoding="utf-8")
        assert "GET (hit)" in report
        assert "MySQL" in report

    def test_counts_agree(self, project: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """From another folder, read-only: samples are as many as the rows say, and p95 recomputed is the table's."""
        monkeypatch.chdir(tmp_path)
        with duckdb.connect(str(project.warehouse), read_only=True) as con:
            samples = con.execute("select count(*) from samples").fetchone()
            rows = con.execute("select sum(n) from percentiles").fetchone()
            differing = con.execute(
                """
                select p.benchmark from percentiles p
                join (select benchmark, quantile_disc(latency_ns, 0.95) p95 from samples group by all) s using (benchmark)
                where p.p95_ns <> s.p95
                """
            ).fetchall()

        assert samples == rows
        assert [] == differing

    def test_no_secret_is_anywhere(self, project: Folders) -> None:
        """The password is in no event, log, Parquet, table or report."""
        secret = os.environ["TEST_REDIS_PASSWORD"].encode()
        files = [path for path in project.root.rglob("*") if path.is_file()]

        assert len(files) > 10
        assert [] == [path for path in files if secret in path.read_bytes()]


class TestSubsets:
    def test_report_alone(self, project: Folders, instance: dg.DagsterInstance) -> None:
        """The report is rendered from the tables without anything being measured."""
        before = (project.reports / "latest.md").stat().st_mtime_ns
        result = defs.resolve_job_def("baseline").execute_in_process(
            instance=instance,
            asset_selection=[keys.REPORT],
            run_config={"resources": {"project": {"config": {"root": str(project.root)}}}},
        )

        assert result.success
        assert before < (project.reports / "latest.md").stat().st_mtime_ns

    def test_one_service_alone_is_in_the_report(self, project: Folders, instance: dg.DagsterInstance) -> None:
        """Measuring Redis alone renders the report too: its new rows, and why MySQL has none."""
        before = instance.get_latest_materialization_event(keys.REPORT)
        result = external_stack.measure_redis_alone(project, instance)
        after = instance.get_latest_materialization_event(keys.REPORT)
        report = (project.reports / "latest.md").read_text(encoding="utf-8")

        assert result.success
        assert before
        assert after
        assert before.timestamp < after.timestamp
        assert "GET (hit)" in report
        assert "was not part of this baseline" in report

    def test_checks_alone_are_refused(self, project: Folders, instance: dg.DagsterInstance) -> None:
        """Checks are made while samples are: alone they start nothing, and the failure says what to materialise."""
        checks = dg.define_asset_job("checks", dg.AssetSelection.checks_for_assets(keys.samples("redis")))
        job = dg.Definitions.merge(defs, dg.Definitions(jobs=[checks])).resolve_job_def("checks")
        with pytest.raises(dg.Failure, match="materialise samples"):
            job.execute_in_process(
                instance=instance,
                run_config={"resources": {"project": {"config": {"root": str(project.root)}}}},
            )

    def test_a_service_alone_that_the_stack_does_not_have(self, project: Folders) -> None:
        """Whoever asks for nothing else is told that the stack does not have it."""
        with dg.DagsterInstance.ephemeral() as instance:
            result = defs.resolve_job_def("baseline").execute_in_process(
                instance=instance,
                asset_selection=[keys.samples("api")],
                run_config={
                    "ops": {"measure": {"config": {"stack": "external", "seconds": 0.01}}},
                    "resources": {"project": {"config": {"root": str(project.root)}}},
                },
            )
            seen = {each.check_name: each for each in result.get_asset_check_evaluations()}

        assert not seen["measured"].passed
        assert "api is not in the stack 'external'" in str(seen["measured"].metadata["what was seen"].value)


class TestTheDead:
    def test_run_of_a_killed_process_is_failed(self, project: Folders, instance: dg.DagsterInstance) -> None:
        """A run that says STARTED and whose process is gone no longer holds up the queue."""
        prepare_home(project)
        job = defs.resolve_job_def("baseline")
        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags={CLI_TAG: "4194304"})
        alive = instance.create_run_for_job(
            job, status=dg.DagsterRunStatus.STARTED, tags={CLI_TAG: str(os.getpid())}
        )
        fail_dead_runs(instance)
        statuses = [instance.get_run_by_id(one.run_id).status for one in (run, alive)]  # type: ignore[union-attr]
        instance.report_run_canceled(alive)

        assert [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED] == statuses
