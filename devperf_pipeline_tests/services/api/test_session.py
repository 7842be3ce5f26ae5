import itertools
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from devperf_pipeline.errors import ServiceUnreachable, WrongAnswer
from devperf_pipeline.model import Address, Outcome, Service
from devperf_pipeline.services.api.session import ApiSession, open_session
from devperf_pipeline.services.http.preflight import explained, warnings_of
from devperf_pipeline.services.http.protocol import Answer
from devperf_pipeline.services.operation import FLOOR
from devperf_pipeline_tests.services.calls import CALLS, RIGHT, by_driver, by_engine, named
from devperf_pipeline_tests.services.fake_apis import Api, Reply, Request, caching, limiting, serving
from devperf_pipeline_tests.services.wrong_endpoints import greeting_server, refusing_port

PAGE = b"<!DOCTYPE html><title>Orders</title><h1>7 orders</h1>"


def shop(request: Request) -> Reply:
    """An API of somebody else, with HTML at `/`."""
    match request.target:
        case "/":
            return 200, {"Content-Type": "text/html", "X-Powered-By": "Express"}, PAGE
        case "/orders/7":
            return 200, {}, {"order": 7, "error": None, "note": "degraded"}
        case "/orders?limit=10&sort=[name]|asc":
            return 206, {}, [{"order": number} for number in range(10)]
        case "/nothing":
            return 204, {}, b""
        case "/old":
            return 301, {"Location": "/orders/7"}, {}
        case _:
            return 404, {}, {"message": "no such route"}


@contextmanager
def opened(api: Api, *routes: str) -> Iterator[ApiSession]:
    with serving(api) as address:
        session = open_session(service_at(address, *routes))
        try:
            yield session
        finally:
            session.clean()
            session.close()


def service_at(address: Address, *routes: str) -> Service:
    return Service(name="api", kind="api", addresses=(address,), routes=routes)


def verdicts(session: ApiSession, name: str, calls: Any) -> set[tuple[int, str | None]]:
    """How the calls of an operation ended, by one instrument."""
    connection = session.connect()
    try:
        return set(calls(named(session, name), [connection]))
    finally:
        connection.close()


class TestOpenSession:
    def test_closed_port(self) -> None:
        """Where nothing listens the API is unreachable, and the message says where."""
        with (
            refusing_port() as address,
            pytest.raises(ServiceUnreachable, match=f"expected a server at {address}"),
        ):
            open_session(service_at(address, "/"))

    def test_something_else(self) -> None:
        """What does not speak HTTP is told from an API, and what it said is in the message."""
        with (
            greeting_server(b"-ERR unknown command\r\n") as address,
            pytest.raises(WrongAnswer, match=r"expected an API that speaks HTTP at .*, found '-ERR unknown"),
        ):
            open_session(service_at(address, "/"))

    def test_one_that_ends_every_connection(self) -> None:
        """A server as Python's own is by default is refused, since each call would measure a connection."""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name is the base class's
                pass

        with HTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                with pytest.raises(WrongAnswer, match=r"HTTP/1\.0 without keep-alive.*Turn on HTTP/1\.1"):
                    open_session(service_at(Address("127.0.0.1", server.server_port), "/"))
            finally:
                server.shutdown()
                thread.join()


class TestFacts:
    def test_what_headers_and_root_say(self) -> None:
        """Name and version are those at `/`, the rest is what headers say."""

        def told(_request: Request) -> Reply:
            return 200, {"X-Powered-By": "PHP/8"}, {"name": "Shop\x1b[2J", "version": 3, "framework": "Slim"}

        with opened(told, "/orders/7") as session:
            facts = session.facts()

        server = facts.settings["server"]
        assert server.startswith("BaseHTTP/")
        assert ("3", f"Shop [2J 3 (Slim, {server}, PHP/8)") == (facts.version, facts.product)

    @pytest.mark.parametrize(
        "root", [(404, {}, {}), (200, {}, PAGE), (200, {}, ["name"]), (200, {}, {"name": {}})]
    )
    def test_nothing_of_root_is_required(self, root: Reply) -> None:
        """An API that has nothing at `/`, or something else than an object, is an unknown one."""

        def told(request: Request) -> Reply:
            return root if request.path == "/" else shop(request)

        with opened(told, "/orders/7") as session:
            session.prepare()
            facts = session.facts()

        assert facts.product.startswith("unknown API (BaseHTTP/")
        assert "unknown" == facts.version


