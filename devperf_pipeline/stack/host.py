"""
What machine is this, in words that can be compared later?

Nothing here changes by itself between two baselines on the same machine, unless the machine was changed.
"""

import os
import platform
import shutil
import socket
import subprocess
from pathlib import Path

import psutil

UNKNOWN = "unknown"
ASK_S = 5


def host_facts(data: Path | None = None) -> dict[str, str]:
    """
    Host, processor, memory, system, and the file system that holds `data` (the working folder if not given).

    The keys are the same on every machine; what cannot be found is "unknown".
    """
    return {
        "host": socket.gethostname(),
        "cpu_model": _cpu_model(),
        "cpu_cores": str(psutil.cpu_count() or UNKNOWN),
        "cpu_cores_usable": str(_usable_cores()),
        "memory_bytes": str(psutil.virtual_memory().total),
        "os": _os(),
        "kernel": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "virtualization": _virtualization(),
        "governor": _text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "filesystem": _filesystem(data or Path.cwd()),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def _cpu_model() -> str:
    if platform.system() == "Darwin":
        return _asked("sysctl", "-n", "machdep.cpu.brand_string")
    fields = dict(_split(line, ":") for line in _text("/proc/cpuinfo").splitlines() if ":" in line)
    # ARM kernels write no model; then the part number has to do.
    return fields.get("model name") or fields.get("CPU part") or platform.processor() or UNKNOWN


def _usable_cores() -> int:
    """
    Cores that this process may run on: fewer than there are in a container or under taskset.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count() or 1


def _os() -> str:
    if platform.system() == "Darwin":
        return f"macOS {platform.mac_ver()[0]}"
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", UNKNOWN)
    except OSError:
        return UNKNOWN


def _virtualization() -> str:
    """
    "none" on bare metal, or what it runs in: "kvm", "docker", "apple".
    """
    if platform.system() == "Darwin":
        return {"0": "none", "1": "virtual machine"}.get(
            _asked("sysctl", "-n", "kern.hv_vmm_present"), UNKNOWN
        )
    if shutil.which("systemd-detect-virt"):
        # Exit status 1 means "none", which it also prints.
        return _asked("systemd-detect-virt")
    if Path("/.dockerenv").exists():
        return "docker"
    flags = next((line for line in _text("/proc/cpuinfo").splitlines() if line.startswith("flags")), "")
    return "virtual machine" if "hypervisor" in flags.split() else UNKNOWN


def _filesystem(folder: Path) -> str:
    """
    Kind of the file system that holds this folder, or will hold it: "ext4", "apfs", "tmpfs".
    """
    place = folder.resolve()
    mounts = {Path(part.mountpoint): part.fstype for part in psutil.disk_partitions(all=True)}
    return next((mounts[parent] for parent in (place, *place.parents) if parent in mounts), UNKNOWN)


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return UNKNOWN


def _asked(*argv: str) -> str:
    try:
        finished = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=ASK_S)
    except (OSError, subprocess.TimeoutExpired):
        return UNKNOWN
    return finished.stdout.strip() or UNKNOWN


def _split(line: str, mark: str) -> tuple[str, str]:
    name, _, value = line.partition(mark)
    return name.strip(), value.strip()
