"""
How much more do two engine processes ask than one, where the client is the limit?

A hundred users GET from one Redis node, by one process and by two, in alternation and without moving anybody between
cores. Printed is the median throughput of each, what share of a core the busiest process used, and the ratio over the
pairs. With two cores there is none to spare and the ratio says what a second process costs; with more it says what it
brings. Times are this machine's, the ratio is the result.

    python -m benchmarks.engine_processes
"""

import statistics

from devperf_pipeline.local.lifecycle import standing
from devperf_pipeline.measure.engine import User
from devperf_pipeline.measure.engine_processes import drive_shared
from devperf_pipeline.measure.lock import only_one
from devperf_pipeline.measure.recorder import Recorder
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.stack_file import load_stack

USERS = 100
PAIRS = 7
SECONDS = 1.0


def main() -> None:
    """Run the pairs and print the line."""
    folders = Folders.find()
    described = load_stack("local", folders, CATALOGUE)
    with only_one(), standing(described, folders, print, only=["redis"]) as stack:
        session = CATALOGUE["redis"].open_session(stack.service("redis"))
        try:
            session.prepare()
            operation = next(one for one in session.operations() if one.sustained)
            assert operation.wire
            assert operation.reset
            operation.reset(USERS, 40)
            connections = [session.connect() for _ in range(USERS)]
            users = [
                User(operation.wire(connection, number, 40), finite=False)
                for number, connection in enumerate(connections)
            ]
            recorder = Recorder()
            rates: dict[int, list[float]] = {1: [], 2: []}
            shares: dict[int, list[float]] = {1: [], 2: []}
            for _ in range(PAIRS):
                for processes, found in rates.items():
                    recorder.clear()
                    piece = drive_shared(
                        users,
                        recorder,
                        seconds=SECONDS,
                        calls=None,
                        processes=processes,
                        verify=lambda kept: kept[0].verify(kept[1]),
                    )
                    if piece.problem:
                        raise SystemExit(piece.problem)
                    found.append(recorder.length / piece.elapsed_ns * 1e9)
                    shares[processes].append(max(piece.cpu_ns) / piece.elapsed_ns)
            for connection in connections:
                connection.close()
        finally:
            session.clean()
            session.close()
    ratios = sorted(two / one for one, two in zip(rates[1], rates[2], strict=True))
    for processes, found in rates.items():
        print(
            f"{processes} engine process{'es' if processes > 1 else ''}: {statistics.median(found):,.0f} calls/s, "
            f"busiest used {100 * statistics.median(shares[processes]):.0f} % of a core"
        )
    print(
        f"ratio {statistics.median(ratios):.3f} (from {ratios[0]:.2f} to {ratios[-1]:.2f} over {PAIRS} pairs)"
    )


if __name__ == "__main__":
    main()
