import re
from collections import Counter
from itertools import pairwise
from typing import Any

from devperf_pipeline.analyse.judgements import Reading
from devperf_pipeline.report.chart_style import COLOURS, colours_of
from devperf_pipeline.report.comparison_charts import history, ranking_bars, sweep, timeline
from devperf_pipeline.services import CATALOGUE

S_NS = 1_000_000_000
KINDS = colours_of(CATALOGUE)


def texts(svg: str | None) -> list[str]:
    """Everything that is written in a picture."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg or "")


def place(service: str, p95_ns: int) -> Reading:
    return Reading(
        service=service, n=500,
        p50_ns=p95_ns // 2, p95_ns=p95_ns, p95_low_ns=p95_ns - 1_000, p95_high_ns=p95_ns + 1_000,
    )  # fmt: skip


def load(service: str, users: int, **values: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "service": service, "operation": "get", "title": "GET", "users": users, "valid": True,
        "throughput_per_s": 1_000.0 * users, "p95_ns": 1_000_000 * users,
    }  # fmt: skip
    return found | values


class TestColours:
    def test_each_service_has_its_own(self) -> None:
        """No two services of a stack look alike, of whatever kind they are; those called by their kinds keep its colour."""
        several = colours_of(
            ["redis_b", "redis", "redis_a", "postgresql", "postgresql_b", "api_now", "unknown"]
        )

        assert len(CATALOGUE) == len(set(KINDS.values()))
        assert 7 == len(set(several.values()))
        assert (KINDS["redis"], KINDS["postgresql"]) == (several["redis"], several["postgresql"])

    def test_are_used_evenly(self) -> None:
        """Where there are more services than colours, none is used a third time while another was used once."""
        used = Counter(colours_of(f"api_{number}" for number in range(2 * len(COLOURS))).values())

        assert dict.fromkeys(COLOURS, 2) == used

    def test_sweep_draws_them_so(self) -> None:
        """Of two services of one kind each has a line of its own colour."""
        colours = colours_of(["redis", "redis_sessions"])
        svg = sweep([load(name, users) for name in colours for users in (1, 10)], colours) or ""

        assert all(colour in svg for colour in colours.values())


class TestRankingBars:
    def test_names_figures_and_unit(self) -> None:
        """Every implementation is named with its p95 in figures, the axis has a unit, and bars have its colour."""
        svg = ranking_bars([place("gin", 1_200_000), place("express", 2_600_000)], KINDS)

        assert {"Gin", "Express", "1.20 ms", "2.60 ms"} <= set(texts(svg))
        assert any("one user, ms:" in text for text in texts(svg))
        assert {KINDS["gin"], KINDS["express"]} <= set(re.findall(r"fill: (#\w+)", svg or ""))

    def test_one_is_no_ranking(self) -> None:
        """With fewer than two there is nothing to compare."""
        assert ranking_bars([place("gin", 1)], KINDS) is None


class TestSweep:
    def test_apis_have_a_panel_of_their_own(self) -> None:
        """APIs and what stands behind them differ by a thousand times: one axis would show neither."""
        svg = sweep([load(service, users) for service in ("gin", "redis") for users in (1, 10)], KINDS)
        written = texts(svg)

        assert {"APIs", "databases, caches, queues", "Gin, GET", "Redis, one node, GET"} <= set(written)
        assert written.count("calls by the second") == written.count("p95 of a call") == 2

    def test_each_number_of_users_is_on_the_axis(self) -> None:
        """A reader sees which numbers of users were measured, and lines run from few of them to many."""
        written = texts(sweep([load("gin", users) for users in (1, 7, 30)], KINDS))

        assert ["1", "7", "30"] == [text for text in written if text in {"1", "7", "10", "30"}][:3]

    def test_what_does_not_count_is_not_drawn(self) -> None:
        """One point is no line, and an invalid load is no point."""
        assert sweep([load("gin", 1), load("gin", 10, valid=False)], KINDS) is None


class TestTimeline:
    def test_latency_and_use_share_one_axis(self) -> None:
        """Seconds, milliseconds, per cent and MiB each stand on an axis, also where a reading is missing."""
        latency = [
            {"at_ns": (1_000 + at) * S_NS, "p50_ns": 20_000_000, "p95_ns": 50_000_000} for at in range(5)
        ]
        use = [
            {
                "at_ns": (1_000 + at) * S_NS,
                "cpu_percent": None if at == 0 else 97.0,
                "rss_bytes": None if at == 1 else 80 << 20,
            }
            for at in range(5)
        ]
        written = texts(timeline("fastapi", 100, latency, use, "#3f8fd2"))

        assert {"FastAPI, code-first, 100 users", "p50", "p95", "RSS, MiB", "CPU, % of", "one core"} <= set(
            written
        )
        assert "seconds since the load test began" in written

    def test_a_narrow_range_has_more_than_one_mark(self) -> None:
        """Latencies within a factor of two stand between marks that tell them."""
        latency = [{"at_ns": at * S_NS, "p50_ns": 400_000_000, "p95_ns": 700_000_000} for at in range(5)]
        use = [{"at_ns": at * S_NS, "cpu_percent": 97.0, "rss_bytes": 80 << 20} for at in range(5)]
        written = texts(timeline("fastapi", 100, latency, use, "#3f8fd2"))

        assert {"400 ms", "500 ms", "600 ms"} <= set(written)

    def test_without_readings_there_is_no_picture(self) -> None:
        """Where nobody read the processes there is nothing to set beside the latency."""
        assert timeline("fastapi", 100, [{"at_ns": 1, "p50_ns": 1, "p95_ns": 1}] * 5, [], "#3f8fd2") is None


class TestHistory:
    def row(self, service: str, day: int) -> dict[str, Any]:
        return {
            "service": service, "title": "GET", "began_at_ns": (1_795_576_500 + day * 86_400) * S_NS,
            "p50_ns": 100_000 + day, "p95_low_ns": 150_000, "p95_high_ns": 200_000 if day else None,
        }  # fmt: skip

    def test_a_panel_for_each_benchmark(self) -> None:
        """Three baselines make a history; two do not."""
        rows = [self.row("redis", day) for day in range(3)] + [self.row("mysql", day) for day in range(2)]
        written = texts(history(rows, KINDS))

        assert "Redis, one node: GET" in written
        assert "MySQL: GET" not in written
        assert history(rows[3:], KINDS) is None

    def test_fits_a_dialog(self) -> None:
        """The small one is at most 450 pixels wide."""
        svg = history([self.row("redis", day) for day in range(3)], KINDS, small=True)
        width = re.search(r'<svg[^>]*width="([\d.]+)"', svg or "")

        assert width
        assert float(width[1]) <= 450


class TestTexts:
    def test_ticks_of_a_row_of_dates_do_not_meet(self) -> None:
        """Dates below a narrow panel stand at least 15 pixels apart."""
        svg = history(
            [TestHistory().row(service, day * 3) for service in CATALOGUE for day in range(12)], KINDS
        )
        places = re.findall(r'<text style="font-size: 7\.5px[^"]*" x="([\d.]+)" y="([\d.]+)"', svg or "")
        rows: dict[str, list[float]] = {}
        for across, down in places:
            rows.setdefault(down, []).append(float(across))

        assert rows
        assert [] == [
            pair for row in rows.values() for pair in pairwise(sorted(row)) if pair[1] - pair[0] < 15
        ]
