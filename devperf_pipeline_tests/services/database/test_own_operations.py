import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devperf_pipeline.model import Expectation, OwnOperation, Service, Stack, Value, Values
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.operation import Operation, Session
from devperf_pipeline.services.own_operations import learnt
from devperf_pipeline.services.whole_stack import run_preflight
from devperf_pipeline_tests.administrators import ask
from devperf_pipeline_tests.services.calls import RIGHT, by_driver, by_engine
from devperf_pipeline_tests.services.sessions import running

KINDS = ("postgresql", "pgbouncer", "mysql")
CALLS = 30


def own(sql: str, *parameters: Sequence[Value] | str, title: str = "it", **more: Any) -> OwnOperation:
    """A statement of a stack file; a parameter is a list of values, or a query."""
    values = {
        str(number): Values(query=each) if isinstance(each, str) else Values(listed=each)
        for number, each in enumerate(parameters, 1)
    }
    return OwnOperation(
        name=f"own-{title}", title=title, where="shop.toml, line 7", asked={"sql": sql}, values=values, **more
    )


@pytest.fixture(scope="module", name="service", params=KINDS)
def _service(running_stack: Stack, request: pytest.FixtureRequest) -> Iterator[Service]:
    """A server that holds somebody's tables: goods of 300 rows, and a log that is empty."""
    service = running(running_stack, request.param)
    behind = running(running_stack, "mysql" if service.kind == "mysql" else "postgresql")
    charset = "CHARSET utf8mb4" if service.kind == "mysql" else ""
    ask(behind, f"CREATE TABLE own_goods (id INT PRIMARY KEY, name VARCHAR(100), price INT) {charset}")
    ask(behind, "CREATE TABLE own_log (id INT)")
    rows = ", ".join(f"({number}, 'good {number}', {number * 3})" for number in range(1, 301))
    ask(behind, f"INSERT INTO own_goods VALUES {rows}")  # noqa: S608 - our own rows
    try:
        yield service
    finally:
        ask(behind, "DROP TABLE own_goods")
        ask(behind, "DROP TABLE own_log")


@pytest.fixture(name="session")
def _session(service: Service) -> Iterator[Session]:
    with closing(CATALOGUE[service.kind].open_session(service)) as session:
        session.assume()
        yield session


Refusal = Callable[..., str]


@pytest.fixture(name="refusal")
def _refusal(service: Service, session: Session) -> Refusal:
    """Why an operation is not measured."""

    def refusal(sql: str, *parameters: Sequence[Value] | str, **more: Any) -> str:
        one = own(in_words(service, sql), *parameters, **more)
        assert [] == learnt(session, replace(service, own_operations=(one,)))
        return session.unmeasurable.pop(one.title)

    return refusal


def in_words(service: Service, sql: str) -> str:
    """A statement with the placeholders of that server."""
    return re.sub(r"\$\d", "?", sql) if service.kind == "mysql" else sql


def verdicts(operation: Operation, users: int = 2, calls: int = CALLS) -> set[Any]:
    """What becomes of calls of the engine and of the driver, on connections as a run makes them."""
    assert operation.connect is not None
    with ExitStack() as stack:
        connections = [stack.enter_context(closing(operation.connect())) for _ in range(users)]
        return {*by_engine(operation, connections, calls), *by_driver(operation, connections, calls)}


