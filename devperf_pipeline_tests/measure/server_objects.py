"""
What is in the servers of a stack: every object that a context could make, by kind and name as `Session.objects` says it,
and those that reference tools make.
"""

from fnmatch import fnmatchcase

from redis import Redis

from devperf_pipeline.model import Service, Stack
from devperf_pipeline.services.rabbitmq.management import Management
from devperf_pipeline.services.vault.client import VaultApi
from devperf_pipeline_tests import administrators
from devperf_pipeline_tests.administrators import ask


def listed(stack: Stack) -> set[str]:
    """Schemas, databases, keys, vhosts, queues, mounts, policies, and the policies that tokens have."""
    found: set[str] = set()
    for service in stack.services:
        if service.name not in stack.missing and service.kind in LISTS:
            found |= LISTS[service.kind](service)
    return found


def unannounced(found: set[str], announced: list[str]) -> list[str]:
    """What nobody has announced."""
    return sorted(each for each in found if not any(fnmatchcase(each, pattern) for pattern in announced))


def unmade(found: set[str], announced: list[str]) -> list[str]:
    """What was announced and is not there."""
    return [pattern for pattern in announced if not any(fnmatchcase(each, pattern) for each in found)]


def _schemas(service: Service) -> set[str]:
    rows = ask(service, "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp'")
    tools = ask(service, "SELECT schemaname, tablename FROM pg_tables WHERE tablename LIKE 'pgbench%'")
    return {f"schema {name}" for (name,) in rows} | {f"tables {space}.{name}" for space, name in tools}


def _databases(service: Service) -> set[str]:
    tables = "SELECT table_schema, table_name FROM information_schema.tables WHERE table_name LIKE 'sbtest%'"
    found = {f"database {name}" for (name,) in ask(service, "SHOW DATABASES")}
    return found | {f"tables {space}.{name}" for space, name in ask(service, tables)}


def _collections(service: Service) -> set[str]:
    with administrators.mongodb(service) as client:
        return {f"database {name}" for name in client.list_database_names()}


def _keys(service: Service) -> set[str]:
    who = service.credentials
    found: set[str] = set()
    for address in service.addresses:
        client = Redis(
            host=address.host,
            port=address.port,
            username=(who.username or None) if who else None,
            password=who.password if who else None,
        )
        found |= {f"keys {key.decode()}" for key in client.scan_iter(count=1000)}
        found |= {f"user {user}" for user in client.acl_users()}
        client.close()
    return found


def _queues(service: Service) -> set[str]:
    management = Management(service)
    vhosts = {f"vhost {vhost['name']}" for vhost in management.do("GET", "/vhosts")}
    return vhosts | {f"queue {queue['name']}" for queue in management.do("GET", "/queues")}


def _mounts(service: Service) -> set[str]:
    api = VaultApi(service)
    try:
        mounts = api.do("GET", "/sys/mounts")["data"]
        found = {f"{mount['type'].upper()} mount {name}" for name, mount in mounts.items()}
        found |= {f"policy {name}" for name in api.do("LIST", "/sys/policies/acl")["data"]["keys"]}
        for accessor in api.do("LIST", "/auth/token/accessors")["data"]["keys"]:
            token = api.ask("POST", "/auth/token/lookup-accessor", {"accessor": accessor})
            if b'"devperf-token"' in token.body:
                found.add("tokens of the policy devperf-token")
                break
        return found
    finally:
        api.close()


LISTS = {
    "postgresql": _schemas,
    "mysql": _databases,
    "mongodb": _collections,
    "redis": _keys,
    "redis_cluster": _keys,
    "rabbitmq": _queues,
    "vault": _mounts,
}
