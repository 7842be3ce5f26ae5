import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pika
import pymongo
import pytest
import yaml

from devperf_pipeline.local.build import built
from devperf_pipeline.local.install import find_server
from devperf_pipeline.local.server_setup import free_port
from devperf_pipeline.local.servers import reference_api
from devperf_pipeline.local.servers.reference_api import RECIPES, command
from devperf_pipeline.model import Address, Service, Stack
from devperf_pipeline.services.http import protocol
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline_tests.reference_apis.gate import Gate
from devperf_pipeline_tests.services.unusual_passwords import with_unusual_password

pytestmark = pytest.mark.servers

APIS = Folders.find().reference_apis
CONTRACT: dict[str, Any] = yaml.safe_load((APIS / "openapi.yaml").read_text())
FRAMEWORKS = {
    "fastapi": "FastAPI",
    "fastapi_api_first": "FastAPI",
    "gin": "Gin",
    "express": "Express",
    "actix": "Actix Web",
}
DEPENDENCIES = ("vault", "postgres", "mysql", "mongodb", "redis", "rabbitmq")


def run(kind: str, config: Path) -> list[str | Path]:
    """The command line of an API that the stack has built."""
    found = find_server(kind)
    assert found is not None
    made = built(RECIPES[kind], found.programs)
    assert made is not None
    return [*command(kind, made, found.programs), config]


def mongodb_at(service: Service, address: Address) -> dict[str, Any]:
    assert service.credentials is not None
    login = f"{service.credentials.username}:{service.credentials.password}"
    return {"uri": f"mongodb://{login}@{address}/?directConnection=true"}


def server(service: Service, address: Address | None = None) -> dict[str, Any]:
    where = address or service.address
    assert service.credentials is not None
    return {
        "host": where.host,
        "port": where.port,
        "user": service.credentials.username,
        "password": service.credentials.password,
        ("vhost" if service.kind == "rabbitmq" else "database"): service.database,
    }


@pytest.fixture(name="kind", scope="module", params=RECIPES)
def _kind(request: pytest.FixtureRequest, running_stack: Stack) -> str:
    """One kind of API after the other, as far as this machine has their toolchains."""
    kind: str = request.param
    if find_server(kind) is None:
        pytest.skip(f"no toolchain for {kind}")
    assert running_stack.service(kind).addresses
    return kind


@pytest.fixture(name="api")
def _api(running_stack: Stack, kind: str) -> Iterator[httpx.Client]:
    """The API of the local stack."""
    address = running_stack.service(kind).address
    with httpx.Client(base_url=f"http://{address}", trust_env=False, timeout=60) as client:
        yield client


@contextmanager
def started(
    kinds: Sequence[str], folder: Path, *configurations: Mapping[str, Any]
) -> Iterator[list[tuple[str, httpx.Client]]]:
    """One API of each kind for each configuration, all started at once: whoever starts waits for others, too."""
    processes: list[subprocess.Popen[bytes]] = []
    apis: list[tuple[str, httpx.Client]] = []
    try:
        for kind in kinds:
            for sections in configurations:
                port = free_port()
                config = folder / f"{port}.json"
                config.write_text(json.dumps({"host": "127.0.0.1", "port": port, **sections}))
                processes.append(
                    subprocess.Popen(run(kind, config), cwd=APIS / kind, stderr=subprocess.DEVNULL)
                )
                url = f"http://127.0.0.1:{port}"
                apis.append((kind, httpx.Client(base_url=url, trust_env=False, timeout=60)))
        for process, (_, client) in zip(processes, apis, strict=True):
            assert until(partial(answers, client, process)), f"{process.args} does not answer"
        yield apis
    finally:
        for process in processes:
            process.terminate()
        for process, (_, client) in zip(processes, apis, strict=True):
            client.close()
            process.wait(30)


def answers(client: httpx.Client, process: subprocess.Popen[bytes]) -> bool:
    """Whether the API that is starting answers by now."""
    assert process.poll() is None, f"{process.args} ended"
    try:
        return client.get("/health").status_code == 200
    except httpx.ConnectError:
        return False


