"""What stands between servers and hardware: a virtual machine, a container, the manager and engine of such?"""

import json
import platform
import re
import subprocess
from pathlib import Path

ASK_S = 5
NONE = "none"
"""It was looked for, and is not there."""

NO_LIMIT = 1 << 60
"""A larger limit of memory is none: kernels write the largest number there is."""

FIRST_NAMESPACES = {"pid": "pid:[4026531836]", "uts": "uts:[4026531838]"}
"""Those that a kernel begins with: whoever is in them is in no container, whatever files an image left."""

SIGNS = {"docker": ".dockerenv", "podman": "run/.containerenv"}
"""The files by which a container tells who made it. Alone they prove nothing: a machine's disk may be made of an image."""


def container_of(namespaces: Path, root: Path) -> str | None:
    """The kind of container that this process is in, None if it is in none."""
    own = {name for name, first in FIRST_NAMESPACES.items() if _link(namespaces / name) not in (first, None)}
    sign = next((kind for kind, file in SIGNS.items() if (root / file).exists()), None)
    return sign or "container" if "pid" in own or (own and sign) else None


def virtual_facts(
    *,
    virtualization: str,
    cores: int,
    memory_bytes: int,
    disk_bytes: int,
    limits: Path = Path("/sys/fs/cgroup"),
) -> dict[str, str]:
    """
    The machine that servers see: Colima's where it runs, else the one that this process is in, as far as it is virtual.

    `virtualization` is "none" on bare metal; the others are what this process sees. Limits of a container come first.
    """
    facts = _engines()
    found = _colima()
    if found is not None:
        return facts | found
    if virtualization in ("none", "unknown"):
        return facts | dict.fromkeys(KEYS, NONE)
    return facts | {
        "vm_manager": NONE,
        "vm_runtime": NONE,
        "vm_architecture": platform.machine(),
        "vm_cpus": f"{_cpu_limit(limits) or cores:g}",
        "vm_memory_bytes": str(min(memory_bytes, _memory_limit(limits) or memory_bytes)),
        "vm_disk_bytes": str(disk_bytes),
        "vm_type": virtualization,
        "vm_rosetta": NONE,
    }


def _engines() -> dict[str, str]:
    """The versions of Docker and podman; podman may be what answers to Docker's own program."""
    told = _asked(
        "docker", "version", "--format", "{{(index .Server.Components 0).Name}}={{.Server.Version}}"
    )
    name, _, version = told.partition("=")
    podman = version if name.startswith("Podman") else _asked("podman", "--version").split()[-1]
    return {"docker": NONE if name.startswith("Podman") else version or NONE, "podman": podman}


KEYS = (
    "vm_manager",
    "vm_runtime",
    "vm_architecture",
    "vm_cpus",
    "vm_memory_bytes",
    "vm_disk_bytes",
    "vm_type",
    "vm_rosetta",
)


def _colima() -> dict[str, str] | None:
    """The first running profile of Colima; None where there is no Colima, or none runs."""
    for line in _asked("colima", "list", "--json").splitlines():
        try:
            profile = json.loads(line)
        except ValueError:
            return None
        if isinstance(profile, dict) and profile.get("status") == "Running":
            break
    else:
        return None
    version = re.search(r"\d+\.\d+\.\d+", _asked("colima", "version"))
    try:
        settings = (Path.home() / ".colima" / str(profile.get("name")) / "colima.yaml").read_text("utf-8")
    except OSError:
        settings = ""
    values = [
        f"Colima {version.group()}" if version else "Colima",
        *(str(profile.get(key, NONE)) for key in ("runtime", "arch", "cpus", "memory", "disk")),
        _setting(settings, "vmType"),
        _setting(settings, "rosetta"),
    ]
    return dict(zip(KEYS, values, strict=True))


def _setting(settings: str, key: str) -> str:
    found = re.search(rf"^{key}:[ \t]*(\S+)", settings, re.MULTILINE)
    return found.group(1) if found else NONE


def _cpu_limit(limits: Path) -> float | None:
    """Cores that a container may use, by cgroup version 2 or 1."""
    for files in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        numbers = " ".join(_text(limits / name) for name in files).split()
        if len(numbers) == 2 and all(number.isdecimal() for number in numbers) and int(numbers[1]):
            return int(numbers[0]) / int(numbers[1])
    return None


def _memory_limit(limits: Path) -> int | None:
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        text = _text(limits / name)
        if text.isdecimal() and int(text) < NO_LIMIT:
            return int(text)
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace").strip()
    except OSError:
        return ""


def _link(path: Path) -> str | None:
    try:
        return str(path.readlink())
    except OSError:
        return None


def _asked(*argv: str) -> str:
    """What a program answers; "none" where it is not there, fails or does not end."""
    try:
        finished = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=ASK_S)
    except (OSError, subprocess.TimeoutExpired):
        return NONE
    return (finished.stdout.strip() if finished.returncode == 0 else "") or NONE
