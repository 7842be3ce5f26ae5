"""In which order do the services of a stack start, and what does one need to start?"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from graphlib import TopologicalSorter
from os import chown
from threading import Event, Lock

from devperf_pipeline.errors import ServiceError, ServiceMissing
from devperf_pipeline.local import process
from devperf_pipeline.local.executable import within_reach
from devperf_pipeline.local.install import find_server, how_to_get
from devperf_pipeline.local.process_record import Record
from devperf_pipeline.local.server_setup import Site
from devperf_pipeline.local.servers import (
    mongodb,
    mysql,
    pgbouncer,
    postgresql,
    rabbitmq,
    redis,
    redis_cluster,
    reference_api,
    vault,
)
from devperf_pipeline.local.servers.reference_api_build import RECIPES
from devperf_pipeline.model import Service, Stack
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.private_folders import stack_folder

STARTERS: Mapping[str, Callable[[Site], Service]] = {
    "postgresql": postgresql.start,
    "pgbouncer": pgbouncer.start,
    "mysql": mysql.start,
    "mongodb": mongodb.start,
    "redis": redis.start,
    "redis_cluster": redis_cluster.start,
    "rabbitmq": rabbitmq.start,
    "vault": vault.start,
    **dict.fromkeys(RECIPES, reference_api.start),
}

OURSELVES = frozenset({"vault", "mongodb", *RECIPES})
"""What runs as the caller even if that is root: its program lies where others may not read."""


def start_all(
    stack: Stack, folders: Folders, started: Record, stopping: Event, say: Callable[[str], None]
) -> None:
    """One thread a service; each first waits for those it needs, which come earlier or have no needs in a circle."""
    speaking = Lock()

    def tell(message: str) -> None:
        with speaking:
            say(message)

    futures: dict[str, Future[Service | None]] = {}

    def give_up(service: Service, reason: str) -> None:
        # What it started before it failed must not go on beside the others.
        process.end([one for one in started.processes if one.service == service.name])
        started.miss(service.name, reason)
        if not stopping.is_set():
            tell(reason)

    def start_one(service: Service, needed: Mapping[str, Future[Service | None]]) -> Service | None:
        runs = {name: one for name, future in needed.items() if (one := future.result())}
        try:
            site = _site(
                service,
                stack_name=stack.name,
                folders=folders,
                started=started,
                stopping=stopping,
                runs=runs,
                say=tell,
            )
            result = STARTERS[service.kind](site)
        except ServiceError as error:
            return give_up(service, str(error))
        except OSError as error:
            # A full disk, a folder taken away: it costs this service, and the others tell the same if they meet it.
            return give_up(service, f"{service.name} could not be started: {error}")
        started.note(result)
        tell(f"{service.name}: up at {', '.join(map(str, result.addresses))}")
        return result

    with ThreadPoolExecutor(max_workers=max(1, len(stack.services))) as pool:
        try:
            for service in _in_order(stack.services):
                needed = {name: futures[name] for name in service.needs if name in futures}
                futures[service.name] = pool.submit(start_one, service, needed)
            for future in futures.values():
                future.result()
        except BaseException:
            # The pool waits for its threads when it is left; this makes them end soon.
            stopping.set()
            raise


def _site(
    service: Service,
    *,
    stack_name: str,
    folders: Folders,
    started: Record,
    stopping: Event,
    runs: Mapping[str, Service],
    say: Callable[[str], None],
) -> Site:
    """The place where one service will live: programs, an empty folder, an empty log."""
    found = find_server(service.kind)
    if found is None:
        raise ServiceMissing(
            f"{service.name} was not started: its server is not on this machine. To get it: {how_to_get(service.kind)}"
        )
    user = None if service.kind in OURSELVES else process.account()
    folder = stack_folder(stack_name, folders) / service.name
    log = folders.logs / f"{stack_name}-{service.name}.log"
    folder.mkdir(mode=0o700)
    if user:
        chown(folder, user.pw_uid, user.pw_gid)
    log.write_bytes(b"")
    log.chmod(0o600)
    return Site(
        service=service,
        programs=within_reach(found.programs, folder, user),
        folder=folder,
        log=log,
        folders=folders,
        record=started,
        running=runs,
        stopping=stopping,
        say=say,
        user=user,
    )


def _in_order(services: tuple[Service, ...]) -> list[Service]:
    """The services, each after those that it needs."""
    named = {service.name: service for service in services}
    graph = {name: [need for need in service.needs if need in named] for name, service in named.items()}
    return [named[name] for name in TopologicalSorter(graph).static_order()]
