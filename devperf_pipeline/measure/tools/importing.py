"""
How do results that people already have become a baseline of their own?

All files of one import together, or nothing: each is read and understood before anything is kept.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from devperf_pipeline.measure.run import new_id
from devperf_pipeline.measure.run_context import Sink
from devperf_pipeline.measure.tools.formats import Format, read, recognised
from devperf_pipeline.measure.tools.result import Result
from devperf_pipeline.measure.tools.text import shown, slug
from devperf_pipeline.model import IMPORTED, Baseline, Benchmark, Facts, Load

CONTENT = "sha256 of file "
"""The facts of an imported baseline that tell which contents it was made from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """One file: its name, what it was taken for, what it says, and when it was written (UTC epoch)."""

    name: str
    digest: str
    form: Format
    results: Sequence[Result]
    written_ns: int


def understand(path: Path) -> Understood:
    """Read one file; `ForeignResults` where no known tool wrote it, or it is not whole."""
    text, data = read(path)
    form = recognised(text)
    return Understood(
        name=shown(path.name),
        digest=hashlib.sha256(data).hexdigest(),
        form=form,
        results=form.results(text),
        written_ns=path.stat().st_mtime_ns,
    )


def without_known(files: Sequence[Understood], known: Collection[str]) -> list[Understood]:
    """The files whose contents were not imported yet, each content once."""
    seen = set(known)
    fresh: list[Understood] = []
    for file in files:
        if file.digest not in seen:
            seen.add(file.digest)
            fresh.append(file)
    return fresh


def digests(baseline: Baseline) -> set[str]:
    """Which contents an imported baseline was made from."""
    if baseline.stack != IMPORTED:
        return set()
    return {value for key, value in baseline.host.items() if key.startswith(CONTENT)}


def keep(files: Sequence[Understood], sink: Sink) -> Baseline:
    """
    Keep everything that the files say as one baseline of the stack "imported".

    Several runs of the same benchmark are its rounds, in the order of the files.
    """
    now = time.time()
    baseline = Baseline(
        id=new_id(now),
        stack=IMPORTED,
        profile=IMPORTED,
        seed=0,
        began_at_ns=int(now * 1e9),
        host=_about(files),
        facts={
            file.form.service: Facts(
                product=f"whatever {file.form.tool} was asked to load", version="unknown"
            )
            for file in files
        },
        operations={
            f"{file.form.service}/{slug(one.title)}": one.title for file in files for one in file.results
        },
        ended_at_ns=time.time_ns(),
        states={file.form.service: "measured" for file in files},
    )
    sink.begin(baseline)
    numbers: Counter[str] = Counter()
    for file in files:
        for result in file.results:
            benchmark = Benchmark(file.form.service, slug(result.title), Load(result.users), file.form.tool)
            numbers[benchmark.id] += 1
            number = numbers[benchmark.id]
            round_ = result.round(benchmark, number, file.written_ns, "unknown")
            if round_ is not None:
                sink.keep(round_)
            sink.keep_stated(result.stated(benchmark, number, file.written_ns, file=file.name))
    sink.finish(baseline)
    return baseline


def _about(files: Sequence[Understood]) -> dict[str, str]:
    about: dict[str, str] = {}
    for number, file in enumerate(files, 1):
        about[f"file {number}"] = f"{file.name}: {file.form.title}"
        about[f"{CONTENT}{number}"] = file.digest
    return about
