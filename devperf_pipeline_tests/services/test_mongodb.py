import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from typing import Any

import pymongo
import pytest
from pymongo.synchronous.database import Database

from devperf_pipeline.errors import ServiceRefused, ServiceUnreachable, WrongAnswer
from devperf_pipeline.measure.engine import blocking, exchange
from devperf_pipeline.model import Address, Credentials, Outcome, Service, Stack
from devperf_pipeline.services.mongodb import MARKER, MongodbSession, _what_runs, open_session
from devperf_pipeline.services.mongodb_operations import COMPLEX, RECIPES, SIMPLE
from devperf_pipeline_tests.services.calls import CALLS, RIGHT, by_driver, by_engine, named
from devperf_pipeline_tests.services.strangers import nobody, silence, talker, web_server

TITLES = {
    "floor": "ping",
    "insert-one": "insertOne",
    "find-one": "findOne (by _id)",
    "collection-scan": "find (collection scan)",
    "update-one": "updateOne (by _id)",
    "delete-one": "deleteOne (by _id)",
    "aggregate-simple": "aggregate (simple)",
    "aggregate-complex": "aggregate (complex)",
}

Admin = pymongo.MongoClient[dict[str, Any]]


@pytest.fixture(scope="module", name="service")
def _service(running_stack: Stack) -> Service:
    if "mongodb" in running_stack.missing:
        pytest.skip(running_stack.missing["mongodb"])
    return running_stack.service("mongodb")


@pytest.fixture(scope="module", name="admin")
def _admin(service: Service) -> Iterator[Admin]:
    """What an administrator sees, beside the session that is tested."""
    assert service.credentials is not None
    with Admin(
        service.address.host,
        service.address.port,
        username=service.credentials.username,
        password=service.credentials.password,
        directConnection=True,
    ) as client:
        yield client


@pytest.fixture(name="ours")
def _ours(admin: Admin) -> Database[dict[str, Any]]:
    return admin["devperf"]


@pytest.fixture(name="session")
def _session(service: Service) -> Iterator[MongodbSession]:
    session = open_session(service)
    session.prepare()
    yield session
    session.clean()
    session.close()


def contents(admin: Admin) -> dict[str, list[str]]:
    """
    Every database with its collections.
    """
    return {name: sorted(admin[name].list_collection_names()) for name in admin.list_database_names()}


@pytest.mark.servers
class TestOperations:
    def test_titles(self, session: MongodbSession) -> None:
        """
        The floor comes first, then the published operations under their published titles.
        """
        assert list(TITLES.items()) == [(each.name, each.title) for each in session.operations()]

    @pytest.mark.parametrize("name", TITLES)
    def test_engine(self, session: MongodbSession, name: str) -> None:
        """
        Every call of two users is answered right, to the last value.
        """
        with closing(session.connect()) as one, closing(session.connect()) as two:
            assert [RIGHT] * (2 * CALLS) == by_engine(named(session, name), [one, two])

    @pytest.mark.parametrize("name", TITLES)
    def test_driver_after_engine_on_one_connection(self, session: MongodbSession, name: str) -> None:
        """
        The driver gives right answers on a connection whose socket the engine used before, and gives it back.
        """
        with closing(session.connect()) as connection:
            for through in (by_engine, by_driver, by_engine, by_driver):
                assert [RIGHT] * CALLS == through(named(session, name), [connection])

    def test_delete_twice_is_wrong(self, session: MongodbSession) -> None:
        """
        A document that is gone cannot be deleted again: both instruments say so.
        """
        op = named(session, "delete-one")
        assert op.finite
        with closing(session.connect()) as connection:
            by_engine(op, [connection])
            spent = replace(op, reset=None)

            assert {Outcome.WRONG} == {outcome for outcome, _ in by_engine(spent, [connection])}
            assert {Outcome.WRONG} == {outcome for outcome, _ in by_driver(spent, [connection])}

    def test_writes_are_in_the_database(
        self, session: MongodbSession, ours: Database[dict[str, Any]]
    ) -> None:
        """
        Each call of the engine and of the driver inserts one document, or changes one.
        """
        with closing(session.connect()) as connection:
            for through in (by_engine, by_driver):
                through(named(session, "insert-one"), [connection])
                assert ours.inserted.count_documents({}) == CALLS
                through(named(session, "update-one"), [connection])
                assert ours.updated.count_documents({"version": {"$gt": 0}}) == CALLS

    def test_scan_has_no_index(self, session: MongodbSession, ours: Database[dict[str, Any]]) -> None:
        """
        The scan looks at the whole collection.
        """
        assert named(session, "collection-scan").title == "find (collection scan)"
        plan = ours.command("explain", {"find": "items", "filter": {"group": 7}}, verbosity="queryPlanner")
        assert "COLLSCAN" in str(plan["queryPlanner"]["winningPlan"])

    def test_errors_are_counted(self, session: MongodbSession, admin: Admin) -> None:
        """
        A user who may only read meets errors when it writes, by engine and by driver.
        """
        reads = {"role": "read", "db": "devperf"}
        admin.admin.command("createUser", "devperf_reader", pwd="reader", roles=[reads])
        reader = replace(session._service, credentials=Credentials("devperf_reader", "reader"))
        op = named(session, "update-one")
        assert op.wire is not None
        assert op.driver is not None
        try:
            with closing(open_session(reader)) as visit, closing(visit.connect()) as connection:
                wire = op.wire(connection, 0, CALLS)
                blocking(wire.sockets)
                replies = exchange(wire.sockets, wire.calls[0])
                assert wire.check(replies) == Outcome.ERROR
                assert str(wire.verify(replies)).startswith("13 Unauthorized: ")
                driver = op.driver(connection, 0, CALLS)
                with pytest.raises(driver.exceptions) as caught:
                    driver.call(0)
                assert driver.failure(caught.value) == Outcome.ERROR
        finally:
            admin.admin.command("dropUser", "devperf_reader")

    def test_a_broken_connection_is_lost(self, session: MongodbSession) -> None:
        """
        A call whose connection ended is lost.
        """
        floor = session.operations()[0]
        assert floor.driver is not None
        with closing(session.connect()) as connection:
            driver = floor.driver(connection, 0, 1)
            connection.socket.shutdown(2)
            with pytest.raises(driver.exceptions) as caught:
                driver.call(0)
            assert driver.failure(caught.value) == Outcome.LOST


