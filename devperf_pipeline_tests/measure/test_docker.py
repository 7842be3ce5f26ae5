import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from devperf_pipeline.errors import MeasurementError
from devperf_pipeline.measure.docker import Docker, find_engines
from devperf_pipeline.model import Throttling
from devperf_pipeline_tests.measure.docker_server import (
    CONTAINER,
    ID,
    STATS,
    STATS_OF,
    DockerServer,
    answers,
    podman_answers,
)


@pytest.fixture(name="docker")
def _docker(tmp_path: Path) -> Iterator[Docker]:
    with DockerServer(tmp_path / "docker.sock", answers()):
        yield Docker(tmp_path / "docker.sock")


@pytest.fixture(name="podman")
def _podman(tmp_path: Path) -> Iterator[Docker]:
    with DockerServer(tmp_path / "podman.sock", podman_answers(), podman=True):
        yield Docker(tmp_path / "podman.sock")


class TestDocker:
    def test_which_engine_it_is(self, docker: Docker, podman: Docker) -> None:
        """Docker's API does not make it Docker: podman behind it is called podman."""
        assert [("docker", "27.3.1"), ("podman", "4.3.1")] == [docker.version(), podman.version()]

    def test_finds_the_container_at_a_port(self, docker: Docker) -> None:
        """The one that publishes the port, and none for another port."""
        found = docker.at_port(6379)

        assert found is not None
        assert (ID, None) == (found.id, docker.at_port(6380))

    def test_what_a_container_is(self, docker: Docker) -> None:
        """Image, limits, policy, network, health and ports, as the engine describes them."""
        found = docker.container("dev-redis")

        assert ("dev-redis", "redis:7.4.1", CONTAINER["Image"], "running") == (
            found.name,
            found.image,
            found.digest,
            found.state,
        )
        assert (0.25, 67_108_864, "unless-stopped", "dev_default", "healthy", (6379,), "172.28.0.11") == (
            found.cpu_limit,
            found.memory_limit_bytes,
            found.restart_policy,
            found.network,
            found.health,
            found.ports,
            found.address,
        )
        assert 1_796_118_288.4 == pytest.approx(found.started_s)

    def test_what_a_container_uses(self, docker: Docker) -> None:
        """Memory without cache that could be given up, as `docker stats` shows it; unknown figures are unknown."""
        found = docker.use("dev-redis")

        assert (100.215355, 6_000_000, 67_108_864, 3) == (
            found.cpu_s,
            found.rss_bytes,
            found.limit_bytes,
            found.threads,
        )
        assert (4096, 8192, 9979, 1338) == (
            found.read_bytes,
            found.written_bytes,
            found.received_bytes,
            found.sent_bytes,
        )
        # That nothing was killed is said also where a process beside the first was.
        assert (None, None, None, None) == (
            found.pss_bytes,
            found.vsz_bytes,
            found.processes,
            found.oom_kills,
        )
        assert Throttling(400, 120, 9_000_000_000) == docker.throttling("dev-redis")

    def test_what_podman_tells_wrongly_is_unknown(self, podman: Docker) -> None:
        """Cache within memory, swapped network, disk and throttling of 0: none of it is repeated; the rest is right."""
        found = podman.use("dev-redis")

        assert (0.766788594, 5, 67_108_864) == (found.cpu_s, found.threads, found.limit_bytes)
        assert [None] * 6 == [
            found.rss_bytes,
            found.read_bytes,
            found.written_bytes,
            found.received_bytes,
            found.sent_bytes,
            found.oom_kills,
        ]
        assert podman.throttling("dev-redis") is None

    def test_figures_of_the_whole_machine_are_refused(self, tmp_path: Path) -> None:
        """Without root, on control groups of version 1, podman counts the root group, and no processes."""
        known = answers()
        known[f"/containers/{ID}/{STATS_OF}"] = {
            **STATS,
            "pids_stats": {},
            "memory_stats": {"usage": 5_132_485_591, "limit": 25_232_932_864},
        }
        path = tmp_path / "podman.sock"
        with DockerServer(path, known), pytest.raises(MeasurementError, match="not of its own control group"):
            Docker(path).use(ID)

    def test_no_such_container(self, docker: Docker) -> None:
        """The message names the socket, what was asked, and what was found."""
        with pytest.raises(MeasurementError, match=r"docker\.sock to tell GET /containers/nobody.*404"):
            docker.use("nobody")

    def test_stats_without_memory(self, tmp_path: Path) -> None:
        """A container that just ended has empty statistics: that is told, not guessed."""
        known = answers()
        known[f"/containers/{ID}/{STATS_OF}"] = {"pids_stats": {"current": 1}, "cpu_stats": {}}
        path = tmp_path / "docker.sock"
        with DockerServer(path, known), pytest.raises(MeasurementError, match="'memory_stats'"):
            Docker(path).use(ID)

    def test_nobody_listens(self, tmp_path: Path) -> None:
        """A daemon that is down is told as such."""
        with pytest.raises(MeasurementError, match="Is the container running"):
            Docker(tmp_path / "docker.sock").at_port(1)


class TestFindEngines:
    def test_by_its_variable(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """DOCKER_HOST names the socket; where it names none that is there, there is no engine."""
        path = tmp_path / "docker.sock"
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        before = find_engines().usable
        with DockerServer(path, {}):
            found = find_engines().usable

        assert ((), (Docker(path),)) == (before, found)

    def test_one_elsewhere_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An engine on another machine is not asked, and that is no secret."""
        monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.7:2375")

        assert ((), True) == (find_engines().usable, "tcp://10.0.0.7:2375" in find_engines().refused[0])

    @pytest.mark.skipif(os.geteuid() == 0, reason="no socket is closed to root")
    def test_a_socket_that_may_not_be_used(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """That there is one, and that it is closed to us, is said."""
        path = tmp_path / "docker.sock"
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            path.chmod(0o000)
            found = find_engines()

        assert ((), [f"{path} is there, and this user may not use it (permission denied)"]) == (
            found.usable,
            list(found.refused),
        )
