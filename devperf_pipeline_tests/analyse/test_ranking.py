import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from devperf_pipeline.analyse.judgements import Ranking, rankings
from devperf_pipeline.measure.plan import RunOptions
from devperf_pipeline.measure.profile import Profile
from devperf_pipeline.measure.run import measure
from devperf_pipeline.measure.run_context import RunContext
from devperf_pipeline.model import Address, Service, Stack
from devperf_pipeline.report.render import render
from devperf_pipeline.services import title_of
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store import warehouse
from devperf_pipeline.store.samples import SampleStore
from devperf_pipeline.store.warehouse import connect
from devperf_pipeline_tests.services.fake_apis import Api, Reply, Request, serving

if TYPE_CHECKING:
    from devperf_pipeline_tests.report.conftest import Warehouse

ROUTE = "GET /health/all"
WELL = {"status": "string: healthy", "dependencies.vault.status": "string: healthy"}


@pytest.fixture(name="of")
def _of(warehouse: "Warehouse") -> Callable[..., Ranking]:
    """
    The ranking of one route, of one baseline: for each service the values of its reading and answer that are not as
    usual; None where it answered and was not measured.
    """

    def of(route: str = ROUTE, **services: dict[str, Any] | None) -> Ranking:
        run = warehouse.baseline(25)
        for number, (service, values) in enumerate(services.items(), 1):
            told = values or {}
            shape = json.dumps(told.pop("shape", WELL))
            status, problem = told.pop("status", 200), told.pop("problem", None)
            warehouse.row(
                "answers",
                baseline_id=run,
                service=service,
                route=route,
                status=status,
                shape=shape,
                problem=problem,
            )
            warehouse.service(run, service, title=title_of(service))
            warehouse.fact(run, service, "aggregation", told.pop("aggregation", "sequential"))
            warehouse.fact(run, service, "tls", told.pop("tls", "off"))
            if values is not None:
                p95_ns = told.pop("p95_ns", number * 30_000)
                warehouse.reading(run, service, "get-route", title=route, p95_ns=p95_ns, **told)
        with connect(warehouse.folders) as con:
            [found] = rankings(con, run)
        assert route == found.route
        return found

    return of


def names(ranking: Ranking) -> list[str]:
    return [place.service for place in ranking.places]


class TestRanked:
    def test_least_p95_first(self, of: Callable[..., Ranking]) -> None:
        """Whatever order the services come in; of the same p95 the least p50 first."""
        found = of(
            express={"p95_ns": 70_000, "p50_ns": 60_000},
            gin={"p95_ns": 30_000},
            actix={"p95_ns": 70_000, "p50_ns": 50_000},
        )

        assert (["gin", "actix", "express"], {}) == (names(found), found.left_out)

    @pytest.mark.parametrize(
        ("changed", "why"),
        [
            (
                {"valid": False, "invalid_reason": "wrong answers"},
                "its reading does not count: wrong answers",
            ),
            ({"n": 12}, "it has 12 calls, too few for a p95"),
            ({"placement": "free"}, "it ran in another placement: free, the others in together:1"),
            ({"tls": "on, the certificate checked"}, "it is reached over TLS, the others without TLS"),
            (
                {"aggregation": "concurrent"},
                "it does other work: it asks its dependencies all at once, the others one after the other",
            ),
            (None, "it has no reading in this baseline"),
        ],
    )
    def test_left_out(self, of: Callable[..., Ranking], changed: dict[str, Any] | None, why: str) -> None:
        """A reading that cannot be compared is left out, with the reason."""
        found = of(express={}, gin=changed, actix={})

        assert (["express", "actix"], {"gin": why}) == (names(found), found.left_out)

    def test_order_matters_only_where_several_are_asked(self, of: Callable[..., Ranking]) -> None:
        """How dependencies are asked changes nothing of a route that asks one."""
        assert {} == of("GET /health", express={"aggregation": "concurrent"}, gin={}).left_out