class TestRightAnswers:
    @pytest.mark.parametrize("calls", [by_engine, by_driver])
    def test_of_any_form(self, calls: Any) -> None:
        """HTML, lists, empty answers and any success are right, round after round, by either instrument."""
        routes = ("/orders/7", "/", "/orders?limit=10&sort=[name]|asc", "/nothing")
        with opened(shop, *routes) as session:
            session.prepare()
            operations = session.operations()
            found = {each.title: verdicts(session, each.name, calls) for each in operations}
            refused = session.unmeasurable

        assert {} == refused
        assert [FLOOR, "route-orders-7", "route-root"] == [each.name for each in operations][:3]
        assert {"empty 200 of a canned server", *(f"GET {route}" for route in routes)} == found.keys()
        assert {RIGHT} == set.union(*found.values())

    def test_first_route_is_load_tested_and_asked_by_tools(self) -> None:
        """The first route of the stack file, and no other, is driven by many users."""
        with opened(shop, "/orders/7", "/") as session:
            session.prepare()
            sustained = [each.name for each in session.operations() if each.sustained]
            scripts = session.tool_scripts()

        assert (["route-orders-7"], {"route-orders-7": "/orders/7"}) == (sustained, scripts)

    def test_assumed_are_those_that_answer(self) -> None:
        """A dry run tells of the routes that would be measured, since nothing is made by asking."""
        with opened(shop, "/orders/7", "/x") as session:
            session.assume()
            titles = [each.title for each in session.operations()]

        assert ["GET /orders/7"] == titles[1:]

    def test_only_get(self) -> None:
        """Whatever is done with an API, nothing but GET arrives there."""
        methods: set[str] = set()

        def noting(request: Request) -> Reply:
            methods.add(request.method)
            return shop(request)

        with opened(noting, "/orders/7") as session:
            assert list(session.objects()) == []
            session.preflight()
            session.prepare()
            session.facts()
            for each in session.operations():
                verdicts(session, each.name, by_engine)
                verdicts(session, each.name, by_driver)

        assert {"GET"} == methods


class TestWrongAnswers:
    @pytest.mark.parametrize(
        ("turned", "outcome", "said"),
        [
            ({"error": "boom"}, Outcome.DEGRADED, "expected success, found error: boom"),
            ({"errors": [{"message": "boom"}]}, Outcome.DEGRADED, "expected success, found errors: "),
            ({"status": "degraded"}, Outcome.DEGRADED, "expected success, found status: degraded"),
            ({"cache": {"is": "unhealthy"}}, Outcome.DEGRADED, "expected an answer like the first, found "),
            ({"success": False, "message": "no"}, Outcome.OK, "expected success, found success: false: no"),
            ({"ok": False}, Outcome.OK, "expected success, found ok: false"),
            ({"status": "DOWN"}, Outcome.OK, "expected success, found status: DOWN"),
            (b"", Outcome.WRONG, "expected a body, as in the first answer, found none"),
        ],
    )
    @pytest.mark.parametrize("calls", [by_engine, by_driver])
    def test_success_that_turns_into_failure(
        self, calls: Any, turned: object, outcome: Outcome, said: str
    ) -> None:
        """An API that says from the middle on, with status 200, that something failed is not measured as if it worked."""
        answered = itertools.count()

        def turning(request: Request) -> Reply:
            # Asked at most 15 times before; a half of what is measured comes after.
            late = next(answered) > 15 + CALLS // 2
            return (200, {}, turned) if late else (200, {}, {"order": 7, "served": time.time_ns()})

        with opened(turning, "/orders/7") as session:
            session.prepare()
            found = verdicts(session, "route-orders-7", calls)

        assert RIGHT in found
        [(ended, wrong)] = found - {RIGHT}
        assert (outcome, True) == (ended, str(wrong).startswith(said))

    def test_words_that_the_first_answer_has_too(self) -> None:
        """A route that always speaks of errors, without one, is measured; an error there is still found in whole answers."""
        answered = itertools.count()

        def turning(request: Request) -> Reply:
            late = next(answered) > 15 + CALLS // 2
            return 200, {}, {"error": "boom" if late else "", "unhealthy": "unhealthy"}

        with opened(turning, "/orders/7") as session:
            session.prepare()
            found = verdicts(session, "route-orders-7", by_engine)

        assert {RIGHT, (Outcome.OK, "expected success, found error: boom")} == found


