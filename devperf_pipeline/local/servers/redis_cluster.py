"""How is a private Redis cluster started: three nodes, no replicas, every slot served?"""

from dataclasses import replace
from functools import partial

from devperf_pipeline.errors import ServiceUnreachable
from devperf_pipeline.local.server_setup import LOOPBACK, Site, free_port
from devperf_pipeline.local.servers import redis
from devperf_pipeline.local.servers.redis import DEFAULT_USER, ask, start_node
from devperf_pipeline.model import Credentials, Service

NODES = 3
BUS = 10_000
"""How far above its port a node talks to the others."""
SLOTS = 16_384


def start(site: Site) -> Service:
    """
    Start the nodes, share out the slots, introduce them to each other, and wait until each sees the whole.

    Raises:
        ServiceUnreachable: a node does not answer, or the cluster does not become whole.

    """
    ports = [free_port(above=BUS) for _ in range(NODES)]
    password = site.password
    processes = [
        start_node(
            site,
            port,
            f"node-{number}",
            "cluster-enabled yes",
            "cluster-config-file nodes.conf",
            f"cluster-announce-ip {LOOPBACK}",
            f"masterauth {password}",
        )
        for number, port in enumerate(ports, start=1)
    ]
    for port in ports:
        site.wait(partial(_pongs, port, password), processes)
    for number, port in enumerate(ports):
        # Slot by slot: Redis 6 knows no ranges.
        mine = [str(slot) for slot in range(SLOTS * number // NODES, SLOTS * (number + 1) // NODES)]
        _order(site, port, ["CLUSTER", "ADDSLOTS", *mine])
        # One epoch a node: equal ones would be a conflict that takes time to settle.
        _order(site, port, ["CLUSTER", "SET-CONFIG-EPOCH", str(number + 1)])
    # Only now: a node that another one has met already takes no epoch.
    for port in ports:
        for other in ports:
            if other != port:
                _order(site, port, ["CLUSTER", "MEET", LOOPBACK, str(other)])
    for port in ports:
        site.wait(partial(_is_whole, port, password), processes)
    return site.running_at(*ports, credentials=Credentials(DEFAULT_USER, password))


def _order(site: Site, port: int, command: list[str]) -> None:
    reply = ask(port, site.password, command)
    if reply != "OK":
        raise ServiceUnreachable(
            f"{site.service.name} could not be started: the node at {LOOPBACK}:{port} was asked for "
            f"{' '.join(command[:2])} and answered {reply!r} instead of OK. Its log is {site.log}."
        )


def _pongs(port: int, password: str) -> bool:
    return ask(port, password, ["PING"]) == "PONG"


def _is_whole(port: int, password: str) -> bool:
    """Whether this node sees every slot served and every node: each learns it at its own time."""
    info = dict(
        line.split(":", 1) for line in ask(port, password, ["CLUSTER", "INFO"]).splitlines() if ":" in line
    )
    expected = {"cluster_state": "ok", "cluster_slots_ok": str(SLOTS), "cluster_known_nodes": str(NODES)}
    return all(info.get(name) == value for name, value in expected.items())


SERVERS = {"redis_cluster": replace(redis.SERVERS["redis"], start=start)}
