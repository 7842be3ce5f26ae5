"""
Which processes, or which container, are a service's?

Of a stack that we started we know. Of others the container that answers at the service's port is looked for, then
the process that listens there; a stack file may say it in a table [footprint.<name>].
"""

import socket
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from devperf_pipeline.errors import MeasurementError
from devperf_pipeline.measure.cgroup import cgroup_of, container_of
from devperf_pipeline.measure.docker import Container, Docker, Engines, find_engines
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

CONMON = "conmon"
"""What holds the published ports of a podman container; the container's first process is its child."""

FORWARDERS = {
    CONMON,
    "docker-proxy",
    "rootlessport",
    "slirp4netns",
    "pasta",
    "pasta.avx2",
    "com.docker.backend",
    "vpnkit-bridge",
    "ssh",
    "limactl",
    "gvproxy",
}
"""Programs that listen in the place of a container: what they use is not what it uses."""

SAME_START_S = 10.0
"""A process that began so near to a container's start, and has the number of its first process, is that process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """
    Whose use is read, and where: the tree of `pids`, or the control group (`Cgroup.folders`) that they have to
    themselves. `container` is the id of the container that they are in, `docker` the socket of its engine: it is asked
    where no process of the container can be seen from here.
    """

    name: str
    category: str
    pids: tuple[int, ...] = ()
    cgroup: Mapping[str, str] = field(default_factory=dict[str, str])
    container: str | None = None
    docker: str | None = None


def targets(stack: Stack, processes: Mapping[str, Sequence[int]]) -> tuple[list[Target], list[str]]:
    """
    Everything of this stack that runs here, node by node, in the order of its file; and why the rest cannot be seen.

    `processes` are the main processes of the services that we started ourselves.
    """
    engines = find_engines()
    named = {companion.name: companion for companion in stack.footprint}
    found: list[Target] = []
    unseen: list[str] = []

    def seen(nodes: Iterable[Node]) -> Iterator[Target]:
        for node in nodes:
            try:
                yield _target(node, engines)
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


def _target(node: Node, engines: Engines) -> Target:
    """Who it is; raises a `MeasurementError` where that cannot be seen."""
    if node.companion is not None:
        return _companion(node, node.companion, engines)
    if node.pids or node.address is None:
        return _running(node, node.pids)
    return _listening(node, node.address, engines)


def _numbered(service: str, nodes: list[Target]) -> list[Target]:
    """The same without repetitions: several addresses may be doors of one server, which then has no number."""
    whose = {(node.pids, node.container): node for node in reversed(nodes)}
    if len(whose) == 1:
        return [replace(node, name=service) for node in whose.values()]
    return list(reversed(whose.values()))


def _running(node: Node, pids: tuple[int, ...]) -> Target:
    group = cgroup_of(pids)
    return Target(name=node.name, category=node.category, pids=pids, cgroup=group.folders if group else {})


def _listening(node: Node, address: Address, engines: Engines) -> Target:
    found = None if address.is_unix else engines.at_port(address.port)
    if found is not None:
        return _contained(node, *found)
    pids = _behind(address.host) if address.is_unix else _listeners(address)
    if not pids:
        raise MeasurementError(
            f"{node.name}: expected to see the process or container that listens at {address}, found none that may be "
            f"seen{_refused(engines)}. Name it in the stack file: "
            f"[footprint.{node.name}] process = … or container = …"
        )
    if {_name(pid) for pid in pids} == {CONMON}:
        pids = _children(pids) or pids
    forwarding = {_name(pid) for pid in pids} & FORWARDERS
    if forwarding:
        raise MeasurementError(
            f"{node.name}: expected a server at {address}, found {', '.join(sorted(forwarding))}, which forwards to one, "
            f"and no Docker or podman that tells of it{_refused(engines)}. Set DOCKER_HOST, or name the process: "
            f"[footprint.{node.name}] process = …"
        )
    # A container in the machine's own network publishes nothing; its process listens itself.
    inside = container_of(pids[0])
    held = engines.holding(inside) if inside else None
    return _contained(node, *held) if held else replace(_running(node, pids), container=inside)


def _companion(node: Node, companion: Companion, engines: Engines) -> Target:
    if companion.container is not None:
        found = engines.holding(companion.container)
        if found is None:
            raise MeasurementError(
                f"{companion.name}: expected Docker or podman to tell of the container {companion.container}, found "
                f"{'no such container' if engines.usable else 'neither'}{_refused(engines)}. "
                "Start it, or set DOCKER_HOST."
            )
        return _contained(node, *found)
    assert companion.process is not None
    pids = _from_file(companion) if "/" in companion.process else _named(companion.process)
    if not pids:
        raise MeasurementError(
            f"{companion.name}: expected a process called {companion.process}, found none. "
            "Start it, or correct [footprint] in the stack file."
        )
    return _running(node, pids)


def _refused(engines: Engines) -> str:
    return f" ({'; '.join(engines.refused)})" if engines.refused else ""


def _contained(node: Node, docker: Docker, container: Container) -> Target:
    """
    A container by its processes where they can be seen from here; by what its engine says of it elsewhere (in a
    machine of its own).
    """
    if not container.pid:
        raise MeasurementError(
            f"{node.name}: expected the container {container.name} to run, found it {container.state}. Start it."
        )
    here = _is_here(container)
    target = _running(node, (container.pid,)) if here else Target(name=node.name, category=node.category)
    return replace(target, container=container.id, docker=str(docker.socket_path))


def _is_here(container: Container) -> bool:
    """Whether the container's first process is ours to see: in a virtual machine its number is another one's here."""
    if container_of(container.pid) == container.id:
        return True
    # Without root and version 2 of control groups its group does not tell of it.
    try:
        began_s = psutil.Process(container.pid).create_time()
    except psutil.Error:
        return False
    return abs(began_s - container.started_s) < SAME_START_S


def _children(pids: Iterable[int]) -> tuple[int, ...]:
    try:
        return tuple(sorted(child.pid for pid in pids for child in psutil.Process(pid).children()))
    except psutil.Error:
        return ()


def _behind(path: str) -> tuple[int, ...]:
    """Who listens at a unix socket, as Linux tells whoever connects; nobody where that cannot be seen from here."""
    if sys.platform == "linux":
        with suppress(OSError), socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(1)
            asked.connect(path)
            pid, _, _ = struct.unpack("3i", asked.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            return (pid,) if pid and psutil.pid_exists(pid) else ()
    return ()


def _listeners(address: Address) -> tuple[int, ...]:
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return ()
    found = {
        one.pid
        for one in connections
        if one.status == psutil.CONN_LISTEN
        and one.laddr
        and one.laddr.port == address.port
        and one.pid
        and _reached(one.laddr.ip, address.host)
    }
    return tuple(sorted(found))


def _reached(listening: str, host: str) -> bool:
    """Whether who listens there is reached by that host: the same port of the other IP may be somebody else's."""
    everybody = ("::",) if ":" in host else ("::", f"::ffff:{host}", "0.0.0.0")  # noqa: S104 - compared, not bound
    return host == "localhost" or listening in (host, *everybody)


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
