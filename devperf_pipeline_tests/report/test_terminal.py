from datetime import UTC, datetime

from devperf_pipeline.report import terminal


class TestTable:
    def test_lines_up(self) -> None:
        """Words stand to the left, numbers to the right with six digits, nothing stands for null."""
        text = terminal.table(("name", "ms"), [("GET (hit)", 0.0176361234), ("SET", 12), (None, None)])

        assert [
            "name              ms",
            "────────────────────",
            "GET (hit)  0.0176361",
            "SET               12",
            "",
        ] == text.split("\n")

    def test_keeps_a_line_one_line(self) -> None:
        """Neither newlines nor control characters of a value reach the terminal."""
        text = terminal.table(("a\nb",), [("x\ny\x1b[31mz",), (datetime(2026, 11, 25, tzinfo=UTC),)])

        assert 4 == len(text.splitlines())
        assert "\x1b" not in text

    def test_says_that_there_are_more(self) -> None:
        """After 200 rows it stops, and says how to have the others."""
        many = terminal.table(("n",), [(n,) for n in range(201)]).splitlines()
        all_of_them = terminal.table(("n",), [(n,) for n in range(200)]).splitlines()

        assert (203, "… and more rows; --csv prints all of them") == (len(many), many[-1])
        assert (202, "199") == (len(all_of_them), all_of_them[-1].strip())

    def test_without_rows(self) -> None:
        """The names of the columns stand alone."""
        assert "n\n─" == terminal.table(("n",), [])

    def test_obeys_no_markup(self) -> None:
        """What looks like markup of a terminal's library is text like any other."""
        assert "[bold red]a[/] :smile:" in terminal.table(("n",), [("[bold red]a[/] :smile:",)])


class TestListing:
    def test_tells_lines_beside_a_name(self) -> None:
        """Each line that is told of a name stands under the one before it, harmless; none is wrapped in a pipe."""
        told = terminal.listing([("redis", ["up\x1b[2J", "! [b]slow[/b]"]), ("vault", ["x " * 100])])

        assert ["redis  up [2J", "       ! [b]slow[/b]", f"vault  {'x ' * 100}".rstrip()] == told.split("\n")


class TestCsv:
    def test_has_every_digit(self) -> None:
        """Numbers are whole, commas and quotes are quoted, null is empty."""
        lines = terminal.csv_lines(("a", "b"), [(0.1 + 0.2, 'x,"y"'), (None, 1)])

        assert ["a,b", '0.30000000000000004,"x,""y"""', ",1"] == list(lines)
