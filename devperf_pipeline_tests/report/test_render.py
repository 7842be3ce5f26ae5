import re
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from devperf_pipeline.errors import ConfigurationError, StoreError
from devperf_pipeline.model import Baseline, Benchmark, Facts, Load, Outcome, Round
from devperf_pipeline.report.format import DASH
from devperf_pipeline.report.render import render
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store.samples import SampleStore
from devperf_pipeline.store.warehouse import build
from devperf_pipeline_tests.report.conftest import cells

if TYPE_CHECKING:
    from devperf_pipeline_tests.report.conftest import Warehouse

SCRIPT = "<script>alert(1)</script>|`x`\n## no\u202e"


def lines(report: Path, *words: str) -> list[str]:
    """The lines of a report that hold all of these words."""
    return [line for line in report.read_text("utf-8").splitlines() if all(word in line for word in words)]


class TestTables:
    def test_a_reading_is_one_line_with_the_drivers_beside_it(self, warehouse: "Warehouse") -> None:
        """Every number of a reading stands in its column, in the unit of the column's head."""
        run = warehouse.baseline(25)
        warehouse.service(run, "redis")
        warehouse.reading(run, "redis", "get", errors=3)
        warehouse.reading(run, "redis", "get", instrument="driver", p50_ns=44_100)
        report = render(warehouse.folders).report

        head, line = lines(report, "| operation |")[0], lines(report, "| GET |")[0]

        expected = {
            "operation": "GET",
            "users": "1",
            "throughput": "18,000/s",
            "mean (µs)": "25.0",
            "p50 (µs)": "20.0",
            "p95 (µs, bounds)": "30.0 (29.0 to 31.0)",
            "p99 (µs)": "50.0",
            "p99.9 (µs)": DASH,
            "max (µs)": "90.0",
            "n": "500",
            "errors": "3 (0.6 %)",
            "instrument": "engine",
            "floor (µs)": "13.5",
            "driver p50 (µs)": "44.1",
            "age": "new",
        }
        assert expected == dict(zip(cells(head), cells(line), strict=True))

    def test_an_api_starts_with_its_percentiles(self, warehouse: "Warehouse") -> None:
        """The table of an API has endpoints, and percentiles before throughput."""
        run = warehouse.baseline(25)
        warehouse.reading(run, "fastapi", "health", title="GET /health", p50_ns=1_200_000)

        head = cells(lines(render(warehouse.folders).report, "| endpoint |")[0])

        expected = ["endpoint", "users", "p50 (ms)", "p95 (ms, bounds)", "p99 (ms)", "p99.9 (ms)", "max (ms)"]
        assert expected == head[:7]

    def test_what_a_cpu_limit_did_stands_beside_p99(self, warehouse: "Warehouse") -> None:
        """The column is there where a limit stopped the service, and then its finding and its explanation are."""
        run = warehouse.baseline(25)
        warehouse.service(run, "redis")
        warehouse.reading(run, "redis", "get", periods=40, throttled_periods=10, p99_ns=81_000_000)
        warehouse.reading(run, "redis", "set")
        warehouse.service(run, "vault")
        warehouse.reading(run, "vault", "read", periods=40, throttled_periods=0)
        report = render(warehouse.folders).report
        heads = [cells(line) for line in lines(report, "| operation |")]
        rows = [cells(lines(report, f"| {title} |")[0]) for title in ("GET", "SET")]

        assert ["throttled" in head for head in heads] == [True, False]
        place = heads[0].index("throttled")
        assert heads[0][place - 1].startswith("p99 (")
        assert ["25 %", DASH] == [row[place] for row in rows]
        assert lines(report, "p99 is the CPU limit: throttled in 25 % of the periods")
        assert lines(report, "- *throttled* is the share of the periods")

    @pytest.mark.parametrize(
        ("n", "expected"),
        [
            (71, [DASH, DASH, DASH]),
            (72, ["30.0 (29.0 to 31.0)", DASH, DASH]),
            (367, ["30.0 (29.0 to 31.0)", DASH, DASH]),
            (368, ["30.0 (29.0 to 31.0)", "50.0", DASH]),
            (3_687, ["30.0 (29.0 to 31.0)", "50.0", DASH]),
            (3_688, ["30.0 (29.0 to 31.0)", "50.0", "70.0"]),
        ],
    )
    def test_too_few_samples_give_a_dash(self, warehouse: "Warehouse", n: int, expected: list[str]) -> None:
        """No percentile is printed from fewer calls than its bounds need."""
        run = warehouse.baseline(25)
        warehouse.reading(run, "redis", "get", n=n)

        assert expected == cells(lines(render(warehouse.folders).report, "| GET |")[0])[5:8]

    def test_bounds_from_samples_alone_are_marked(self, warehouse: "Warehouse") -> None:
        """Bounds that too few rounds stand behind carry a mark and a sentence."""
        run = warehouse.baseline(25)
        warehouse.reading(run, "redis", "get", p95_bounds="samples")
        report = render(warehouse.folders).report

        assert cells(lines(report, "| GET |")[0])[5] == "30.0 (29.0 to 31.0)†"
        assert len(lines(report, "- † too few or too short rounds")) == 1

    def test_where_nothing_is_marked_no_mark_is_explained(self, warehouse: "Warehouse") -> None:
        """What † means is not said in a report that has none."""
        warehouse.reading(warehouse.baseline(25), "redis", "get")

        assert [] == lines(render(warehouse.folders).report, "†")

    def test_what_the_driver_costs_most_and_where_it_cannot_be_told(self, warehouse: "Warehouse") -> None:
        """The dearest drivers stand above their tables; one that seems to cost less than nothing is named as chance."""
        run = warehouse.baseline(25)
        for operation, engine_us, driver_us in (
            ("get", 20, 80),
            ("scan", 2_000, 20_000),
            ("pki", 40_000, 33_000),
        ):
            warehouse.reading(run, "redis", operation, p50_ns=engine_us * 1_000)
            warehouse.reading(run, "redis", operation, p50_ns=driver_us * 1_000, instrument="driver")
        report = render(warehouse.folders).report

        most, quicker = lines(report, "instead of")
        assert most == (
            "- The driver costs most: Redis, one node, SCAN: 20.0 ms instead of 2.00 ms; "
            "Redis, one node, GET: 80.0 µs instead of 20.0 µs."
        )
        assert quicker.endswith("cannot be measured: Redis, one node, PKI: 33.0 ms instead of 40.0 ms.")

    def test_an_invalid_reading_is_struck_and_explained(self, warehouse: "Warehouse") -> None:
        """A reading that does not count stays in the table, struck through, with its reason below."""
        run = warehouse.baseline(25)
        warehouse.service(run, "redis")
        warehouse.reading(run, "redis", "get", valid=False, invalid_reason="2 answers | were <wrong>")
        report = render(warehouse.folders).report

        assert cells(lines(report, "| ~~GET~~ |")[0])[4] == "~~20.0~~"
        assert lines(report, "- ~~GET~~") == ["- ~~GET~~, 1 user, engine: 2 answers \\| were &lt;wrong&gt;"]
        assert len(lines(report, "1 reading is invalid:")) == 1

    def test_a_floor_is_no_line_of_its_own(self, warehouse: "Warehouse") -> None:
        """The floor is a column; where it could not be measured, a note says so."""
        run = warehouse.baseline(25)
        warehouse.reading(run, "redis", "floor", valid=False, invalid_reason="not steady")
        warehouse.reading(run, "redis", "get", floor_p50_ns=None)
        report = render(warehouse.folders).report

        assert [] == lines(report, "| FLOOR |")
        assert lines(report, "FLOOR") == ["- ~~FLOOR~~, 1 user, engine: not steady"]
        assert cells(lines(report, "| GET |")[0])[12] == DASH


