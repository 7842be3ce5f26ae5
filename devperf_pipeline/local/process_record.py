"""
What did we start, and what must the next run know of it?

One file a stack, in its private folder, that survives a killed run.
"""

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

from devperf_pipeline.local.process import Recorded
from devperf_pipeline.model import Address, Credentials, Service


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
        """Note a process, before anything else is done with it. The caller holds the lock since before it started it."""
        self.processes.append(process)
        self._save()

    def note(self, service: Service) -> None:
        """Note where a service is and how it is entered."""
        with self.lock:
            self.services[service.name] = service
            self._save()

    def miss(self, service: str, reason: str) -> None:
        """Note that a service could not be started; its processes were ended."""
        with self.lock:
            self.processes = [one for one in self.processes if one.service != service]
            self.missing[service] = reason
            self._save()

    def close(self) -> None:
        """Note that every service was tried."""
        with self.lock:
            self.whole = True
            self._save()

    def _save(self) -> None:
        text = json.dumps(
            {
                "asked": self.asked,
                "processes": [asdict(process) for process in self.processes],
                # What people ask beside stands in the stack file alone.
                "services": {
                    name: asdict(replace(service, own_operations=()))
                    for name, service in self.services.items()
                },
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
    """The record that an earlier run left, or None: there is none of ours, or it cannot be understood."""
    try:
        if path.stat().st_uid != os.geteuid():
            return None
        found = json.loads(path.read_text(encoding="utf-8"))
        return Record(
            path=path,
            asked=found["asked"],
            processes=[Recorded(**process) for process in found["processes"]],
            services={name: _service(each) for name, each in found["services"].items()},
            missing=found["missing"],
            whole=found["whole"],
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _service(found: dict[str, Any]) -> Service:
    known = found["credentials"]
    return Service(
        **found
        | {
            "addresses": tuple(Address(**address) for address in found["addresses"]),
            "credentials": Credentials(**known) if known else None,
            "needs": tuple(found["needs"]),
            "routes": tuple(found["routes"]),
            "behind": (),
            "own_operations": (),
        }
    )
