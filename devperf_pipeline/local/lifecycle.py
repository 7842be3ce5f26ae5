"""
How is the local stack started, found again, and stopped?

Every server is a private instance: an ordinary process on a free loopback port, its data in a private folder,
and written down right after its start, so that the next run can stop what a killed one left.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

from devperf_pipeline.errors import ConfigurationError
from devperf_pipeline.local import compose, process, process_record
from devperf_pipeline.local.build import files
from devperf_pipeline.local.install import find_server
from devperf_pipeline.local.launch import start_all
from devperf_pipeline.local.process_record import Record
from devperf_pipeline.local.server import servers
from devperf_pipeline.model import Stack
from devperf_pipeline.stack import private_folders
from devperf_pipeline.stack.credentials import with_credentials
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.private_folders import stack_folder

RECORD = "record.json"

COMPOSED = "compose"
"""The file in the private folder of a stack whose containers we started: it names the compose file."""


def up(stack: Stack, folders: Folders, say: Callable[[str], None] = print) -> Stack:
    """
    Start every service, each as soon as what it needs has started, and return the stack as it runs.

    A stack that already runs is returned as it is. What could not be started is in `missing`, with the reason.
    Interrupted, it stops what it started.

    Raises:
        ConfigurationError: the stack is not managed, or a folder is not as it must be.

    """
    if not stack.managed:
        return _up_in_containers(stack, folders, say)
    with private_folders.held(stack.name, folders):
        found = running(stack, folders)
        if found and not found.missing:
            say(f"Stack '{stack.name}' is already up.")
            return found
        _clear(stack.name, folders)
        private_folders.make_folder(folders.logs)
        started = Record(path=_record_path(stack.name, folders), asked=_asked(stack))
        private_folders.make_private(stack_folder(stack.name, folders))
        stopping, done = Event(), False
        try:
            start_all(stack, folders, started, stopping, say)
            started.close()
            done = True
        finally:
            # Also on Ctrl-C and SystemExit: nothing half-started stays behind.
            if not done:
                stopping.set()
                _clear(stack.name, folders)
        return _as_it_runs(stack, started)


def _up_in_containers(stack: Stack, folders: Folders, say: Callable[[str], None]) -> Stack:
    """The same for a stack that somebody else manages, with the compose file beside its stack file."""
    file = compose.file_of(stack)
    if file is None:
        raise ConfigurationError(
            f"Expected a stack that this project starts; {stack.path} says managed = false, and no "
            f"{stack.path.with_suffix('.yaml').name} lies beside it for compose. Start its services yourself; the "
            "baseline measures them where they run."
        )
    command = compose.command_for(file)
    with private_folders.held(stack.name, folders):
        private_folders.make_private(stack_folder(stack.name, folders))
        (stack_folder(stack.name, folders) / COMPOSED).write_text(str(file), encoding="utf-8")
        compose.up(stack, file, command, say)
    return with_credentials(stack)


@contextmanager
def standing(
    stack: Stack, folders: Folders, say: Callable[[str], None], *, only: Collection[str] = ()
) -> Iterator[Stack]:
    """
    The stack as it runs: found running, or started here and stopped at the end.

    Where it has to be started and only some services are wanted, those and what they need are started.

    A stack that this project does not manage is handed on as it is described, with the credentials that a Vault
    keeps for it. One of containers is started with the compose file beside it where nothing of it runs.
    """
    composed = compose.file_of(stack) is not None and not compose.runs(stack)
    found = None if composed else as_it_is(stack, folders)
    if found is not None:
        yield found
        return
    try:
        yield up(with_needs(stack, only) if only and stack.managed else stack, folders, say)
    finally:
        down(stack.name, folders, lambda _: None)


def with_needs(stack: Stack, wanted: Collection[str]) -> Stack:
    """The stack cut down to some services and, transitively, what they need."""
    needs = {service.name: service.needs for service in stack.services}
    kept: set[str] = set()
    waiting = [name for name in wanted if name in needs]
    while waiting:
        name = waiting.pop()
        if name not in kept:
            kept.add(name)
            waiting.extend(need for need in needs[name] if need in needs)
    return replace(stack, services=tuple(service for service in stack.services if service.name in kept))


def down(stack_name: str, folders: Folders, say: Callable[[str], None] = print) -> list[str]:
    """
    Stop every server of that stack and remove its data. Returns the names of the services that ran.

    Safe to call at any time: when nothing runs, and after a run that was killed.
    """
    with private_folders.held(stack_name, folders):
        composed = stack_folder(stack_name, folders) / COMPOSED
        if composed.is_file():
            compose.down(Path(composed.read_text(encoding="utf-8")))
            composed.unlink()
            _clear(stack_name, folders)
            say(f"Removed the containers of {stack_name}.")
            return [stack_name]
        found = process_record.read(_record_path(stack_name, folders))
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


def down_all(folders: Folders) -> list[str]:
    """
    The same for every stack of this project, whatever its file is called and whether it still exists.

    Raises:
        ConfigurationError: the servers' folder is not ours.

    """
    if not folders.servers.is_dir():
        return []
    private_folders.make_private(folders.servers)
    here = folders.servers.iterdir()
    names = sorted(path.name for path in here if path.is_dir() and private_folders.NAME.fullmatch(path.name))
    return [service for name in names for service in down(name, folders, lambda _: None)]


def running(stack: Stack, folders: Folders) -> Stack | None:
    """The stack as it runs, if every process of it is alive and the stack file still asks for the same."""
    found = process_record.read(_record_path(stack.name, folders))
    if found is None or not found.whole or found.asked != _asked(stack):
        return None
    if not all(process.find(one) for one in found.processes):
        return None
    return _as_it_runs(stack, found)


def as_it_is(stack: Stack, folders: Folders) -> Stack | None:
    """A stack of ours if it runs; any other as its file describes it, with the credentials that a Vault keeps."""
    return running(stack, folders) if stack.managed else with_credentials(stack)


def processes(folders: Folders, service_name: str) -> list[int]:
    """The ids of the processes that do that service's work, in whichever stack of ours it runs."""
    found = [process_record.read(path) for path in sorted(folders.servers.glob(f"*/{RECORD}"))]
    everything = [one for each in found if each for one in each.processes]
    return [one.pid for one in everything if one.service == service_name and one.main and process.find(one)]


