import duckdb
import pytest

from devperf_pipeline.model import kind_named
from devperf_pipeline.services import CATALOGUE, kind_of, place_of, role_of
from devperf_pipeline.store.rules import with_constants
from devperf_pipeline.store.sql_files import statement


class TestNames:
    @pytest.mark.parametrize(
        ("service", "title", "role"),
        [
            ("redis", "Redis, one node", "cache"),
            ("api", "Your API", "api"),
            ("api_orders_v2", "API orders_v2", "api"),
            ("redis_sessions", "Redis sessions", "cache"),
            ("redis_cluster", "Redis, three-node cluster", "cache"),
            ("redis_cluster_eu", "Redis cluster eu", "cache"),
            ("redis_clusters", "Redis clusters", "cache"),
            ("postgresql_orders", "PostgreSQL orders", "database"),
            ("fastapi_api", "FastAPI api", "api"),
            ("fastapi_api_first_v2", "FastAPI API-first v2", "api"),
            ("prometheus", None, ""),
            ("apidog", None, ""),
            ("api_", None, ""),
        ],
    )
    def test_say_the_kind(self, service: str, title: str | None, role: str) -> None:
        """A name is the kind, or the kind and a name of its own: of kinds that fit it is the longest; nothing else is known."""
        kind = kind_of(service)

        assert (title, role) == (kind and kind.title, role_of(service))

    def test_say_the_same_to_the_rules(self) -> None:
        """The warehouse's rules take the kind of a service from its name as everything else does."""
        names = [
            f"{kind}{own}" for kind in CATALOGUE for own in ("", "_", "_b", "_cluster", "s", "_api_first")
        ]
        with duckdb.connect() as con:
            con.execute(with_constants(statement("macro_kind_of")))
            found = con.execute("select kind_of(unnest(?))", [names]).fetchall()

        assert [kind_named(name, CATALOGUE) for name in names] == [kind for (kind,) in found]

    def test_order(self) -> None:
        """Services stand as in the catalogue, APIs of the same stack file by name, what nobody knows last."""
        names = ["prometheus", "api_next", "api", "actix", "postgresql"]

        assert ["postgresql", "actix", "api", "api_next", "prometheus"] == sorted(names, key=place_of)
