import os
import resource
import shutil
import signal
import subprocess
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import polars as pl
import pytest

from devperf_pipeline.errors import ConfigurationError, StoreError
from devperf_pipeline.model import Baseline, Benchmark, Load, Round
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store.samples import SampleStore

KILLED = """
import os, signal, sys
from pathlib import Path
from devperf_pipeline.model import Baseline, Benchmark, Load, Round
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store.samples import SampleStore

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

root, step, where = sys.argv[1:]
store = SampleStore(Folders(Path(root)))
baseline = Baseline(id="b", stack="s", profile="quick", seed=1, began_at_ns=1, host={}, facts={})
store.begin(baseline)
def keep(number):
    store.keep(Round(benchmark=Benchmark("s", "o", Load(1), "engine"), number=number, phase="measured",
        began_at_ns=1, elapsed_ns=9, begin_ns=[0, 4], latency_ns=[3, 5], outcome=[0, 0], placement="free"))
keep(1)
if where == "keep":
    setattr(os, step, die)
    keep(2)
else:
    keep(2)
    if step == "rmtree":
        import shutil
        shutil.rmtree = die
    else:
        real, left = getattr(os, step), [int(where)]
        def counted(*given):
            left[0] -= 1
            return die() if left[0] < 0 else real(*given)
        setattr(os, step, counted)
    store.finish(Baseline(id="b", stack="s", profile="quick", seed=1, began_at_ns=1, host={}, facts={}, ended_at_ns=2))
"""

Store = Callable[..., Baseline]


@pytest.fixture
def store(folders: Folders, make_baseline: Callable[..., Baseline]) -> SampleStore:
    """A store in which a baseline has begun."""
    begun = SampleStore(folders)
    begun.begin(make_baseline())
    return begun


def finished(folders: Folders) -> Path:
    """The one finished baseline."""
    return next(folders.samples.glob("baseline_id=*"))


def rows(path: Path) -> list[tuple[object, ...]]:
    """All calls of a finished file, in their order, as anybody reads them."""
    return pl.read_parquet(path).select("benchmark", "round", "begin_ns", "latency_ns", "outcome").rows()


class TestKeep:
    def test_every_call_comes_back(
        self, folders: Folders, measure: Store, make_round: Callable[..., Round]
    ) -> None:
        """Begins, latencies and outcomes must come back as they were, benchmark by benchmark, in the order of begins."""
        other = Benchmark("redis", "a-first", Load(2), "engine")
        first = make_round(1, [3000, 1000, 2000], outcome=array("b", [0, 7, 1]))
        second = make_round(1, [5, 4], benchmark=other)
        measure([first, make_round(1, [9], phase="warmup"), second])
        expected = [
            (one.benchmark.id, 1, *call)
            for one in (second, first)
            for call in zip(one.begin_ns, one.latency_ns, one.outcome, strict=True)
        ]
        assert expected == rows(finished(folders) / "samples.parquet")
        assert [(first.benchmark.id, 1, 0, 9, 0)] == rows(finished(folders) / "warmups.parquet")

    def test_anybody_reads_them(
        self, folders: Folders, measure: Store, make_round: Callable[..., Round]
    ) -> None:
        """Finished samples must be plain columns with units, to whoever reads Parquet and knows nothing of this project."""
        measure([make_round(3, [1500], outcome=array("b", [3]))])
        frame = pl.read_parquet(finished(folders) / "samples.parquet", hive_partitioning=False)
        assert {
            "baseline_id": pl.String,
            "service": pl.String,
            "benchmark": pl.String,
            "round": pl.Int32,
            "begin_ns": pl.Int64,
            "latency_ns": pl.Int64,
            "outcome": pl.Int8,
        } == dict(frame.schema)
        assert frame.drop("baseline_id").rows() == [("redis", "redis/get-hit/closed-1/engine", 3, 0, 1500, 3)]

    def test_five_bytes_a_sample(
        self,
        folders: Folders,
        measure: Store,
        make_round: Callable[..., Round],
        closed_load: Callable[..., tuple[Sequence[int], Sequence[int]]],
    ) -> None:
        """The samples of a finished baseline, plain columns that they are, must take at most 5 bytes each."""
        rounds = list[Round]()
        for users in (1, 10):
            for number in range(1, 6):
                begin, latency = closed_load(users, 4000, seed=100 * users + number)
                benchmark = Benchmark("redis", "get-hit", Load(users), "engine")
                rounds.append(make_round(number, latency, begin_ns=begin, benchmark=benchmark))
        measure(rounds)
        assert (finished(folders) / "samples.parquet").stat().st_size / 40_000 <= 5

    def test_a_round_is_kept_once(self, store: SampleStore, make_round: Callable[..., Round]) -> None:
        """The same measured round a second time must be refused, since its calls would be counted twice."""
        store.keep(make_round(1))
        with pytest.raises(StoreError, match="kept already"):
            store.keep(make_round(1))

    def test_columns_of_different_length_are_refused(
        self, store: SampleStore, make_round: Callable[..., Round]
    ) -> None:
        """A round with a latency less than it has begins must be refused."""
        with pytest.raises(StoreError, match="100, 99 and 100"):
            store.keep(replace(make_round(), latency_ns=[1] * 99))

    def test_nothing_is_overwritten(
        self, folders: Folders, measure: Store, make_baseline: Callable[..., Baseline]
    ) -> None:
        """A baseline with the id of a finished one must be refused."""
        measure([])
        with pytest.raises(StoreError, match="nothing measured is overwritten"):
            SampleStore(folders).begin(make_baseline())


