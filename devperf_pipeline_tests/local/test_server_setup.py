import subprocess
import sys

import pytest

from devperf_pipeline.errors import ServiceMissing
from devperf_pipeline.local import server_setup
from devperf_pipeline.local.server_setup import free_port

GIVE = """
import sys
from devperf_pipeline.local.server_setup import free_port
print(free_port(), flush=True)
sys.stdin.read()
"""


class TestFreePort:
    def test_is_given_to_one_process(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A port that a running process has given away is free for no other one, although nobody listens there yet."""
        with subprocess.Popen(
            [sys.executable, "-c", GIVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as other:
            assert other.stdout
            given = int(other.stdout.readline())
            monkeypatch.setattr(server_setup, "PORTS", range(given, given + 1))
            with pytest.raises(ServiceMissing, match="Expected a free loopback port"):
                free_port()
            other.communicate("")

        assert given == free_port()