def until(condition: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(name="bare", scope="module")
def _bare(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An API without any dependency."""
    with started([kind], tmp_path_factory.mktemp("bare"), {}) as [(_, api)]:
        yield api


@dataclass(frozen=True, slots=True)
class Gated:
    """An API whose way to each of its dependencies can be shut."""

    api: httpx.Client
    gates: Mapping[str, Gate]


@pytest.fixture(name="gated", scope="module")
def _gated(kind: str, running_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gated]:
    """An API with every dependency that can die, each behind an open gate."""
    kinds = {
        "postgres": "postgresql",
        "mysql": "mysql",
        "mongodb": "mongodb",
        "redis": "redis",
        "rabbitmq": "rabbitmq",
    }
    there = {name: running_stack.service(it) for name, it in kinds.items() if it not in running_stack.missing}
    gates = {name: Gate(service.address) for name, service in there.items()}
    sections = {name: server(service, gates[name].address) for name, service in there.items()}
    if "redis" in gates:
        sections["redis"] = {
            "nodes": [str(gates["redis"].address)],
            "password": sections["redis"]["password"],
        }
    if "mongodb" in gates:
        sections["mongodb"] = mongodb_at(there["mongodb"], gates["mongodb"].address)
    try:
        with started([kind], tmp_path_factory.mktemp("gated"), sections) as [(_, api)]:
            yield Gated(api, gates)
    finally:
        for gate in gates.values():
            gate.shut()


@pytest.fixture(name="early", scope="module")
def _early(kind: str, running_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gated]:
    """An API that was started while its PostgreSQL and its cluster were down, and has a wrong password for MySQL."""
    cluster = running_stack.service("redis_cluster")
    assert cluster.credentials is not None
    gates = {
        "postgres": Gate(running_stack.service("postgresql").address),
        "redis": Gate(cluster.address),
    }
    for gate in gates.values():
        gate.shut()
    sections = {
        "postgres": server(running_stack.service("postgresql"), gates["postgres"].address),
        # The gate is the only way in that the API knows; the nodes themselves are told by the cluster.
        "redis": {
            "nodes": [str(gates["redis"].address)],
            "cluster": True,
            "password": cluster.credentials.password,
        },
        "mysql": {**server(running_stack.service("mysql")), "password": "not-the-password"},
    }
    try:
        with started([kind], tmp_path_factory.mktemp("early"), sections) as [(_, api)]:
            yield Gated(api, gates)
    finally:
        for gate in gates.values():
            gate.shut()


def contract_of(path: str, method: str, status: int) -> dict[str, Any]:
    """The schema of an answer, with every reference within reach."""
    answer = CONTRACT["paths"][path][method]["responses"][str(status)]
    if "$ref" in answer:
        answer = CONTRACT["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    return {**answer["content"]["application/json"]["schema"], "components": CONTRACT["components"]}


def ask(
    client: httpx.Client, method: str, path: str, *, status: int = 200, body: Any = None, **names: str
) -> Any:
    """What a route answers, having made sure that the answer is as the contract says."""
    response = client.request(method, path.format(**names), json=body)
    assert (status, response.text) == (response.status_code, response.text)
    assert int(response.headers["content-length"]) == len(response.content)
    found = response.json()
    jsonschema.validate(found, contract_of(path, method.lower(), status))
    return found


class TestContract:
    def test_root(self, api: httpx.Client, kind: str) -> None:
        """The API says what it is and how it asks its dependencies."""
        about = ask(api, "GET", "/")
        assert (FRAMEWORKS[kind], "sequential") == (about["framework"], about["aggregation"])
        assert about["version"][0].isdigit()

    def test_no_redirect(self, api: httpx.Client) -> None:
        """A path with a slash too many is not found, and never leads elsewhere."""
        assert (200, 404) == (api.get("/health").status_code, api.get("/health/").status_code)

    def test_health_all(self, running_stack: Stack, api: httpx.Client) -> None:
        """Every configured dependency was asked and said its version; the others are absent and do not count."""
        found = ask(api, "GET", "/health/all")
        states = {name: it["status"] for name, it in found["dependencies"].items()}
        expected = {name: "absent" if name in running_stack.missing else "healthy" for name in DEPENDENCIES}
        assert ("healthy", expected) == (found["status"], states)
        asked = [it for it in found["dependencies"].values() if it["status"] == "healthy"]
        assert all(it["latency_ms"] > 0 and it["version"] for it in asked)

    @pytest.mark.parametrize("dependency", DEPENDENCIES)
    def test_health_of_one(self, running_stack: Stack, api: httpx.Client, dependency: str) -> None:
        """Each dependency can be asked alone."""
        if dependency in running_stack.missing:
            pytest.skip(running_stack.missing[dependency])
        found = ask(api, "GET", "/health/{dependency}", dependency=dependency)
        assert found["status"] == "healthy"

    @pytest.mark.parametrize("dependency", ["vault", "mongodb"])
    def test_health_of_an_absent_one(self, bare: httpx.Client, dependency: str) -> None:
        """One that is not configured is unavailable, and the answer says that it is absent."""
        found = ask(bare, "GET", "/health/{dependency}", dependency=dependency, status=503)
        assert ("absent", f"{dependency} is not configured") == (found["reason"], found["error"])

    def test_health_of_nothing(self, api: httpx.Client) -> None:
        """There are six dependencies and no seventh."""
        assert "mongodb" in ask(api, "GET", "/health/{dependency}", dependency="oracle", status=404)["error"]

    @pytest.mark.parametrize("database", ["postgres", "mysql"])
    def test_query(self, api: httpx.Client, database: str) -> None:
        """The query's row comes from the database: its clock moves on between two calls."""
        path = f"/examples/database/{database}/query"
        first, second = ask(api, "GET", path), ask(api, "GET", path)
        assert first["result"]["now"] < second["result"]["now"]

    def test_query_of_documents(self, running_stack: Stack, api: httpx.Client) -> None:
        """The names of the collections come from the database, sorted: one that was made a moment ago is there."""
        if "mongodb" in running_stack.missing:
            pytest.skip(running_stack.missing["mongodb"])
        service = running_stack.service("mongodb")
        with pymongo.MongoClient[dict[str, Any]](mongodb_at(service, service.address)["uri"]) as client:
            for name in ("devperf_b", "devperf_a"):
                client["test"].create_collection(name)
            try:
                result = ask(api, "GET", "/examples/database/mongodb/query")["result"]
            finally:
                for name in ("devperf_b", "devperf_a"):
                    client["test"].drop_collection(name)
        assert {"database": "test", "collections": ["devperf_a", "devperf_b"]} == result

    @pytest.mark.parametrize(
        "path", ["/examples/vault/secret/{service_name}", "/examples/database/mongodb/query"]
    )
    def test_examples_of_absent_ones(self, bare: httpx.Client, path: str) -> None:
        """The routes of an absent dependency are there, and unavailable."""
        assert ask(bare, "GET", path, service_name="postgres", status=503)["reason"] == "absent"

    def test_secret(self, running_stack: Stack, api: httpx.Client) -> None:
        """A secret is read from Vault with its passwords masked; one that is not there is not found."""
        if "vault" in running_stack.missing:
            pytest.skip(running_stack.missing["vault"])
        path = "/examples/vault/secret/{service_name}"
        found = ask(api, "GET", path, service_name="postgres")
        assert (1, "sample", "********") == (
            found["version"],
            found["data"]["username"],
            found["data"]["password"],
        )
        assert (
            "nothing-of-this-name"
            in ask(api, "GET", path, service_name="nothing-of-this-name", status=404)["error"]
        )

    def test_cache(self, api: httpx.Client) -> None:
        """A value is found after it was stored and no longer after it was deleted; time to live is kept."""
        path, key, value = "/examples/cache/{key}", "devperf:test:cache", "käse"
        ask(api, "DELETE", path, key=key)
        assert "devperf:test:cache" in ask(api, "GET", path, key=key, status=404)["error"]
        assert ask(api, "POST", path, key=key, body={"value": value, "ttl": 60})["ttl"] == 60
        assert {"key": key, "value": value} == ask(api, "GET", path, key=key)
        assert [True, False] == [ask(api, "DELETE", path, key=key)["deleted"] for _ in range(2)]

    @pytest.mark.parametrize(
        ("key", "body"),
        [
            ("devperf:test:bad", {"value": 1}),
            ("devperf:test:bad", {"value": "x", "ttl": 0}),
            ("devperf:test:bad", {"value": None}),
            ("devperf:test:bad", {"value": "x", "ttl": "60"}),
            ("devperf:test:bad", {"value": "x", "ttl": 1.5}),
            ("devperf:test:bad", {"value": "x", "ttl": 86_401}),
            ("devperf:test:bad", {"value": "x" * 10_001}),
            ("devperf:test:bad", {"VALUE": "x"}),
            ("devperf:test:bad", {}),
            ("devperf:test:bad", []),
            ("devperf:test:bad", None),
            ("devperf:test:bad", "x"),
            ("devperf%20test", {"value": "x"}),
            ("k%C3%A4se", {"value": "x"}),
            ("k" * 201, {"value": "x"}),
        ],
    )
    def test_invalid(self, api: httpx.Client, key: str, body: Any) -> None:
        """A path or a body that is not as described is refused before the cache is asked."""
        ask(api, "POST", "/examples/cache/{key}", key=key, body=body, status=422)

    @pytest.mark.parametrize("text", ["", "{", "not json", '{"value": "x"} more', "null", '"x"'])
    def test_bad_json(self, api: httpx.Client, text: str) -> None:
        """A body that is no JSON object is refused."""
        typed = {"content-type": "application/json"}
        statuses = [
            api.post(f"/examples/{path}", content=text, headers=typed).status_code
            for path in ("cache/devperf:test:bad", "messaging/publish/devperf.test")
        ]
        assert [422, 422] == statuses

    @pytest.mark.parametrize("headers", [{}, {"content-type": "text/plain"}])
    def test_untyped(self, api: httpx.Client, headers: dict[str, str]) -> None:
        """A body that does not say that it is JSON is refused, whatever is in it."""
        answer = api.post("/examples/cache/devperf:test:bad", content='{"value": "x"}', headers=headers)
        assert 422 == answer.status_code

    @pytest.mark.parametrize("value", ["", "x" * 10_000, "ü" * 10_000, "🙂" * 10_000, '<&>\u2028"\\\n\t\x00'])
    def test_values(self, api: httpx.Client, value: str) -> None:
        """Every text of at most 10,000 characters, whatever they are, comes back as it was, in one piece."""
        path, key = "/examples/cache/{key}", "devperf:test:value"
        ask(api, "POST", path, key=key, body={"value": value, "ttl": 60, "extra": "is passed by"})
        assert value == ask(api, "GET", path, key=key)["value"]
        ask(api, "DELETE", path, key=key)

    def test_time_to_live(self, api: httpx.Client) -> None:
        """A value is gone after its seconds; null is for ever."""
        path, key = "/examples/cache/{key}", "devperf:test:ttl"
        assert ask(api, "POST", path, key=key, body={"value": "x", "ttl": 1})["ttl"] == 1
        assert until(lambda: api.get(path.format(key=key)).status_code == 404, seconds=15)
        assert ask(api, "POST", path, key=key, body={"value": "x", "ttl": None})["ttl"] is None
        ask(api, "DELETE", path, key=key)

    @pytest.mark.parametrize(
        "path", ["/nothing", "/health/", "/examples/cache/", "/examples/cache/a/b", "//health"]
    )
    def test_unknown_route(self, api: httpx.Client, path: str) -> None:
        """A path that is not in the contract is not found, in the words of the contract."""
        answer = api.get(httpx.URL(str(api.base_url), raw_path=path.encode()))
        assert 404 == answer.status_code
        jsonschema.validate(answer.json(), contract_of("/health/{dependency}", "get", 404))

    @pytest.mark.parametrize(
        ("method", "path"), [("POST", "/health"), ("PUT", "/examples/cache/k"), ("DELETE", "/")]
    )
    def test_unknown_method(self, api: httpx.Client, method: str, path: str) -> None:
        """A route refuses methods that the contract does not give it."""
        assert 405 == api.request(method, path).status_code

    def test_connection_is_kept(self, api: httpx.Client, kind: str) -> None:
        """Many requests, also refused ones, go over one connection."""
        with socket.create_connection((api.base_url.host, api.base_url.port or 0), timeout=5) as kept:
            for path in ("/health", "/nothing", "/health/mongodb", "/examples/cache/%20", "/health"):
                request = protocol.encode("GET", path, "localhost")
                assert protocol.ask(kept, request, 5).status in {200, 404, 422, 503}

    def test_messaging(self, api: httpx.Client) -> None:
        """What was confirmed is in the queue, and a queue that somebody deleted is made again."""
        publish, queue = "/examples/messaging/publish/{queue}", "devperf.test"
        remove = "/examples/messaging/queue/{queue}"
        ask(api, "DELETE", remove, queue=queue)
        for message in ("text", {"a": [1, None]}, None):
            ask(api, "POST", publish, queue=queue, body={"message": message})
        assert ask(api, "DELETE", remove, queue=queue)["messages"] == 3
        ask(api, "POST", publish, queue=queue, body={"message": "again"})
        assert [1, 0] == [ask(api, "DELETE", remove, queue=queue)["messages"] for _ in range(2)]

    def test_queue_deleted_by_somebody(self, gated: Gated, api: httpx.Client) -> None:
        """A queue that somebody else deleted since it was declared is made again."""
        publish, queue = "/examples/messaging/publish/{queue}", "devperf.test.elsewhere"
        remove = "/examples/messaging/queue/{queue}"
        first, second = gated.api, api
        ask(first, "POST", publish, queue=queue, body={"message": "once"})
        assert ask(second, "DELETE", remove, queue=queue)["messages"] == 1
        ask(first, "POST", publish, queue=queue, body={"message": "again"})
        assert ask(second, "DELETE", remove, queue=queue)["messages"] == 1

    @pytest.mark.parametrize("message", ["text", {"a": [1, None, 2.5]}, None, "x" * 1_000_000, "käse"])
    def test_body_of_the_message(self, api: httpx.Client, running_stack: Stack, message: Any) -> None:
        """What lies in the queue is the JSON of the message, persistent, in a durable queue."""
        service, queue = running_stack.service("rabbitmq"), "devperf.test.body"
        ask(api, "POST", "/examples/messaging/publish/{queue}", queue=queue, body={"message": message})
        assert service.credentials is not None
        login = pika.PlainCredentials(service.credentials.username, service.credentials.password)
        where = pika.ConnectionParameters(
            service.address.host, service.address.port, service.database or "/", login
        )
        with pika.BlockingConnection(where) as connection:
            channel = connection.channel()
            channel.queue_declare(queue, durable=True)
            _, properties, body = channel.basic_get(queue, auto_ack=True)
            channel.queue_delete(queue)
        assert body is not None
        assert properties is not None
        assert (message, 2, "application/json") == (
            json.loads(body),
            properties.delivery_mode,
            properties.content_type,
        )


def shape(value: Any) -> Any:
    """The fields of a body, and of each its type."""
    if isinstance(value, dict):
        return {name: shape(it) for name, it in value.items()}
    if isinstance(value, list):
        return [shape(it) for it in value]
    # 1 and 1.0 are the same in JSON.
    return (
        "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    )


WALK: Sequence[tuple[str, str, Any, bool]] = (
    ("GET", "/", None, False),
    ("GET", "/health", None, True),
    ("GET", "/health/all", None, False),
    ("GET", "/health/mongodb", None, False),
    ("GET", "/health/oracle", None, True),
    ("GET", "/health/", None, True),
    ("GET", "/examples/vault/secret/postgres", None, True),
    ("GET", "/examples/database/postgres/query", None, False),
    ("GET", "/examples/database/mysql/query", None, False),
    ("GET", "/examples/database/mongodb/query", None, True),
    ("DELETE", "/examples/cache/devperf:test:parity", None, False),
    ("DELETE", "/examples/cache/devperf:test:parity", None, True),
    ("GET", "/examples/cache/devperf:test:parity", None, True),
    ("POST", "/examples/cache/devperf:test:parity", {"value": "käse", "ttl": 60}, True),
    ("GET", "/examples/cache/devperf:test:parity", None, True),
    ("POST", "/examples/messaging/publish/devperf.test.parity", {"message": {"a": 1}}, True),
    ("DELETE", "/examples/messaging/queue/devperf.test.parity", None, False),
    ("DELETE", "/examples/messaging/queue/devperf.test.parity", None, True),
)
"""Calls one after another: method, path, body, and whether nothing moves in the answer."""


def test_parity(running_stack: Stack) -> None:
    """Every API gives the same status and the same fields with the same types, and where nothing moves the same."""
    kinds = [kind for kind in RECIPES if kind not in running_stack.missing]
    differing: dict[str, Any] = {}
    for method, path, body, same in WALK:
        found: dict[str, Any] = {}
        for kind in kinds:
            address = running_stack.service(kind).address
            answer = httpx.request(method, f"http://{address}{path}", json=body, trust_env=False, timeout=60)
            told = answer.json()
            typed = answer.headers["content-type"].partition(";")[0]
            found[kind] = (answer.status_code, typed, told if same else shape(told))
        if dict.fromkeys(kinds, found[kinds[0]]) != found:
            differing[f"{method} {path}"] = found
    assert {} == differing


class TestFailingDependencies:
    def test_none_configured(self, bare: httpx.Client) -> None:
        """Without any dependency the API runs, and is well."""
        found = ask(bare, "GET", "/health/all")
        assert ("healthy", {"absent"}) == (
            found["status"],
            {it["status"] for it in found["dependencies"].values()},
        )

    @pytest.mark.parametrize("name", ["postgres", "mysql", "mongodb", "redis", "rabbitmq"])
    def test_dies_and_comes_back(self, gated: Gated, running_stack: Stack, name: str) -> None:
        """A dependency that dies makes the API degraded, its routes unavailable, and is used again when it is back."""
        if name not in gated.gates:
            pytest.skip(running_stack.missing[name])
        gate, api = gated.gates[name], gated.api

        def unhealthy() -> set[str]:
            found = ask(api, "GET", "/health/all")
            states = {it: found["dependencies"][it]["status"] for it in gated.gates}
            return {it for it, state in states.items() if state != "healthy"}

        assert set() == unhealthy()
        gate.shut()
        try:
            assert {name} == unhealthy()
            assert ask(api, "GET", "/health/all")["status"] == "degraded"
            path = "/health/{dependency}"
            assert ask(api, "GET", path, dependency=name, status=503)["reason"] == "unreachable"
        finally:
            gate.open()
        assert until(lambda: set() == unhealthy())
        assert ask(api, "GET", path, dependency=name)["status"] == "healthy"

    def test_cluster_dies_and_comes_back(self, early: Gated) -> None:
        """A cluster whose named nodes are all gone is unhealthy; one that answers again is used again."""
        path = "/examples/cache/devperf:test:cluster"
        assert early.api.get(path).status_code == 503
        early.gates["redis"].open()
        assert until(lambda: early.api.get(path).status_code == 404)
        assert ask(early.api, "GET", "/health/{dependency}", dependency="redis")["status"] == "healthy"

    def test_starts_before_its_dependency(self, early: Gated) -> None:
        """A dependency that is down when the API starts is used once it is up."""
        path = "/examples/database/postgres/query"
        assert ask(early.api, "GET", path, status=503)["reason"] == "unreachable"
        early.gates["postgres"].open()
        assert until(lambda: early.api.get(path).status_code == 200)

    def test_wrong_password_stays_secret(self, early: Gated) -> None:
        """A refused password is an unhealthy dependency, and is in no answer."""
        answer = early.api.get("/health/all")
        told = answer.json()["dependencies"]["mysql"]["status"]
        assert ("unhealthy", False) == (told, "not-the-password" in answer.text)


def test_silent_dependencies_cost_a_deadline(running_stack: Stack, tmp_path: Path) -> None:
    """Servers that accept and never answer cost 2 s each in a row, or 2 s at once; the API starts meanwhile."""
    kinds = [kind for kind in RECIPES if kind not in running_stack.missing]
    with socket.create_server(("127.0.0.1", 0), backlog=500) as silent:
        host, port = silent.getsockname()
        login = {"host": host, "port": port, "user": "u", "password": "p"}
        sections = {
            "mysql": {**login, "database": "d"},
            "mongodb": {"uri": f"mongodb://u:p@{host}:{port}/"},
            "redis": {"nodes": [f"{host}:{port}"], "password": "p"},
            "rabbitmq": {**login, "vhost": "v"},
            "vault": {"address": f"http://{host}:{port}", "token": "t"},
        }
        asked = [{"aggregation": each, **sections} for each in ("sequential", "concurrent")]

        def timed(client: httpx.Client) -> tuple[Any, float]:
            began = time.monotonic()
            found = ask(client, "GET", "/health/all")
            return found, time.monotonic() - began

        with (
            started(kinds, tmp_path, *asked) as apis,
            ThreadPoolExecutor(len(apis)) as pool,
        ):
            told = list(pool.map(timed, [client for _, client in apis]))
    for (kind, _), (found, took_s), how in zip(apis, told, asked * len(kinds), strict=True):
        states = {name for name, it in found["dependencies"].items() if it["status"] == "unhealthy"}
        expected = ("degraded", {"vault", "mysql", "mongodb", "redis", "rabbitmq"})
        assert (kind, *expected) == (kind, found["status"], states)
        deadlines_ms = [found["dependencies"][name]["latency_ms"] for name in states]
        assert all(1_500 < each < 6_000 for each in deadlines_ms), (kind, found)
        in_a_row = took_s * 1000 >= 0.9 * sum(deadlines_ms)
        at_once = took_s * 1000 < 0.6 * sum(deadlines_ms)
        assert (kind, how["aggregation"] == "concurrent") == (kind, at_once and not in_a_row)


class TestConfiguration:
    def test_refused(self, kind: str, tmp_path: Path) -> None:
        """A configuration that is none ends the program with a sentence that names the place, not the secret."""
        bad = {
            '{"host": "127.0.0.1"}': "port",
            '{"host": "127.0.0.1", "port": 1, "postgress": {}}': "postgress",
            '{"host": "127.0.0.1", "port": 1, "vault": {"address": "x", "token": 1234567}}': "vault.token",
            "not json": "JSON",
        }
        begun: dict[Path, tuple[str, subprocess.Popen[str]]] = {}
        for number, (text, place) in enumerate(bad.items()):
            config = tmp_path / f"{number}.json"
            config.write_text(text)
            process = subprocess.Popen(run(kind, config), cwd=APIS / kind, stderr=subprocess.PIPE, text=True)
            begun[config] = place, process
        told = {
            config: (process.communicate(timeout=60)[1], process) for config, (_, process) in begun.items()
        }

        for config, (said, process) in told.items():
            place, _ = begun[config]
            assert (1, True, True) == (process.returncode, str(config) in said, place in said), said
            assert (False, False) == ("1234567" in said, "Traceback" in said)


class TestUnusualPasswords:
    @pytest.mark.parametrize("cache", ["redis", "redis_cluster"])
    def test_are_accepted_everywhere(self, running_stack: Stack, tmp_path: Path, cache: str) -> None:
        """An API enters each of its services with quotes, spaces, backslashes and other alphabets in the password."""
        apis = [kind for kind in RECIPES if kind not in running_stack.missing]
        kinds = [
            kind
            for kind in ("postgresql", "mysql", "mongodb", "rabbitmq", cache)
            if kind not in running_stack.missing
        ]
        with ExitStack() as entered:
            services = {
                kind: entered.enter_context(with_unusual_password(running_stack.service(kind)))
                for kind in kinds
            }
            told = reference_api.dependencies(services)
            with started(apis, tmp_path, told) as clients:
                found = {kind: ask(client, "GET", "/health/all")["dependencies"] for kind, client in clients}
        states = {
            kind: {name: it["status"] for name, it in each.items() if name in told}
            for kind, each in found.items()
        }
        assert dict.fromkeys(apis, dict.fromkeys(told, "healthy")) == states
        assert len(kinds) == len(told)
