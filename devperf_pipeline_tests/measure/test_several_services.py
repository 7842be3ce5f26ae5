from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from devperf_pipeline.defs.graph import graph
from devperf_pipeline.defs.keys import Keys
from devperf_pipeline.local.install import find_server
from devperf_pipeline.local.lifecycle import down, up
from devperf_pipeline.measure.plan import RunOptions
from devperf_pipeline.measure.profile import Profile
from devperf_pipeline.measure.run import measure
from devperf_pipeline.measure.run_context import RunContext
from devperf_pipeline.model import Service, Stack
from devperf_pipeline.report.loaded import load
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.postgresql.session import PostgresSession
from devperf_pipeline.services.redis.session import RedisSession
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store import warehouse
from devperf_pipeline.store.samples import SampleStore
from devperf_pipeline_tests.services.fake_apis import serving

pytestmark = pytest.mark.servers

TINY = Profile(name="quick", rounds=1, seconds=0.005, warmup_s=0.005, about="for tests")
SERVERS = {
    "redis": "redis",
    "redis_sessions": "redis",
    "postgresql": "postgresql",
    "postgresql_orders": "postgresql",
}
APIS = ("api", "api_now", "api_next")


@pytest.fixture(name="folders", scope="module")
def _folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return Folders(tmp_path_factory.mktemp("several"))


@pytest.fixture(name="stack", scope="module")
def _stack(folders: Folders) -> Iterator[Stack]:
    """Two Redis and two PostgreSQL, started as one stack, and three APIs beside them: measured once, all of them."""
    for kind in set(SERVERS.values()):
        if find_server(kind) is None:
            pytest.skip(f"no {kind} on this machine")
    services = tuple(Service(name=name, kind=kind) for name, kind in SERVERS.items())
    described = Stack(name="several", path=Path("several.toml"), managed=True, services=services)
    with ExitStack() as serves:
        addresses = {name: serves.enter_context(serving(lambda _: (200, {}, {"order": 7}))) for name in APIS}
        apis = (
            Service(name=name, kind="api", addresses=(address,), routes=("/orders/7",))
            for name, address in addresses.items()
        )
        try:
            started = up(described, folders, lambda _: None)
            assert {} == started.missing
            stack = replace(started, managed=False, services=(*started.services, *apis))
            measure(RunContext(stack=stack, sink=SampleStore(folders)), RunOptions(profile=TINY, seed=1))
            warehouse.build(folders)
            yield stack
        finally:
            down("several", folders, lambda _: None)


class TestSeveralServices:
    def test_each_has_rows_a_title_and_a_colour(self, stack: Stack, folders: Folders) -> None:
        """Two of a kind are asked the same, and are two services of the report and in its pictures."""
        with load(folders) as report:
            rows = {
                part.service: {row.benchmark.partition("/")[2] for row in part.rows} for part in report.parts
            }
            titles = [part.title for part in report.parts]

            assert {service.name for service in stack.services} == rows.keys()
            assert rows["redis"] == rows["redis_sessions"]
            assert rows["postgresql"] == rows["postgresql_orders"]
            assert all(rows.values())
            assert [
                "PostgreSQL", "PostgreSQL orders", "Redis, one node", "Redis sessions", "Your API", "API next", "API now",
            ] == titles  # fmt: skip
            assert len(stack.services) == len(set(report.colours.values()))

    def test_each_has_assets(self, stack: Stack, folders: Folders) -> None:
        """Each is an asset of its own at every stage: none is measured as another."""
        keys = Keys(stack)
        assets = graph(stack, folders).resolve_asset_graph().get_all_asset_keys()

        assert {keys.percentiles(service.name) for service in stack.services} <= assets
        assert {keys.made("tools", name) for name in SERVERS} <= assets

    def test_nothing_of_ours_is_left(self, stack: Stack) -> None:
        """What was made at each of two servers of a kind is gone from both."""
        for name in SERVERS:
            service = stack.service(name)
            with closing(CATALOGUE[service.kind].open_session(service)) as session:
                if isinstance(session, RedisSession):
                    assert [] == session._nodes[0].keys("devperf*")
                elif isinstance(session, PostgresSession):
                    assert session._space.found() is None