class TestKilled:
    @pytest.mark.parametrize(
        ("step", "where", "expected"),
        [
            ("fsync", "keep", ("interrupted", 2)),
            ("replace", "keep", ("interrupted", 2)),
            ("replace", "0", ("interrupted", 4)),
            ("fsync", "2", ("not yet put together", 4)),
            ("replace", "1", ("not yet put together", 4)),
            ("replace", "2", ("not yet put together", 4)),
            ("rmtree", "finish", ("was finished", 4)),
        ],
    )
    def test_whole_or_absent(
        self, folders: Folders, step: str, where: str, expected: tuple[str, int]
    ) -> None:
        """SIGKILL at any step of keeping or finishing must leave every kept round, whole, for recover to finish."""
        command = [sys.executable, "-c", KILLED, str(folders.root), step, where]
        ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        assert (-signal.SIGKILL, "") == (ended.returncode, ended.stderr)
        messages = SampleStore(folders).recover()
        words, calls = expected
        assert (1, True) == (len(messages), words in messages[0])
        assert calls == len(rows(finished(folders) / "samples.parquet"))
        assert [] == [*folders.incoming.iterdir(), *folders.samples.glob("*.partial")]
        assert SampleStore(folders).recover() == []


class TestRecover:
    def test_a_broken_part_is_set_aside(
        self, folders: Folders, store: SampleStore, make_round: Callable[..., Round]
    ) -> None:
        """Truncated, empty, foreign and flipped parts must be named and kept aside, and the whole ones used."""
        for number in range(1, 7):
            store.keep(make_round(number))
        parts = sorted(folders.incoming.glob("*/*.parquet"))
        data = parts[0].read_bytes()
        parts[0].write_bytes(data[: len(data) // 2])
        parts[1].write_bytes(b"")
        parts[2].write_text("hello")
        with duckdb.connect() as con:
            con.execute("copy (select 1 as a) to $1 (format parquet)", [str(parts[3])])
        # In the middle of the column of latencies.
        flipped = bytearray(parts[4].read_bytes())
        flipped[len(flipped) // 3] ^= 0xFF
        parts[4].write_bytes(flipped)
        messages = SampleStore(folders).recover()
        assert [True] * 5 + [False] == [str(parts[k]) in messages[k] for k in range(5)] + [
            ".broken" in messages[5]
        ]
        aside = {path.name for path in finished(folders).glob("*.broken")}
        assert {f"{path.name}.broken" for path in parts[:5]} == aside
        assert len(rows(finished(folders) / "samples.parquet")) == 100

    def test_a_broken_description_is_set_aside(
        self, folders: Folders, store: SampleStore, make_round: Callable[..., Round]
    ) -> None:
        """Rounds whose baseline is not described any more must stay, under another name."""
        store.keep(make_round())
        next(folders.incoming.glob("*/baseline.json")).write_text("{")
        (message,) = SampleStore(folders).recover()
        assert "set aside" in message
        assert len(list(folders.incoming.glob("*.broken/*.parquet"))) == 1


class TestCheckWritable:
    def test_an_empty_project_is_fine(self, folders: Folders) -> None:
        """Folders that are missing must be made."""
        SampleStore(folders).check_writable(needed_bytes=1)
        assert folders.samples.is_dir()

    def test_a_file_in_the_place_of_a_folder(self, folders: Folders) -> None:
        """A file where the samples belong must be named at once."""
        folders.data.mkdir()
        folders.samples.write_text("")
        with pytest.raises(ConfigurationError, match=str(folders.samples)):
            SampleStore(folders).check_writable()

    def test_too_little_space(self, folders: Folders) -> None:
        """Too little free space must be said with both numbers before anything is measured."""
        with pytest.raises(StoreError, match="1,000,000,000,000,000 bytes should be free"):
            SampleStore(folders).check_writable(needed_bytes=10**15)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    if os.getuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root mounts")
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


class TestDiskFull:
    def test_finished_rounds_stay_and_recover_goes_on(
        self, small_disk: Path, make_baseline: Callable[..., Baseline], make_round: Callable[..., Round]
    ) -> None:
        """The error must name the file system and both numbers; once there is space, everything kept must be there."""
        folders = Folders(small_disk)
        store = SampleStore(folders)
        store.begin(make_baseline())
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(150_000))
        kept = 0
        expected = rf"bytes are needed, [\d,]+ are free on the file system at {small_disk}"
        with pytest.raises(StoreError, match=expected):  # noqa: PT012 - which round is the first without space is not known
            for number in range(1, 100):
                store.keep(make_round(number, [(7919 * k * number) % 100_003 for k in range(1, 2001)]))
                kept += 1
        with pytest.raises(StoreError, match="No space for"):
            store.finish(replace(make_baseline(), ended_at_ns=2 * 10**18))
        assert (True, kept) == (kept > 0, len(list(folders.incoming.glob("*/*.parquet"))))
        ballast.unlink()
        assert f"its {kept:,} finished rounds are kept" in SampleStore(folders).recover()[0]

    def test_a_limit_on_file_sizes_is_a_full_disk(
        self, store: SampleStore, make_round: Callable[..., Round]
    ) -> None:
        """A file that may not grow must end as the same sentence, and leave no partial file."""
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        try:
            with pytest.raises(StoreError, match="No space for"):
                store.keep(make_round())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        store.keep(make_round())
