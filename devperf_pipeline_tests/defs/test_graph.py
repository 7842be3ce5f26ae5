import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import dagster as dg
import duckdb
import pytest

from devperf_pipeline.defs import derived
from devperf_pipeline.defs.command_line import fail_dead_runs, prepare_home
from devperf_pipeline.defs.graph import graph
from devperf_pipeline.defs.keys import Keys
from devperf_pipeline.defs.measuring import CLI_TAG
from devperf_pipeline.model import Stack
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store import warehouse
from devperf_pipeline_tests import external_stack

pytestmark = pytest.mark.servers


@pytest.fixture(name="calls", scope="module")
def _calls() -> Counter[str]:
    """How often the run of this module built the tables, and loaded a report."""
    return Counter()


@pytest.fixture(name="project", scope="module")
def _project(
    running_stack: Stack, tmp_path_factory: pytest.TempPathFactory, calls: Counter[str]
) -> Iterator[Folders]:
    """A project whose stack is a running Redis, and a MySQL that is not there; measured once."""
    folders = Folders(tmp_path_factory.mktemp("graph"))
    password = external_stack.describe(folders, running_stack.service("redis"), absent="TEST_REDIS_PASSWORD")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(folders.dagster_home))
        patch.setenv("TEST_REDIS_PASSWORD", password)
        with pytest.MonkeyPatch.context() as counting:
            for where, name in ((warehouse, "build"), (derived, "load")):
                counting.setattr(where, name, counted(getattr(where, name), calls))
            external_stack.measure(folders, seconds=0.02)
        yield folders


def counted(call: Callable[..., Any], calls: Counter[str]) -> Callable[..., Any]:
    """The same call, counted."""

    def one(*args: Any, **kwargs: Any) -> Any:
        calls[call.__name__] += 1
        return call(*args, **kwargs)

    return one


@pytest.fixture(name="keys")
def _keys(project: Folders) -> Keys:
    return external_stack.keys(project)


@pytest.fixture(name="instance")
def _instance(project: Folders) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.get() as instance:
        yield instance


def metadata(instance: dg.DagsterInstance, key: dg.AssetKey) -> Mapping[str, dg.MetadataValue[Any]]:
    """What its newest materialisation has."""
    event = instance.get_latest_materialization_event(key)
    assert event
    assert event.asset_materialization
    return event.asset_materialization.metadata


