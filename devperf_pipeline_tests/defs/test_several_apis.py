from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

import dagster as dg
import pytest

from devperf_pipeline.definitions import defs
from devperf_pipeline.defs import keys
from devperf_pipeline.defs.checks import judged
from devperf_pipeline.defs.command_line import prepare_home, run_baseline
from devperf_pipeline.defs.materialisations import results
from devperf_pipeline.errors import MeasurementError
from devperf_pipeline.measure.tally import Count, Tally
from devperf_pipeline.model import Baseline, Outcome, ServiceState, Stage
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.stack_file import load_stack
from devperf_pipeline_tests.measure.test_run import ListSink
from devperf_pipeline_tests.services.fake_apis import Reply, Request, serving

API = """
[services.{name}]
kind = "api"
address = "{address}"
routes = ["/orders/7"]
"""


def shop(_request: Request) -> Reply:
    return 200, {}, {"order": 7}


def measure(folders: Folders, instance: dg.DagsterInstance, stages: Sequence[Stage], *services: str) -> None:
    """These stages of the APIs, as somebody materialises them in the UI; of all APIs if none is named."""
    made = [keys.made(stage, "api") for stage in stages]
    defs.resolve_job_def("baseline").execute_in_process(
        instance=instance,
        asset_selection=[*made, keys.BASELINE, *keys.TABLES, keys.REPORT],
        run_config={
            "ops": {"measure": {"config": {"stack": "shop", "seconds": 0.1, "services": list(services)}}},
            "resources": {"project": {"config": {"root": str(folders.root)}}},
        },
    )


def seen(check: dg.AssetCheckResult) -> str:
    return str((check.metadata or {})["what was seen"].value)


def made_of(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str, object]:
    """The metadata of its newest materialisation."""
    event = instance.get_latest_materialization_event(key)
    assert event
    assert event.asset_materialization
    return {name: each.value for name, each in event.asset_materialization.metadata.items()}


@pytest.fixture(name="project", scope="module")
def _project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folders]:
    """A project whose stack is three APIs of its own, one of which is not there."""
    folders = Folders(tmp_path_factory.mktemp("shop"))
    folders.stacks.mkdir()
    with ExitStack() as servers, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(folders.dagster_home))
        prepare_home(folders)
        addresses = {name: servers.enter_context(serving(shop)) for name in ("api_now", "api_next")}
        with serving(shop) as closed:
            addresses["api_gone"] = closed
        text = "".join(API.format(name=name, address=address) for name, address in addresses.items())
        (folders.stacks / "shop.toml").write_text(f'name = "shop"\nmanaged = false\n{text}', encoding="utf-8")
        with dg.DagsterInstance.get() as instance:
            measure(folders, instance, ("samples", "load_tests"))
        yield folders


@pytest.fixture(name="instance")
def _instance(project: Folders) -> Iterator[dg.DagsterInstance]:
    assert project.dagster_home.is_dir()
    with dg.DagsterInstance.get() as instance:
        yield instance


def counted(outcomes: Mapping[int, int], *problems: str) -> Count:
    return Count(
        calls=Counter({"x": sum(outcomes.values())}), outcomes=Counter[int](outcomes), problems=list(problems)
    )


class TestChecks:
    def test_no_api_hides_behind_others(self) -> None:
        """Failures are held against the calls of the API that failed, not of all, and it is named."""
        counts = {
            "api_now": counted({Outcome.OK: 9_900}),
            "api_next": counted({Outcome.OK: 90, Outcome.ERROR: 10}),
        }
        told = {check.check_name: check for check in judged("api", counts, {})}

        assert not told["few_errors"].passed
        assert "api_now: 0 of 9,900 calls failed; api_next: 10 of 100 calls failed" == seen(
            told["few_errors"]
        )
        assert told["right_answers"].passed

    @pytest.mark.parametrize(
        ("counts", "expected"),
        [
            ({"redis": counted({Outcome.OK: 8, Outcome.WRONG: 2})}, "2 of 10 calls were answered wrongly"),
            (
                {"api": counted({Outcome.OK: 9}), "api_b": counted({Outcome.LIMITED: 2}, "api_b/x: odd")},
                "api_b: 2 of 2 calls were answered wrongly; api_b/x: odd",
            ),
            ({"api": counted({Outcome.OK: 9}, "odd")}, "none of 9 calls was answered wrongly; odd"),
        ],
    )
    def test_wrong_answers(self, counts: Mapping[str, Count], expected: str) -> None:
        """What was answered wrongly is said with its service where there are several, and what else was wrong."""
        told = {check.check_name: check for check in judged("api", counts, {})}

        assert not told["right_answers"].passed
        assert expected == seen(told["right_answers"])