@pytest.mark.servers
class TestAnswers:
    @pytest.mark.parametrize(
        ("sql", "parameters", "more"),
        [
            ("select * from own_goods where id = $1", ["select id from own_goods"], {}),
            ("select * from own_goods where id = $1 and price > $2", [range(1, 300), [0, -1]], {}),
            ("select id from own_goods where name = $1", [["good 7", "ü☃'\"\\", "x" * 500]], {}),
            ("select name from own_goods -- a comment?", [], {"expected": Expectation(rows=(300, 300))}),
            ("select name from own_goods where name like '%7?'", [], {}),
            (
                "select name from own_goods where id = $1",
                [[7]],
                {"expected": Expectation(rows=(1, 1), contains="good 7")},
            ),
            ("select null, 1.5, name from own_goods order by id limit 255", [], {}),
            ("insert into own_log values ($1)", [[1, 2]], {"writes": True}),
            ("update own_log set id = id where id = $1", [[-1]], {"writes": True}),
        ],
    )
    def test_are_right(
        self,
        service: Service,
        session: Session,
        sql: str,
        parameters: list[Any],
        more: dict[str, Any],
    ) -> None:
        """Every call of the engine and of the driver, of two users, is answered as the first ones were."""
        operation = session.own_operation(own(in_words(service, sql), *parameters, **more))

        assert {RIGHT} == verdicts(operation)

    def test_of_many_rows_are_read_to_their_end(self, session: Session) -> None:
        """10,000 rows and more are one answer, received whole."""
        sql = "select a.id, b.name, 'Z' from own_goods a cross join own_goods b where b.id <= 40"
        operation = session.own_operation(own(sql, expected=Expectation(rows=(12_000, 12_000))))

        assert {RIGHT} == verdicts(operation, users=1, calls=3)

    def test_that_fall_short_are_wrong(self, service: Service, session: Session) -> None:
        """Where the first answers had rows, one that has none is wrong; `expect` says it more narrowly."""
        sql = in_words(service, "select * from own_goods where id > 0 and id <= $1")
        operation = session.own_operation(own(sql, [300]))
        behind = replace(service, own_operations=())
        ask(behind, "UPDATE own_goods SET id = -id")
        try:
            found = verdicts(operation)
        finally:
            ask(behind, "UPDATE own_goods SET id = -id")

        assert {"0 rows instead of 1 or more"} == {said for _, said in found}
        assert {RIGHT} == verdicts(operation)

    def test_name_the_plan_without_what_was_asked(self, service: Service, session: Session) -> None:
        """How the server answers is told, without the values of the statement."""
        sql = "select id from own_goods where price = $1 and name <> 's3cret'"
        plan = session.own_operation(own(in_words(service, sql), [987_654])).plan

        assert plan is not None
        assert "own_goods" in plan
        assert "987654" not in plan
        assert "s3cret" not in plan

    def test_are_shown(self, service: Service, session: Session) -> None:
        """Asked once, columns and first rows are shown, cut and harmless, with how many rows there are."""
        sql = "select id, concat('a\x1b[31m', name) as colour, null as nothing from own_goods order by id"
        answer = session.first_answer(own(in_words(service, sql)))

        assert 300 == answer.rows
        assert 0 < answer.took_ns
        assert ["id | colour | nothing", "1 | a [31mgood 1 | NULL"] == list(answer.lines[:2])
        assert 11 == len(answer.lines)


@pytest.mark.servers
class TestMistakes:
    @pytest.mark.parametrize(
        ("sql", "parameters", "said"),
        [
            ("selec 1", [], "shop.toml, line 7: .*(syntax error|error in your SQL syntax)"),
            ("select * from own_missing", [], "own_missing"),
            ("select * from own_goods where id = $1", [], r"parameter|\$1"),
            ("select * from own_goods where id = 1", [[1]], "parameter"),
            (
                "select * from own_goods where id = $1",
                ["select id from own_goods where id < 0"],
                "to return rows",
            ),
            ("select * from own_goods where id = $1", ["select i from own_goods"], "column"),
            ("select 1; drop table own_goods", [], "multiple commands|error in your SQL syntax"),
            ("delete from own_goods", [], "(read-only|READ ONLY) transaction.*writes = true"),
            ("insert into own_goods values ($1, 'x', 1)", [[7000]], "(read-only|READ ONLY) transaction"),
            (
                "select * from own_goods where id = $1",
                ["delete from own_goods"],
                "(read-only|READ ONLY) transaction",
            ),
            (
                "select repeat(a.name, 2000) from own_goods a, own_goods b where b.id <= 40",
                [],
                "at most 64 MiB",
            ),
        ],
    )
    def test_are_told_in_the_words_of_the_server(
        self, refusal: Refusal, service: Service, sql: str, parameters: list[Any], said: str
    ) -> None:
        """The server's own sentence is told with file and line, before anything is measured; nothing is changed."""
        told = refusal(sql, *parameters)

        assert told.startswith("shop.toml, line 7: ")
        assert "\n" not in told
        assert re.search(said, told)
        assert [(300,)] == ask(service, "select count(*) from own_goods")

    def test_cost_themselves_alone(self, service: Service, session: Session) -> None:
        """Others are learnt, in their order, and a title that is a row's of ours is refused."""
        ours = session.operations()[1].title
        given = (
            own("select 1", title="one"),
            own("selec 1", title="two"),
            own("select 3", title="three"),
            own("select 4", title=ours),
        )
        found = learnt(session, replace(service, own_operations=given))

        assert ["one", "three"] == [operation.title for operation in found]
        assert {"two", ours} == session.unmeasurable.keys()

    def test_are_told_by_doctor(self, service: Service) -> None:
        """Without a baseline, too, they are told with their place."""
        mistaken = replace(service, own_operations=(own("selec 1"), own("select 1", title="other")))
        [found] = run_preflight(Stack(name="it", path=Path("it"), managed=False, services=(mistaken,)))

        assert 1 == len([said for said in found.warnings if "not measured: it: shop.toml, line 7: " in said])
        assert [] == [said for said in found.warnings if ": other: " in said]

    def test_against_what_is_expected_are_told(self, refusal: Refusal) -> None:
        """A first answer that is not as the file expects it is a mistake of the file."""
        rows = refusal("select * from own_goods", expected=Expectation(rows=(1, 20)))
        words = refusal("select * from own_goods", expected=Expectation(contains="sold out"))

        assert "expected an answer as 'expect' says, found 300 rows instead of 1 to 20" in rows
        assert "'sold out' does not stand in the answer" in words


