from collections.abc import Iterator
from pathlib import Path

import pytest

from devperf_pipeline.errors import MeasurementError
from devperf_pipeline.measure.docker import Docker, find_docker
from devperf_pipeline_tests.measure.docker_server import ID, STATS, DockerServer, answers


@pytest.fixture(name="docker")
def _docker(tmp_path: Path) -> Iterator[Docker]:
    with DockerServer(tmp_path / "docker.sock", answers()):
        yield Docker(tmp_path / "docker.sock")


class TestDocker:
    def test_finds_the_container_at_a_port(self, docker: Docker) -> None:
        """The one that publishes the port, and none for another port."""
        assert (ID, None) == (docker.at_port(6379), docker.at_port(6380))

    def test_what_a_container_uses(self, docker: Docker) -> None:
        """Memory without cache that could be given up, as `docker stats` shows it; unknown figures are unknown."""
        found = docker.use("dev-redis")

        assert (100.215355, 6_000_000, 67_108_864, 3) == (
            found.cpu_s,
            found.rss_bytes,
            found.limit_bytes,
            found.threads,
        )
        assert (4096, 8192, 9979, 1338, 0) == (
            found.read_bytes,
            found.written_bytes,
            found.received_bytes,
            found.sent_bytes,
            found.oom_kills,
        )
        assert (None, None, None) == (found.pss_bytes, found.vsz_bytes, found.processes)

    def test_no_such_container(self, docker: Docker) -> None:
        """The message names the socket, what was asked, and what was found."""
        with pytest.raises(MeasurementError, match=r"docker\.sock to tell GET /containers/nobody.*404"):
            docker.use("nobody")

    def test_stats_without_memory(self, tmp_path: Path) -> None:
        """A container that just ended has empty statistics: that is told, not guessed."""
        known = answers()
        known[f"/containers/{ID}/stats?stream=false&one-shot=true"] = {**STATS, "memory_stats": {}}
        path = tmp_path / "docker.sock"
        with DockerServer(path, known), pytest.raises(MeasurementError, match="'usage'"):
            Docker(path).use(ID)

    def test_nobody_listens(self, tmp_path: Path) -> None:
        """A daemon that is down is told as such."""
        with pytest.raises(MeasurementError, match="Is the container running"):
            Docker(tmp_path / "docker.sock").at_port(1)


class TestFindDocker:
    def test_by_its_variable(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """DOCKER_HOST names the socket; where it names none that is there, there is no Docker."""
        path = tmp_path / "docker.sock"
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        before = find_docker()
        with DockerServer(path, {}):
            found = find_docker()

        assert (None, Docker(path)) == (before, found)