class TestTime:
    def test_older_readings_stand_beside_new_ones_with_their_age(self, warehouse: "Warehouse") -> None:
        """A baseline of one service shows the others' newest readings, each with its age."""
        first, second = warehouse.baseline(22), warehouse.baseline(25)
        for service in ("redis", "rabbitmq"):
            warehouse.service(first, service)
            warehouse.reading(first, service, f"old-{service}")
            warehouse.reading(first, service, "both", throughput_per_s=1.0)
        warehouse.service(second, "redis")
        warehouse.reading(second, "redis", "both", throughput_per_s=2.0)
        report = render(warehouse.folders).report

        expected = [("BOTH", "2.00/s", "new"), ("OLD-REDIS", "18,000/s", "3 days")]
        expected += [("BOTH", "1.00/s", "3 days"), ("OLD-RABBITMQ", "18,000/s", "3 days")]
        table = [cells(line) for line in lines(report, "| engine |")]
        assert expected == [(line[0], line[2], line[-1]) for line in table]
        assert len(lines(report, "Not part of this baseline, older rows are shown below: RabbitMQ")) == 1

    def test_an_older_baseline_shows_what_was_current_then(self, warehouse: "Warehouse") -> None:
        """What was measured later is not in the report of an earlier baseline, and `latest.md` stays the newest."""
        first, second = warehouse.baseline(22), warehouse.baseline(25)
        warehouse.reading(first, "redis", "get", throughput_per_s=1.0)
        warehouse.reading(second, "redis", "get", throughput_per_s=2.0)
        rendered = render(warehouse.folders, first)

        assert cells(lines(rendered.report, "| GET |")[0])[2] == "1.00/s"
        assert cells(lines(rendered.latest, "| GET |")[0])[2] == "2.00/s"
        assert rendered.report.name == f"baseline-{first}.md"

    def test_latest_is_of_the_stack_that_was_rendered_last(self, warehouse: "Warehouse") -> None:
        """Each stack has a newest baseline, and the page that always has the same name shows that of the last one."""
        first, second = warehouse.baseline(22), warehouse.baseline(25, stack="elsewhere")
        for stack, run in (("elsewhere", second), ("local", first)):
            rendered = render(warehouse.folders, stack=stack)
            assert rendered.latest.read_bytes() == rendered.report.read_bytes()
            assert rendered.report.name == f"baseline-{run}.md"

    def test_an_invalid_new_reading_leaves_the_older_valid_one(self, warehouse: "Warehouse") -> None:
        """Current is the newest valid reading; the new one that does not count stands beneath it."""
        first, second = warehouse.baseline(22), warehouse.baseline(25)
        warehouse.reading(first, "redis", "get")
        warehouse.reading(first, "redis", "set", valid=False, invalid_reason="of another day")
        warehouse.reading(second, "redis", "get", valid=False, invalid_reason="wrong")
        report = render(warehouse.folders).report

        table = [cells(line) for line in lines(report, "engine", " | ")]
        assert [("GET", "3 days"), ("~~GET~~", "~~new~~")] == [(line[0], line[-1]) for line in table]

    def test_another_stack_is_another_report(self, warehouse: "Warehouse") -> None:
        """Readings of one stack never stand among those of another."""
        other = warehouse.baseline(22, stack="elsewhere")
        warehouse.reading(other, "redis", "get")
        warehouse.baseline(25)

        assert [] == lines(render(warehouse.folders).report, "| GET |")


