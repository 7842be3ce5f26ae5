from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from pymongo.synchronous.database import Database

from devperf_pipeline.errors import ServiceRefused
from devperf_pipeline.model import Credentials, Service, Stack
from devperf_pipeline.services.mongodb.session import MongodbSession, _what_runs, open_session
from devperf_pipeline.services.mongodb.workload import COMPLEX, RECIPES, SIMPLE
from devperf_pipeline_tests import administrators
from devperf_pipeline_tests.administrators import Mongo
from devperf_pipeline_tests.services.calls import CALLS, RIGHT, by_driver, by_engine, failed, named
from devperf_pipeline_tests.services.sessions import prepared_session, running


@pytest.fixture(scope="module", name="service")
def _service(running_stack: Stack) -> Service:
    return running(running_stack, "mongodb")


@pytest.fixture(scope="module", name="admin")
def _admin(service: Service) -> Iterator[Mongo]:
    with administrators.mongodb(service) as client:
        yield client


@pytest.fixture(name="ours")
def _ours(admin: Mongo) -> Database[dict[str, Any]]:
    return admin["devperf"]


@pytest.fixture(name="session")
def _session(service: Service) -> Iterator[MongodbSession]:
    with prepared_session(open_session(service)) as session:
        yield session


@pytest.mark.servers
class TestOperations:
    def test_writes_are_in_the_database(
        self, session: MongodbSession, ours: Database[dict[str, Any]]
    ) -> None:
        """Each call of the engine and of the driver inserts one document, or changes one."""
        with closing(session.connect()) as connection:
            for through in (by_engine, by_driver):
                through(named(session, "insert-one"), [connection])
                assert ours.inserted.count_documents({}) == CALLS
                through(named(session, "update-one"), [connection])
                assert ours.updated.count_documents({"version": {"$gt": 0}}) == CALLS

    def test_scan_has_no_index(self, session: MongodbSession, ours: Database[dict[str, Any]]) -> None:
        """The scan looks at the whole collection."""
        assert named(session, "collection-scan").title == "find (collection scan)"
        plan = ours.command("explain", {"find": "items", "filter": {"group": 7}}, verbosity="queryPlanner")
        assert "COLLSCAN" in str(plan["queryPlanner"]["winningPlan"])

    def test_errors_are_counted(self, session: MongodbSession, admin: Mongo) -> None:
        """A user who may only read meets errors when it writes, by engine and by driver."""
        reads = {"role": "read", "db": "devperf"}
        admin.admin.command("createUser", "devperf_reader", pwd="reader", roles=[reads])
        reader = replace(session._service, credentials=Credentials("devperf_reader", "reader"))
        op = named(session, "update-one")
        assert op.wire is not None
        try:
            with closing(open_session(reader)) as reads_only, closing(reads_only.connect()) as connection:
                wire = op.wire(connection, 0, CALLS)
                assert str(failed(op, wire, connection)).startswith("13 Unauthorized: ")
        finally:
            admin.admin.command("dropUser", "devperf_reader")


@pytest.mark.servers
class TestFacts:
    def test_what_runs(self, service: Service, session: MongodbSession, admin: Mongo) -> None:
        """The engine that really runs is named with its own version, and the settings of the stack file are there."""
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
        """Only MongoDB gets MongoDB's name alone; another engine is named, and the version it claims is not."""
        product, _ = _what_runs(built, status)
        is_mongodb = expected.startswith("MongoDB")
        assert product == (expected if is_mongodb else f"MongoDB protocol ({expected})")


@pytest.mark.servers
class TestRefusals:
    def test_empty_password(self, service: Service) -> None:
        """A password that the driver does not send is refused with what to do."""
        assert service.credentials is not None
        wrong = replace(service, credentials=Credentials(service.credentials.username, ""))
        with pytest.raises(ServiceRefused, match=f"{service.name} at .*stack file"):
            open_session(wrong)

    def test_odd_passwords_and_no_privilege(self, service: Service, admin: Mongo) -> None:
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

    def test_least_privileges_suffice(self, service: Service, admin: Mongo) -> None:
        """Who owns our database and nothing else can measure; users may be defined in any database."""
        owner = {"role": "dbOwner", "db": "devperf"}
        admin["elsewhere"].command("createUser", "devperf_owner", pwd="0wner", roles=[owner])
        try:
            own = replace(service, credentials=Credentials("devperf_owner", "0wner"), database="elsewhere")
            with closing(open_session(own)) as session:
                session.prepare()
                with closing(session.connect()) as connection:
                    assert [RIGHT] * CALLS == by_engine(named(session, "find-one"), [connection])
                session.clean()
            assert "devperf" not in admin.list_database_names()
        finally:
            admin["elsewhere"].command("dropUser", "devperf_owner")


class TestRecipes:
    def test_pipelines(self) -> None:
        """The simple aggregation has two stages; the complex one has five, and looks another collection up."""
        assert ["$match", "$group"] == [stage for each in SIMPLE for stage in each]
        assert ["$match", "$lookup", "$unwind", "$group", "$sort"] == [
            stage for each in COMPLEX for stage in each
        ]

    def test_wrong_answers(self) -> None:
        """Too few documents, one twice, a wrong order and a wrong value are each told."""
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
