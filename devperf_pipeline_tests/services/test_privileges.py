import base64
import http.client
import json
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from redis import Redis

from devperf_pipeline.model import Credentials, Service, Stack
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline_tests import administrators
from devperf_pipeline_tests.services.calls import RIGHT, by_driver, by_engine
from devperf_pipeline_tests.services.sessions import running

DOCUMENTED = (Path(__file__).parents[2] / "docs" / "stacks.md").read_text(encoding="utf-8")
PASSWORD = "only-here-7"
US = Credentials("measurer", PASSWORD)


def block(language: str, database: str = "") -> list[str]:
    """What the page says to run, line by line."""
    [found] = re.findall(rf"```{language}\n(.*?)```", DOCUMENTED, re.DOTALL)
    return re.sub(r"\bapp\b", database, found.replace("CHANGE-ME", PASSWORD)).strip().splitlines()


def measured_with(service: Service) -> dict[str, object]:
    """What a session with few privileges finds missing, and how every call of every operation ended."""
    session = CATALOGUE[service.kind].open_session(service)
    try:
        found: dict[str, object] = {
            "missing": [each for each in session.preflight() if "privilege" in each],
        }
        session.prepare()
        for operation in session.operations():
            connections = [session.connect() for _ in range(2)]
            verdicts = {
                *by_engine(operation, connections),
                *(by_driver(operation, connections[:1]) if operation.driver else ()),
            }
            if verdicts != {RIGHT}:
                found[operation.name] = verdicts
            for connection in connections:
                connection.close()
        return found
    finally:
        session.clean()
        session.close()


def as_administrator(service: Service, statements: Sequence[str]) -> None:
    """Run statements as the one who owns the database server."""
    for statement in statements:
        administrators.ask(service, statement)


@contextmanager
def user_of(service: Service, *, grants: int) -> Iterator[Service]:
    """The service, entered as the documented user with that many of its documented lines."""
    dropped = {
        "postgresql": [f'REVOKE ALL ON DATABASE "{service.database}" FROM measurer', "DROP ROLE measurer"],
        "mysql": ["DROP USER measurer@'%'"],
    }
    as_administrator(service, block(service.kind, service.database or "")[:grants])
    try:
        yield replace(service, credentials=US)
    finally:
        as_administrator(service, dropped[service.kind])


@pytest.mark.servers
class TestRelational:
    @pytest.mark.parametrize("kind", ["postgresql", "mysql"])
    def test_documented_grants_are_enough(self, running_stack: Stack, kind: str) -> None:
        """Every operation is measured by a user with nothing but what the page grants."""
        with user_of(running_stack.service(kind), grants=2) as service:
            assert {"missing": []} == measured_with(service)

    @pytest.mark.parametrize("kind", ["postgresql", "mysql"])
    def test_what_is_missing_is_known_before(self, running_stack: Stack, kind: str) -> None:
        """A user without the grants is told so by asking, with the statement that gives them."""
        with user_of(running_stack.service(kind), grants=1) as service:
            session = CATALOGUE[kind].open_session(service)
            found = session.preflight()
            session.close()
        assert any("missing privilege" in each and "GRANT CREATE" in each for each in found)


@pytest.mark.servers
class TestMongodb:
    def test_documented_role_is_enough(self, running_stack: Stack) -> None:
        """With the documented role alone every operation is measured, and nothing is missing."""
        with mongodb_user(running_stack, json.loads("".join(block("mongodb")))) as service:
            assert {"missing": []} == measured_with(service)

    def test_what_is_missing_is_known_before(self, running_stack: Stack) -> None:
        """A user without that role is told of it by asking, before anything is made."""
        reader = {
            "createUser": "measurer",
            "pwd": PASSWORD,
            "roles": [{"role": "read", "db": "devperf"}],
        }
        with (
            mongodb_user(running_stack, reader) as service,
            closing(CATALOGUE["mongodb"].open_session(service)) as session,
        ):
            [missing] = session.preflight()

        assert (
            "a missing privilege, perhaps: expected the role dbOwner on devperf, found read on devperf"
            == missing
        )


@contextmanager
def mongodb_user(running_stack: Stack, statement: dict[str, Any]) -> Iterator[Service]:
    """The service as the user that a statement makes sees it."""
    service = running(running_stack, "mongodb")
    with administrators.mongodb(service) as client:
        client.admin.command(statement)
        try:
            yield replace(service, credentials=US)
        finally:
            client.admin.command("dropUser", US.username)


