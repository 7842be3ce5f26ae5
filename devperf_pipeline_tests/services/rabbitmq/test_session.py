from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import Any

import pytest

from devperf_pipeline.errors import ConfigurationError, ServiceRefused, ServiceUnreachable, WrongAnswer
from devperf_pipeline.measure.engine import blocking, exchange
from devperf_pipeline.model import Address, Credentials, Outcome, Service, Stack
from devperf_pipeline.services.rabbitmq.management import Management
from devperf_pipeline.services.rabbitmq.session import RabbitSession, open_session
from devperf_pipeline_tests.services.redis.test_session import CALLS, RIGHT, prepared, results, speaker
from devperf_pipeline_tests.services.sessions import prepared_session, running
from devperf_pipeline_tests.services.wrong_endpoints import refusing_port, silent_server, web_server

CONSUMING = ("consume-no-ack", "consume-auto-ack", "consume-manual-ack")
PASSWORD = "p@ss w/ö:\"x#'%"


@pytest.fixture(scope="module", name="service")
def _service(running_stack: Stack) -> Service:
    return running(running_stack, "rabbitmq")


@pytest.fixture(scope="module", name="management")
def _management(service: Service) -> Management:
    """What an administrator does beside the session that is tested."""
    return Management(service)


@pytest.fixture(scope="module", name="session")
def _session(service: Service) -> Iterator[RabbitSession]:
    with prepared_session(open_session(service)) as session:
        yield session


@pytest.fixture(name="guest")
def _guest(service: Service, management: Management) -> Iterator[Service]:
    """The broker as a user sees it who may not create vhosts."""
    management.do(
        "PUT", "/users/guest%20ö".replace("ö", "%C3%B6"), {"password": PASSWORD, "tags": "management"}
    )
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    management.do("PUT", "/permissions/%2F/guest%20%C3%B6", everything)
    yield replace(service, credentials=Credentials("guest ö", PASSWORD))
    management.do("DELETE", "/users/guest%20%C3%B6")


def objects(management: Management) -> list[Any]:
    """Every vhost and queue of the broker."""
    return [
        sorted(each["name"] for each in management.do("GET", f"/{kind}?columns=name"))
        for kind in ("vhosts", "queues")
    ]


@pytest.mark.servers
class TestOperations:
    def test_take_turns_on_one_connection(self, session: RabbitSession) -> None:
        """Engine and driver use a connection by turns, each with a channel of its own."""
        with closing(session.connect()) as connection:
            for _ in range(2):
                for operation in session.operations():
                    for instrument in ("engine", "driver"):
                        if operation.reset is not None:
                            operation.reset(1, CALLS)
                        calls = prepared(operation, connection, 0, instrument)
                        answers = [calls.call(number) for number in range(CALLS)]
                        assert {Outcome.OK} == {calls.check(answer) for answer in answers}

    @pytest.mark.parametrize("name", CONSUMING)
    def test_tell_an_empty_queue(self, session: RabbitSession, name: str) -> None:
        """A queue with nothing in it is a wrong answer, not a fast one."""
        operation = {each.name: each for each in session.operations()}[name]
        assert operation.reset is not None
        operation.reset(1, 0)
        with closing(session.connect()) as connection:
            for instrument in ("engine", "driver"):
                calls = prepared(operation, connection, 0, instrument)
                answer = calls.call(0)
                assert (Outcome.WRONG, "the queue is empty") == (calls.check(answer), calls.verify(answer))

    @pytest.mark.parametrize(("name", "left"), [("consume-no-ack", CALLS), ("consume-auto-ack", 0)])
    def test_leave_in_the_queue_what_was_not_acknowledged(
        self, session: RabbitSession, name: str, left: int
    ) -> None:
        """Without an ack messages go back when their user leaves; with auto ack they are gone."""
        results(session, name, "engine", users=1)
        with closing(session.connect()) as connection:
            channel = connection.fresh_channel()
            ends = monotonic() + 30
            found = -1
            while found != left and monotonic() < ends:
                found = channel.queue_declare(f"devperf.{name}.0", passive=True).method.message_count
        assert left == found

    def test_tell_a_message_that_reached_no_queue(self, session: RabbitSession) -> None:
        """The broker confirms what it throws away, too: it comes back, and is an error."""
        operation = {each.name: each for each in session.operations()}["publish-1kb"]
        assert operation.reset is not None
        assert operation.wire is not None
        operation.reset(1, 0)
        with closing(session.connect()) as connection:
            connection.fresh_channel().queue_delete("devperf.publish-1kb.0")
            wire = operation.wire(connection, 0, 1)
            blocking(wire.sockets)
            assert wire.check(exchange(wire.sockets, wire.calls[0])) == Outcome.ERROR

    def test_close_in_the_middle_of_a_call(self, session: RabbitSession) -> None:
        """A connection whose last answer nobody read is closed all the same, and at once."""
        operation = {each.name: each for each in session.operations()}["consume-no-ack"]
        assert operation.reset is not None
        assert operation.wire is not None
        operation.reset(1, CALLS)
        connection = session.connect()
        wire = operation.wire(connection, 0, CALLS)
        for (step,) in wire.calls:
            wire.sockets[0].sendall(step.data)
        began = monotonic()
        connection.close()
        assert monotonic() - began < 5


@pytest.mark.servers
class TestFacts:
    def test_are_those_of_the_running_broker(self, session: RabbitSession, management: Management) -> None:
        """Versions of RabbitMQ and Erlang are what the broker says."""
        overview = management.do("GET", "/overview")
        facts = session.facts()
        assert (
            facts.product == f"RabbitMQ {overview['rabbitmq_version']} (Erlang {overview['erlang_version']})"
        )
        assert facts.settings["vhost"] == "devperf (our own)"
        assert facts.settings["queues"] == "classic, durable"


