from pathlib import Path

import pytest

from devperf_pipeline.errors import ConfigurationError
from devperf_pipeline.model import Expectation, OwnOperation
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.own_operations import choices, drawn, filled
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.own_operations import NamedOperation, own_operations, placeholders
from devperf_pipeline.stack.source import Source
from devperf_pipeline.stack.stack_file import load_stack

STACK = """name = "shop"
managed = false

[services.postgresql]
kind = "postgresql"
address = "127.0.0.1:5432"

[[services.postgresql.operations]]
title = "orders of a customer"
sql = "select * from orders where customer_id = $1 limit 20;"
parameters = [{ sql = "select id from customers limit 500" }]
users = [1, 10]
expect = { rows = [1, 20], contains = "paid" }

[[services.postgresql.operations]]
title = 'a "quoted" title'
sql = "select $1, $2, $3"
parameters = [["red", 7, 2.5, true, 2026-12-01], { range = [1, 5000] }, 42]
writes = true
"""


def written(tmp_path: Path, text: str) -> str:
    (tmp_path / "shop.toml").write_text(text, encoding="utf-8")
    return str(tmp_path / "shop.toml")


def operations(tmp_path: Path, text: str = STACK) -> tuple[OwnOperation, ...]:
    stack = load_stack(written(tmp_path, text), Folders(tmp_path), CATALOGUE)
    return stack.service("postgresql").own_operations


def complaint(tmp_path: Path, was: str, now: str, text: str = STACK) -> str:
    """What is said about the stack file with that change, without the folder it lies in."""
    assert was in text
    with pytest.raises(ConfigurationError) as caught:
        operations(tmp_path, text.replace(was, now))
    return str(caught.value).replace(f"{tmp_path}/", "")


class TestStatements:
    def test_are_what_the_file_says(self, tmp_path: Path) -> None:
        """Text, parameters, users and what is expected come from the file, with the line where each begins."""
        first, second = operations(tmp_path)

        assert (f"{tmp_path}/shop.toml, line 8", f"{tmp_path}/shop.toml, line 15") == (
            first.where,
            second.where,
        )
        assert {"sql": "select * from orders where customer_id = $1 limit 20"} == first.asked
        assert ["select id from customers limit 500"] == [one.query for one in first.values.values()]
        assert ((1, 10), False, Expectation(rows=(1, 20), contains="paid")) == (
            first.users,
            first.writes,
            first.expected,
        )
        assert [("red", 7, 2.5, True, "2026-12-01"), range(1, 5001), (42,)] == [
            one.listed for one in second.values.values()
        ]
        assert second.writes

    def test_are_named_by_title_and_text(self, tmp_path: Path) -> None:
        """Another text or other parameters have another name; users and expectations do not matter to it."""
        name = operations(tmp_path)[0].name
        same = STACK.replace("[1, 10]", "[1]").replace('"paid"', '"sold"')
        others = [
            operations(tmp_path, STACK.replace(was, now))[0].name
            for was, now in (("limit 20;", "limit 21"), ("limit 500", "limit 400"), ("orders of", "carts of"))
        ]

        assert name.startswith("own-orders-of-a-customer-")
        assert name == operations(tmp_path, same)[0].name
        assert 4 == len({name, *others})

    def test_of_any_script_have_a_name(self, tmp_path: Path) -> None:
        """A title without a Latin letter is told from others by the digest alone."""
        name = operations(tmp_path, STACK.replace("orders of a customer", "заказы ☃"))[0].name

        assert len("own-1a2b3c4d") == len(name)

    @pytest.mark.parametrize(
        ("was", "now", "said"),
        [
            (
                'title = "orders of a customer"',
                'title = "a\\nb"',
                "shop.toml, line 9: services.postgresql.operations.1.title: expected a title on one line",
            ),
            ("orders of a customer", "x" * 1000, "expected a title of at most 80 characters, found 1000"),
            ("orders of a customer", 'A \\"Quoted\\" title', "expected titles that differ, found"),
            (
                'title = "orders of a customer"\n',
                "",
                "shop.toml, line 8: services.postgresql.operations.1: expected the key 'title' (text in quotes), found none.",
            ),
            (
                "users = [1, 10]",
                "user = [1]",
                "line 12: services.postgresql.operations.1.user: expected one of title",
            ),
            ("users = [1, 10]", "users = [0]", "expected numbers of users from 1 to 200, found 0"),
            ("users = [1, 10]", "users = [1, 1]", "expected 1 to 5 different numbers of users"),
            ("users = [1, 10]", "users = 1", "expected a list of numbers of users"),
            (
                "rows = [1, 20]",
                "rows = [2, 1]",
                "expected a number of rows, or [the least, the most], found [2, 1]",
            ),
            (
                "rows = [1, 20]",
                "row = 1",
                "line 13: services.postgresql.operations.1.expect.row: expected one of rows",
            ),
            (
                'sql = "select $1, $2, $3"',
                'sql = " ; "',
                "line 17: services.postgresql.operations.2.sql: expected",
            ),
            ('sql = "select $1, $2, $3"', 'sql = "a\\u0000b"', "expected text without NUL characters"),
            ("{ range = [1, 5000] }", "{ range = [5, 1] }", "expected the first and the last whole number"),
            ("{ range = [1, 5000] }", "{ ranges = [5, 1] }", "or { sql = … } with a query in quotes, found"),
            ("{ range = [1, 5000] }", "[]", "expected 1 to 10,000 values, found 0"),
            ("{ range = [1, 5000] }", str(list(range(10_001))), "expected 1 to 10,000 values, found 10,001"),
            ("{ range = [1, 5000] }", f'["{"x" * 10_001}"]', "expected values of at most 10,000 characters"),
            (
                "{ range = [1, 5000] }",
                "[[1]]",
                "expected values that are text, numbers, dates, true or false",
            ),
            ("{ range = [1, 5000] }", "9223372036854775808", "expected whole numbers of at most 64 bits"),
            (
                "[services.postgresql]\n",
                "[services.postgresql]\noperation = 1\n",
                "Did you mean 'operations'?",
            ),
        ],
    )
    def test_mistakes_are_told_with_their_place(self, tmp_path: Path, was: str, now: str, said: str) -> None:
        """Each mistake is told with file, line, what was expected and what was found."""
        found = complaint(tmp_path, was, now)

        assert said in found
        assert found.startswith("shop.toml, line ")

    def test_too_many_are_refused(self, tmp_path: Path) -> None:
        """A service has at most 50 of its own."""
        many = "".join(
            f'[[services.postgresql.operations]]\ntitle = "t{number}"\nsql = "select {number}"\n'
            for number in range(51)
        )
        with pytest.raises(ConfigurationError, match="expected at most 50 operations, found 51"):
            operations(tmp_path, STACK.partition("[[")[0] + many)


