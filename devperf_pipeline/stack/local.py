"""
How is the local stack started, found again, and stopped?

Every server is a private instance: an ordinary process on a free loopback port, its data in a private folder,
and written down right after its start, so that the next run can stop what a killed one left.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from graphlib import TopologicalSorter
from os import chown
from pathlib import Path
from threading import Event, Lock
from typing import Any

from devperf_pipeline.errors import ConfigurationError, ServiceError, ServiceMissing
from devperf_pipeline.model import Service, Stack
from devperf_pipeline.stack import process, record
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.obtain import find_server, how_to_get
from devperf_pipeline.stack.reach import within_reach
from devperf_pipeline.stack.record import Record, stack_folder
from devperf_pipeline.stack.servers import (
    mysql,
    pgbouncer,
    postgresql,
    rabbitmq,
    redis,
    redis_cluster,
    reference_api,
)
from devperf_pipeline.stack.site import Site

STARTERS: Mapping[str, Callable[[Site], Service]] = {
    "postgresql": postgresql.start,
    "pgbouncer": pgbouncer.start,
    "mysql": mysql.start,
    "redis": redis.start,
    "redis_cluster": redis_cluster.start,
    "rabbitmq": rabbitmq.start,
    "fastapi": reference_api.start,
}

RECORD = "record.json"

OURSELVES = frozenset({"fastapi"})
"""What runs as the caller even if that is root: its program lies where others may not read."""


def up(stack: Stack, folders: Folders, say: Callable[[str], None] = print) -> Stack:
    """
    Start every service, each as soon as what it needs has started, and return the stack as it runs.

    A stack that already runs is returned as it is. What could not be started is in `missing`, with the reason.
    Interrupted, it stops what it started.

    Raises:
        ConfigurationError: the stack is not managed, or a folder is not as it must be.

    """
    if not stack.managed:
        raise ConfigurationError(
            f"Expected a stack that this project starts; {stack.path} says managed = false. "
            "Start its services yourself; the baseline visits them."
        )
    with record.held(stack.name, folders):
        found = running(stack, folders)
        if found and not found.missing:
            say(f"Stack '{stack.name}' is already up.")
            return found
        _clear(stack.name, folders)
        record.make_folder(folders.logs)
        started = Record(path=_record_path(stack.name, folders), asked=_asked(stack))
        record.make_private(stack_folder(stack.name, folders))
        stopping, done = Event(), False
        try:
            _start_all(stack, folders, started, stopping, say)
            started.close()
            done = True
        finally:
            # Also on Ctrl-C and SystemExit: nothing half-started stays behind.
            if not done:
                stopping.set()
                _clear(stack.name, folders)
        return _as_it_runs(stack, started)


def down(stack_name: str, folders: Folders, say: Callable[[str], None] = print) -> list[str]:
    """
    Stop every server of that stack and remove its data. Returns the names of the services that ran.

    Safe to call at any time: when nothing runs, and after a run that was killed.
    """
    with record.held(stack_name, folders):
        found = record.read(_record_path(stack_name, folders))
        ran = [] if found is None else [one.service for one in found.processes if process.find(one)]
        ended = _clear(stack_name, folders)
        names = list(dict.fromkeys(ran))
        say(
            f"Stopped {', '.join(names)}."
            if names
            else f"Stopped {ended} leftover processes."
            if ended
            else "Nothing was up."
        )
        return names


def running(stack: Stack, folders: Folders) -> Stack | None:
    """
    The stack as it runs, if every process of it is alive and the stack file still asks for the same.
    """
    found = record.read(_record_path(stack.name, folders))
    if found is None or not found.whole or found.asked != _asked(stack):
        return None
    if not all(process.find(one) for one in found.processes):
        return None
    return _as_it_runs(stack, found)


def processes(folders: Folders, service_name: str) -> list[int]:
    """
    The ids of the processes that do that service's work, in whichever stack of ours it runs.
    """
    found = [record.read(path) for path in sorted(folders.servers.glob(f"*/{RECORD}"))]
    everything = [one for each in found if each for one in each.processes]
    return [one.pid for one in everything if one.service == service_name and one.main and process.find(one)]


def would_run(stack: Stack) -> dict[str, dict[str, str]]:
    """
    What would be started for each service, told without starting anything: programs, their age, the settings.
    """
    told: dict[str, dict[str, str]] = {}
    for service in stack.services:
        found = find_server(service.kind)
        facts = {f"setting {name}": str(value) for name, value in service.settings.items()}
        facts["kind"] = service.kind
        for name, path in found.programs.items() if found else ():
            seen = path.resolve().stat()
            facts[f"program {name}"] = f"{path.resolve()} {seen.st_size} bytes of {seen.st_mtime_ns}"
        told[service.name] = facts
    return told


def _record_path(stack_name: str, folders: Folders) -> Path:
    return stack_folder(stack_name, folders) / RECORD


def _clear(stack_name: str, folders: Folders) -> int:
    """
    End whatever runs of that stack, remove its data. Returns how many processes were ended.
    """
    folder = stack_folder(stack_name, folders)
    found = record.read(_record_path(stack_name, folders)) if folder.exists() else None
    if folder.exists():
        record.make_private(folder)
    ended = process.end(found.processes if found else (), folder)
    record.remove(folder)
    return ended


def _start_all(
    stack: Stack, folders: Folders, started: Record, stopping: Event, say: Callable[[str], None]
) -> None:
    """
    One thread a service; each first waits for those it needs, which come earlier or have no needs in a circle.
    """
    speaking = Lock()

    def tell(message: str) -> None:
        with speaking:
            say(message)

    futures: dict[str, Future[Service | None]] = {}

    def give_up(service: Service, reason: str) -> None:
        # What it started before it failed must not go on beside the others.
        process.end([one for one in started.processes if one.service == service.name])
        started.miss(service.name, reason)
        tell(f"{service.name}: not started. {reason}")

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
) -> Site:
    """
    The place where one service will live: programs, an empty folder, an empty log.
    """
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
        user=user,
    )


def _in_order(services: tuple[Service, ...]) -> list[Service]:
    """
    The services, each after those that it needs.
    """
    named = {service.name: service for service in services}
    graph = {name: [need for need in service.needs if need in named] for name, service in named.items()}
    return [named[name] for name in TopologicalSorter(graph).static_order()]


def _as_it_runs(stack: Stack, found: Record) -> Stack:
    services = tuple(found.services.get(service.name, service) for service in stack.services)
    return replace(stack, services=services, missing=dict(found.missing))


def _asked(stack: Stack) -> dict[str, Any]:
    """
    What the stack file asks for, as it is compared with what runs.
    """
    return {
        service.name: {"kind": service.kind, "settings": dict(service.settings), "needs": list(service.needs)}
        for service in stack.services
    }
