import re
from pathlib import Path
from typing import TYPE_CHECKING

from devperf_pipeline.report.render import render
from devperf_pipeline.store.question import ask
from devperf_pipeline.store.warehouse import connect

if TYPE_CHECKING:
    from devperf_pipeline_tests.report.conftest import Warehouse

US = 1_000
LEVEL = (99_000, 99_500, 100_000, 100_500, 101_000)
HOSTILE = "<script>alert(1)</script>|`x`\n## no\u202e ![p](http://x/y.png) '; drop table rounds; --"


def headings(report: Path) -> list[str]:
    return [line for line in report.read_text("utf-8").splitlines() if line.startswith("## ")]


def part(report: Path, title: str) -> str:
    """One part of a report, without the next."""
    return report.read_text("utf-8").split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def loaded_row(warehouse: "Warehouse", run: str, users: int = 100) -> str:
    """A load test of Gin with servers and client on cores of their own; its id."""
    benchmark = f"gin/get-health-all/sustained-{users}/engine"
    shared = {
        "baseline_id": run,
        "service": "gin",
        "operation": "get-health-all",
        "benchmark": benchmark,
        "users": users,
    }
    warehouse.row(
        "load_tests", **shared, limit_calls=0, limit_s=1.5, elapsed_ns=1_500_000_000, n=1_500, failed=0,
        non_success=0, valid=True, client_share=0.1, engine_processes=1, at_limit=False, p95_ns=97_000_000,
        p99_ns=99_000_000, throughput_per_s=1_000.0,
    )  # fmt: skip
    warehouse.reading(
        run,
        "gin",
        "get-health-all",
        benchmark=benchmark,
        users=users,
        load=f"sustained-{users}",
        placement="apart:1|0",
    )
    return benchmark


class TestOrder:
    def test_what_a_reader_wants_comes_first(self, warehouse: "Warehouse") -> None:
        """Changes and findings stand before tables; a part of which there are no rows is a line of the notes."""
        run = warehouse.baseline(25)
        for service in ("redis", "gin", "mysql", "rabbitmq", "vault"):
            warehouse.measured(run, service, "get", LEVEL)
        warehouse.measured(run, "mysql", "full-scan", [100 * time for time in LEVEL])
        warehouse.measured(run, "mysql", "select-by-key", LEVEL)
        report = render(warehouse.folders).report

        expected = [
            "What changed",
            "Findings",
            "At a glance",
            "Environment",
            "How to read the tables",
            "API response times",
            "Databases",
            "Redis, one node and cluster",
            "Message queue",
            "Secrets",
            "Changelog of baselines",
            "Notes",
            "Where the numbers come from",
        ]
        assert [f"## {title}" for title in expected] == headings(report)
        absent = (
            "Ranking of the APIs",
            "Memory per request",
            "Resource usage",
            "Load tests",
            "Reference tools",
        )
        notes = part(report, "Notes")
        assert [] == [
            title for title in absent if f"- {title}: this baseline has no rows for it." not in notes
        ]


