from pathlib import Path

import dagster as dg
import pytest
import yaml

from devperf_pipeline.definitions import defs
from devperf_pipeline.defs.graph import all_graphs
from devperf_pipeline.defs.keys import Keys
from devperf_pipeline.defs.measuring import POOL, MeasureConfig, ProfileName
from devperf_pipeline.measure.profile import PROFILES
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.stack_file import load_stack

ROOT = Path(__file__).parents[2]

LOCAL = """
name = "local"
managed = true
[services.redis]
kind = "redis"
[services.vault]
kind = "vault"
"""

SHOP = """
name = "shop-next"
managed = false
[services.api_now]
kind = "api"
address = "127.0.0.1:8001"
routes = ["/orders/7"]
[services.api_next]
kind = "api"
address = "127.0.0.1:8002"
routes = ["/orders/7"]
[services.redis]
kind = "redis"
address = "127.0.0.1:6379"
password = { env = "NOBODY_HAS_SET_THIS" }
"""


@pytest.fixture(name="folders")
def _folders(tmp_path: Path) -> Folders:
    """A project with two stacks, and a file of a third that cannot be read."""
    folders = Folders(tmp_path)
    folders.stacks.mkdir()
    (folders.stacks / "local.toml").write_text(LOCAL, encoding="utf-8")
    (folders.stacks / "shop.toml").write_text(SHOP, encoding="utf-8")
    (folders.stacks / "odd one.toml").write_text("name = ", encoding="utf-8")
    return folders


def named(definitions: dg.Definitions) -> set[str]:
    return {key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()}


class TestGraphs:
    def test_asset_keys_are_stable(self, folders: Folders) -> None:
        """People and schedules rely on these names: each stack has its own, of the services that its file names."""
        assert {
            *(
                f"{stack}/{name}"
                for stack in ("local", "shop-next")
                for name in ("infrastructure", "baseline", "comparison", "findings", "report")
            ),
            *(
                f"local/{stage}/redis"
                for stage in ("samples", "resources", "load_tests", "tools", "percentiles")
            ),
            *(f"local/{stage}/vault" for stage in ("samples", "resources", "percentiles")),
            *(
                f"shop-next/{stage}/{service}"
                for stage in ("samples", "resources", "load_tests", "tools", "percentiles")
                for service in ("api_now", "api_next", "redis")
            ),
            "odd_one/infrastructure",
        } == named(all_graphs(folders))

    def test_everything_loads(self, folders: Folders) -> None:
        """Each stack has a job, a schedule and a sensor of valid names; no password has to be set for that."""
        found = all_graphs(folders)
        dg.Definitions.validate_loadable(found)

        assert {"local_baseline", "shop_next_baseline"} == {
            job.name for job in found.resolve_all_job_defs() if not job.name.startswith("__")
        }
        assert {"local_weekly", "shop_next_weekly"} == {one.name for one in found.schedules or ()}  # type: ignore[union-attr]
        assert {"local_changed", "shop_next_changed", "renewing"} == {one.name for one in found.sensors or ()}

    def test_stacks_of_the_project_load(self) -> None:
        """Every stack file that the project brings gives a graph."""
        dg.Definitions.validate_loadable(defs)
        graph = defs.resolve_asset_graph()

        assert {path.stem for path in (ROOT / "stacks").glob("*.toml")} == {
            key.path[0] for key in graph.get_all_asset_keys()
        }
        assert [] == [
            key
            for key in graph.get_all_asset_keys()
            if "cannot be read" in (graph.get(key).description or "")
        ]

    def test_a_file_that_cannot_be_read_says_why(self, folders: Folders) -> None:
        """Its one asset has the reason as its description, and fails with it when it is materialised."""
        found = all_graphs(folders)
        key = dg.AssetKey(["odd_one", "infrastructure"])
        node = found.resolve_asset_graph().get(key)

        assert "odd_one_cannot_be_read" == node.group_name
        assert "odd one.toml cannot be read" in (node.description or "")
        assert "to be TOML" in (node.description or "")
        with dg.DagsterInstance.ephemeral() as instance, pytest.raises(dg.Failure, match="to be TOML"):
            dg.materialize([found.resolve_assets_def(key)], instance=instance)

    def test_two_files_of_one_name(self, folders: Folders) -> None:
        """The second stack of a name costs its own graph, and is told which file has the name."""
        (folders.stacks / "z.toml").write_text(SHOP.replace("shop-next", "shop_next"), encoding="utf-8")
        found = all_graphs(folders)
        node = found.resolve_asset_graph().get(dg.AssetKey(["z", "infrastructure"]))

        assert "shop.toml" in (node.description or "")
        assert "shop_next/baseline" not in named(found)

    def test_no_stack_at_all(self, tmp_path: Path) -> None:
        """A project without a stack file has an empty graph."""
        assert set() == named(all_graphs(Folders(tmp_path)))

    def test_every_asset_says_what_it_is(self, folders: Folders) -> None:
        """Each asset has a group, a description, an owner, kinds and a version of the code that made it."""
        graph = all_graphs(folders).resolve_asset_graph()
        silent = [
            key
            for key in graph.get_all_asset_keys()
            for node in [graph.get(key)]
            if not (node.description and node.group_name and node.owners and node.kinds and node.code_version)
        ]

        assert [] == silent

    def test_only_measuring_takes_the_pool(self, folders: Folders) -> None:
        """The pool is of the steps that measure; a report never waits for it."""
        graph = all_graphs(folders).resolve_asset_graph()
        taken = {key.path[1] for key in graph.get_all_asset_keys() if graph.get(key).pools == {POOL}}

        assert {"infrastructure", "samples", "resources", "load_tests", "tools", "baseline"} == taken

    def test_location_has_one_name(self) -> None:
        """workspace.yaml and [tool.dg] call the code location the same, or each load prints warnings."""
        workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text(encoding="utf-8"))
        location = workspace["load_from"][0]["python_module"]

        assert ("devperf_pipeline.definitions", "devperf_pipeline") == (
            location["module_name"],
            location["location_name"],
        )


class TestMeasureConfig:
    def test_profiles_are_those_of_the_plan(self) -> None:
        """The launchpad offers exactly the profiles that exist."""
        assert list(PROFILES) == [profile.value for profile in ProfileName]

    def test_default_is_the_profiles_own_length(self) -> None:
        """Whoever says nothing measures the quick profile, as long as it says."""
        assert (ProfileName.quick, 0) == (MeasureConfig().profile, MeasureConfig().seconds)


class TestSelection:
    def test_a_baseline_of_one_service_brings_what_follows(self, folders: Folders) -> None:
        """What is measured alone is shown with everything else, so that nothing is older than its baseline."""
        keys = Keys(load_stack("local", folders, CATALOGUE))

        assert [
            "local/infrastructure",
            *(f"local/{stage}/redis" for stage in ("samples", "resources", "load_tests", "tools")),
            "local/baseline",
            "local/percentiles/redis",
            "local/percentiles/vault",
            "local/comparison",
            "local/findings",
            "local/report",
        ] == [key.to_user_string() for key in keys.selection(("redis",))]
