import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from devperf_pipeline.measure.cpu_affinity import Placement

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs two cores to choose from",
)


@pytest.fixture(name="server")
def _server() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.kill()


class TestPlacement:
    def test_engines_and_servers_have_cores_of_their_own(self, server: int) -> None:
        """With many users every engine process has a core, the servers have the others, and the name says which."""
        cores = sorted(os.sched_getaffinity(0))
        placement = Placement([server])
        try:
            for engines in range(1, len(cores)):
                ours, theirs = cores[-engines:], cores[:-engines]
                name = placement.choose(100, engines)

                assert f"apart:{','.join(map(str, ours))}|{','.join(map(str, theirs))}" == name
                assert (set(ours), set(theirs)) == (os.sched_getaffinity(0), os.sched_getaffinity(server))
        finally:
            placement.release()

        assert set(cores) == os.sched_getaffinity(0)

    def test_there_is_room_while_a_core_is_left_to_servers(self, server: int) -> None:
        """As many engine processes as there are cores would leave none."""
        cores = len(os.sched_getaffinity(0))
        placement = Placement([server])

        assert [True, False] == [placement.room(cores - 1), placement.room(cores)]
