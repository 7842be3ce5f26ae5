"""
What did we start, and what must the next run know of it?

The private folder of a stack, and the file in it that survives a killed run.
"""

import contextlib
import fcntl
import json
import os
import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from devperf_pipeline.errors import ConfigurationError
from devperf_pipeline.model import Address, Credentials, Service
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.process import Recorded

WAIT_S = 60.0
"""How long we wait for another run that is starting or stopping the same stack."""


@dataclass(slots=True, kw_only=True)
class Record:
    """
    Everything that was started for one stack. Written again at every change, whole or not at all.

    `asked` is what the stack file asked for; `whole` is true once every service was tried.
    """

    path: Path
    asked: dict[str, Any] = field(default_factory=dict[str, Any])
    processes: list[Recorded] = field(default_factory=list[Recorded])
    services: dict[str, Service] = field(default_factory=dict[str, Service])
    missing: dict[str, str] = field(default_factory=dict[str, str])
    whole: bool = False
    lock: Lock = field(default_factory=Lock, repr=False)

    def append(self, process: Recorded) -> None:
        """
        Note a process, before anything else is done with it. The caller holds the lock since before it started it.
        """
        self.processes.append(process)
        self._save()

    def note(self, service: Service) -> None:
        """
        Note where a service is and how it is entered.
        """
        with self.lock:
            self.services[service.name] = service
            self._save()

    def miss(self, service: str, reason: str) -> None:
        """
        Note that a service could not be started; its processes were ended.
        """
        with self.lock:
            self.processes = [one for one in self.processes if one.service != service]
            self.missing[service] = reason
            self._save()

    def close(self) -> None:
        """
        Note that every service was tried.
        """
        with self.lock:
            self.whole = True
            self._save()

    def _save(self) -> None:
        text = json.dumps(
            {
                "asked": self.asked,
                "processes": [asdict(process) for process in self.processes],
                "services": {name: _packed(service) for name, service in self.services.items()},
                "missing": self.missing,
                "whole": self.whole,
            },
            indent=1,
        )
        partial = self.path.with_suffix(".partial")
        # The mode belongs to the file from its first moment; the passwords in it come after.
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600, exist_ok=False)
        partial.write_text(text, encoding="utf-8")
        partial.replace(self.path)


def read(path: Path) -> Record | None:
    """
    The record that an earlier run left, or None: there is none, or it cannot be understood.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Record(
            path=path,
            asked=found["asked"],
            processes=[Recorded(**process) for process in found["processes"]],
            services={name: _unpacked(service) for name, service in found["services"].items()},
            missing=found["missing"],
            whole=found["whole"],
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def stack_folder(stack_name: str, folders: Folders) -> Path:
    """
    The private folder of a stack. Not created here.
    """
    return folders.servers / stack_name


def make_private(folder: Path) -> None:
    """
    Create a folder that only we can write, or check that it is one.

    Others may pass through it (servers run as another user), nobody may list it.

    Raises:
        ConfigurationError: it is not ours, is not a folder, or others may write to it.

    """
    try:
        folder.mkdir(mode=0o711, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise ConfigurationError(
            f"Expected a private folder for servers at {folder}, but it cannot be made: {error.strerror}. "
            f"Make {folder.parent} writable, or remove what is in the way."
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise ConfigurationError(
            f"Expected {folder} to be a folder that only user {os.geteuid()} can write; found mode "
            f"{stat.filemode(found.st_mode)}, owner {found.st_uid}. Somebody else may have put it there: remove it, "
            "or set DEVPERF_ROOT to another folder."
        )


def make_folder(folder: Path) -> None:
    """
    Create a folder of the project.

    Raises:
        ConfigurationError: it cannot be made or written to.

    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"Expected to write to {folder}, but it cannot be made: {error.strerror}. "
            "Make it writable, or set DEVPERF_ROOT to a folder that is."
        ) from error


@contextlib.contextmanager
def held(stack_name: str, folders: Folders) -> Iterator[None]:
    """
    Let one run at a time start or stop this stack. The lock frees itself when its holder dies.

    Raises:
        ConfigurationError: another run holds it for longer than a minute, or the private folder is not ours.

    """
    make_private(folders.servers)
    with (folders.servers / f"{stack_name}.lock").open("a") as file:
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise ConfigurationError(
                        f"Expected to start or stop stack '{stack_name}' alone; another run has been doing that for "
                        f"{WAIT_S:.0f} s (lock {file.name}). Wait for it, or end it."
                    ) from error
                time.sleep(0.1)
        yield


def remove(folder: Path) -> None:
    """
    Remove a private folder, whatever is left in it.

    Raises:
        ConfigurationError: something in it cannot be removed.

    """
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise ConfigurationError(
            f"Expected to remove the servers' data in {folder}, but {error.filename}: {error.strerror}. Remove it by hand."
        ) from error


def _packed(service: Service) -> dict[str, Any]:
    known = service.credentials
    return {
        "kind": service.kind,
        "addresses": [[address.host, address.port] for address in service.addresses],
        "credentials": [known.username, known.password] if known else None,
        "database": service.database,
        "settings": dict(service.settings),
        "needs": list(service.needs),
        "name": service.name,
    }


def _unpacked(found: dict[str, Any]) -> Service:
    return Service(
        name=found["name"],
        kind=found["kind"],
        addresses=tuple(Address(host, port) for host, port in found["addresses"]),
        credentials=Credentials(*found["credentials"]) if found["credentials"] else None,
        database=found["database"],
        settings=found["settings"],
        needs=tuple(found["needs"]),
    )