def command_lines(stack_name: str, folders: Folders) -> dict[str, str]:
    """What everybody on this machine can read of the servers that we started: their command lines, by process."""
    found = process_record.read(_record_path(stack_name, folders))
    return process.command_lines(found.processes if found else (), stack_folder(stack_name, folders))


def would_run(stack: Stack) -> dict[str, dict[str, str]]:
    """What would be started for each service, told without starting anything: programs, their age, the settings."""
    told: dict[str, dict[str, str]] = {}
    for service in stack.services:
        facts = {f"setting {name}": str(value) for name, value in service.settings.items()}
        facts["kind"] = service.kind
        for name, path in _what_runs(service.kind).items():
            seen = path.stat()
            facts[name] = f"{path} {seen.st_size} bytes of {seen.st_mtime_ns}"
        told[service.name] = facts
    return told


def _what_runs(kind: str) -> dict[str, Path]:
    """The files that decide how a service of this kind behaves: its programs, or for an API its source."""
    server = servers().get(kind)
    if server and server.recipe and server.built_by_start:
        return {f"source {name}": path for name, path in files(server.recipe).items()}
    found = find_server(kind)
    return {f"program {name}": path.resolve() for name, path in found.programs.items()} if found else {}


def _record_path(stack_name: str, folders: Folders) -> Path:
    return stack_folder(stack_name, folders) / RECORD


def _clear(stack_name: str, folders: Folders) -> int:
    """End whatever runs of that stack, remove its data. Returns how many processes were ended."""
    folder = stack_folder(stack_name, folders)
    found = process_record.read(_record_path(stack_name, folders)) if folder.exists() else None
    if folder.exists():
        private_folders.make_private(folder)
    ended = process.end(found.processes if found else (), folder)
    private_folders.remove(folder)
    return ended


def _as_it_runs(stack: Stack, found: Record) -> Stack:
    services = tuple(
        replace(found.services.get(service.name, service), own_operations=service.own_operations)
        for service in stack.services
    )
    return replace(stack, services=services, missing=dict(found.missing))


def _asked(stack: Stack) -> dict[str, Any]:
    """What the stack file asks for, as it is compared with what runs."""
    return {
        service.name: {"kind": service.kind, "settings": dict(service.settings), "needs": list(service.needs)}
        for service in stack.services
    }