class TestOneRun:
    def test_is_one_successful_run_of_the_job(self, instance: dg.DagsterInstance) -> None:
        """The UI shows what the command did: one run of the stack's job, green although a service was absent."""
        [run] = instance.get_runs()

        assert ("external_baseline", dg.DagsterRunStatus.SUCCESS) == (run.job_name, run.status)
        # Without it the pages of jobs and the overview would not know of the run.
        assert "__repository__@devperf_pipeline" == run.tags[".dagster/repository"]

    def test_measured_service_is_materialised(self, keys: Keys, instance: dg.DagsterInstance) -> None:
        """Samples, load tests and resources of Redis say how many rows they have and where."""
        for stage in ("samples", "load_tests", "resources"):
            made = metadata(instance, keys.made(stage, "redis"))
            uri = urlsplit(str(made["dagster/uri"].value))
            assert int(str(made["dagster/row_count"].value)) > 10
            assert Path(unquote(uri.path)).is_file()

    def test_percentiles_have_a_page(self, keys: Keys, instance: dg.DagsterInstance) -> None:
        """Tables of each stage, pictures, and percentiles as numbers to be drawn over time."""
        made = metadata(instance, keys.percentiles("redis"))

        for table in ("percentiles", "under sustained load", "resources"):
            assert isinstance(made[table], dg.TableMetadataValue)
        assert "data:image/svg+xml;base64," in str(made["latency"].value)
        assert "data:image/svg+xml;base64," in str(made["throughput by users"].value)
        assert 0 < float(str(made["p50 ms, GET (hit)"].value)) < 10
        assert float(str(made["calls/s, 100 users"].value)) > 1_000

    def test_what_follows_has_a_page_too(self, keys: Keys, instance: dg.DagsterInstance) -> None:
        """What changed, what was found and the report can be read where they are."""
        assert "nothing to compare with" in str(metadata(instance, keys.comparison)["text"].value)
        assert "complete" in str(metadata(instance, keys.comparison)["text"].value)
        assert str(metadata(instance, keys.findings)["text"].value)
        assert "GET (hit)" in str(metadata(instance, keys.report)["text"].value)

    def test_absent_service_has_a_failed_check_and_nothing_else(
        self, keys: Keys, instance: dg.DagsterInstance
    ) -> None:
        """samples/mysql is not materialised; its check says at which address nobody answered."""
        key = dg.AssetCheckKey(keys.made("samples", "mysql"), "measured")
        record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
        evaluation = record.event.dagster_event.asset_check_evaluation_data  # type: ignore[union-attr]

        assert instance.get_latest_materialization_event(keys.made("samples", "mysql")) is None
        assert not evaluation.passed
        assert "127.0.0.1" in str(evaluation.metadata["what was seen"].value)

    def test_report_is_there(self, keys: Keys, project: Folders, instance: dg.DagsterInstance) -> None:
        """The absent service costs nobody else: the report is materialised, and names it."""
        assert instance.get_latest_materialization_event(keys.report)
        report = (project.reports / "latest.md").read_text(encoding="utf-8")
        assert "GET (hit)" in report
        assert "MySQL" in report

    def test_nothing_is_stale(self, project: Folders, keys: Keys, instance: dg.DagsterInstance) -> None:
        """After the run the UI has nothing to renew: versions of what was read are those that there are."""
        assert {} == external_stack.stale(instance, graph(keys.stack, project))

    def test_the_warehouse_is_built_once(self, project: Folders, calls: Counter[str]) -> None:
        """A whole run builds the tables once, and loads what a report is made of once a step that shows it."""
        assert project.warehouse.is_file()
        assert {"build": 1, "load": 3} == calls

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
    def test_report_alone(self, project: Folders, keys: Keys, instance: dg.DagsterInstance) -> None:
        """The report is rendered from the tables without anything being measured."""
        before = (project.reports / "latest.md").stat().st_mtime_ns
        result = external_stack.job(project).execute_in_process(
            instance=instance, asset_selection=[keys.report]
        )

        assert result.success
        assert before < (project.reports / "latest.md").stat().st_mtime_ns

    def test_checks_alone_are_refused(
        self, project: Folders, keys: Keys, instance: dg.DagsterInstance
    ) -> None:
        """Whether a service was measured is told while it is: alone it starts nothing, and says what to materialise."""
        checks = dg.define_asset_job(
            "checks", dg.AssetSelection.checks_for_assets(keys.made("samples", "redis"))
        )
        both = dg.Definitions.merge(graph(keys.stack, project), dg.Definitions(jobs=[checks]))
        with pytest.raises(dg.Failure, match="Materialise external/samples"):
            both.resolve_job_def("checks").execute_in_process(instance=instance)

    def test_checks_of_percentiles_alone(
        self, project: Folders, keys: Keys, instance: dg.DagsterInstance
    ) -> None:
        """Whether rows can be believed is asked of the tables, at any time."""
        checks = dg.define_asset_job("checks", dg.AssetSelection.checks_for_assets(keys.percentiles("redis")))
        both = dg.Definitions.merge(graph(keys.stack, project), dg.Definitions(jobs=[checks]))
        result = both.resolve_job_def("checks").execute_in_process(instance=instance)

        assert {"valid", "right_answers", "no_regression", "lint"} == {
            each.check_name for each in result.get_asset_check_evaluations()
        }

    def test_a_service_that_the_file_no_longer_has(self, project: Folders, keys: Keys) -> None:
        """A service that was taken out of the stack file since the graph was loaded fails its check with where it was."""
        path = project.stacks / "external.toml"
        text = path.read_text(encoding="utf-8")
        job = external_stack.job(project)
        path.write_text(text.partition("[services.mysql]")[0], encoding="utf-8")
        try:
            with dg.DagsterInstance.ephemeral() as instance:
                result = job.execute_in_process(
                    instance=instance,
                    asset_selection=[keys.made("samples", "mysql")],
                    run_config={"ops": {keys.step: {"config": {"seconds": 0.01}}}},
                )
                seen = {each.check_name: each for each in result.get_asset_check_evaluations()}
        finally:
            path.write_text(text, encoding="utf-8")

        assert not seen["measured"].passed
        assert "mysql is not in the stack 'external'" in str(seen["measured"].metadata["what was seen"].value)


class TestTheDead:
    def test_run_of_a_killed_process_is_failed(self, project: Folders, instance: dg.DagsterInstance) -> None:
        """
        A run that says STARTED and whose process is gone no longer holds up the queue; one that the UI executes again,
        with the tags of the first, goes on.
        """
        prepare_home(project)
        job = external_stack.job(project)
        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags={CLI_TAG: "4194304"})
        alive = instance.create_run_for_job(
            job, status=dg.DagsterRunStatus.STARTED, tags={CLI_TAG: str(os.getpid())}
        )
        again = instance.create_run_for_job(
            job,
            status=dg.DagsterRunStatus.STARTED,
            tags={CLI_TAG: "4194304"},
            parent_run_id=run.run_id,
            root_run_id=run.run_id,
        )
        fail_dead_runs(instance)
        statuses = [instance.get_run_by_id(one.run_id).status for one in (run, alive, again)]  # type: ignore[union-attr]
        instance.report_run_canceled(alive)
        instance.report_run_canceled(again)

        assert [dg.DagsterRunStatus.FAILURE, *2 * [dg.DagsterRunStatus.STARTED]] == statuses