class TestOpening:
    def test_how_long_a_benchmark_was_measured_stands_on_top(self, warehouse: "Warehouse") -> None:
        """The first paragraph says how long the rounds of a benchmark lasted together, in the median and the shortest."""
        run = warehouse.baseline(25)
        for operation, rounds in (("get", 3), ("set", 5), ("del", 5)):
            warehouse.measured(run, "redis", operation, [20_000] * rounds)
        warehouse.reading(run, "redis", "get", users=50, load="sustained-50", benchmark="x", rounds=1)
        top = render(warehouse.folders).report.read_text("utf-8").split("\n\n")[1]

        assert "2,000 calls in 4 benchmarks, and every call is stored: 3 in 3 to 5 rounds each," in top
        assert "the other 1 is a load test." in top
        assert (
            "**The rounds of one benchmark took 1.00 s together in the median, and at least 600 ms.**" in top
        )

    @pytest.mark.parametrize(
        ("disturbed", "said"),
        [
            (1, "in 1 of 24 rounds. Comparisons with other baselines ignore that round."),
            (2, "in 2 of 24 rounds, so those rounds are disturbed. Stop other programs and measure again."),
        ],
    )
    def test_few_disturbed_rounds_are_no_alarm(
        self, warehouse: "Warehouse", disturbed: int, said: str
    ) -> None:
        """Only where more than a twentieth of the rounds was disturbed is a reader told to measure again."""
        run = warehouse.baseline(25)
        warehouse.reading(run, "redis", "get", rounds=24, busy_rounds=disturbed)

        told = lines(render(warehouse.folders).report, "Other processes used more than 30 % of the CPU cores")
        assert [True] == [said in line for line in told]