@pytest.mark.servers
class TestRedis:
    @pytest.mark.parametrize("kind", ["redis", "redis_cluster"])
    def test_documented_acl_is_enough(self, running_stack: Stack, kind: str) -> None:
        """Every command is measured by a user who may do nothing but what the page allows."""
        service = running_stack.service(kind)
        assert service.credentials is not None
        nodes = [
            Redis(host=address.host, port=address.port, password=service.credentials.password)
            for address in service.addresses
        ]
        [line] = block("redis")
        try:
            for node in nodes:
                node.execute_command(*line.split())
            assert {"missing": []} == measured_with(replace(service, credentials=US))
        finally:
            for node in nodes:
                node.execute_command("ACL", "DELUSER", US.username)
                node.close()

    def test_eviction_and_short_memory_are_known_before(self, running_stack: Stack) -> None:
        """A node that may evict keys, or has no room for ours, says so by being asked."""
        service = running_stack.service("redis")
        assert service.credentials is not None
        node = Redis(
            host=service.address.host, port=service.address.port, password=service.credentials.password
        )
        before: dict[str, str] = node.config_get("maxmemory*")  # type: ignore[assignment]
        try:
            node.config_set("maxmemory-policy", "allkeys-lru")
            node.config_set("maxmemory", "5mb")
            session = CATALOGUE["redis"].open_session(service)
            found = session.preflight()
            session.close()
        finally:
            for name in ("maxmemory", "maxmemory-policy"):
                node.config_set(name, before[name])
            node.close()
        assert ["maxmemory-policy is allkeys-lru at maxmemory 5.00M", "memory is short"] == [
            said.partition(":")[0] for said in found
        ]

    def test_missing_commands_are_known_before(self, running_stack: Stack) -> None:
        """A user who may ask about its privileges and lacks one is told which."""
        service = running_stack.service("redis")
        assert service.credentials is not None
        node = Redis(
            host=service.address.host, port=service.address.port, password=service.credentials.password
        )
        allowed = ["~devperf:*", "+@all", "-incr"]
        try:
            node.execute_command("ACL", "SETUSER", US.username, "on", f">{PASSWORD}", *allowed)
            session = CATALOGUE["redis"].open_session(replace(service, credentials=US))
            found = session.preflight()
            session.close()
        finally:
            node.execute_command("ACL", "DELUSER", US.username)
            node.close()
        assert ["missing privilege: INCR on devperf:redis:*"] == [said.partition(". ")[0] for said in found]


@pytest.mark.servers
class TestRabbitmq:
    def test_documented_permissions_are_enough(self, running_stack: Stack) -> None:
        """Every operation is measured in a shared vhost by a user whose permissions are those of the page."""
        service, vhost = running_stack.service("rabbitmq"), "of-somebody-else"
        _, tags, permissions = (shlex.split(line.replace("\\", "\\\\")) for line in block("rabbitmq", vhost))
        configure, write, read = permissions[-3:]
        ask(service, "PUT", f"/vhosts/{vhost}")
        try:
            ask(service, "PUT", f"/users/{US.username}", {"password": PASSWORD, "tags": tags[-1]})
            given = {"configure": configure, "write": write, "read": read}
            ask(service, "PUT", f"/permissions/{vhost}/{US.username}", given)
            found = measured_with(replace(service, credentials=US, database=vhost))
            left = ask(service, "GET", f"/queues/{vhost}")
        finally:
            ask(service, "DELETE", f"/users/{US.username}")
            ask(service, "DELETE", f"/vhosts/{vhost}")
        assert ({"missing": []}, []) == (found, left)


def ask(service: Service, method: str, path: str, body: dict[str, str] | None = None) -> Any:
    """Ask the broker's management API as its administrator."""
    who = service.credentials
    assert who is not None
    token = base64.b64encode(f"{who.username}:{who.password}".encode()).decode()
    connection = http.client.HTTPConnection(str(service.addresses[1]), timeout=10)
    connection.request(
        method,
        f"/api{quote(path)}",
        json.dumps(body or {}),
        {"Authorization": f"Basic {token}", "Content-Type": "application/json"},
    )
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    assert answer.status < 300, text
    return json.loads(text) if text else None
