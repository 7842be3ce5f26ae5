import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import dagster as dg
import pytest

from devperf_pipeline.analyse.judgements import Contradiction
from devperf_pipeline.defs.checks import judged
from devperf_pipeline.defs.command_line import prepare_home
from devperf_pipeline.defs.graph import graph
from devperf_pipeline.defs.keys import STAGES, Keys
from devperf_pipeline.defs.materialisations import results
from devperf_pipeline.defs.secret_check import CHECK
from devperf_pipeline.measure.tally import Count, Tally
from devperf_pipeline.model import Baseline, ServiceState, Stage
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.stack_file import load_stack
from devperf_pipeline_tests import external_stack
from devperf_pipeline_tests.measure.test_run import ListSink
from devperf_pipeline_tests.report.conftest import given
from devperf_pipeline_tests.services.fake_apis import Reply, Request, serving

API = """
[services.{name}]
kind = "api"
address = "{address}"
routes = ["/orders/7"]
"""


def shop(_request: Request) -> Reply:
    return 200, {}, {"order": 7}


def keys_of(folders: Folders) -> Keys:
    return Keys(load_stack("shop", folders, CATALOGUE))


def measure(folders: Folders, instance: dg.DagsterInstance, stages: Sequence[Stage], *services: str) -> None:
    """These stages of these APIs and what follows from them."""
    keys = keys_of(folders)
    execute(
        folders,
        instance,
        *(keys.made(stage, service) for stage in stages for service in services),
        keys.baseline,
        *keys.derived(),
    )