class TestStandIns:
    @pytest.mark.parametrize(
        ("product", "named"),
        [
            ("MariaDB 10.11 (MySQL protocol)", "MariaDB 10.11"),
            ("MongoDB protocol (SecantusDB 0.5.3)", "SecantusDB 0.5.3"),
        ],
    )
    def test_are_named_on_top_and_at_a_glance(self, warehouse: "Warehouse", product: str, named: str) -> None:
        """Who reads no further than the top and the overview is told whose figures they are."""
        run = warehouse.baseline(25)
        warehouse.service(run, "mysql", product=product)
        warehouse.reading(run, "mysql", "select-by-key", title="SELECT")
        report = render(warehouse.folders).report

        assert f"**{named} for MySQL**" in report.read_text("utf-8").split("\n\n")[1]
        assert 1 == len(lines(report, f"- **MySQL** ({named}): SELECT"))

    @pytest.mark.parametrize(
        ("product", "version", "told"),
        [
            ("MongoDB protocol (SecantusDB 0.5.3)", "0.5.3", 1),
            ("MongoDB 7.0.16", "7.0.16", 0),
        ],
    )
    def test_say_nothing_about_the_original(
        self, warehouse: "Warehouse", product: str, version: str, told: int
    ) -> None:
        """Who reads the figures of another engine is told that they are not those of the one it stands in for."""
        run = warehouse.baseline(25)
        warehouse.service(run, "mongodb", product=product, version=version)
        warehouse.reading(run, "mongodb", "find-one")
        report = render(warehouse.folders).report

        said = "It answers in place of MongoDB; its figures do not describe MongoDB itself."
        assert told == len(lines(report, f"{product}. {said}"))
        assert 1 == len(lines(report, f"{product}."))


