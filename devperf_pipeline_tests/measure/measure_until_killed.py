"""Measures the stack that comes pickled from standard input until it is killed, and says a line after each round."""

import pickle
import sys
from collections.abc import Sequence

from devperf_pipeline.measure.plan import RunOptions
from devperf_pipeline.measure.profile import Profile
from devperf_pipeline.measure.progress import Progress
from devperf_pipeline.measure.run import measure
from devperf_pipeline.measure.run_context import Reporter, RunContext
from devperf_pipeline.model import Baseline, ResourceReading, Round, Stated


class Nowhere:
    """Keeps nothing."""

    def begin(self, baseline: Baseline) -> None: ...

    def keep(self, measured: Round) -> None: ...

    def keep_resources(self, readings: Sequence[ResourceReading]) -> None: ...

    def keep_stated(self, stated: Stated) -> None: ...

    def finish(self, baseline: Baseline) -> None: ...


def tell(progress: Progress) -> None:
    sys.stdout.write(f"{progress.done}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    measure(
        RunContext(
            stack=pickle.load(sys.stdin.buffer),  # noqa: S301 - from the test that started us
            sink=Nowhere(),
            reporter=Reporter(progress=tell),
        ),
        RunOptions(
            profile=Profile(name="quick", rounds=1000, seconds=0.02, warmup_s=0.02, about="until killed"),
            seed=7,
        ),
    )