class TestParity:
    @pytest.mark.parametrize(
        ("services", "left_out"),
        [
            ({"gin": {}, "actix": {}}, {}),
            # Without a contract the answer that most gave counts, and the difference of another is named.
            (
                {
                    "gin": {"shape": WELL | {"dependencies.vault.status": "string: absent"}},
                    "actix": {},
                    "express": {},
                },
                {
                    "gin": "its answer differs from that of Actix Web, Express: dependencies.vault.status is absent, not healthy"
                },
            ),
            # Of two different answers the one that succeeded counts.
            (
                {"gin": {"shape": {}, "status": 503}, "actix": {}},
                {"gin": "its answer differs from that of Actix Web: status 503, not 200"},
            ),
            # Two that break the contract in the same way do not make their answer the right one.
            (
                {
                    **{
                        name: {"shape": {"state": "string"}, "problem": "no field status"}
                        for name in ("gin", "actix")
                    },
                    "express": {},
                },
                dict.fromkeys(("actix", "gin"), "its answer is not as the contract says: no field status"),
            ),
            # APIs of which only routes are known are held to the contract only where a reference API answered, too.
            (
                {
                    name: {"shape": {"answer": "no JSON"}, "problem": "no JSON"}
                    for name in ("api", "api_next")
                },
                {},
            ),
            (
                {"api": {"shape": {"answer": "no JSON"}, "problem": "no JSON"}, "gin": {}},
                {"api": "its answer is not as the contract says: no JSON"},
            ),
            # Of as many answers an API of which nothing is known sets no example.
            (
                {"api": {"shape": WELL | {"more": "null"}}, "gin": {}},
                {"api": "its answer differs from that of Gin: there is more"},
            ),
            # Three differences are named, the rest is counted.
            (
                {
                    "gin": {},
                    "actix": {},
                    "express": {"shape": WELL | {f"field-{k}": "null" for k in range(5)}},
                },
                {
                    "express": "its answer differs from that of Actix Web, Gin: there is field-0, there is field-1, "
                    "there is field-2 and 2 more"
                },
            ),
        ],
    )
    def test_who_answered_otherwise(
        self, of: Callable[..., Ranking], services: dict[str, dict[str, Any]], left_out: dict[str, str]
    ) -> None:
        """Ranked are those whose answer is right and usual; of the others what differs is told."""
        found = of(**{name: dict(values) for name, values in services.items()})

        assert (services.keys() - left_out.keys(), left_out) == ({*names(found)}, found.left_out)