class TestUnmeasurable:
    @pytest.mark.parametrize(
        ("answer", "why"),
        [
            (
                (301, {"Location": "/x/"}, {}),
                "expected status 200, found 301, which points to /x/",
            ),
            ((404, {}, {"detail": "not here"}), "expected status 200, found 404: not here"),
            ((500, {}, b"<h1>oops</h1>"), "expected status 200, found 500"),
            ((200, {}, {"status": "unhealthy"}), "expected success, found status: unhealthy"),
            (
                (429, {"Retry-After": "9"}, {}),
                "a rate limit answers in its place or will soon (status 429, Retry-After: 9)",
            ),
            (
                (200, {"X-RateLimit-Limit": "100"}, {}),
                "a rate limit answers in its place or will soon (x-ratelimit-limit: 100)",
            ),
            (
                (200, {"Connection": "close"}, {}),
                "expected a connection that is kept, found Connection: close",
            ),
        ],
    )
    def test_routes_that_do_not_answer_right(self, answer: Reply, why: str) -> None:
        """Such a route has no row, and the reason is the true one; the other routes are measured."""

        def odd(request: Request) -> Reply:
            return answer if request.path == "/x" else shop(request)

        with opened(odd, "/x", "/orders/7") as session:
            told = session.preflight()
            session.prepare()
            titles = [each.title for each in session.operations()]
            refused, scripts = session.unmeasurable, session.tool_scripts()

        [(title, reason)] = refused.items()
        assert [f"GET /x: {reason}"] == list(told)
        assert ("GET /x", True) == (title, reason.startswith(why))
        assert ["GET /orders/7"] == titles[1:]
        assert {} == scripts

    def test_none_that_answers(self) -> None:
        """Where no route answers right there is nothing to measure, and every reason is told."""
        with (
            opened(shop, "/x", "/old") as session,
            pytest.raises(
                WrongAnswer, match=r"GET /x: .* found 404: no such route; GET /old: .* /orders/7\. Look"
            ),
        ):
            session.prepare()

    def test_limit_that_says_nothing_until_reached(self) -> None:
        """Calls that a limit refuses in the middle are no right answers."""
        limited = limiting(shop, 15 + CALLS // 2, (429, {}, {"error": "too many"}))
        with opened(limited, "/orders/7") as session:
            session.prepare()
            outcomes = {ended for ended, _ in verdicts(session, "route-orders-7", by_engine)}

        assert {Outcome.OK, Outcome.LIMITED} == outcomes

    @pytest.mark.parametrize(
        ("headers", "body"),
        [
            (
                {},
                {
                    "order_time": datetime.now(UTC).isoformat(),
                    "timestamp": time.time() - 60,
                    "paid_date": "today",
                },
            ),
            ({}, {"ticket": 7, "request_id": 42, "nonce": "5"}),
            ({"Cache-Control": "max-age=60", "ETag": '"7"'}, b"<h1>about us</h1>"),
            ({}, b"[" * 100_000),
            ({}, {"time": 10**400}),
        ],
        ids=[
            "times of an order",
            "ids of a ticket",
            "kept by clients",
            "nested without end",
            "an endless number",
        ],
    )
    def test_data_of_somebody_else_is_no_cache(self, headers: Mapping[str, str], body: Any) -> None:
        """What stands still in answers whose fields nobody knows is their data, and does not cost the row."""
        with opened(lambda _request: (200, headers, body), "/x") as session:
            session.prepare()
            refused = session.unmeasurable
            found = verdicts(session, "route-x", by_engine) | verdicts(session, "route-x", by_driver)

        assert ({}, {RIGHT}) == (refused, found)

    def test_one_that_falls_silent_costs_no_other(self) -> None:
        """A route that does not answer when it is asked past caches is refused with that reason, and no other is."""

        def silent(suffix: str, _headers: Mapping[str, str]) -> Answer:
            if suffix:
                raise ServiceUnreachable("it hung up")
            return Answer(200, {}, b"{}")

        def well(_suffix: str, _headers: Mapping[str, str]) -> Answer:
            return Answer(200, {}, b"{}")

        [refused, measured] = warnings_of([silent, well], known=False)

        assert refused
        assert ("it hung up", None) == (explained(refused), measured)


class TestCaches:
    def test_that_tells_and_lets_pass(self) -> None:
        """Two rows: the API's own answers under the path's title, the cache's beside; no tool asks, it would see the cache."""
        api = caching(shop, key=lambda request: request.target, tells=True, passable=True)
        with opened(api, "/orders/7") as session:
            session.prepare()
            operations = session.operations()[1:]
            found = {
                each.title: verdicts(session, each.name, by_engine) | verdicts(session, each.name, by_driver)
                for each in operations
            }
            sustained = [each.name for each in operations if each.sustained]
            scripts = session.tool_scripts()

        assert {"GET /orders/7": {RIGHT}, "GET /orders/7 (cached)": {RIGHT}} == found
        assert (["route-orders-7"], {}) == (sustained, scripts)

    def test_that_tells_and_lets_nothing_pass(self) -> None:
        """There is only the cached row, and the reason says what answers."""
        api = caching(shop, key=lambda request: request.path, tells=True)
        with opened(api, "/orders/7", "/") as session:
            session.prepare()
            titles = [each.title for each in session.operations()][1:]
            refused = session.unmeasurable["GET /orders/7"]

        assert ["GET /orders/7 (cached)", "GET / (cached)"] == titles
        assert "x-fastapi-cache: HIT" in refused

    @pytest.mark.parametrize("target", ["/time", "/time?zone=utc"])
    def test_that_says_nothing(self, target: str) -> None:
        """A silent cache is known by the time that stands still, also where the path has a query already."""

        def clock(request: Request) -> Reply:
            return 200, {}, {"time": time.time()} if request.path == "/time" else {}

        with opened(caching(clock, key=lambda request: request.target), target, "/") as session:
            session.prepare()
            refused = session.unmeasurable

        assert [f"GET {target}"] == list(refused)
        assert "a cache seems to answer (time was" in refused[f"GET {target}"]

    def test_is_passed_by_a_query_of_its_own(self) -> None:
        """What passes caches is added to a query that is there, not put in its place."""
        asked: list[Mapping[str, str]] = []

        def noting(request: Request) -> Reply:
            asked.append(request.query)
            return 200, {}, {"zone": request.query.get("zone", "none")}

        with opened(noting, "/time?zone=utc") as session:
            session.prepare()

        assert {"utc"} == {query.get("zone") for query in asked}
        assert any("devperf" in query for query in asked)
