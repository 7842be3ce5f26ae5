import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.stack_file import load_stack

STACKS = Path(__file__).parents[2] / "stacks"
TEXT = (STACKS / "compose.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
VARIABLES = sorted(set(re.findall(r"\$\{(\w+):\?\}", TEXT)))

PUBLISHED = {
    "postgres": "postgres:16.6",
    "mysql": "mysql:8.0.40",
    "mongodb": "mongo:7.0.16",
    "redis-1": "redis:7.4.1",
    "redis-2": "redis:7.4.1",
    "redis-3": "redis:7.4.1",
    "rabbitmq": "rabbitmq:4.0.4-management",
    "vault": "hashicorp/vault:1.18.2",
}
"""The versions of the published baseline. It names none of PgBouncer."""

KEYS = {
    "image",
    "environment",
    "command",
    "ports",
    "networks",
    "healthcheck",
    "depends_on",
    "deploy",
    "cap_add",
    "restart",
}
"""What of Compose's format the file uses."""

UNITS = {"M": 2**20, "G": 2**30}


def published_ports() -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for service in SERVICES.values():
        for port in service.get("ports", ()):
            host, outside, _inside = port.split(":")
            found.append((host, int(outside)))
    return found


def limits() -> list[dict[str, str]]:
    return [service["deploy"]["resources"]["limits"] for service in SERVICES.values()]


class TestComposeYaml:
    def test_versions(self) -> None:
        """Each server has the version that the published baseline names."""
        assert PUBLISHED == {name: SERVICES[name]["image"] for name in PUBLISHED}

    def test_uses_only_known_keys(self) -> None:
        """No key is misspelt: Compose would refuse it."""
        assert set() == {key for service in SERVICES.values() for key in service} - KEYS
        assert all(set(COMPOSE["networks"]) >= set(service["networks"]) for service in SERVICES.values())

    def test_limits(self) -> None:
        """Together the servers get what the published machine had: 4 CPUs and 8 GiB."""
        memory = sum(int(limit["memory"][:-1]) * UNITS[limit["memory"][-1]] for limit in limits())
        assert sum(float(limit["cpus"]) for limit in limits()) <= 4
        assert memory <= 8 * 2**30

    def test_ports_are_on_loopback_and_different(self) -> None:
        """Nobody outside reaches a server, and none takes the port of another."""
        ports = published_ports()
        assert {"127.0.0.1"} == {host for host, _ in ports}
        assert len(ports) == len(set(ports))

    def test_holds_no_secret(self) -> None:
        """Whatever is called a password or a token comes from the environment, and must be there."""
        secrets = re.findall(
            r"(?:PASSWORD|PASS|TOKEN_ID|AUTH): (.*)|--(?:requirepass|masterauth)\n\s+- (.*)", TEXT
        )
        assert len(secrets) > 7
        assert all(re.fullmatch(r"\$\{\w+:\?\}", first or second) for first, second in secrets)

    def test_waits_for_what_is_needed(self) -> None:
        """Who waits for a healthy service waits for one whose health is looked at."""
        for service in SERVICES.values():
            for name in service.get("depends_on", ()):
                assert "healthcheck" in SERVICES[name]


class TestStackFiles:
    def test_compose_measures_what_is_started(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each service is at a port that the containers publish, with a password that they were started with."""
        for variable in VARIABLES:
            monkeypatch.setenv(variable, f"from {variable}")
        stack = load_stack("compose", Folders(STACKS.parent), CATALOGUE)
        ports = [port for _, port in published_ports()]

        assert [] == [
            address
            for service in stack.services
            for address in service.addresses
            if address.port not in ports
        ]
        assert all(service.credentials and service.credentials.password for service in stack.services)

    def test_devstack_core_is_read_without_its_vault(self) -> None:
        """The file is right by itself: what lies in the Vault and in files is read when a baseline begins."""
        stack = load_stack("devstack-core", Folders(STACKS.parent), CATALOGUE)
        kept = {service.name: sorted(service.kept) for service in stack.services if service.kept}
        apis = {
            name: service.address.port
            for name in CATALOGUE
            for service in stack.services
            if service.name == name
        }

        assert not stack.managed
        assert (
            ["database", "password", "username"]
            == kept["postgresql"]
            == kept["pgbouncer"]
            == kept["rabbitmq"]
        )
        assert (8000, 8001, 8002, 8003, 8004, 8005) == tuple(
            apis[name] for name in ("fastapi", "fastapi_api_first", "gin", "express", "actix", "typescript")
        )
