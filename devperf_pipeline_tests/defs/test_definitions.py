from pathlib import Path

import dagster as dg
import yaml

from devperf_pipeline.definitions import defs
from devperf_pipeline.defs import keys
from devperf_pipeline.defs.measuring import MeasureConfig, ProfileName
from devperf_pipeline.measure.profile import PROFILES
from devperf_pipeline.model import Service, Stack

ROOT = Path(__file__).parents[2]

APIS = ("fastapi", "fastapi_api_first", "gin", "express", "actix", "api")
SERVICES = (
    "postgresql",
    "pgbouncer",
    "mysql",
    "mongodb",
    "redis",
    "redis_cluster",
    "rabbitmq",
    "vault",
    *APIS,
)


def stack_of(*names: str) -> Stack:
    services = tuple(Service(name=name, kind=name.partition("_")[0]) for name in names)
    return Stack(name="x", path=Path("x.toml"), managed=False, services=services)


class TestDefinitions:
    def test_asset_keys_are_stable(self) -> None:
        """People and schedules rely on these names."""
        named = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}

        assert {
            "infrastructure",
            *(f"samples/{service}" for service in SERVICES),
            *(f"resources/{service}" for service in SERVICES),
            *(f"load_tests/{service}" for service in ("postgresql", "redis", "rabbitmq", *APIS)),
            *(f"tools/{service}" for service in ("postgresql", "pgbouncer", "mysql")),
            *(f"tools/{service}" for service in ("redis", "redis_cluster", *APIS)),
            "baseline",
            "baselines",
            "rounds",
            "percentiles",
            "load_tests",
            "knees",
            "resources",
            "memory_per_request",
            "reports/baseline",
        } == named

    def test_everything_loads(self) -> None:
        """Jobs, schedule and sensor resolve without the environment of any service."""
        dg.Definitions.validate_loadable(defs)

        assert {"baseline"} == {
            job.name for job in defs.resolve_all_job_defs() if not job.name.startswith("__")
        }

    def test_location_has_one_name(self) -> None:
        """workspace.yaml and [tool.dg] call the code location the same, or each load prints warnings."""
        workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text(encoding="utf-8"))
        location = workspace["load_from"][0]["python_module"]

        assert ("devperf_pipeline.definitions", "devperf_pipeline") == (
            location["module_name"],
            location["location_name"],
        )

    def test_every_asset_says_what_it_is(self) -> None:
        """Each asset has a group and a description of its own."""
        graph = defs.resolve_asset_graph()
        silent = [
            key
            for key in graph.get_all_asset_keys()
            if not graph.get(key).description or not graph.get(key).group_name
        ]

        assert [] == silent


class TestMeasureConfig:
    def test_profiles_are_those_of_the_plan(self) -> None:
        """The launchpad offers exactly the profiles that exist."""
        assert list(PROFILES) == [profile.value for profile in ProfileName]

    def test_seconds_take_the_place_of_the_profiles(self) -> None:
        """Seconds given in the launchpad are those of each round."""
        assert (
            3 == MeasureConfig(seconds=3).options({"samples": ("redis",)}, stack_of("redis")).profile.seconds
        )

    def test_services_narrow_the_selection(self) -> None:
        """Services named in the launchpad are measured only where they are selected too."""
        config = MeasureConfig(services=["redis", "mysql"])
        stack = stack_of("postgresql", "mysql", "redis")

        assert ("redis",) == config.options({"samples": ("postgresql", "redis")}, stack).services

    def test_an_asset_is_about_all_apis_of_the_stack(self) -> None:
        """A selected kind means every service of it; one that the stack does not have stays as what it is called."""
        options = MeasureConfig().options({"samples": ("redis", "api")}, stack_of("api_now", "api_next"))

        assert ("redis", "api_now", "api_next") == options.services
        assert {keys.samples("api"), keys.made("load_tests", "api")} < set(keys.selection(("api_next",)))


class TestSelection:
    def test_a_baseline_of_one_service_brings_tables_and_report(self) -> None:
        """What is measured alone is still shown with everything else."""
        named = [key.to_user_string() for key in keys.selection(("redis",))]

        assert [
            "infrastructure",
            "samples/redis",
            "resources/redis",
            "load_tests/redis",
            "tools/redis",
            "baseline",
            "baselines",
            "rounds",
            "percentiles",
            "load_tests",
            "knees",
            "resources",
            "memory_per_request",
            "reports/baseline",
        ] == named
