from pathlib import Path

import pytest

from devperf_pipeline.model import Address, Service, Stack
from devperf_pipeline.services.database.workload import CONNECTIONS, few_connections
from devperf_pipeline.services.mysql.preflight import missing_grants
from devperf_pipeline.services.mysql.preflight import of_server as of_mysql
from devperf_pipeline.services.postgresql.preflight import of_pool
from devperf_pipeline.services.postgresql.preflight import of_server as of_postgresql
from devperf_pipeline.services.whole_stack import run_preflight
from devperf_pipeline_tests.services.fake_apis import caching, foreign_api, serving
from devperf_pipeline_tests.services.wrong_endpoints import refusing_port

WELL = {
    "may_create": True,
    "database": "app",
    "username": "measurer",
    "standby": False,
    "read_only": False,
    "fsync": "on",
    "synchronous_commit": "on",
    "free": 50,
    "user_limit": -1,
    "database_limit": -1,
}


def stack(*services: Service, missing: dict[str, str] | None = None) -> Stack:
    return Stack(name="x", path=Path("x.toml"), managed=False, services=services, missing=missing or {})


class TestRunPreflight:
    def test_each_by_itself(self) -> None:
        """One that is not there, one that is missing and one that is cached: each gets its own answer, in order."""
        with (
            serving(caching(foreign_api, key=lambda request: request.path)) as address,
            refusing_port() as other,
        ):
            redis = Service(name="redis", kind="redis", addresses=(other,))
            vault = Service(name="vault", kind="vault", addresses=(Address("127.0.0.1", 1),))
            api = Service(name="gin", kind="gin", addresses=(address,))
            found = run_preflight(stack(redis, vault, api, missing={"vault": "no token"}))

        assert ["redis", "vault", "gin"] == [each.service.name for each in found]
        assert f"expected a server at {other}" in str(found[0].problem)
        assert "no token" == found[1].problem
        assert found[2].facts
        assert any("a cache seems to answer (timestamp was" in each for each in found[2].warnings)

    @pytest.mark.servers
    def test_our_own_stack_has_no_warnings(self, running_stack: Stack) -> None:
        """What this project starts is all there, and nothing stands before it."""
        found = run_preflight(running_stack)
        started = [each for each in found if each.service.name not in running_stack.missing]
        assert {} == {each.service.name: each.problem for each in started if each.problem}
        assert {} == {each.service.name: each.warnings for each in started if each.warnings}


class TestPostgresql:
    @pytest.mark.parametrize(
        ("changed", "expected"),
        [
            ({}, []),
            ({"may_create": False}, ['GRANT CREATE ON DATABASE "app" TO "measurer"']),
            ({"standby": True}, ["takes no writes"]),
            ({"fsync": "off"}, ["fsync is off"]),
            ({"synchronous_commit": "off"}, ["synchronous_commit is off"]),
            ({"free": 2}, ["few connections are left: 2"]),
            ({"user_limit": 3}, ["few connections are left: 3"]),
        ],
    )
    def test_what_a_server_says(self, changed: dict[str, object], expected: list[str]) -> None:
        """Each thing that would disturb a measurement is named, and nothing else."""
        found = list(of_postgresql(WELL | changed))
        assert len(expected) == len(found)
        assert all(words in said for words, said in zip(expected, found, strict=True))

    def test_small_pool(self) -> None:
        """Fewer server connections than users make users wait for each other."""
        settings = {"pgbouncer.default_pool_size": "2", "pgbouncer.pool_mode": "statement"}
        assert ["default_pool_size is 2", "pool_mode is statement"] == [
            said.partition(",")[0].partition(":")[0] for said in of_pool(settings)
        ]


class TestMysql:
    @pytest.mark.parametrize(
        ("grants", "missing"),
        [
            (["GRANT ALL PRIVILEGES ON *.* TO `root`@`%`"], []),
            (["GRANT USAGE ON *.* TO `x`@`%`", "GRANT ALL PRIVILEGES ON `devperf`.* TO `x`@`%`"], []),
            (["GRANT CREATE, DROP, SELECT, INSERT, UPDATE, DELETE ON `dev%`.* TO `x`@`%`"], []),
            (["GRANT SELECT, INSERT, CREATE, UPDATE, DELETE ON `devperf`.* TO `x`@`%`"], ["DROP"]),
            (["GRANT ALL PRIVILEGES ON `dev_database`.* TO `x`@`%`"], None),
            (["GRANT `writer`@`%` TO `x`@`%`"], []),
        ],
    )
    def test_grants(self, grants: list[str], missing: list[str] | None) -> None:
        """A privilege counts where it holds for our database; what a role gives cannot be seen."""
        needed = ["CREATE", "DROP", "SELECT", "INSERT", "UPDATE", "DELETE"]
        assert (needed if missing is None else missing) == missing_grants(grants, "devperf")

    def test_what_a_server_says(self) -> None:
        """Durability that is turned off, a cache and a read-only server are named."""
        variables = {
            "read_only": "ON",
            "innodb_flush_log_at_trx_commit": "2",
            "log_bin": "ON",
            "sync_binlog": "0",
            "query_cache_type": "ON",
            "max_connections": "100",
        }
        found = list(of_mysql(variables, 5, ["GRANT ALL PRIVILEGES ON *.* TO `root`@`%`"], "devperf"))
        assert [
            "it takes no writes",
            "innodb_flush_log_at_trx_commit is 2",
            "sync_binlog is 0",
            "query_cache_type is ON",
        ] == [said.partition(":")[0] for said in found]

    def test_few_connections(self) -> None:
        """As many as we take are enough."""
        assert ([], 1) == (list(few_connections(CONNECTIONS)), len(list(few_connections(CONNECTIONS - 1))))
