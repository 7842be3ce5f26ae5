"""
Which processes, or which container, are a service's?

Of a stack that we started we know. Of others the container that answers at the service's port is looked for, then
the process that listens there; a stack file may say it in a table [footprint.<name>].
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from devperf_pipeline.errors import MeasurementError
from devperf_pipeline.measure.cgroup import cgroup_of
from devperf_pipeline.measure.docker import Docker, find_docker
from devperf_pipeline.model import Address, Companion, Service, Stack
from devperf_pipeline.services import CATALOGUE

CATEGORIES: Mapping[str, str] = {
    "database": "databases",
    "cache": "caching",
    "queue": "messaging",
    "secrets": "secrets management",
    "api": "reference apis",
}
"""What the published table calls the roles of the catalogue."""

CATEGORIES_OF_KINDS = {"api": "apis"}
"""Kinds that are in none of its groups."""

FORWARDERS = {
    "docker-proxy",
    "rootlessport",
    "com.docker.backend",
    "vpnkit-bridge",
    "ssh",
    "limactl",
    "gvproxy",
}
"""Programs that listen in the place of a container: what they use is not what it uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Whose use is read, and where: the tree of `pids`, the control group that they have to themselves, or a container."""

    name: str
    category: str
    pids: tuple[int, ...] = ()
    cgroup: str | None = None
    container: str | None = None
    docker: str | None = None


def targets(stack: Stack, processes: Mapping[str, Sequence[int]]) -> tuple[list[Target], list[str]]:
    """
    Everything of this stack that runs here, node by node, in the order of its file; and why the rest cannot be seen.

    `processes` are the main processes of the services that we started ourselves.
    """
    docker = find_docker()
    named = {companion.name: companion for companion in stack.footprint}
    found: list[Target] = []
    unseen: list[str] = []

    def seen(nodes: Iterable[Node]) -> Iterator[Target]:
        for node in nodes:
            try:
                yield _target(node, docker)
            except MeasurementError as error:
                unseen.append(str(error))

    for service in stack.services:
        if service.name not in stack.missing and service.addresses:
            nodes = _nodes(service, tuple(processes.get(service.name, ())), named)
            found += _numbered(service.name, [*seen(nodes)])
    found += seen(Node(one.name, one.category, companion=one) for one in named.values())
    owners = {(one.pids, one.container): one.name for one in reversed(found)}
    shared = [(one, owners[one.pids, one.container]) for one in found]
    unseen += [
        f"{one.name}: runs in the processes of {owner}; what they use is read there, once."
        for one, owner in shared
        if owner != one.name
    ]
    return [one for one, owner in shared if owner == one.name], unseen


def category_of(kind: str) -> str:
    """How the published table groups services of that kind."""
    if kind in CATEGORIES_OF_KINDS:
        return CATEGORIES_OF_KINDS[kind]
    role = CATALOGUE[kind].role if kind in CATALOGUE else kind
    return CATEGORIES.get(role, role)


@dataclass(frozen=True, slots=True)
class Node:
    """One address of a service, or a companion, and what is known of who answers there."""

    name: str
    category: str
    address: Address | None = None
    pids: tuple[int, ...] = ()
    companion: Companion | None = None


def _nodes(service: Service, known: tuple[int, ...], named: dict[str, Companion]) -> list[Node]:
    """The addresses of a service. Those that the stack file tells of are taken from `named`."""
    category = category_of(service.kind)
    if len(known) not in {0, len(service.addresses)} or service.name in named:
        # One server with several doors.
        return [Node(service.name, category, service.address, known, named.pop(service.name, None))]
    nodes: list[Node] = []
    for number, address in enumerate(service.addresses, start=1):
        name = service.name if len(service.addresses) == 1 else f"{service.name}/{number}"
        # Nodes of ours are started in the order of their addresses, one process each.
        nodes.append(Node(name, category, address, known[number - 1 : number], named.pop(name, None)))
    return nodes


def _target(node: Node, docker: Docker | None) -> Target:
    """Who it is; raises a `MeasurementError` where that cannot be seen."""
    if node.companion is not None:
        return _companion(node, node.companion, docker)
    if node.pids or node.address is None:
        return _running(node, node.pids)
    return _listening(node, node.address, docker)


def _numbered(service: str, nodes: list[Target]) -> list[Target]:
    """The same without repetitions: several addresses may be doors of one server, which then has no number."""
    whose = {(node.pids, node.container): node for node in reversed(nodes)}
    if len(whose) == 1:
        return [replace(node, name=service) for node in whose.values()]
    return list(reversed(whose.values()))


def _running(node: Node, pids: tuple[int, ...]) -> Target:
    group = cgroup_of(pids)
    return Target(
        name=node.name, category=node.category, pids=pids, cgroup=str(group.folder) if group else None
    )


def _listening(node: Node, address: Address, docker: Docker | None) -> Target:
    container: str | None = None
    with suppress(MeasurementError):  # a socket that we may not use hides no process that we see
        container = docker.at_port(address.port) if docker else None
    if docker and container:
        return _contained(node, container, docker)
    pids = _listeners(address.port)
    if not pids:
        raise MeasurementError(
            f"{node.name}: expected to see the process or container that listens at {address}, found none that may be "
            f"seen. Name it in the stack file: [footprint.{node.name}] process = … or container = …"
        )
    forwarding = {_name(pid) for pid in pids} & FORWARDERS
    if forwarding:
        raise MeasurementError(
            f"{node.name}: expected a server at {address}, found {', '.join(sorted(forwarding))}, which forwards to one, "
            f"and no Docker that tells of it. Set DOCKER_HOST, or name the process: [footprint.{node.name}] process = …"
        )
    return _running(node, pids)


def _companion(node: Node, companion: Companion, docker: Docker | None) -> Target:
    if companion.container is not None:
        if docker is None:
            raise MeasurementError(
                f"{companion.name}: expected Docker to tell of the container {companion.container}, found no Docker. "
                "Start it, or set DOCKER_HOST."
            )
        return _contained(node, companion.container, docker)
    assert companion.process is not None
    pids = _from_file(companion) if "/" in companion.process else _named(companion.process)
    if not pids:
        raise MeasurementError(
            f"{companion.name}: expected a process called {companion.process}, found none. "
            "Start it, or correct [footprint] in the stack file."
        )
    return _running(node, pids)


def _contained(node: Node, container: str, docker: Docker) -> Target:
    """
    A container by its processes where they can be seen from here; by what Docker says of it elsewhere (in a machine
    of its own).
    """
    whole_id, pid = docker.first_process(container)
    if not pid:
        raise MeasurementError(
            f"{node.name}: expected the container {container} to run, found it stopped. Start it."
        )
    group = cgroup_of([pid])
    # Inside a virtual machine the same number is another process, or none, of ours.
    if group is not None and whole_id in str(group.folder):
        return _running(node, (pid,))
    return Target(name=node.name, category=node.category, container=container, docker=str(docker.socket_path))


def _listeners(port: int) -> tuple[int, ...]:
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return ()
    found = {
        one.pid
        for one in connections
        if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port and one.pid
    }
    return tuple(sorted(found))


def _named(program: str) -> tuple[int, ...]:
    return tuple(sorted(p.pid for p in psutil.process_iter() if _name(p.pid) == program))


def _from_file(companion: Companion) -> tuple[int, ...]:
    assert companion.process is not None
    try:
        pid = int(Path(companion.process).read_text(encoding="utf-8").split()[0])
    except (OSError, ValueError, IndexError) as error:
        raise MeasurementError(
            f"{companion.name}: expected the file {companion.process} to hold a process id, found {error!r}. "
            "Correct [footprint] in the stack file."
        ) from error
    return (pid,) if psutil.pid_exists(pid) else ()


def _name(pid: int) -> str:
    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        return ""