class TestWhatIsMissing:
    def test_failed_and_skipped_services_stay_visible(self, warehouse: "Warehouse") -> None:
        """A service without readings keeps its section, its reason and the command that cures it."""
        run = warehouse.baseline(25)
        nothing = {"product": None, "version": None}
        missing = "No server found. Install it: `apt-get install rabbitmq-server`"
        warehouse.service(run, "rabbitmq", state="skipped", reason=missing, **nothing)
        warehouse.service(run, "redis", state="failed", reason="127.0.0.1:1 refused", **nothing)
        report = render(warehouse.folders).report

        assert lines(report, "**RabbitMQ**") == [f"- **RabbitMQ** was skipped: {missing}"]
        assert lines(report, "**Redis, one node**") == ["- **Redis, one node** failed: 127.0.0.1:1 refused"]
        assert lines(report, "### R") == ["### Redis, one node", "### RabbitMQ"]

    def test_a_service_that_failed_half_way_has_its_rows_and_its_reason(self, warehouse: "Warehouse") -> None:
        """What was measured before it was given up stays new, and nobody reads that it has no reading."""
        run = warehouse.baseline(25)
        warehouse.service(run, "redis", state="failed", reason="given up after 3 rounds")
        warehouse.reading(run, "redis", "get")
        report = render(warehouse.folders).report

        assert len(lines(report, "Not measured, or not completely, and why:")) == 1
        assert lines(report, "- **Redis, one node** f") == [
            "- **Redis, one node** failed: given up after 3 rounds"
        ]
        assert (
            len(
                lines(
                    report,
                    "failed: given up after 3 rounds. Measured before that: 500 calls in this baseline",
                )
            )
            == 1
        )
        assert cells(lines(report, "| GET |")[0])[-1] == "new"

    def test_a_service_that_was_never_measured_keeps_its_last_reason(self, warehouse: "Warehouse") -> None:
        """A baseline that was not about a service still says why there is nothing of it."""
        first = warehouse.baseline(22)
        warehouse.service(
            first, "rabbitmq", state="failed", reason="alarm is set", product=None, version=None
        )
        warehouse.baseline(25)
        report = render(warehouse.folders).report

        assert (
            len(
                lines(
                    report,
                    "- **RabbitMQ**",
                    "has never been measured",
                    "Reason given last time: alarm is set",
                )
            )
            == 1
        )

    def test_nothing_measured(self, warehouse: "Warehouse") -> None:
        """A baseline without a single reading is a page all the same."""
        warehouse.baseline(25, ended_at=None)
        rendered = render(warehouse.folders)

        assert len(lines(rendered.report, "Measured nothing of the stack **local**")) == 1
        assert len(lines(rendered.report, "This baseline was interrupted")) == 1
        assert [] == rendered.charts

    def test_a_baseline_that_was_cut_short(self, warehouse: "Warehouse") -> None:
        """What was measured until then is there, and nobody reads that the rest was not part of it."""
        run = warehouse.baseline(25, ended_at=None, state="interrupted")
        for service in ("redis", "rabbitmq"):
            warehouse.service(run, service, state=None)
        warehouse.reading(run, "redis", "get")
        report = render(warehouse.folders).report

        cut = "was not measured completely: this baseline was interrupted."
        assert lines(report, "- **RabbitMQ**") == [f"- **RabbitMQ** {cut}"]
        assert (
            len(lines(report, f"Redis, one node {cut} Measured before that: 500 calls in this baseline")) == 1
        )
        assert cells(lines(report, "| GET |")[0])[-1] == "new"

    def test_no_baseline(self, warehouse: "Warehouse") -> None:
        """Without a baseline there is a sentence that says what to do."""
        with pytest.raises(StoreError, match="make baseline"):
            render(warehouse.folders)

    def test_unknown_baseline(self, warehouse: "Warehouse") -> None:
        """A baseline that does not exist is named."""
        warehouse.baseline(25)
        with pytest.raises(StoreError, match="'nonsense'"):
            render(warehouse.folders, "nonsense")

    def test_a_file_in_the_place_of_the_folder(self, warehouse: "Warehouse") -> None:
        """Reports that cannot be written end in a sentence that names the path."""
        warehouse.baseline(25)
        warehouse.folders.reports.write_text("in the way")
        with pytest.raises(ConfigurationError, match="reports"):
            render(warehouse.folders)


class TestFiles:
    def test_links_work_from_both_pages(self, warehouse: "Warehouse") -> None:
        """Every picture that a page names exists beside it, in the stable page as well."""
        run = warehouse.baseline(25)
        warehouse.reading(run, "redis", "get")
        warehouse.reading(run, "fastapi", "health")
        rendered = render(warehouse.folders)

        for page in (rendered.report, rendered.latest):
            links = re.findall(r"!\[[^]]*\]\(([^)]+)\)", page.read_text("utf-8"))
            assert rendered.charts == [page.parent / link for link in links]
            assert all((page.parent / link).is_file() for link in links)

    def test_pictures_are_small_xml(self, warehouse: "Warehouse") -> None:
        """A picture is well-formed and below 300 kB, however many operations there are."""
        run = warehouse.baseline(25)
        for number in range(60):
            warehouse.reading(run, "redis", f"operation-{number}", n=80)
        charts = render(warehouse.folders).charts

        assert [chart.name for chart in charts] == ["overview.svg", "redis.svg"]
        for chart in charts:
            assert ET.parse(chart).getroot().tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - our own file
            assert chart.stat().st_size < 300_000

    def test_the_same_data_gives_the_same_bytes(self, warehouse: "Warehouse") -> None:
        """Rendering twice changes nothing, so a report can be kept under version control."""
        run = warehouse.baseline(25)
        warehouse.reading(run, "redis", "get")

        def everything() -> dict[str, bytes]:
            render(warehouse.folders)
            found = sorted(path for path in warehouse.folders.reports.rglob("*") if path.is_file())
            return {path.name: path.read_bytes() for path in found}

        assert everything() == everything()
        pages = {f"{name}.{suffix}" for name in ("latest", f"baseline-{run}") for suffix in ("md", "html")}
        assert {*pages, "overview.svg", "redis.svg"} == everything().keys()


