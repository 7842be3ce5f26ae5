import pytest

from devperf_pipeline.errors import ServiceRefused
from devperf_pipeline.measure.in_flight import Holder
from devperf_pipeline.measure.steps import InFlightStep
from devperf_pipeline.model import Outcome, Service
from devperf_pipeline.services.operation import FLOOR, Connection, Operation
from devperf_pipeline.services.reference_api.devstack_core import FIRST_NODE, PUBLISH, FirstNodeNames, api
from devperf_pipeline.services.reference_api.session import open_session
from devperf_pipeline_tests.services.calls import RIGHT, Verdict, by_driver, by_engine, named
from devperf_pipeline_tests.services.fake_apis import (
    DevstackCore,
    Reply,
    Request,
    caching,
    limiting,
    serving,
    slot_of,
)
from devperf_pipeline_tests.services.sessions import prepared_session

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


def both(operation: Operation, connection: Connection) -> set[Verdict]:
    """How calls ended by the engine, and by the driver where there is a row of it."""
    by_both = by_engine(operation, [connection])
    return {*by_both, *(by_driver(operation, [connection]) if operation.driver else [])}


class TestNames:
    @pytest.mark.parametrize(
        "service", ["fastapi", "fastapi_api_first", "gin", "express", "actix", "typescript"]
    )
    def test_lie_on_the_first_node(self, service: str) -> None:
        """The key that is asked for through an API is one that its one node has, and ours."""
        key = FirstNodeNames(service).key
        assert slot_of(key) in FIRST_NODE
        assert key.startswith(f"devperf:{service}:")


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
                verdicts[operation.title] = both(operation, connection)
                connection.close()
            facts = session.facts()
            session.clean()
            session.close()

        assert {title: {RIGHT} for title in ROWS} == verdicts
        assert {PUBLISH, *(["more than a few calls of GET /"] if language == "Python" else [])} == set(
            session.unmeasurable
        )
        assert ("vault" if language == "Go" else "postgres, rabbitmq, vault") == facts.settings[
            "/health/all asks"
        ]
        assert {} == behind.keys

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_asks_few_paths(self, language: str) -> None:
        """Each row has one path, however often it is asked: each may become a label of the API's own metrics."""
        asked: set[str] = set()
        behind = DevstackCore(language)

        def noting(request: Request) -> Reply:
            asked.add(request.path)
            return behind(request)

        with serving(noting) as address:
            session = open_session(Service(name="gin", kind="gin", addresses=(address,)))
            with prepared_session(session):
                for operation in session.operations():
                    connection = session.connect()
                    both(operation, connection)
                    connection.close()

        assert len(asked) <= 8

    def test_load_test_asks_of_the_cache(self) -> None:
        """What users at once are answered is what the cache has, where there is one; the row says so."""
        kept = caching(DevstackCore("Python"), key=lambda request: request.target, passable=True, tells=True)
        for api_behind, expected in (
            (DevstackCore("Go"), ["GET /health/all"]),
            (kept, ["GET /health/all (cached)"]),
        ):
            with serving(api_behind) as address:
                session = open_session(Service(name="gin", kind="gin", addresses=(address,)))
                with prepared_session(session):
                    found = [each.title for each in session.operations() if each.sustained]

            assert expected == found

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_a_request_can_be_held(self, language: str) -> None:
        """Memory per request is told of APIs that take a value from the query, too: their head is held."""
        with serving(DevstackCore(language)) as address:
            session = open_session(Service(name="gin", kind="gin", addresses=(address,)))
            with prepared_session(session):
                held = [each for each in session.operations() if each.held]
                holder = Holder(
                    InFlightStep(service="gin", operation=held[0], session=session, users=(0, 20))
                )
                holder.warm_up()
                holder.hold(20)
                holder.check()
                holder.end()

        assert ["POST /examples/cache/key"] == [each.title for each in held]

    def test_a_key_that_cannot_be_removed_is_told(self) -> None:
        """Where an API no longer removes our key, cleaning fails with its name and the API's reason."""
        behind, refusing = DevstackCore("Python"), list[bool]()

        def refuses(request: Request) -> Reply:
            if refusing and request.method == "DELETE":
                return 429, {}, {"error": "Rate limit exceeded"}
            return behind(request)

        with serving(refuses) as address:
            session = open_session(Service(name="fastapi", kind="fastapi", addresses=(address,)))
            session.prepare()
            named(session, "get-examples-cache-key").reset(1, 1)  # type: ignore[misc]
            refusing.append(True)
            with pytest.raises(
                ServiceRefused, match=r"devperf:fastapi:key:\d+ to be removed.*429: Rate limit"
            ):
                session.clean()
            session.close()

    def test_a_sealed_vault_behind_a_healthy_one(self) -> None:
        """An API that says healthy and, further in, that its Vault is sealed is not measured, nor is any such call."""
        sealed = {"status": "healthy", "details": {"initialized": True, "sealed": True}}

        def answering(request: Request) -> Reply:
            return (200, {}, sealed) if request.path == "/health/vault" else DevstackCore("Go")(request)

        with serving(answering) as address:
            session = open_session(Service(name="gin", kind="gin", addresses=(address,)))
            with prepared_session(session):
                said = session.unmeasurable["GET /health/vault"]
        [vault] = [
            route
            for route in api("gin", {"name": "DevStack Core", "language": "Go"}).routes
            if route.name == "get-health-vault"
        ]

        assert said.endswith("found details.sealed: true")
        assert Outcome.DEGRADED == vault.check_body(b'{"status":"healthy","details":{"sealed":true}}')
        assert Outcome.OK == vault.check_body(b'{"status":"healthy","details":{"sealed":false}}')

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
                title: both(titles[title], connection)
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

    def test_a_limit_of_one_route(self) -> None:
        """A limit that an API tells in words holds its own route alone: that is measured at its pace, the others freely."""
        with serving(DevstackCore("Python")) as address:
            session = open_session(Service(name="fastapi", kind="fastapi", addresses=(address,)))
            with prepared_session(session):
                paced = [each.title for each in session.operations() if each.pace]
                root = named(session, "get-root")

        assert ["GET /"] == paced
        assert (90, 60, None) == (root.pace and root.pace.calls, root.pace and root.pace.seconds, root.driver)
        assert (
            "a rate limit allows 100 calls in 60 s (100/minute)"
            in session.unmeasurable["more than a few calls of GET /"]
        )

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
