import time
from collections.abc import Mapping

import pytest

from devperf_pipeline.errors import ServiceRefused, WrongAnswer
from devperf_pipeline.measure.engine import drive_one, driver_of
from devperf_pipeline.measure.recorder import Recorder
from devperf_pipeline.model import Address, Outcome, Service
from devperf_pipeline.services.http.preflight import PreflightWarning, declared_by, warnings_of
from devperf_pipeline.services.http.protocol import Answer
from devperf_pipeline.services.reference_api.session import ReferenceApiSession, open_session
from devperf_pipeline_tests.services.calls import named
from devperf_pipeline_tests.services.fake_apis import (
    Api,
    Reply,
    Request,
    caching,
    foreign_api,
    limiting,
    serving,
)

HEALTH = "GET /health"
TOO_MANY: Reply = (429, {}, {"error": "Rate limit exceeded: 100 per 1 minute"})
BUSY: Reply = (503, {"Retry-After": "60"}, {"error": "too many requests"})


def open_at(address: Address) -> ReferenceApiSession:
    return open_session(Service(name="fastapi", kind="fastapi", addresses=(address,)))


def seen_at(api: Api) -> dict[str, str]:
    """What a session with an API says of each row that it does not measure."""
    with serving(api) as address:
        session = open_at(address)
        try:
            session.prepare()
        except WrongAnswer:
            assert session.unmeasurable
        finally:
            session.clean()
            session.close()
        return session.unmeasurable


class TestLimits:
    @pytest.mark.parametrize("refusal", [TOO_MANY, BUSY], ids=["429", "503 with Retry-After"])
    @pytest.mark.parametrize("instrument", ["engine", "driver"])
    def test_that_say_nothing_until_reached(self, refusal: Reply, instrument: str) -> None:
        """A limit without a header is met by the calls themselves, and they are no right answers."""
        with serving(limiting(foreign_api, 100, refusal)) as address:
            session = open_at(address)
            session.prepare()
            connection, recorder = session.connect(), Recorder()
            operation = named(session, "get-health")
            assert operation.wire is not None
            assert operation.driver is not None
            driver = (
                driver_of(operation.wire(connection, 0, 100), finite=False)
                if instrument == "engine"
                else operation.driver(connection, 0, 100)
            )
            drive_one(driver, recorder, seconds=5, calls=120)
            ended = list(recorder.outcome[: recorder.length])
            connection.close()
            session.clean()
            session.close()

        assert {Outcome.OK, Outcome.LIMITED} == set(ended)
        assert Outcome.LIMITED == ended[-1]

    @pytest.mark.parametrize(
        ("header", "said"),
        [
            ({"X-RateLimit-Limit": "100"}, "turn it off for the time of measuring"),
            ({"RateLimit-Policy": "100;w=60"}, "a rate limit allows 100 calls in 60 s"),
        ],
    )
    def test_that_headers_tell(self, header: Mapping[str, str], said: str) -> None:
        """An API that tells its limit with its time is measured at its pace, else not at all, and is asked little."""
        asked: list[str] = []

        def noting(request: Request) -> Reply:
            asked.append(request.target)
            return foreign_api(request)

        seen = seen_at(limiting(noting, 100, TOO_MANY, header))
        [why] = [
            why
            for titles, why in seen.items()
            if HEALTH in titles.removeprefix("more than a few calls of ").split(", ")
        ]

        assert "100" in why
        assert said in why
        assert len(asked) < 30

    def test_reached_before_we_came(self) -> None:
        """Where the first request of all is refused, the limit is the reason."""
        with (
            serving(limiting(foreign_api, 0, TOO_MANY)) as address,
            pytest.raises(ServiceRefused, match="rate limit"),
        ):
            open_at(address)


