from collections.abc import Callable
from pathlib import Path

from devperf_pipeline.model import Baseline, Benchmark, Load, ResourceReading, Stated
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store import warehouse
from devperf_pipeline.store.samples import SampleStore

MakeBaseline = Callable[..., Baseline]

READING = ResourceReading(
    service="redis",
    category="caching",
    phase="idle",
    at_ns=1_795_576_500_000_000_000,
    elapsed_ns=1_000_000_000,
    cpu_percent=0.5,
    rss_bytes=12_000_000,
    pss_bytes=None,
    vsz_bytes=60_000_000,
    processes=1,
    threads=5,
)

STATED = Stated(
    benchmark=Benchmark("redis", "tool-set", Load(50), "redis-benchmark"),
    number=1,
    began_at_ns=1_795_576_500_000_000_000,
    elapsed_ns=2_000_000_000,
    n=100_000,
    errors=0,
    throughput_per_s=50_000.0,
    mean_ns=400_000,
    quantiles={0.5: 390_000, 0.95: 600_000},
    about={"version": "7.0.15"},
)


def keep(folders: Folders, baseline: Baseline) -> Path:
    store = SampleStore(folders)
    store.begin(baseline)
    store.keep_resources([READING])
    store.keep_stated(STATED)
    store.keep_resources([READING, READING])
    store.finish(baseline)
    return folders.samples / f"baseline_id={baseline.id}"


class TestGather:
    def test_what_is_kept_beside_samples_can_be_asked(
        self, folders: Folders, make_baseline: MakeBaseline
    ) -> None:
        """Readings and what tools said come back from the warehouse as they were kept."""
        keep(folders, make_baseline())
        warehouse.build(folders)
        with warehouse.connect(folders) as con:
            readings = con.execute("select service, rss_bytes, pss_bytes from resource_samples").fetchall()
            stated = con.execute(
                "select instrument, n, latencies_ns, about['version'] from stated"
            ).fetchall()

        assert [("redis", 12_000_000, None)] * 3 == readings
        assert [("redis-benchmark", 100_000, [390_000, 600_000], "7.0.15")] == stated

    def test_a_broken_file_costs_no_warehouse(self, folders: Folders, make_baseline: MakeBaseline) -> None:
        """What tools said in one baseline cannot be read any more: it is set aside, and the tables are built all the same."""
        path = keep(folders, make_baseline(24)) / "stated.parquet"
        keep(folders, make_baseline(25))
        warehouse.build(folders)
        path.write_bytes(path.read_bytes()[:40])
        (said,) = warehouse.build(folders).said
        with warehouse.connect(folders) as con:
            found = con.execute("select count(*) from stated").fetchone()

        assert (1,) == found
        assert (True, True) == (str(path) in said, path.with_name("stated.parquet.broken").exists())
        assert () == warehouse.build(folders).said

    def test_a_broken_part_is_set_aside(self, folders: Folders, make_baseline: MakeBaseline) -> None:
        """One damaged part costs only what was in it."""
        baseline = make_baseline()
        store = SampleStore(folders)
        store.begin(baseline)
        store.keep_resources([READING])
        store.keep_resources([READING])
        part = min((folders.incoming / baseline.id).glob("*.resources"))
        part.write_bytes(part.read_bytes()[:40])
        store = SampleStore(folders)
        said = store.recover()
        warehouse.build(folders)
        with warehouse.connect(folders) as con:
            found = con.execute("select count(*) from resource_samples").fetchone()

        assert (1,) == found
        assert any(part.name in sentence for sentence in said)