@pytest.mark.servers
@pytest.mark.parametrize("service", ["postgresql", "pgbouncer"], indirect=True)
class TestReadOnly:
    @pytest.mark.parametrize(
        ("sql", "said"),
        [
            (
                "select set_config('default_transaction_read_only', 'off', false)",
                "changes settings of its session",
            ),
            ("select set_config('transaction_read_only', 'off', true)", "must be set before any query"),
            ("set default_transaction_read_only = off", "EXPLAIN"),
            ("set session characteristics as transaction read write", "EXPLAIN"),
            ("with gone as (delete from own_goods returning id) select * from gone", "read-only transaction"),
            ("explain analyze delete from own_goods", "EXPLAIN"),
            ("do $$ begin commit; delete from own_goods; end $$", "EXPLAIN"),
            ("copy own_goods to program 'true'", "EXPLAIN"),
            ("commit", "EXPLAIN"),
            ("select * from own_goods for update", "read-only transaction"),
            ("select nextval('own_sequence')", "own_sequence"),
        ],
    )
    def test_cannot_be_turned_off(self, refusal: Refusal, service: Service, sql: str, said: str) -> None:
        """No statement that does not say that it writes gets out of the read-only transaction."""
        assert said in refusal(sql)
        assert [(300,)] == ask(service, "select count(*) from own_goods")

    def test_holds_in_every_call(self, service: Service, session: Session) -> None:
        """What would write only when it is measured is refused there, by engine and by driver, and nothing is written."""
        ask(
            service,
            "CREATE FUNCTION own_trick() RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF (SELECT count(*) FROM own_log "
            "WHERE id = 5) > 0 THEN INSERT INTO own_log VALUES (6); END IF; RETURN 1; END $$",
        )
        try:
            operation = session.own_operation(own("select own_trick()"))
            ask(service, "INSERT INTO own_log VALUES (5)")
            assert operation.connect is not None
            with closing(operation.connect()) as connection:
                found = by_engine(operation, [connection], CALLS)
                assert operation.driver is not None
                driver = operation.driver(connection, 0, CALLS)
                with pytest.raises(driver.exceptions, match="read-only transaction"):
                    driver.call(0)
        finally:
            written = ask(service, "SELECT count(*) FROM own_log WHERE id = 6")
            ask(service, "DELETE FROM own_log")
            ask(service, "DROP FUNCTION own_trick()")

        assert [(0,)] == written
        assert all("read-only transaction" in str(said) for _, said in found)

    def test_is_for_those_that_may_not_write_alone(self, service: Service, session: Session) -> None:
        """The session's own connections still write, and so do operations that say so."""
        writing = session.own_operation(own("insert into own_log values ($1)", [9], writes=True))
        with closing(session.connect()) as connection:
            connection.driver.execute("INSERT INTO own_log VALUES (9)")  # type: ignore[attr-defined]

        assert {RIGHT} == verdicts(writing)
        ask(service, "DELETE FROM own_log")
        assert writing.connect != session.own_operation(own("select 1")).connect

    @pytest.mark.parametrize(
        "sql", ["begin", "commit", "copy own_log from stdin", "vacuum; drop table own_goods"]
    )
    def test_others_are_no_statements(self, refusal: Refusal, service: Service, sql: str) -> None:
        """What begins or ends transactions, copies, or is several, is not measured even where it may write."""
        assert refusal(sql, writes=True)
        assert [(300,)] == ask(service, "select count(*) from own_goods")


@pytest.mark.servers
@pytest.mark.parametrize("service", ["mysql"], indirect=True)
class TestReadOnlyMysql:
    @pytest.mark.parametrize(
        ("sql", "said"),
        [
            ("set session transaction read write", "found one that returns none"),
            ("set statement tx_read_only = 0 for insert into own_log values (6) returning id", "."),
            ("set statement tx_read_only = 0 for select 1", "EXPLAIN"),
            ("select name from own_goods into outfile '/tmp/own_goods'", "found one that returns none"),
            ("begin not atomic set session transaction read write; delete from own_goods; end", "."),
            ("commit", "found one that returns none"),
            ("select * from own_goods for update", "READ ONLY transaction"),
        ],
    )
    def test_cannot_be_turned_off(self, refusal: Refusal, service: Service, sql: str, said: str) -> None:
        """No statement that does not say that it writes gets out of the read-only session."""
        assert said in refusal(sql)
        assert [(300, 0)] == ask(
            service, "select (select count(*) from own_goods), (select count(*) from own_log where id = 6)"
        )