class TestCaches:
    @pytest.mark.parametrize("path_only", [False, True])
    def test_that_say_nothing(self, path_only: bool) -> None:
        """A silent cache is known by the time in its answers, which stands still."""
        api = caching(foreign_api, key=lambda request: request.path if path_only else request.target)
        assert "timestamp" in seen_at(api)[HEALTH]

    def test_of_answers_that_never_change(self) -> None:
        """Where nothing in an answer tells, the time that it takes does, once the cache is passed."""

        def slow(request: Request) -> Reply:
            if request.path.startswith("/health/"):
                time.sleep(0.1)
            return foreign_api(request)

        seen = seen_at(caching(slow, key=lambda request: request.target))

        assert "when it passes caches" in seen["GET /health/vault"]

    def test_that_tell_and_let_pass(self) -> None:
        """Its routes are measured twice: answered by the API under their own titles, and by the cache beside."""
        api = caching(foreign_api, key=lambda request: request.target, tells=True, passable=True)
        with serving(api) as address:
            session = open_at(address)
            session.prepare()
            titles = [operation.title for operation in session.operations()]
            verdicts: dict[str, set[int]] = {}
            for name in ("get-health", "get-health-cached"):
                operation, connection, recorder = named(session, name), session.connect(), Recorder()
                assert operation.wire is not None
                if operation.reset:
                    operation.reset(1, 20)
                drive_one(
                    driver_of(operation.wire(connection, 0, 20), finite=False), recorder, seconds=5, calls=20
                )
                verdicts[name] = set(recorder.outcome[: recorder.length])
                connection.close()
            session.clean()
            session.close()

        assert [HEALTH, f"{HEALTH} (cached)"] == [
            title for title in titles if title.startswith("GET /health")
        ][:2]
        assert {"get-health": {Outcome.OK}, "get-health-cached": {Outcome.OK}} == verdicts

    def test_that_tell_and_let_nothing_pass(self) -> None:
        """Its routes have no row of their own, and the reason says what answers."""
        seen = seen_at(caching(foreign_api, key=lambda request: request.path, tells=True))
        assert "x-fastapi-cache: HIT" in seen[HEALTH]

    def test_that_say_they_missed(self) -> None:
        """A cache that tells is asked nothing made up: it would keep each such answer for its whole time."""
        asked: list[str] = []

        def noting(request: Request) -> Reply:
            asked.append(request.target)
            return foreign_api(request)

        seen = seen_at(caching(noting, key=lambda _: None, tells=True))

        assert HEALTH not in seen
        assert [] == [target for target in asked if "devperf=" in target]

    @pytest.mark.parametrize(
        ("headers", "expected"),
        [
            ({"cache-control": "max-age=30", "etag": "x"}, "cache-control: max-age=30, with an etag"),
            ({"cache-control": "max-age=30", "etag": "x", "x-cache": "MISS"}, None),
            ({"cache-control": "max-age=0", "etag": "x"}, None),
            ({"cache-control": "max-age=30"}, None),
        ],
    )
    def test_declared(self, headers: Mapping[str, str], expected: str | None) -> None:
        """What may be kept and has a version is suspected, unless it says that no cache had it."""
        assert expected == declared_by(Answer(200, headers, b"{}"))


class TestHonestApis:
    def test_nothing_is_found(self) -> None:
        """An API that answers for itself keeps its rows; what it does not have is named as missing."""
        seen = seen_at(foreign_api)
        assert {HEALTH, "GET /", "GET /health/vault"}.isdisjoint(seen)
        assert "expected status 200, found 404: not here" == seen["GET /health/all"]

    @pytest.mark.parametrize(
        "body",
        [
            {"status": "healthy", "started_at": time.time()},
            {"asked": "/health?devperf=1", "version": 5},
            {"now": time.time() - 86_400},
        ],
    )
    def test_what_stands_still_and_may(self, body: Mapping[str, object]) -> None:
        """When an API was started does not move, nor does what lies a day back."""
        answer = Answer(200, {}, str(body).replace("'", '"').encode())
        assert [None] == warnings_of([lambda _suffix, _headers: answer])

    def test_an_echo_is_no_sign(self) -> None:
        """An answer that repeats the question is another each time because the question is."""

        def echo(suffix: str, _headers: Mapping[str, str]) -> Answer:
            return Answer(200, {}, f'{{"asked": "/x{suffix}"}}'.encode())

        assert [None] == warnings_of([echo])

    def test_a_counter_that_stands_still(self) -> None:
        """A number that grows when caches are passed, and does not otherwise, tells of one."""
        counter = iter(range(100))

        def counting(suffix: str, _headers: Mapping[str, str]) -> Answer:
            return Answer(200, {}, f'{{"served": {next(counter) + 7 if suffix else 3}}}'.encode())

        [found] = warnings_of([counting])
        assert isinstance(found, PreflightWarning)
        assert ("cache", False) == (found.kind, found.told)
        assert found.seen.startswith("served was the same in 3 answers")
