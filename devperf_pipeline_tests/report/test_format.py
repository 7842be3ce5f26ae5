import re

import pytest

from devperf_pipeline.report import format as show

HOSTILE = [
    "a|b",
    "`code`",
    "<script>alert(1)</script>",
    "line\nline\r\n\r\n# title",
    "nul\0byte",
    "\x1b[31mred\x1b[0m",
    "right\u202eleft\u2066",
    "zero\u200bwidth\ufeff",
    "[link](javascript:alert(1))",
    "![img](http://example.org/x.png)",
    "https://example.org www.example.org",
    "@everyone",
    "**bold** _it_ ~~gone~~",
    "back\\slash\\|pipe",
    "&lt;b&gt;",
    "x" * 1_000_000,
    "\ud800 lone surrogate",
    "",
]


class TestTimes:
    @pytest.mark.parametrize(
        ("time_ns", "expected"),
        [
            (412, "0.41 µs"),
            (19_800, "19.8 µs"),
            (99_999, "100 µs"),
            (620_000, "0.62 ms"),
            (4_200_000, "4.20 ms"),
            (180_400_000, "180 ms"),
            (1_500_000_000, "1.50 s"),
            (192_000_000_000, "3 min 12 s"),
            (180_000_000_000, "3 min"),
            (7_500_000_000_000, "2 h 5 min"),
            (None, show.DASH),
        ],
    )
    def test_duration_speaks_as_people_do(self, time_ns: int | None, expected: str) -> None:
        """A duration has the unit that suits it, and a dash where there is none."""
        assert expected == show.duration(time_ns)

    @pytest.mark.parametrize(
        ("time_ns", "unit", "expected"),
        [
            (19_843, "ms", "0.0198"),
            (620_000, "ms", "0.620"),
            (99_960_000, "ms", "100"),
            (4_012_300, "µs", "4,012"),
            (9_999, "µs", "10.0"),
            (0, "ms", "0"),
            (None, "ms", show.DASH),
        ],
    )
    def test_a_cell_has_three_digits_that_count(
        self, time_ns: int | None, unit: show.Unit, expected: str
    ) -> None:
        """In a column of one unit every number has three digits that count."""
        assert expected == show.in_unit(time_ns, unit)

    def test_a_table_has_one_unit(self) -> None:
        """One median of a millisecond or more puts the whole table into milliseconds."""
        assert (
            show.unit_for([20_000, None, 999_999]),
            show.unit_for([20_000, 1_000_000]),
            show.unit_for([]),
        ) == ("µs", "ms", "ms")

    @pytest.mark.parametrize(
        ("seconds", "expected"),
        [
            (-3, "0 s"),
            (45, "45 s"),
            (200, "3 min"),
            (5 * 3_600, "5 h"),
            (47 * 3_600, "47 h"),
            (2 * 86_400, "2 days"),
        ],
    )
    def test_age(self, seconds: int, expected: str) -> None:
        """An age has the one unit that matters."""
        assert expected == show.age(seconds * 1_000_000_000)


class TestNumbers:
    def test_throughput(self) -> None:
        """Throughput has three digits that count, and a dash where it is unknown."""
        assert [show.throughput(value) for value in (18_012.7, 85.0, 8.531, 0.0, None, float("nan"))] == [
            "18,000/s",
            "85.0/s",
            "8.53/s",
            "0/s",
            show.DASH,
            show.DASH,
        ]

    def test_size(self) -> None:
        """Bytes are shown in binary units."""
        assert [show.size(value) for value in (512, 256 << 20, 8_232_849_408, 2 << 50)] == [
            "512 B",
            "256 MiB",
            "7.67 GiB",
            "2,048 TiB",
        ]

    def test_users(self) -> None:
        """One user is not many."""
        assert ["1 user", "2 users", "1,000 users"] == [show.users(number) for number in (1, 2, 1000)]

    def test_percent(self) -> None:
        """A share that is not quite nothing does not look like nothing."""
        assert [show.percent(value) for value in (0, 0.0002, 0.003, 0.125, 1)] == [
            "0 %",
            "< 0.1 %",
            "0.3 %",
            "12.5 %",
            "100 %",
        ]

    def test_number_stays_a_number(self) -> None:
        """What a table sorts by is rounded and still a number."""
        assert [show.number(value) for value in (0.019843, 45_213.7, 0.0)] == [0.0198, 45_200, 0]


class TestHostileText:
    @pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
    def test_a_cell_is_one_harmless_line(self, text: str) -> None:
        """Whatever a server says: no HTML, no open pipe or backtick, no link, no control or direction character."""
        cell = show.cell(text)
        bare = re.sub(r"\\.", "", cell)
        assert (
            re.findall(r"[<>|`@\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]", bare) == []
        )
        assert re.findall(r"://|www\.|\]\(|\*\*|~~", bare) == []
        assert len(cell) < 500

    def test_plain_words_stay_as_they_are(self) -> None:
        """Escaping leaves honest names readable in the raw file."""
        names = [
            "redis_cluster",
            "SELECT (by primary key)",
            "GET /health/all",
            "MariaDB 10.11 (MySQL protocol)",
        ]
        assert names == [show.cell(name) for name in names]

    def test_prose_keeps_a_command_as_code(self) -> None:
        """A command between backticks stays a code span; text around it is escaped."""
        assert (
            show.prose("a | b: `apt-get install x_y | cat` <now>")
            == "a \\| b: `apt-get install x_y | cat` &lt;now&gt;"
        )

    def test_prose_escapes_a_lonely_backtick(self) -> None:
        """A backtick without a partner is not markup."""
        assert show.prose("it`s") == "it\\`s"

    def test_sql_literal_cannot_be_left(self) -> None:
        """A quote inside a literal is doubled, a newline is gone."""
        assert show.sql("a' or\n1=1 --") == "'a'' or 1=1 --'"

    @pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
    def test_label_can_be_drawn(self, text: str) -> None:
        """A label of a picture has only signs that its font has."""
        assert show.label(text).encode("latin-1").decode("latin-1").isprintable()


class TestFileName:
    def test_a_plain_name_stays(self) -> None:
        """The ids and services of this project are their own file names."""
        assert [
            show.file_name("20261125T031500Z-3f9a"),
            show.file_name("redis_cluster"),
        ] == ["20261125T031500Z-3f9a", "redis_cluster"]

    def test_no_name_leaves_its_folder_or_takes_another_ones_place(self) -> None:
        """Different hostile words give different plain file names."""
        words = ["../../etc/passwd", "..", "a/b", "a b", "a-b", "", "é" * 3000, "\0", "CON:"]
        names = [show.file_name(word) for word in words]
        assert len(words) == len(set(names))
        assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,80}", name) for name in names)