def execute(folders: Folders, instance: dg.DagsterInstance, *selected: dg.AssetKey) -> None:
    """One run of these assets, as somebody materialises them in the UI."""
    keys = keys_of(folders)
    measured = any(key.path[1] in STAGES for key in selected)
    graph(keys.stack, folders).resolve_job_def(keys.job).execute_in_process(
        instance=instance,
        asset_selection=selected,
        run_config={"ops": {keys.step: {"config": {"seconds": 0.1}}}} if measured else {},
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
            measure(folders, instance, ("samples", "load_tests"), "api_now", "api_next", "api_gone")
        yield folders


@pytest.fixture(name="instance")
def _instance(project: Folders) -> Iterator[dg.DagsterInstance]:
    assert project.dagster_home.is_dir()
    with dg.DagsterInstance.get() as instance:
        yield instance


def reading(service: str, why: str | None = None) -> Mapping[str, Any]:
    return {
        "service": service,
        "benchmark": f"{service}/get/closed-1/engine",
        "valid": why is None,
        "invalid_reason": why,
    }


class TestChecks:
    KEY = dg.AssetKey(["shop", "percentiles", "api_now"])

    def judged(
        self, *readings: Mapping[str, Any], odd: Sequence[Contradiction] = ()
    ) -> dict[str, dg.AssetCheckResult]:
        view = given(load_tests=readings, changes=None, contradictions=odd)
        return {str(check.check_name): check for check in judged(self.KEY, "api_now", view)}

    @pytest.mark.parametrize(
        ("why", "failing"),
        [
            (None, set()),
            ("only 9 calls: too few to say anything", {"valid"}),
            (
                "2 of 10 calls were answered with something else than what was asked for",
                {"valid", "right_answers"},
            ),
            ("3 of 9 calls were redirected elsewhere", {"valid", "right_answers"}),
            ("1 of 5 rounds had a problem: the body differs", {"valid", "right_answers"}),
        ],
    )
    def test_what_does_not_count(self, why: str | None, failing: set[str]) -> None:
        """A reading that does not count fails *valid*; one with wrong answers *right_answers*, too; both say why."""
        told = self.judged(reading("api_now", why))

        assert failing == {name for name, check in told.items() if not check.passed}
        assert all(str(why) in seen(told[name]) for name in failing)
        assert all(check.severity is dg.AssetCheckSeverity.WARN for check in told.values())

    def test_others_are_not_its_fault(self) -> None:
        """What is wrong with another API of the stack fails none of its checks."""
        told = self.judged(reading("api_now"), reading("api_next", "no samples"))

        assert all(check.passed for check in told.values())

    def test_figures_that_contradict_each_other(self) -> None:
        """A contradiction in one of its benchmarks is told in its own sentence."""
        odd = Contradiction(
            source="b",
            place="api_now/get/closed-1/engine",
            rule="order",
            expected=1,
            found=2,
            sentence="p50 over p95",
        )
        told = self.judged(reading("api_now"), odd=[odd])

        assert not told["lint"].passed
        assert "p50 over p95" == seen(told["lint"])


@pytest.mark.servers
class TestSeveralApis:
    def test_each_has_assets_of_its_own(self, project: Folders, instance: dg.DagsterInstance) -> None:
        """Numbers over time never mix: percentiles of each API are an asset with its rows, picture and load test."""
        keys = keys_of(project)
        for service in ("api_now", "api_next"):
            made = made_of(instance, keys.percentiles(service))
            assert isinstance(made["percentiles"], dg.TableMetadataValue | tuple | list)
            assert {"p50 ms, GET /orders/7", "p95 ms, GET /orders/7", "calls/s, 100 users"} <= made.keys()
            assert "data:image/svg+xml;base64," in str(made["latency"])
            assert made_of(instance, keys.made("load_tests", service))["dagster/row_count"]

    def test_one_that_is_missing_fails_its_check(
        self, project: Folders, instance: dg.DagsterInstance
    ) -> None:
        """The check says of the absent one at which address nobody answered; the others pass all the same."""
        keys = keys_of(project)
        checks = {
            name: dg.AssetCheckKey(keys.made("samples", name), "measured") for name in ("api_gone", "api_now")
        }
        records = instance.event_log_storage.get_latest_asset_check_execution_by_key([*checks.values()])
        found = {
            name: records[key].event.dagster_event.asset_check_evaluation_data  # type: ignore[union-attr]
            for name, key in checks.items()
        }

        assert (False, True) == (found["api_gone"].passed, found["api_now"].passed)
        assert "127.0.0.1" in str(found["api_gone"].metadata["what was seen"].value)
        assert instance.get_latest_materialization_event(keys.made("samples", "api_gone")) is None

    @pytest.mark.parametrize(
        ("states", "made"),
        [
            ({"api_now": "measured", "api_next": "failed"}, {"api_now"}),
            ({"api_now": "failed", "api_next": "failed"}, set()),
            ({"api_next": "measured"}, {"api_next"}),
        ],
    )
    def test_one_that_is_given_up(
        self, project: Folders, states: Mapping[str, ServiceState], made: set[str]
    ) -> None:
        """What was kept of an API before it was given up is no measurement of it: only the others are told of."""
        keys = keys_of(project)
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
        wanted = {keys.made("samples", service) for service in states}
        rows: dict[str, object] = {}
        checks: dict[str, dg.AssetCheckResult] = {}
        for one in results(wanted, keys, project, baseline, tally):
            assert one.asset_key
            service = one.asset_key.path[-1]
            if isinstance(one, dg.AssetCheckResult):
                checks[service] = one
                continue
            rows[service] = (one.metadata or {})["dagster/row_count"]
            checks |= {
                str(check.asset_key and check.asset_key.path[-1]): check for check in one.check_results or ()
            }

        assert dict.fromkeys(made, 1) == rows
        assert made == {service for service, check in checks.items() if check.passed}
        assert all("was given up." in seen(checks[service]) for service in states.keys() - made)

    def test_are_compared(self, project: Folders) -> None:
        """The report says which of them is faster on the route that they share."""
        report = (project.reports / "latest.md").read_text(encoding="utf-8")

        assert re.search(r"fastest APIs? on GET /orders/7 with one user", report)
        assert "API now" in report

    def test_one_alone_renews_what_follows(self, project: Folders, instance: dg.DagsterInstance) -> None:
        """
        Samples of one API that are materialised alone are measured alone. Then the baseline and all that follows from it
        are asked for by themselves, once, measure nothing, and leave nothing stale.
        """
        keys = keys_of(project)
        loaded = graph(keys.stack, project)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)
            before = dg.evaluate_automation_conditions(loaded, instance)
            execute(project, instance, keys.made("samples", "api_next"))
            asked = dg.evaluate_automation_conditions(loaded, instance, cursor=before.cursor)
        wanted = [key for key in (keys.baseline, *keys.derived()) if asked.get_num_requested(key)]
        baselines = len(list(project.samples.glob("baseline_id=*")))
        execute(project, instance, *wanted)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)
            after = dg.evaluate_automation_conditions(loaded, instance, cursor=asked.cursor)

        assert 0 == before.total_requested
        assert [keys.baseline, *keys.derived()] == wanted
        assert 0 == after.total_requested
        assert {} == external_stack.stale(instance, loaded)
        assert baselines == len(list(project.samples.glob("baseline_id=*")))
        newest = max(path.name.partition("=")[2] for path in project.samples.glob("baseline_id=*"))
        assert (
            newest
            == made_of(instance, keys.baseline)["baseline"]
            == made_of(instance, keys.report)["baseline"]
        )
        assert "api_next" == made_of(instance, keys.baseline)["measured"]
        assert {"p50 ms, GET /orders/7"} <= made_of(instance, keys.percentiles("api_next")).keys()
        assert {"p50 ms, GET /orders/7"}.isdisjoint(made_of(instance, keys.percentiles("api_now")))
        key = dg.AssetCheckKey(keys.baseline, CHECK)
        record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
        assert record.event.dagster_event.asset_check_evaluation_data.passed  # type: ignore[union-attr]

    def test_a_baseline_of_nothing(self, project: Folders, instance: dg.DagsterInstance) -> None:
        """The baseline alone, or its infrastructure, measures nothing and is refused with what to materialise."""
        keys = keys_of(project)
        for key in (keys.baseline, keys.infrastructure):
            with pytest.raises(dg.Failure, match="Materialise shop/samples/<service>"):
                execute(project, instance, key)