@pytest.mark.servers
class TestSeveralApis:
    def test_have_one_asset(self, instance: dg.DagsterInstance) -> None:
        """samples/api is of all that answer: rows and numbers over time are named by the API that they are of."""
        made = made_of(instance, keys.samples("api"))
        tests = made_of(instance, keys.made("load_tests", "api"))
        table, latency = made["percentiles"], str(made["latency"])

        assert isinstance(table, dg.TableMetadataValue)
        assert {"api_now", "api_next"} == {record.data["service"] for record in table.records}
        assert {"api_now: p50 ms, GET /orders/7", "api_next: p95 ms, GET /orders/7"} <= made.keys()
        assert latency.startswith("**api_now**")
        assert "**api_next**" in latency
        assert {"api_now: calls/s, 100 users", "api_next: calls/s, 100 users"} <= tests.keys()

    def test_one_that_is_missing_fails_the_check(self, instance: dg.DagsterInstance) -> None:
        """The check says of the absent one at which address nobody answered; the others are judged all the same."""
        checks = {name: dg.AssetCheckKey(keys.samples("api"), name) for name in ("measured", "right_answers")}
        records = instance.event_log_storage.get_latest_asset_check_execution_by_key([*checks.values()])
        found = {
            name: records[key].event.dagster_event.asset_check_evaluation_data  # type: ignore[union-attr]
            for name, key in checks.items()
        }

        assert not found["measured"].passed
        assert "api_gone" in str(found["measured"].metadata["what was seen"].value)
        assert found["right_answers"].passed

    @pytest.mark.parametrize(
        ("states", "made", "passed", "expected"),
        [
            ({"api_now": "measured", "api_next": "failed"}, {"api_now"}, False, "api_next was given up."),
            ({"api_now": "failed", "api_next": "failed"}, set(), False, "api_now was given up."),
            ({"api_next": "measured"}, {"api_next"}, True, "1 calls in 1 benchmarks"),
        ],
    )
    def test_one_that_is_given_up(
        self,
        project: Folders,
        states: Mapping[str, ServiceState],
        made: set[str],
        *,
        passed: bool,
        expected: str,
    ) -> None:
        """What was kept of an API before it was given up is no measurement of it: only the others are told of."""
        stack = load_stack("shop", project, CATALOGUE)
        tally = Tally(ListSink())
        tally.services = {
            service: Count(calls=Counter({f"{service}/x": 1}), outcomes=Counter({0: 1})) for service in states
        }
        baseline = Baseline(
            id=min(project.samples.glob("baseline_id=*")).name.partition("=")[2],
            stack="shop",
            profile="quick",
            seed=1,
            began_at_ns=0,
            host={},
            facts={},
            states=states,
            reasons={name: f"{name} was given up." for name, state in states.items() if state == "failed"},
        )
        rows: list[object] = []
        checks: list[dg.AssetCheckResult] = []
        for one in results({keys.samples("api")}, project, stack, baseline, tally):
            if isinstance(one, dg.AssetCheckResult):
                checks.append(one)
                continue
            rows += [(one.metadata or {})["dagster/row_count"]]
            checks += one.check_results or ()
        measured = next(check for check in checks if check.check_name == "measured")

        assert ([len(made)] if made else []) == rows
        assert passed == measured.passed
        assert expected in seen(measured)

    def test_are_compared(self, project: Folders) -> None:
        """The report says which of them is faster on the route that they share."""
        report = (project.reports / "latest.md").read_text(encoding="utf-8")

        assert "Fastest like for like on GET /orders/7" in report
        assert "API now" in report

    def test_one_alone(self, project: Folders, instance: dg.DagsterInstance) -> None:
        """Whoever names one measures that one, and is told nothing of the others."""
        measure(project, instance, ("samples",), "api_next")
        made = made_of(instance, keys.samples("api"))
        key = dg.AssetCheckKey(keys.samples("api"), "measured")
        record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]

        assert "p50 ms, GET /orders/7" in made
        assert record.event.dagster_event.asset_check_evaluation_data.passed  # type: ignore[union-attr]

    def test_one_that_nobody_knows(self, project: Folders) -> None:
        """A name that the stack does not have is refused with those that it has; nothing is measured in its place."""
        with pytest.raises(
            MeasurementError, match=r"names of api_now, api_next, api_gone .* Found 'api_nxt'"
        ):
            run_baseline(
                defs.resolve_job_def("baseline"),
                project,
                stack="shop",
                profile="quick",
                services=("api_nxt",),
                seconds=0.02,
            )