class Lookup(NamedOperation):
    """One of a kind with named placeholders."""

    command: list[str]


class TestNamedPlaceholders:
    def lookup(self, monkeypatch: pytest.MonkeyPatch, **keys: object) -> OwnOperation:
        monkeypatch.setattr("devperf_pipeline.stack.own_operations.TABLES", {"lines": Lookup})
        source = Source(Path("it.toml"), "")
        [found] = own_operations(source, ("services", "lines"), "lines", [{"title": "look up", **keys}])
        return found

    def test_have_their_values_under_a_key_of_their_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What stands under such a key is drawn for each call, of the type it has."""
        own = self.lookup(monkeypatch, command=["GET", "a:{id}", "{id}", "{{id}}"], id={"range": [7, 7]})
        [values] = drawn(own, choices(own), 0, 1)

        assert ["GET", "a:7", 7, "{id}"] == filled(
            own.asked["command"], dict(zip(own.values, values, strict=True))
        )

    def test_of_a_slot_keep_their_braces(self) -> None:
        """Three braces are a value in braces, as the keys of a cluster have them."""
        assert "{7}:cart {user:7}" == filled("{{{id}}}:cart {user:{id}}", {"id": 7})

    def test_stand_in_any_text_of_a_question(self) -> None:
        """Lists, keys and values of tables are looked through; other braces are no placeholders."""
        asked = {"json": {"{key}": ["{word}", 1, {"x": "{ no }{}"}]}}

        assert ["key", "word"] == list(placeholders(asked))
        assert {"json": {"a": [True, 1, {"x": "{ no }{}"}]}} == filled(asked, {"key": "a", "word": True})

    @pytest.mark.parametrize(
        ("keys", "said"),
        [
            (
                {"command": ["{id}"]},
                r"expected the key 'id' with the values of \{id\}.*Where these letters are meant",
            ),
            (
                {"command": ["{id}"], "ids": [1]},
                "operations.1.ids: expected one of .*, found 'ids'. Did you mean 'id'",
            ),
            (
                {"command": ["{title}"]},
                "expected placeholders of other names than the keys have, found 'title'",
            ),
            ({"command": ["{id}"], "id": {"sql": "select 1"}}, "expected a list of values, { range = "),
        ],
    )
    def test_and_keys_belong_together(
        self, monkeypatch: pytest.MonkeyPatch, keys: dict[str, object], said: str
    ) -> None:
        """A placeholder without values and values without a placeholder are mistakes."""
        with pytest.raises(ConfigurationError, match=said):
            self.lookup(monkeypatch, **keys)


class TestDrawing:
    def test_is_the_same_in_every_baseline(self, tmp_path: Path) -> None:
        """A user draws the same values again, another user others, all from what is listed."""
        own = operations(tmp_path)[1]
        among = choices(own)
        first, again, other = drawn(own, among, 0, 500), drawn(own, among, 0, 500), drawn(own, among, 1, 500)

        assert first == again != other
        assert {42} == {row[2] for row in first}
        assert set(own.values["1"].listed) == {row[0] for row in first}
        assert len({row[1] for row in first}) > 400

    def test_of_a_query_fills_as_many_as_it_has_columns(self, tmp_path: Path) -> None:
        """A row of a query stays together."""
        own = operations(tmp_path)[0]
        among = choices(own, lambda _query: [(number, number + 1) for number in range(9)])

        assert {(number, number + 1) for number in range(9)} == set(drawn(own, among, 0, 500))

    def test_without_placeholders_is_one_call(self, tmp_path: Path) -> None:
        """Calls that are all alike are prepared once."""
        own = operations(tmp_path, STACK.partition("parameters")[0])[0]

        assert [()] == drawn(own, choices(own), 0, 1000)
