import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from devperf_pipeline.measure.container_changes import ContainerChanges
from devperf_pipeline.measure.containers import Containers
from devperf_pipeline.model import Address, Service, Stack, Throttling
from devperf_pipeline_tests.measure.docker_server import CONTAINER, ID, DockerServer, answers

STACK = Stack(
    name="it",
    path=Path("it.toml"),
    managed=False,
    services=(Service(name="redis", kind="redis", addresses=(Address("127.0.0.1", 6379),)),),
)
LOOKED_S = 1_796_118_400.0


@pytest.fixture(name="known")
def _known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What an engine answers that has one container, dev-redis, and may be changed."""
    path, known = tmp_path / "docker.sock", answers()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with DockerServer(path, known):
        yield known


def become(known: dict[str, Any], container: Mapping[str, Any]) -> None:
    for name in (ID, "dev-redis"):
        known[f"/containers/{name}/json"] = container


def changed(**parts: Any) -> dict[str, Any]:
    """The container with other parts; those that are tables keep what is not named."""
    return {
        **CONTAINER,
        **{key: CONTAINER[key] | value if isinstance(value, dict) else value for key, value in parts.items()},
    }


def event(action: str, at_s: float, code: int) -> str:
    """An event as an engine tells it, a line each."""
    about = {"exitCode": str(code)} if code else {}
    told = {"Type": "container", "Action": action, "Actor": {"ID": ID, "Attributes": about}}
    return json.dumps(told | {"timeNano": int(at_s * 1e9)}) + "\n"


AGAIN = "2026-12-01T10:01:03Z"


class TestContainers:
    def test_what_they_are(self, known: dict[str, Any]) -> None:
        """Image, digest, limits, policy, network, health and engine are facts of the service, and nothing that changes."""
        found = Containers(STACK, {}).facts("redis")

        assert {
            "container image": "redis:7.4.1",
            "container digest": CONTAINER["Image"],
            "container cpu limit": "0.25 cores",
            "container memory limit": "64 MiB",
            "container restart policy": "unless-stopped",
            "container network": "dev_default",
            "container health": "healthy",
            "container engine": "docker 27.3.1",
        } == found

    def test_a_service_outside_of_containers_has_none(self, known: dict[str, Any]) -> None:
        """A process that nobody contains has no such facts."""
        known["/containers/json"] = []

        assert {} == Containers(STACK, {}).facts("redis")

    def test_throttling_that_the_engine_counts(self, known: dict[str, Any]) -> None:
        """Of a container in a machine of its own; without a limit nothing is asked."""
        limited = Containers(STACK, {}).throttling("redis")
        become(known, changed(HostConfig={"NanoCpus": 0}))

        assert (Throttling(400, 120, 9_000_000_000), None) == (
            limited,
            Containers(STACK, {}).throttling("redis"),
        )


class TestContainerChanges:
    @pytest.mark.parametrize(
        ("now", "sentence", "other"),
        [
            (changed(State={"StartedAt": AGAIN}), "was started again at 10:01:03 UTC", False),
            (
                changed(Id="f" * 64, State={"StartedAt": AGAIN}),
                "was made again at 10:01:03 UTC, of the same image",
                False,
            ),
            (
                changed(
                    Id="f" * 64, Config={"Image": "redis:8.0"}, Image="sha256:0", State={"StartedAt": AGAIN}
                ),
                "was made again at 10:01:03 UTC, with image redis:8.0 in place of redis:7.4.1",
                True,
            ),
            (
                changed(HostConfig={"NanoCpus": 100_000_000}),
                "was given cpu limit 0.1 cores in place of 0.25 cores",
                True,
            ),
            (changed(State={"Status": "paused"}), "is paused", False),
            (
                changed(State={"Status": "exited", "ExitCode": 137, "Pid": 0}),
                (
                    "does not run any more (exited): it was killed (exit code 137), which is also how the kernel ends what exceeds its "
                    "memory limit of 64 MiB"
                ),
                False,
            ),
            (
                changed(State={"Status": "exited", "ExitCode": 137, "Pid": 0, "OOMKilled": True}),
                "does not run any more (exited): it was killed for exceeding its memory limit of 64 MiB",
                False,
            ),
            (
                changed(NetworkSettings={"Ports": {"6379/tcp": [{"HostIp": "", "HostPort": "6390"}]}}),
                "is published at 6390, no longer at 6379",
                False,
            ),
        ],
    )
    def test_what_happened(
        self, known: dict[str, Any], now: Mapping[str, Any], sentence: str, *, other: bool
    ) -> None:
        """Each change is one sentence, told once; another image or limit makes it another service."""
        changes = ContainerChanges(Containers(STACK, {}), lambda: LOOKED_S)
        become(known, now)
        [found] = changes.since_last_look()

        assert ("redis", f"redis: its container dev-redis {sentence}.", other) == (
            found.service,
            found.sentence,
            found.other,
        )
        assert [] == changes.since_last_look()

    def test_what_was_between_two_looks(self, known: dict[str, Any]) -> None:
        """A pause that is over, and the exit code of one that was started again, are in the engine's events."""
        changes = ContainerChanges(Containers(STACK, {}), lambda: LOOKED_S)
        known["/events"] = "".join(
            event(action, LOOKED_S + at_s, code)
            for action, at_s, code in (
                ("pause", -5, 0),
                ("unpause", -4, 0),
                ("pause", 1, 0),
                ("unpause", 4.1, 0),
                ("die", 6, 139),
                ("start", 7, 0),
            )
        )
        become(known, changed(State={"StartedAt": AGAIN}))

        assert [
            "redis: its container dev-redis was started again at 10:01:03 UTC after it ended with exit code 139.",
            "redis: its container dev-redis was paused at 09:46:41 UTC for 3.1 s.",
        ] == [found.sentence for found in changes.since_last_look()]

    def test_one_that_is_gone(self, known: dict[str, Any]) -> None:
        """A container that was removed is told as that."""
        changes = ContainerChanges(Containers(STACK, {}))
        for name in (ID, "dev-redis"):
            del known[f"/containers/{name}/json"]
        [found] = changes.since_last_look()

        assert "redis: its container dev-redis is gone." == found.sentence
        assert "the container dev-redis is gone" == changes.why_not_ready("redis")

    @pytest.mark.parametrize(
        ("now", "why"),
        [
            (CONTAINER, None),
            (changed(State={"Status": "paused"}), "the container dev-redis is paused"),
            (changed(State={"Health": {"Status": "starting"}}), "the container dev-redis is not healthy yet"),
            (
                changed(NetworkSettings={"Ports": {}}),
                "the container dev-redis is published at no port, not at 6379",
            ),
        ],
    )
    def test_when_it_can_be_measured_again(
        self, known: dict[str, Any], now: Mapping[str, Any], why: str | None
    ) -> None:
        """It runs, looks well, and is published where the stack file expects it."""
        changes = ContainerChanges(Containers(STACK, {}))
        become(known, now)

        assert why == changes.why_not_ready("redis")