@contextmanager
def renaming(to: Address, field: bytes, into: bytes) -> Iterator[Address]:
    """A way to an API on which one field of every answer gets another name."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65_536  # headers and body in one packet

        def setup(self) -> None:
            super().setup()
            self.api = HTTPConnection(to.host, to.port, timeout=10)

        def finish(self) -> None:
            self.api.close()
            super().finish()

        def do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else None
            self.api.request(self.command, self.path, body, {"Content-Type": "application/json"})
            answer = self.api.getresponse()
            text = answer.read().replace(field, into)
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = do  # noqa: N815 - the base class looks for these names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name is the base class's
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield Address("127.0.0.1", server.server_port)
        finally:
            server.shutdown()
            thread.join()


def compared(folder: Path, services: tuple[Service, ...]) -> tuple[dict[str, Ranking], set[str], str]:
    """Rankings of a short baseline by route, whom the macro ranks on /health, and the report."""
    folders = Folders(folder)
    store = SampleStore(folders)
    store.check_writable()
    profile = Profile(name="quick", rounds=3, seconds=0.3, warmup_s=0.05, about="short")
    stack = Stack(name="x", path=folder / "x.toml", managed=False, services=services)
    baseline = measure(RunContext(stack=stack, sink=store), RunOptions(profile=profile, seed=1))
    warehouse.build(folders)
    con = warehouse.connect(folders)
    try:
        found = {ranking.route: ranking for ranking in rankings(con, baseline.id)}
        macro = con.execute("select service from ranking('/health') where why_not is null").fetchall()
    finally:
        con.close()
    return found, {service for (service,) in macro}, render(folders).report.read_text("utf-8")


class TestUnknownApis:
    @pytest.mark.parametrize(
        ("name", "health", "why"),
        [
            ("api", b'{"status": "healthy"}', None),
            ("api", b'{"state": "healthy"}', "its answer is not as the contract says: no field status"),
            ("api_next", b"<h1>healthy</h1>", "its answer is not as the contract says: no JSON object"),
        ],
    )
    def test_stand_beside_the_others_where_they_answer_the_same(
        self, tmp_path: Path, name: str, health: bytes, why: str | None
    ) -> None:
        """
        An API of which only routes are known is ranked on a path that reference APIs have if its answer has the form of
        theirs, and not on any other; here and in the macro.
        """

        def known(request: Request) -> Reply:
            body = {"/": {"framework": "Gin", "version": "1"}, "/health": {"status": "healthy"}}
            return (200, {}, body[request.path]) if request.path in body else (404, {}, {})

        def unknown(request: Request) -> Reply:
            return 200, {}, health if request.path == "/health" else b"<h1>orders</h1>"

        with serving(known) as there, serving(unknown) as here:
            services = (
                Service(name=name, kind="api", addresses=(here,), routes=("/", "/health", "/orders/7")),
                Service(name="gin", kind="gin", addresses=(there,)),
            )
            found, macro, _ = compared(tmp_path, services)

        assert {"GET /", "GET /health"} == found.keys()
        assert "its answer is not as the contract says: no JSON object" == found["GET /"].left_out[name]
        places = {place.service for place in found["GET /health"].places}
        assert {"gin", name} - ({name} if why else set()) == places == macro
        assert str(found["GET /health"].left_out.get(name)).startswith(str(why))

    def test_are_ranked_among_themselves(self, tmp_path: Path) -> None:
        """
        Several APIs of a stack file are ranked on a path that they share, whatever the contract of the reference APIs
        says of it; one whose answer has another form is left out, and which field differs is told.
        """

        def answering(fields: dict[str, int]) -> Api:
            return lambda request: (200, {}, fields if request.path == "/health" else b"<h1>shop</h1>")

        apis = {"api": {"up_s": 1}, "api_next": {"up_s": 2}, "api_other": {"up_ms": 2000}}
        with ExitStack() as servers:
            found, macro, report = compared(
                tmp_path,
                tuple(
                    Service(
                        name=name,
                        kind="api",
                        addresses=(servers.enter_context(serving(answering(fields))),),
                        routes=("/", "/health"),
                    )
                    for name, fields in apis.items()
                ),
            )

        assert {"api", "api_next", "api_other"} == {place.service for place in found["GET /"].places}
        assert {"api", "api_next"} == {place.service for place in found["GET /health"].places}
        assert {"api", "api_next"} == macro
        assert {
            "api_other": "its answer differs from that of Your API, API next: there is up_ms, there is no up_s"
        } == found["GET /health"].left_out
        assert "API other on GET /health: its answer differs" in report
        assert "![p95 of GET /, each implementation]" in report
        assert all(f"### {title}" in report for title in ("Your API", "API next", "API other"))


@pytest.mark.servers
class TestRealApis:
    def test_a_broken_answer_is_left_out(self, running_stack: Stack, tmp_path: Path) -> None:
        """
        One field of one API has another name: its readings count, and it is in no ranking of the routes that it
        changed; the report names the field.
        """
        apis = [
            running_stack.service(name) for name in ("gin", "express") if name not in running_stack.missing
        ]
        if len(apis) < 2:
            pytest.skip(f"an API is missing: {running_stack.missing}")
        broken = apis[0]
        folders = Folders(tmp_path)
        store = SampleStore(folders)
        store.check_writable()
        profile = Profile(name="quick", rounds=2, seconds=0.25, warmup_s=0.05, about="short")
        with renaming(broken.address, b'"latency_ms"', b'"latency"') as address:
            services = tuple(replace(api, addresses=(address,)) if api is broken else api for api in apis)
            stack = replace(running_stack, services=services, missing={}, managed=False)
            baseline = measure(RunContext(stack=stack, sink=store), RunOptions(profile=profile, seed=1))
        warehouse.build(folders)
        con = warehouse.connect(folders)
        try:
            found = {ranking.route: ranking for ranking in rankings(con, baseline.id)}
        finally:
            con.close()
        report = render(folders, baseline.id).report.read_text("utf-8")

        assert {"gin": "measured", "express": "measured"} == baseline.states
        assert {"express"} == {place.service for place in found["GET /health/postgres"].places}
        assert {
            "gin": "its answer is not as the contract says: no field latency_ms but a field latency, which the contract does not have"
        } == found["GET /health/postgres"].left_out
        assert {"express", "gin"} == {place.service for place in found["GET /health"].places}
        assert "## Ranking" in report
        assert "no field latency" in report

    def test_answers_are_kept(self, running_stack: Stack, tmp_path: Path) -> None:
        """What every route answered is in the table `answers`, the state of each dependency with it."""
        stack = replace(running_stack, services=(running_stack.service("fastapi"),))
        folders = Folders(tmp_path)
        store = SampleStore(folders)
        store.check_writable()
        profile = Profile(name="quick", rounds=1, seconds=0.02, warmup_s=0.02, about="short")
        measure(RunContext(stack=stack, sink=store), RunOptions(profile=profile, seed=1))
        warehouse.build(folders)
        con = warehouse.connect(folders)
        try:
            [[status, text]] = con.execute(
                "select status, shape from answers where route = 'GET /health/all'"
            ).fetchall()
        finally:
            con.close()
        shape = json.loads(text)

        assert 200 == status
        assert "string: healthy" == shape["dependencies.postgres.status"]
        assert "number" == shape["dependencies.postgres.latency_ms"]
