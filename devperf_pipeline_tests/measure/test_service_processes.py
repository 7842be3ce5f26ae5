import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from devperf_pipeline.measure.service_processes import targets
from devperf_pipeline.model import Address, Companion, Service, Stack
from devperf_pipeline_tests.measure.docker_server import CONTAINER, ID, DockerServer, answers


@pytest.fixture(name="listening")
def _listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A port at which this process listens, on a machine without Docker."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def stack(*services: Service, footprint: tuple[Companion, ...] = ()) -> Stack:
    return Stack(name="it", path=Path("it.toml"), managed=False, services=services, footprint=footprint)


def redis(*ports: int, kind: str = "redis") -> Service:
    return Service(name=kind, kind=kind, addresses=tuple(Address("127.0.0.1", port) for port in ports))


NOBODY: dict[str, list[int]] = {}


class TestDoors:
    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who listens at a unix socket")
    def test_a_unix_socket(self, tmp_path: Path, listening: int) -> None:
        """Who listens at a unix socket is read, and of one where nobody does it is said that nobody is seen."""
        path = tmp_path / "it.sock"
        service = Service(name="redis", kind="redis", addresses=(Address(str(path)),))
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            server.listen()
            found, unseen = targets(stack(service), NOBODY)
            assert ([(os.getpid(),)], []) == ([one.pids for one in found], unseen)
        found, [unseen] = targets(stack(service), NOBODY)
        assert found == []
        assert f"expected to see the process or container that listens at unix:{path}" in unseen

    def test_the_same_port_of_the_other_ip(self, listening: int) -> None:
        """Who listens on IPv4 is not taken for who would listen at the same port of IPv6."""
        service = Service(name="redis", kind="redis", addresses=(Address("::1", listening),))
        found, unseen = targets(stack(service), NOBODY)
        assert (0, 1) == (len(found), len(unseen))


