import pytest

from devperf_pipeline.model import Outcome, Service
from devperf_pipeline.services.operation import FLOOR
from devperf_pipeline.services.reference_api.devstack_core import FIRST_NODE, PUBLISH, FirstNodeNames, api
from devperf_pipeline.services.reference_api.session import open_session
from devperf_pipeline_tests.services.calls import RIGHT, by_driver, by_engine
from devperf_pipeline_tests.services.fake_apis import (
    DevstackCore,
    Request,
    caching,
    limiting,
    serving,
    slot_of,
)

LANGUAGES = ("Python", "Go", "Node.js")
ROWS = [
    "GET /",
    "GET /health",
    "GET /health/all",
    "GET /health/vault",
    "GET /health/postgres",
    "GET /examples/vault/secret/postgres",
    "GET /examples/database/postgres/query",
    "GET /examples/cache/key",
    "POST /examples/cache/key",
    "DELETE /examples/cache/key",
]


class TestNames:
    def test_lie_on_the_first_node(self) -> None:
        """Every key that is asked for through an API is one that its one node has."""
        names = FirstNodeNames("fastapi")
        keys = [names.key, *(names.numbered("delete", number) for number in range(200))]
        assert all(slot_of(key) in FIRST_NODE for key in keys)
        assert len(keys) == len(set(keys))
        assert all(key.startswith("devperf:fastapi:") for key in keys)


class TestSession:
    @pytest.mark.parametrize("language", LANGUAGES)
    def test_every_row(self, language: str) -> None:
        """Each language is asked in its own way, every call is right, and nothing of ours is left."""
        behind = DevstackCore(language)
        with serving(behind) as address:
            session = open_session(Service(name="gin", kind="gin", addresses=(address,)))
            session.prepare()
            operations = [each for each in session.operations() if each.name != FLOOR]
            verdicts = {}
            for operation in operations:
                connection = session.connect()
                verdicts[operation.title] = {
                    *by_engine(operation, [connection]),
                    *by_driver(operation, [connection]),
                }
                connection.close()
            facts = session.facts()
            session.clean()
            session.close()

        rows = ROWS[1:] if language == "Python" else ROWS
        assert {title: {RIGHT} for title in rows} == verdicts
        assert {PUBLISH, *ROWS} - set(rows) == set(session.unmeasurable)
        assert ("vault" if language == "Go" else "postgres, rabbitmq, vault") == facts.settings[
            "/health/all asks"
        ]
        assert {} == behind.keys

    def test_cached_routes(self) -> None:
        """What its cache keeps is measured cold under the published title, and cached in a row of its own."""
        api_behind = caching(
            DevstackCore("Python"),
            key=lambda request: request.target if request.path == "/health/all" else None,
            passable=True,
            tells=True,
        )
        with serving(api_behind) as address:
            session = open_session(Service(name="fastapi", kind="fastapi", addresses=(address,)))
            session.prepare()
            titles = {operation.title: operation for operation in session.operations()}
            connection = session.connect()
            verdicts = {
                title: {*by_engine(titles[title], [connection]), *by_driver(titles[title], [connection])}
                for title in ("GET /health/all", "GET /health/all (cached)")
            }
            connection.close()
            session.clean()
            session.close()

        assert {"GET /health/all": {RIGHT}, "GET /health/all (cached)": {RIGHT}} == verdicts
        assert "GET /health (cached)" not in titles

    def test_warnings(self) -> None:
        """Asked what would disturb a measurement, a limited one says so, and nothing is stored for it."""
        behind = DevstackCore("Node.js")
        limited = limiting(behind, 100, (429, {}, None), {"RateLimit-Policy": "100;w=60"})
        with serving(limited) as address:
            session = open_session(Service(name="express", kind="express", addresses=(address,)))
            found = session.preflight()
            session.close()

        assert any("GET /health" in each and "a rate limit" in each and "100;w=60" in each for each in found)
        assert {} == behind.keys

    def test_degraded_with_success(self) -> None:
        """A health answer that says degraded with status 200 is no measurement, and says so."""

        def degraded(request: Request) -> tuple[int, dict[str, str], object]:
            if request.path != "/health/all":
                return DevstackCore("Python")(request)  # type: ignore[return-value]
            return (
                200,
                {},
                {"status": "degraded", "services": {"vault": {"status": "unhealthy", "error": "sealed"}}},
            )

        with serving(degraded) as address:
            session = open_session(Service(name="fastapi", kind="fastapi", addresses=(address,)))
            found = session.preflight()
            session.close()

        assert any("GET /health/all" in each and "sealed" in each for each in found)


class TestApi:
    def test_rust_says_deleted_in_its_status(self) -> None:
        """A key that was not there is told from one that was, on every call."""
        [delete] = [
            route
            for route in api("actix", {"name": "DevStack Core", "language": "Rust"}).routes
            if route.deletes
        ]
        assert Outcome.OK == delete.check_body(b'{"status":"deleted","key":"x"}')
        assert Outcome.WRONG == delete.check_body(b'{"status":"not_found","key":"x"}')
