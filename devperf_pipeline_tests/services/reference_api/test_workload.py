import json

import pytest

from devperf_pipeline.errors import WrongAnswer
from devperf_pipeline.model import Outcome
from devperf_pipeline.services.http.protocol import Answer
from devperf_pipeline.services.reference_api.workload import Names, Route, api, routes, said_by

ROUTES = {route.title: route for route in routes(Names("fastapi"))}
TITLES = [
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
    "POST /examples/messaging/publish/queue",
]


def answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, headers or {}, json.dumps(body).encode())


def received(body: object) -> bytes:
    encoded = json.dumps(body, separators=(",", ":")).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(encoded) + encoded


def overall(status: str, postgres: str) -> dict[str, object]:
    names = ("vault", "mysql", "mongodb", "redis", "rabbitmq")
    dependencies: dict[str, object] = {name: {"status": "absent", "latency_ms": 0} for name in names}
    dependencies["postgres"] = {"status": postgres, "latency_ms": 1.5, "error": "postgres did not answer"}
    return {"status": status, "dependencies": dependencies}


class TestSecrets:
    @pytest.mark.parametrize("body", [{"data": {"password": "hunter2"}}, ["hunter2"]])
    def test_a_wrong_answer_that_holds_one_is_not_repeated(self, body: object) -> None:
        """An answer out of the vault that is not the one expected may hold a password all the same."""
        said = ROUTES["GET /examples/vault/secret/postgres"].verify(answer(body))

        assert said is not None
        assert "hunter2" not in said


class TestRoutes:
    def test_titles(self) -> None:
        """The rows are the published ones, under their published names, in their order."""
        assert TITLES == list(ROUTES)

    def test_everything_is_ours(self) -> None:
        """What is written lies under our own name."""
        targets = [
            route.target for route in ROUTES.values() if "cache" in route.target or route.method == "POST"
        ]
        assert all(target.rpartition("/")[2].startswith("devperf") for target in targets)

    @pytest.mark.parametrize("title", TITLES)
    def test_an_error_in_the_body_is_never_right(self, title: str) -> None:
        """Status 200 around an error is told from an answer, and so is JSON that is no object."""
        status = {"status": "healthy", "dependencies": 3} if title == "GET /health/all" else {"result": 3}
        for body in ({"error": "out of memory"}, ["a"], None, status):
            assert ROUTES[title].verify(answer(body)) is not None

    @pytest.mark.parametrize("title", TITLES)
    def test_a_status_is_never_right_alone(self, title: str) -> None:
        """A body without a status of its own kind is refused with the API's reason."""
        wrong = ROUTES[title].verify(
            answer({"status": "unavailable", "error": "vault is not configured"}, 503)
        )
        assert wrong == "expected status 200, found 503: vault is not configured"


class TestHealth:
    def test_degraded(self) -> None:
        """A dependency that is not well makes the call degraded, and the reason names it."""
        route, body = ROUTES["GET /health/all"], overall("degraded", "unhealthy")
        assert Outcome.DEGRADED == route.check(received(body))
        assert "postgres did not answer" in str(route.verify(answer(body)))

    def test_absent_is_not_degraded(self) -> None:
        """A dependency that is not configured does not count."""
        route, body = ROUTES["GET /health/all"], overall("healthy", "healthy")
        assert (Outcome.OK, None) == (route.check(received(body)), route.verify(answer(body)))

    def test_only_health_is_degraded(self) -> None:
        """Elsewhere the word is just data."""
        assert Outcome.OK == ROUTES["GET /"].check(received({"status": "degraded"}))


class TestCache:
    @pytest.mark.parametrize(("deleted", "expected"), [(True, Outcome.OK), (False, Outcome.WRONG)])
    def test_delete(self, deleted: bool, expected: Outcome) -> None:
        """A key that was not there was not deleted, and the call says so."""
        body = {"key": "devperf:fastapi:delete:00000", "deleted": deleted}
        route: Route = ROUTES["DELETE /examples/cache/key"]
        assert expected == route.check(received(body))
        assert (expected is Outcome.OK) == (route.verify(answer(body)) is None)

    def test_get_another_value(self) -> None:
        """Another value than the one that we stored is wrong."""
        body = {"key": "devperf:fastapi:key", "value": "something else"}
        assert Outcome.WRONG == ROUTES["GET /examples/cache/key"].check(received(body))

    def test_answered_by_a_cache(self) -> None:
        """An answer out of a cache in front of the API is no answer of the API."""
        wrong = ROUTES["GET /health"].verify(answer({"status": "healthy"}, headers={"x-cache": "Hit"}))
        assert wrong == "expected the API to answer, found a cache's answer (x-cache: Hit)"


class TestSaidBy:
    @pytest.mark.parametrize("found", [Answer(200, {}, b"<html>"), answer({}, 503), answer([]), answer(None)])
    def test_not_an_api(self, found: Answer) -> None:
        """Something else than an API is told by its first answer."""
        with pytest.raises(WrongAnswer, match="GET /"):
            said_by(found)


class TestApi:
    def test_facts_are_what_was_said(self) -> None:
        """What an API does not say of itself is left out, not guessed."""
        assert {"framework": "Flask", "version": "3"} == api(
            "fastapi", {"framework": "Flask", "version": 3}
        ).facts


class TestRows:
    def test_redirects_say_where_they_point(self) -> None:
        """A route that moved is told with its new place."""
        wrong = ROUTES["GET /health"].verify(answer({}, 307, {"location": "/health/"}))
        assert wrong == "expected status 200, found 307, which points to /health/"

    def test_cold_and_cached_are_never_mixed(self) -> None:
        """The row of a cache refuses the API's own answer, the cold one a cache's, on every call."""
        route, body = ROUTES["GET /health/vault"], {"status": "healthy"}
        head, hit = received(body), received(body).replace(b"\r\n\r\n", b"\r\nX-Some-Cache: HIT\r\n\r\n")
        assert (Outcome.OK, Outcome.WRONG) == (route.cold().check(head), route.cold().check(hit))
        assert (Outcome.WRONG, Outcome.OK) == (route.cached().check(head), route.cached().check(hit))
        assert ("get-health-vault-cached", "GET /health/vault (cached)") == (
            route.cached().name,
            route.cached().title,
        )