@pytest.mark.servers
class TestFacts:
    def test_what_runs(self, service: Service, session: MongodbSession, admin: Admin) -> None:
        """
        The engine that really runs is named with its own version, and the settings of the stack file are there.
        """
        facts = session.facts()
        built = admin.admin.command("buildInfo")

        assert service.settings.items() <= {**facts.settings, "wiredTigerCacheSizeGB": 1}.items()
        if "secantusVersion" in built:
            assert f"MongoDB protocol (SecantusDB {built['secantusVersion']})" == facts.product
            assert (built["secantusVersion"], False) == (facts.version, built["version"] in facts.product)
        else:
            assert (f"MongoDB {built['version']}", built["version"]) == (facts.product, facts.version)


class TestWhatRuns:
    @pytest.mark.parametrize(
        ("built", "status", "expected"),
        [
            (
                {"version": "7.0.16", "gitVersion": "18b949444cfdaa88e30b0e10243bc18268251c1f"},
                {},
                "MongoDB 7.0.16",
            ),
            (
                {"version": "7.0.42", "gitVersion": "abc", "ferretdbVersion": "v1.24.2"},
                {},
                "FerretDB v1.24.2",
            ),
            (
                {"version": "8.2.11", "gitVersion": "0" * 40},
                {"secantus": {"version": "0.7.0"}},
                "SecantusDB 0.7.0",
            ),
            ({"version": "8.2.11", "gitVersion": "0" * 40}, {}, "an unknown engine"),
            ({"version": "7.0.0"}, {}, "an unknown engine"),
        ],
    )
    def test_never_by_what_it_claims(
        self, built: dict[str, Any], status: dict[str, Any], expected: str
    ) -> None:
        """
        Only MongoDB gets MongoDB's name alone; another engine is named, and the version it claims is not.
        """
        product, _ = _what_runs(built, status)
        is_mongodb = expected.startswith("MongoDB")
        assert product == (expected if is_mongodb else f"MongoDB protocol ({expected})")


@pytest.mark.servers
class TestCleaning:
    def test_nothing_is_left(self, service: Service, admin: Admin) -> None:
        """
        The server's databases are the same before and after; cleaning twice, or without preparing, does no harm.
        """
        before = contents(admin)
        with closing(open_session(service)) as session:
            session.clean()
            session.prepare()
            during = contents(admin)
            session.prepare()
            session.clean()
            session.clean()

        assert before.keys() | {"devperf"} == during.keys()
        assert before == contents(admin)

    def test_what_a_killed_visit_left_is_replaced(self, service: Service, admin: Admin) -> None:
        """
        A visit that never cleaned does not stop the next one.
        """
        before = contents(admin)
        with closing(open_session(service)) as killed:
            killed.prepare()
        with closing(open_session(service)) as session:
            session.prepare()
            session.clean()

        assert before == contents(admin)

    def test_cleaning_survives_a_broken_connection(self, service: Service, admin: Admin) -> None:
        """
        A session whose own connection ended still removes its database.
        """
        before = contents(admin)
        with closing(open_session(service)) as session:
            session.prepare()
            session._own.socket.shutdown(2)
            session.clean()

        assert before == contents(admin)

    def test_a_foreign_database_is_refused_and_untouched(
        self, service: Service, admin: Admin, ours: Database[dict[str, Any]]
    ) -> None:
        """
        A database of our name without our collection stops the visit, and is still there after cleaning.
        """
        ours.precious.insert_one({"_id": 42})
        try:
            with closing(open_session(service)) as session:
                with pytest.raises(ServiceRefused, match=f"does not hold our collection {MARKER}"):
                    session.prepare()
                session.clean()
            assert list(ours.precious.find()) == [{"_id": 42}]
        finally:
            admin.drop_database("devperf")