class TestChanged:
    def test_the_largest_change_and_its_doubt(self, warehouse: "Warehouse") -> None:
        """A change is a line with both figures; the reader is told to measure again, and what else is not the same."""
        before, now = warehouse.baseline(24), warehouse.baseline(25)
        warehouse.measured(before, "redis", "get", LEVEL)
        warehouse.measured(now, "redis", "get", [2 * time for time in LEVEL])
        for run, version in ((before, "7.0"), (now, "8.0")):
            warehouse.fact(run, "redis", "version", version)
        changed = part(render(warehouse.folders).report, "What changed")

        assert f"Against baseline {before} of 2026-11-24 03:15 UTC. p50: 1 slower. p95: 1 slower." in changed
        assert "- Redis, one node, version: 7.0 → 8.0" in changed
        line = "| Redis, one node | GET | closed-1 engine | p50 | **slower**, provisional | 0.10 ms | 0.20 ms | +100 % | +50 % |"
        assert line in changed.splitlines()

    def test_another_plan_is_named_where_a_row_got_slower(self, warehouse: "Warehouse") -> None:
        """How the server answers then and now stands beside a slower row; not where it is the same, or where none is slower."""
        before, now = warehouse.baseline(24), warehouse.baseline(25)
        slow = [2 * time for time in LEVEL]
        scan, index = "Seq Scan on orders", "Index Scan using of_customer on orders"
        warehouse.measured(before, "postgresql", "own-a", LEVEL, title="orders", plan=index)
        warehouse.measured(now, "postgresql", "own-a", slow, title="orders", plan=scan)
        warehouse.measured(before, "postgresql", "own-b", LEVEL, title="goods", plan=scan)
        warehouse.measured(now, "postgresql", "own-b", slow, title="goods", plan=scan)
        warehouse.measured(before, "postgresql", "own-c", LEVEL, title="carts", plan=index)
        warehouse.measured(now, "postgresql", "own-c", LEVEL, title="carts", plan=scan)
        changed = part(render(warehouse.folders).report, "What changed")

        assert [f"- PostgreSQL, orders: {index} → {scan}"] == [
            line for line in changed.splitlines() if scan in line
        ]

    def test_what_could_be_seen_has_the_sign_of_what_was(self, warehouse: "Warehouse") -> None:
        """Half as long is as far as twice as long; what could be told of it is a third less, not half as much more."""
        before, now = warehouse.baseline(24), warehouse.baseline(25)
        warehouse.measured(before, "redis", "get", [2 * time for time in LEVEL])
        warehouse.measured(now, "redis", "get", LEVEL)
        changed = part(render(warehouse.folders).report, "What changed")

        assert "| **faster**, provisional | 0.20 ms | 0.10 ms | −50 % | −33.3 % |" in changed  # noqa: RUF001 - a minus

    def test_nothing_moved_beyond_what_can_be_told(self, warehouse: "Warehouse") -> None:
        """How far figures lie apart is said, from where on that would be a change, and how often to measure to see more."""
        before, now = warehouse.baseline(24), warehouse.baseline(25)
        for number in range(10):
            warehouse.measured(before, "redis", f"get-{number}", LEVEL)
            warehouse.measured(
                now, "redis", f"get-{number}", [(101 + number) * time // 100 for time in LEVEL]
            )
        changed = part(render(warehouse.folders).report, "What changed")

        assert "UTC. No benchmark changed by more than can be told." in changed
        assert (
            "Of 20 figures that could be compared, nine in ten differ by less than 10 %; "
            "the largest difference is +10 %." in changed
        )
        assert "Changes below 50 % cannot be told yet" in changed
        assert "learnt from 3 earlier baselines, and there is 1. Measure 2 times more." in changed

    def test_nothing_to_compare_with(self, warehouse: "Warehouse") -> None:
        """The first baseline says that it is the first."""
        warehouse.measured(warehouse.baseline(25), "redis", "get", LEVEL)

        assert "There is no earlier complete baseline" in part(
            render(warehouse.folders).report, "What changed"
        )


class TestFindings:
    def test_cost_bounds_remedy_and_gain(self, warehouse: "Warehouse") -> None:
        """What is found stands with what it costs, where most, and what to do; the dearest is said at the top."""
        run = warehouse.baseline(25)
        for service, with_us in (("gin", 300), ("fastapi", 1_300)):
            warehouse.measured(run, service, "get-root", [100 * US] * 3)
            times = [(with_us - 10) * US, with_us * US, (with_us + 10) * US]
            warehouse.measured(run, service, "get-examples-vault-secret-postgres", times, title="GET /secret")
        report = render(warehouse.folders).report
        found = part(report, "Findings")

        line = "| **Vault is asked on each request** | open | FastAPI, code-first, GET /secret: 1.20 ms (1.19 ms to 1.21 ms) of 1.30 ms | Gin 0.20 ms |"
        assert line in found.splitlines()
        assert "Remedy: Keep the secret in memory until shortly before its lease ends." in found
        top = report.read_text("utf-8").split("## ")[0]
        said = "It takes 1.20 ms of the 1.30 ms (p50) of GET /secret: the median of 3 rounds, from 1.19 ms in the lowest"
        assert said in top

    def test_searched_for_in_vain(self, warehouse: "Warehouse") -> None:
        """What was looked for and is not there is said, with where."""
        run = warehouse.baseline(25)
        warehouse.measured(run, "mysql", "full-scan", LEVEL)
        warehouse.measured(run, "mysql", "select-by-key", LEVEL)
        found = part(render(warehouse.folders).report, "Findings")

        assert "- A scan where an index would do: MySQL" in found.splitlines()

    def test_conditions_stand_with_the_remedy(self, warehouse: "Warehouse") -> None:
        """A reader is told who the best users were, that the servers had one core, and what Vault itself takes."""
        run = warehouse.baseline(25)
        for service, most_per_s, cpu_percent in (("rabbitmq", 105.0, 95.0), ("fastapi", 70.0, 75.0)):
            for users, throughput_per_s in ((10, 100.0), (100, most_per_s)):
                warehouse.loaded(run, service, users, throughput_per_s, cpu_percent, placement="apart:1|0")
        warehouse.measured(run, "gin", "get-root", [100 * US] * 3)
        warehouse.measured(run, "gin", "get-examples-vault-secret-postgres", [300 * US] * 3)
        warehouse.measured(run, "vault", "kv-read", [80 * US] * 3)
        found = part(render(warehouse.folders).report, "Findings")

        assert "1.05 times the throughput of 10 users |" in found
        assert "0.70 times the throughput of 10 users |" in found
        assert "so more processes would show only with more cores." in found
        assert "Vault itself takes 80.0 µs for a KV read: the rest is the work of the API." in found

    def test_users_are_named_where_there_are_several(self, warehouse: "Warehouse") -> None:
        """What holds with one user and cannot be told with ten says which is which."""
        run = warehouse.baseline(25)
        for users, through in ((1, [60 * US] * 3), (10, [60 * US] * 2)):
            warehouse.measured(run, "pgbouncer", "select-by-key", through, users=users)
            warehouse.measured(run, "postgresql", "select-by-key", [20 * US] * 3, users=users)
        found = part(render(warehouse.folders).report, "Findings")

        told = "- The pooler costs more than it gives: PostgreSQL behind PgBouncer, 10 users"
        assert told in found.splitlines()


class TestQueries:
    def test_each_one_answers_for_this_baseline(self, warehouse: "Warehouse") -> None:
        """What stands under "Where the numbers come from" runs as it is, for `devperf sql` too, and is about this baseline alone."""
        for day in (24, 25):
            run = warehouse.baseline(day)
            warehouse.measured(run, "mysql", "full-scan", [100 * time for time in LEVEL])
            warehouse.measured(run, "mysql", "select-by-key", LEVEL)
        text = render(warehouse.folders).report.read_text("utf-8")
        block = text.split("```sql\n", 1)[1].split("```", 1)[0]
        with connect(warehouse.folders) as con:
            found = [list(ask(con, question).rows) for question in block.split(";\n") if question.strip()]

        assert [1, 1, 1, 2] == [len(rows) for rows in found]

    def test_ids_are_shown_by_example(self, warehouse: "Warehouse") -> None:
        """One id of an API and one of a load test stand in the questions, and both find their row."""
        run = warehouse.baseline(25)
        warehouse.reading(run, "mysql", "select-by-key")
        api = warehouse.reading(run, "gin", "get-health-all")
        load = loaded_row(warehouse, run)
        text = render(warehouse.folders).report.read_text("utf-8")
        block = text.split("```sql\n", 1)[1].split("```", 1)[0]
        questions = [question for question in block.split(";\n") if question.strip()]
        with connect(warehouse.folders) as con:
            found = [list(ask(con, question).rows) for question in questions[:2]]

        assert [1, 1] == [len(rows) for rows in found]
        assert f"benchmark = '{api}'" in questions[0]
        assert f"benchmark = '{load}'" in questions[1]


class TestPlacement:
    def test_both_captions_tell_where_one_user_ran(self, warehouse: "Warehouse") -> None:
        """One user of the tables and one user of a load test do not run on the same cores, and both captions say so."""
        run = warehouse.baseline(25)
        warehouse.reading(run, "gin", "get-health-all")
        loaded_row(warehouse, run, users=1)
        report = render(warehouse.folders).report

        table, tests = part(report, "API response times"), part(report, "Load tests")
        assert "With one user, client and servers shared core 1." in table
        assert (
            "With one user, the client ran on core 1 and the servers on core 0. One user here is therefore not"
            in tests
        )

    def test_the_load_test_answers_what_a_turn_beside_a_tool_asked_too(self, warehouse: "Warehouse") -> None:
        """What the engine asked only in turn with a tool stands in no service's table where a load test asked the same."""
        run = warehouse.baseline(25)
        for users in (1, 50, 100):
            warehouse.reading(run, "gin", "get-health-all", title="GET", users=users)
        for users in (50, 100):
            warehouse.row(
                "stated", baseline_id=run, service="gin", operation="get-health-all", users=users, round=1,
                benchmark=f"gin/get-health-all/closed-{users}/ab", instrument="ab", load=f"closed-{users}",
                began_at="2026-11-25T03:16:00Z", elapsed_ns=1, n=1, errors=0,
            )  # fmt: skip
        loaded_row(warehouse, run, users=100)
        lines = part(render(warehouse.folders).report, "API response times").splitlines()

        assert ["1", "50"] == [line.split("|")[2].strip() for line in lines if line.startswith("| GET |")]


class TestHostileText:
    def test_nothing_that_others_named_harms_any_part(self, warehouse: "Warehouse") -> None:
        """Services, operations, versions and reasons with markup, paths and SQL in them stay words, also in HTML."""
        before, now = warehouse.baseline(24), warehouse.baseline(25, profile=HOSTILE)
        service = f"../../{HOSTILE}"
        for run, factor in ((before, 1), (now, 3)):
            warehouse.measured(
                run, service, "full-scan", [factor * 100 * time for time in LEVEL], title=HOSTILE, benchmark=f"{service}/full-scan"
            )  # fmt: skip
            warehouse.measured(run, service, "select-by-key", LEVEL, title=HOSTILE)
            warehouse.fact(run, service, HOSTILE, f"{HOSTILE} {factor}")
            warehouse.service(run, service, product=HOSTILE, version=f"{HOSTILE} {factor}", reason=HOSTILE)
        rendered = render(warehouse.folders)
        markdown = rendered.report.read_text("utf-8")
        page = rendered.report.with_suffix(".html").read_text("utf-8")
        body = page.split("<main>")[1]

        prose = markdown.split("```sql")[0]
        assert "<script" not in prose
        assert "\u202e" not in markdown + page
        assert [] == re.findall(r"^## no", prose, re.MULTILINE)
        assert "<script" not in page
        assert "<img" not in body
        assert [] == re.findall(r'(?:src|href)="http', body)
        for table in re.findall(r"(?:^\|.*\n)+", prose, re.MULTILINE):
            assert len({len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
        inside = warehouse.folders.reports
        assert all(inside in chart.parents for chart in rendered.charts)
