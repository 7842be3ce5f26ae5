from importlib.resources import files

import duckdb
import pytest

from devperf_pipeline.store.sql_files import literal, statement

NAMES = sorted(
    file.name.removesuffix(".sql")
    for file in (files("devperf_pipeline.store") / "sql").iterdir()
    if file.name.endswith(".sql")
)


class TestStatements:
    @pytest.mark.parametrize("name", NAMES)
    def test_each_file_is_one_statement(self, name: str) -> None:
        """Every file must say what a row (of a scalar macro: the value) means and parse as exactly one statement."""
        text = statement(name)
        with duckdb.connect() as con:
            found = con.extract_statements(text)
        assert (1, True) == (len(found), text.startswith(("-- One row", "-- One value")))


class TestLiteral:
    def test_quotes_stay_text(self) -> None:
        """A text with quotes must come back as it was."""
        with duckdb.connect() as con:
            assert con.execute("select " + literal("it's; drop--")).fetchall() == [("it's; drop--",)]