@pytest.mark.servers
class TestRefusals:
    @pytest.mark.parametrize("password", ["wr0ng'\"%@ä", ""])
    def test_wrong_password(self, service: Service, password: str) -> None:
        """
        A wrong password is refused with the user's name and the address, never with the password.
        """
        assert service.credentials is not None
        wrong = replace(service, credentials=Credentials(service.credentials.username, password))
        with pytest.raises(ServiceRefused, match=service.name) as caught:
            open_session(wrong)

        assert "stack file" in str(caught.value)
        assert "wr0ng" not in str(caught.value)

    def test_odd_passwords_and_no_privilege(self, service: Service, admin: Admin) -> None:
        """
        Quotes, spaces, percent and at signs, backslashes and letters beyond Latin-1 let a user in;
        without privileges he is told which he needs.
        """
        password = "p'w \"%@:/\\ äλ"
        admin.admin.command("createUser", "devperf_poor", pwd=password, roles=[])
        try:
            poor = replace(service, credentials=Credentials("devperf_poor", password))
            with closing(open_session(poor)) as session:
                assert session.facts().version
                with pytest.raises(ServiceRefused, match="role dbOwner on devperf"):
                    session.prepare()
        finally:
            admin.admin.command("dropUser", "devperf_poor")

    def test_least_privileges_suffice(self, service: Service, admin: Admin) -> None:
        """
        Who owns our database and nothing else can measure; users may be defined in any database.
        """
        owner = {"role": "dbOwner", "db": "devperf"}
        admin["elsewhere"].command("createUser", "devperf_owner", pwd="0wner", roles=[owner])
        try:
            own = replace(service, credentials=Credentials("devperf_owner", "0wner"), database="elsewhere")
            with closing(open_session(own)) as session:
                session.prepare()
                with closing(session.connect()) as connection:
                    assert [RIGHT] * CALLS == by_engine(named(session, "find-one"), [connection])
                session.clean()
            assert "devperf" not in contents(admin)
        finally:
            admin["elsewhere"].command("dropUser", "devperf_owner")


def stranger(address: Address) -> Service:
    return Service(name="mo", kind="mongodb", addresses=(address,), credentials=Credentials("me", "mine"))


Stranger = Callable[[], AbstractContextManager[Address]]


class TestStrangers:
    def test_nobody(self) -> None:
        """
        A closed port is told with its address and what to do.
        """
        with nobody() as address, pytest.raises(ServiceUnreachable, match=f"mo: .*{address}.*Start it"):
            open_session(stranger(address))

    @pytest.mark.parametrize("words", [b"SSH-2.0-OpenSSH_9.2\r\n", b"220 mail.example ESMTP\r\n"])
    def test_another_protocol(self, words: bytes) -> None:
        """
        What was heard is told.
        """
        with talker(words) as address, pytest.raises(WrongAnswer, match=words.decode().strip()):
            open_session(stranger(address))

    @pytest.mark.servers  # they take the whole deadline
    @pytest.mark.parametrize(
        ("who", "error", "says"),
        [(silence, ServiceUnreachable, "within 3 s"), (web_server, WrongAnswer, "HTML")],
    )
    def test_ends_in_time(self, who: Stranger, error: type[Exception], says: str) -> None:
        """
        Who accepts and never answers, or speaks HTTP, is given up within 10 seconds.
        """
        began = time.monotonic()
        with who() as address, pytest.raises(error, match=says):
            open_session(stranger(address))

        assert time.monotonic() - began < 10


class TestRecipes:
    def test_pipelines(self) -> None:
        """
        The simple aggregation has two stages; the complex one has five, and looks another collection up.
        """
        assert ["$match", "$group"] == [stage for each in SIMPLE for stage in each]
        assert ["$match", "$lookup", "$unwind", "$group", "$sort"] == [
            stage for each in COMPLEX for stage in each
        ]

    def test_wrong_answers(self) -> None:
        """
        Too few documents, one twice, a wrong order and a wrong value are each told.
        """
        recipe = next(each for each in RECIPES if each.name == "aggregate-complex")
        assert recipe.right is not None
        right = [recipe.right(region) for region in range(recipe.count)]
        altered = {**right[0], "amount": 0}
        answers = [right, right[1:], [right[1], *right[1:]], right[::-1], [altered, *right[1:]]]
        said = [recipe.wrong((len(answer), answer)) for answer in answers]
        assert said == [
            None,
            "6 documents instead of 7",
            "the same document came twice",
            "the documents came in the order [6, 5, 4, 3, 2, 1, 0]",
            f"document 0 is {altered!r} instead of {right[0]!r}",
        ]