@pytest.mark.servers
class TestClean:
    def test_leaves_what_is_not_ours(
        self, service: Service, session: RabbitSession, management: Management
    ) -> None:
        """After a session that was cut short and one more, vhosts and queues are those that were there before."""
        session.clean()
        management.do("PUT", "/queues/%2F/somebody.else", {"durable": "true"})
        before = objects(management)
        cut_short = open_session(service)
        cut_short.prepare()
        results(cut_short, "publish-1kb", "engine")
        assert before != objects(management)
        cut_short.close()

        with closing(open_session(service)) as again:
            again.prepare()
            again.clean()
            again.clean()

        assert before == objects(management)
        management.do("DELETE", "/queues/%2F/somebody.else")
        session.prepare()

    def test_refuses_a_vhost_of_somebody_else(
        self, service: Service, session: RabbitSession, management: Management
    ) -> None:
        """A vhost of our name without our mark is refused and kept."""
        session.clean()
        management.do("PUT", "/vhosts/devperf", {"description": "theirs"})
        try:
            with closing(open_session(service)) as other:
                with pytest.raises(ServiceRefused, match="did not make"):
                    other.prepare()
                other.clean()
            assert management.do("GET", "/vhosts/devperf")["description"] == "theirs"
        finally:
            management.do("DELETE", "/vhosts/devperf")
            session.prepare()

    def test_leaves_a_shared_vhost_as_it_was(self, guest: Service, management: Management) -> None:
        """A user who may not create a vhost measures in the one that is named, whose other queues stay."""
        management.do("PUT", "/queues/%2F/somebody.else", {"durable": "true"})
        before = objects(management)
        with closing(open_session(guest)) as session:
            assert session.facts().settings["vhost"] == "/ (shared: our user may not create one)"
            session.prepare()
            assert results(session, "publish-1kb-persistent", "engine") == RIGHT
            assert before != objects(management)
            session.clean()
        assert before == objects(management)
        management.do("DELETE", "/queues/%2F/somebody.else")

    def test_refuses_a_queue_of_somebody_else(self, guest: Service, management: Management) -> None:
        """A queue of our name in a shared vhost without our mark is refused and kept."""
        management.do("PUT", "/queues/%2F/devperf.theirs", {"durable": "true"})
        try:
            with closing(open_session(guest)) as session:
                with pytest.raises(
                    ServiceRefused, match=r"'devperf\.theirs', which this project did not make"
                ):
                    session.prepare()
                session.clean()
            assert "devperf.theirs" in objects(management)[1]
        finally:
            management.do("DELETE", "/queues/%2F/devperf.theirs")


@pytest.mark.servers
class TestRefusals:
    def test_a_wrong_password(self, service: Service) -> None:
        """The message repeats the broker's words and holds no password."""
        assert service.credentials is not None
        wrong = replace(service, credentials=Credentials(service.credentials.username, "wr%ng"))
        with pytest.raises(ServiceRefused, match="401") as caught:
            open_session(wrong)
        assert "wr%ng" not in str(caught.value)

    def test_no_vhost_to_go_to(self, guest: Service) -> None:
        """Who may not create a vhost and names none is told what to do."""
        with pytest.raises(ServiceRefused, match="may not create a vhost"):
            open_session(replace(guest, database=None))

    def test_a_vhost_that_is_not_there(self, guest: Service) -> None:
        """A shared vhost that does not exist is refused in the broker's words."""
        with (
            closing(open_session(replace(guest, database="nowhere"))) as session,
            pytest.raises(ServiceRefused, match="nowhere"),
        ):
            session.prepare()

    def test_one_address(self, service: Service) -> None:
        """Without the management API's address the message says what is missing."""
        with pytest.raises(ConfigurationError, match="expected two addresses"):
            open_session(replace(service, addresses=service.addresses[:1]))

    def test_a_management_api_that_is_not_there(self, service: Service) -> None:
        """The message names the address of the management API."""
        with (
            refusing_port() as address,
            pytest.raises(ServiceUnreachable, match=f"{address} .management API"),
        ):
            open_session(replace(service, addresses=(service.address, address)))

    def test_a_management_api_that_never_answers(self, service: Service) -> None:
        """It costs the deadline and no more."""
        began = monotonic()
        with (
            silent_server() as address,
            pytest.raises(ServiceUnreachable, match="does not answer GET /api/whoami"),
        ):
            open_session(replace(service, addresses=(service.address, address)))
        assert monotonic() - began < 10


Endpoint = Callable[[], AbstractContextManager[Address]]


class TestWrongEndpoints:
    @pytest.mark.parametrize(
        ("endpoint", "error", "words"),
        [
            (refusing_port, ServiceUnreachable, "expected a server at"),
            pytest.param(web_server, WrongAnswer, "found '", marks=pytest.mark.servers),
            (partial(speaker, b"AMQP\x00\x01\x00\x00"), WrongAnswer, r"found 'AMQP\\x00\\x01"),
            pytest.param(silent_server, ServiceUnreachable, "within 3 s", marks=pytest.mark.servers),
        ],
        ids=["refusing", "web server", "another AMQP", "silent"],
    )
    def test_are_named_in_time(self, endpoint: Endpoint, error: type[Exception], words: str) -> None:
        """Whoever else is at the address is told from RabbitMQ within the deadline."""
        began = monotonic()
        with endpoint() as address, pytest.raises(error, match=words):
            open_session(Service(name="rabbitmq", kind="rabbitmq", addresses=(address, address)))
        assert monotonic() - began < 10