class TestThroughTheStore:
    def test_kept_rounds_become_a_page(self, tmp_path: Path) -> None:
        """Rounds that the store kept and summarised come out with the percentiles of their calls."""
        folders = Folders(tmp_path)
        began_ns = 1_795_576_500_000_000_000
        begun = Baseline(
            id="20261125T031500Z-0000",
            stack="local",
            profile="quick",
            seed=42,
            began_at_ns=began_ns,
            host={"cpu_model": "Quick One", "memory_bytes": str(8 << 30)},
            facts={"redis": Facts(product="Valkey", version="8.0", settings={"maxmemory": "256mb"})},
            operations={"redis/get": "GET (hit)", "redis/floor": "Floor"},
        )
        store = SampleStore(folders)
        store.begin(begun)
        for name, slowest_us in (("floor", 10), ("get", 1_000)):
            for number in (1, 2, 3):
                latencies = [slowest_us * 10 * (call + 1) for call in range(100)]
                store.keep(
                    Round(
                        benchmark=Benchmark("redis", name, Load(1), "engine"),
                        number=number,
                        phase="measured",
                        began_at_ns=began_ns + number * 10**9,
                        elapsed_ns=sum(latencies),
                        begin_ns=list(accumulate([0, *latencies[:-1]])),
                        latency_ns=latencies,
                        outcome=[Outcome.OK] * 100,
                        placement="together:1",
                    )
                )
        store.finish(replace(begun, ended_at_ns=began_ns + 192 * 10**9, states={"redis": "measured"}))
        build(folders)
        report = render(folders).report

        line = cells(lines(report, "| GET (hit) |")[0])
        assert line[4:6] == ["500", "950 (950 to 950)"]
        assert line[8:] == ["1,000", "300", "0", "engine", "5.00", "new"]
        assert (
            len(
                lines(
                    report, "Measured 1 of 1 services (Redis, one node)", "in 3 min 12 s", "Quick One, 8 GiB"
                )
            )
            == 1
        )
        assert lines(report, "Valkey |") == ["| Redis, one node | Valkey | 8.0 | measured |"]
        assert lines(report, "maxmemory =") == ["- **Redis, one node**: maxmemory = 256mb"]


class TestHostileText:
    def test_nothing_that_others_named_does_harm(self, warehouse: "Warehouse") -> None:
        """Names, versions, reasons and keys with markup in them stay words: in tables, headings, code and paths."""
        run = warehouse.baseline(25, stack=SCRIPT, profile=SCRIPT)
        service = f"../../{SCRIPT}"
        warehouse.service(run, service, product=SCRIPT, version=SCRIPT)
        warehouse.service(run, "redis", state="failed", reason=SCRIPT, product=None, version=None)
        warehouse.fact(run, "host", SCRIPT, SCRIPT)
        warehouse.fact(run, "host", "cpu_model", SCRIPT)
        warehouse.fact(run, service, SCRIPT, SCRIPT)
        warehouse.reading(run, service, "get", title=SCRIPT, benchmark=f"a'b{SCRIPT}")
        warehouse.reading(run, service, "set", title="$x$ \\frac{", valid=False, invalid_reason=SCRIPT)
        rendered = render(warehouse.folders)
        text = rendered.report.read_text("utf-8")
        page, code = text.split("```sql")

        assert "<script" not in page
        assert "\u202e" not in text
        assert [] == [line for line in page.splitlines() if line.startswith("## no")]
        assert "benchmark = 'a''b<script>alert(1)</script>|`x` ## no'" in code
        assert "from percentiles where" not in page
        assert all(chart.parent.parent == warehouse.folders.reports for chart in rendered.charts)
        for table in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
            assert len({len(cells(line)) for line in table.splitlines()}) == 1
