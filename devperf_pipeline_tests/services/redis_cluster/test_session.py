from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from redis import Redis

from devperf_pipeline.errors import ServiceRefused
from devperf_pipeline.model import Credentials, Outcome, Service, Stack
from devperf_pipeline.services.operation import Wire
from devperf_pipeline.services.redis_cluster.session import RedisClusterSession, open_session
from devperf_pipeline.services.redis_cluster.slots import ranges
from devperf_pipeline_tests.services.redis.test_session import RIGHT, results
from devperf_pipeline_tests.services.sessions import prepared_session, running
from devperf_pipeline_tests.services.unusual_passwords import UNUSUAL


@pytest.fixture(scope="module", name="service")
def _service(running_stack: Stack) -> Service:
    return running(running_stack, "redis_cluster")


@pytest.fixture(scope="module", name="session")
def _session(service: Service) -> Iterator[RedisClusterSession]:
    with prepared_session(open_session(service)) as session:
        yield session


@pytest.fixture(name="nodes")
def _nodes(service: Service) -> Iterator[list[Redis]]:
    """What somebody else sees of each node."""
    assert service.credentials is not None
    nodes = [
        Redis(host=each.host, port=each.port, password=service.credentials.password, protocol=2)
        for each in service.addresses
    ]
    yield nodes
    for node in nodes:
        node.close()


def get_wire(session: RedisClusterSession, name: str, calls: int) -> Wire:
    operation = {each.name: each for each in session.operations()}[name]
    assert operation.wire is not None
    with closing(session.connect()) as connection:
        return operation.wire(connection, 0, calls)


@pytest.mark.servers
class TestOperations:
    def test_go_to_every_node(self, session: RedisClusterSession) -> None:
        """A user's keys lie on all nodes, in about equal shares."""
        wire = get_wire(session, "get-distributed", 1_000)
        asked = [step.socket for (step,) in wire.calls]
        assert min(asked.count(node) for node in range(3)) > 200

    def test_ask_the_wrong_node_first_for_a_redirect(self, session: RedisClusterSession) -> None:
        """Each redirect is two steps with the same question, on two nodes."""
        wire = get_wire(session, "cross-slot", 100)
        assert all(
            first.data == second.data and first.socket != second.socket for first, second in wire.calls
        )

    def test_count_an_unexpected_redirect(self, session: RedisClusterSession) -> None:
        """A plain GET that is answered with MOVED was redirected; a redirect that did not happen is wrong."""
        get, redirected = get_wire(session, "get-distributed", 1), get_wire(session, "cross-slot", 1)
        assert get.check([b"-MOVED 1 127.0.0.1:1\r\n"]) == Outcome.REDIRECTED
        assert redirected.check([b"$-1\r\n", b"$-1\r\n"]) == Outcome.WRONG

    def test_leave_out_the_driver_where_it_cannot_follow(self, session: RedisClusterSession) -> None:
        """Where nodes announce addresses that are not ours, only the engine measures a redirect."""
        announced = dict(session._slots.announced)
        session._slots.announced.update({("172.20.2.13", 6379): announced.popitem()[1]})
        try:
            drivers = {each.name: each.driver is not None for each in session.operations()}
        finally:
            del session._slots.announced["172.20.2.13", 6379]
        assert drivers == {
            "floor": True,
            "set-distributed": True,
            "get-distributed": True,
            "cross-slot": False,
        }


@pytest.mark.servers
class TestFacts:
    def test_name_the_size(self, session: RedisClusterSession) -> None:
        """The product says how many nodes serve how many slots."""
        facts = session.facts()
        assert facts.product == f"Redis {facts.version} cluster (3 nodes, 16384 slots)"
        assert facts.settings["cluster-require-full-coverage"] == "yes"


@pytest.mark.servers
class TestClean:
    def test_leaves_what_is_not_ours(
        self, service: Service, session: RedisClusterSession, nodes: list[Redis]
    ) -> None:
        """After a session that was cut short and one more, every node holds what it held before."""
        session.clean()
        nodes[session._slots.of(b"somebody:else")].set("somebody:else", "kept")
        before = [sorted(node.keys()) for node in nodes]
        cut_short = open_session(service)
        cut_short.prepare()
        results(cut_short, "set-distributed", "engine")
        assert all(node.dbsize() > 1_000 for node in nodes)
        cut_short.close()

        with closing(open_session(service)) as again:
            again.prepare()
            again.clean()
            again.clean()

        assert before == [sorted(node.keys()) for node in nodes]
        assert before != [[], [], []]
        nodes[session._slots.of(b"somebody:else")].delete("somebody:else")
        session.prepare()


@pytest.mark.servers
class TestRefusals:
    def test_a_single_node(self, running_stack: Stack) -> None:
        """A Redis that is no cluster is refused in its own words."""
        with pytest.raises(ServiceRefused, match="cluster support disabled"):
            open_session(replace(running_stack.service("redis"), name="redis_cluster", kind="redis_cluster"))

    def test_an_unknown_node(self, service: Service) -> None:
        """A node that serves slots and is not in the stack file is named."""
        first, second, third = service.addresses
        with pytest.raises(ServiceRefused, match=f"call themselves {third}"):
            open_session(replace(service, addresses=(first, second)))

    def test_a_named_user_with_an_odd_password(self, service: Service, nodes: list[Redis]) -> None:
        """A user of the nodes' own lists is let in everywhere, by the driver's cluster client too."""
        for node in nodes:
            node.execute_command("ACL", "SETUSER", "odd", "on", f">{UNUSUAL}", "~*", "&*", "+@all")
        try:
            odd = replace(service, credentials=Credentials("odd", UNUSUAL))
            with closing(open_session(odd)) as session:
                session.prepare()
                assert results(session, "get-distributed", "driver") == RIGHT
                assert results(session, "get-distributed", "engine") == RIGHT
                session.clean()
        finally:
            for node in nodes:
                node.execute_command("ACL", "DELUSER", "odd")

    def test_a_wrong_password(self, service: Service) -> None:
        """Credentials that are refused are named as such."""
        with pytest.raises(ServiceRefused, match="refuses our credentials"):
            open_session(replace(service, credentials=Credentials("default", "wrong")))


class TestRanges:
    @pytest.mark.parametrize(
        ("numbers", "expected"), [([], ""), ([7], "7"), ([0, 1, 2, 9, 11, 12], "0-2, 9, 11-12")]
    )
    def test_are_short(self, numbers: list[int], expected: str) -> None:
        """Neighbours are written as a range."""
        assert expected == ranges(numbers)