class TestServices:
    def test_ours_are_known(self, listening: int) -> None:
        """Of a stack that we started the main processes are taken as they are; nodes are numbered."""
        found, unseen = targets(
            stack(redis(listening), redis(1, 2, kind="redis_cluster")),
            {"redis": [11], "redis_cluster": [12, 13]},
        )

        assert [] == unseen
        assert [
            ("redis", "caching", (11,)),
            ("redis_cluster/1", "caching", (12,)),
            ("redis_cluster/2", "caching", (13,)),
        ] == [(one.name, one.category, one.pids) for one in found]

    def test_doors_of_one_server_are_no_nodes(self, listening: int) -> None:
        """A broker and its management API at two ports of one process are one service."""
        with socket.create_server(("127.0.0.1", 0)) as door:
            found, _ = targets(stack(redis(listening, door.getsockname()[1], kind="rabbitmq")), NOBODY)
        ours, _ = targets(stack(redis(1, 2, kind="rabbitmq")), {"rabbitmq": [11]})

        assert [("rabbitmq", (os.getpid(),))] == [(one.name, one.pids) for one in found]
        assert [("rabbitmq", (11,))] == [(one.name, one.pids) for one in ours]

    def test_who_listens_at_the_address(self, listening: int) -> None:
        """Of somebody else's stack it is the process that listens there."""
        found, unseen = targets(stack(redis(listening)), NOBODY)

        assert ([(os.getpid(),)], []) == ([one.pids for one in found], unseen)

    def test_of_two_services_in_one_process_one_is_read(self, listening: int) -> None:
        """Two APIs behind one server would be counted twice: the first has the readings, and of the other it is said."""
        apis = [
            Service(name=name, kind="api", addresses=(Address("127.0.0.1", listening),))
            for name in ("api", "api_next")
        ]
        found, unseen = targets(stack(*apis), NOBODY)

        assert ["api"] == [target.name for target in found]
        assert ["api_next: runs in the processes of api; what they use is read there, once."] == unseen

    def test_nobody_listens(self, listening: int) -> None:
        """What cannot be seen is said, with what to write in the stack file; the others are found."""
        found, unseen = targets(stack(redis(9), redis(listening, kind="vault")), NOBODY)

        assert ["vault"] == [one.name for one in found]
        assert ["redis"] == [why.partition(":")[0] for why in unseen]
        assert "[footprint.redis] process" in unseen[0]

    def test_the_container_at_the_address(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Docker is asked first: what listens for a container only forwards to it."""
        path = tmp_path / "docker.sock"
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        with DockerServer(path, answers(port=6379)):
            found, _ = targets(stack(redis(6379)), NOBODY)

        assert [("redis", (), ID, str(path))] == [
            (one.name, one.pids, one.container, one.docker) for one in found
        ]

    def test_a_container_whose_process_is_seen(
        self, listening: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its processes are read here, whatever group they are in, if its first one began when the container did."""
        path, mine = tmp_path / "docker.sock", psutil.Process()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        began = datetime.fromtimestamp(mine.create_time(), UTC).isoformat()
        found: list[tuple[int, ...]] = []
        for started in (began, "2026-01-01T00:00:00Z"):
            state = CONTAINER["State"] | {"Pid": mine.pid, "StartedAt": started}
            with DockerServer(path, answers(listening, container=CONTAINER | {"State": state})):
                [target], _ = targets(stack(redis(listening)), NOBODY)
            assert (ID, str(path)) == (target.container, target.docker)
            found.append(target.pids)
            path.unlink()

        assert [(mine.pid,), ()] == found

    @pytest.mark.parametrize("program", ["conmon", "slirp4netns", "pasta", "rootlessport"])
    def test_what_forwards_to_a_container_is_not_it(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str
    ) -> None:
        """A program that holds the port of a container is named, and not measured in its place."""
        monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
        script = tmp_path / program
        script.symlink_to(sys.executable)
        code = "import socket\ns = socket.create_server(('127.0.0.1', 0))\nprint(s.getsockname()[1], flush=True)\ninput()"
        with subprocess.Popen(
            [str(script), "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as forwarder:
            assert forwarder.stdin is not None
            assert forwarder.stdout is not None
            port = int(forwarder.stdout.readline())
            found, unseen = targets(stack(redis(port)), NOBODY)
            forwarder.stdin.close()

        assert ([], True) == (found, f"found {program}, which forwards" in unseen[0])

    def test_an_engine_that_is_refused_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where nothing is seen at the port, an engine that is not asked is named."""
        monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.7:2375")
        _, unseen = targets(stack(redis(9)), NOBODY)

        assert "(the engine at tcp://10.0.0.7:2375 is not asked" in unseen[0]

    def test_docker_that_does_not_answer(
        self, listening: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A socket that may not be used hides no process that is seen."""
        path = tmp_path / "docker.sock"
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        with DockerServer(path, {}):
            found, unseen = targets(stack(redis(listening)), NOBODY)

        assert ([(os.getpid(),)], []) == ([one.pids for one in found], unseen)


class TestCompanions:
    def test_by_name_and_by_pid_file(self, listening: int, tmp_path: Path) -> None:
        """A process is found by the name of its program, or by the file in which its id is."""
        (tmp_path / "it.pid").write_text(f"{os.getpid()}\n")
        program = psutil.Process().name()
        named = Companion(name="prometheus", category="observability", process=program)
        filed = Companion(name="forgejo", category="git server", process=str(tmp_path / "it.pid"))
        # Each by itself: where this is the only process of its name, both are the same one, which is read once.
        [by_name], [by_file] = (targets(stack(footprint=(one,)), NOBODY)[0] for one in (named, filed))

        assert ["observability", "git server"] == [by_name.category, by_file.category]
        assert os.getpid() in by_name.pids
        assert (os.getpid(),) == by_file.pids

    def test_a_service_is_where_the_file_says(self, listening: int, tmp_path: Path) -> None:
        """One that is called as a service is that service, in its own category."""
        (tmp_path / "it.pid").write_text(str(os.getpid()))
        where = Companion(name="redis", category="other", process=str(tmp_path / "it.pid"))
        found, _ = targets(stack(redis(9), footprint=(where,)), NOBODY)

        assert [("redis", "caching", (os.getpid(),))] == [(o.name, o.category, o.pids) for o in found]

    def test_one_that_does_not_run(self, listening: int) -> None:
        """It is said which, and where it is named."""
        gone = Companion(name="loki", category="observability", process="no-such-program")
        contained = Companion(name="grafana", category="observability", container="dev-grafana")
        _, unseen = targets(stack(footprint=(gone, contained)), NOBODY)

        assert ["loki", "grafana"] == [why.partition(":")[0] for why in unseen]
        assert "a process called no-such-program" in unseen[0]
        assert "found neither" in unseen[1]
