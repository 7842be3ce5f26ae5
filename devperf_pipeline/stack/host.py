"""
What machine is this, in words that can be compared later?

Nothing here changes by itself between two baselines on the same machine, unless the machine was changed.
"""

import os
import platform
import socket
import subprocess
from pathlib import Path

import psutil

from devperf_pipeline.stack.virtualization import container_of, virtual_facts

UNKNOWN = "unknown"
ALIKE = "all alike"
ASK_S = 5


def host_facts(data: Path | None = None) -> dict[str, str]:
    """
    Host, processor, memory, system, and the file system that holds `data` (the working folder if not given).

    The keys are the same on every machine; what cannot be found is "unknown".
    """
    folder = _existing(data or Path.cwd())
    model, identifier = _model()
    performance, efficiency = _kinds_of_cores()
    memory_bytes = psutil.virtual_memory().total
    virtualization, found_by = _virtualization()
    return {
        "host": socket.gethostname(),
        "model": model,
        "model_identifier": identifier,
        "cpu_model": _cpu_model(),
        "cpu_cores": str(psutil.cpu_count() or UNKNOWN),
        "cpu_cores_usable": str(_usable_cores()),
        "performance_cores": performance,
        "efficiency_cores": efficiency,
        "memory_bytes": str(memory_bytes),
        "storage": _storage(folder),
        "os": _os(),
        "kernel": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "virtualization": virtualization,
        "virtualization_found_by": found_by,
        "governor": _text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "filesystem": _filesystem(folder),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **virtual_facts(
            virtualization=virtualization,
            cores=_usable_cores(),
            memory_bytes=memory_bytes,
            disk_bytes=psutil.disk_usage(str(folder)).total,
        ),
    }


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    place = folder.resolve()
    return next(parent for parent in (place, *place.parents) if parent.exists())


def _model() -> tuple[str, str]:
    """What the maker calls the machine, and its identifier."""
    if platform.system() == "Darwin":
        return _mac_model(), _asked("sysctl", "-n", "hw.model")
    dmi = "/sys/class/dmi/id"
    board = _text("/proc/device-tree/model").strip("\0")
    name = " ".join(
        part for part in (_text(f"{dmi}/sys_vendor"), _text(f"{dmi}/product_name")) if part != UNKNOWN
    )
    return name or board, _text(f"{dmi}/product_version") or UNKNOWN


def _mac_model() -> str:
    told = dict(_split(line, ":") for line in _asked("system_profiler", "SPHardwareDataType").splitlines())
    return told.get("Model Name", UNKNOWN)


def _kinds_of_cores() -> tuple[str, str]:
    """How many cores are made for speed, and how many for economy; "all alike" where the system does not tell them apart."""
    if platform.system() == "Darwin":
        if _asked("sysctl", "-n", "hw.nperflevels") == "2":
            return _asked("sysctl", "-n", "hw.perflevel0.physicalcpu"), _asked(
                "sysctl", "-n", "hw.perflevel1.physicalcpu"
            )
        return ALIKE, ALIKE
    kinds = [_text(f"/sys/devices/{kind}/cpus") for kind in ("cpu_core", "cpu_atom")]
    if UNKNOWN not in kinds:
        return str(_listed(kinds[0])), str(_listed(kinds[1]))
    capacities = [_text(str(path)) for path in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpu_capacity")]
    if len(set(capacities)) < 2:
        return ALIKE, ALIKE
    least = min(capacities, key=int)
    return str(sum(one != least for one in capacities)), str(capacities.count(least))


def _listed(cpus: str) -> int:
    """How many numbers a kernel's list names: "0-3,8" has five."""
    ends = [part.split("-") for part in cpus.split(",")]
    return sum(int(end[-1]) - int(end[0]) + 1 for end in ends)


def _storage(folder: Path) -> str:
    """What the folder lies on: "NVMe SSD", "SSD", "hard disk", "virtual disk"."""
    if platform.system() == "Darwin":
        told = _asked("system_profiler", "SPNVMeDataType")
        return "NVMe SSD" if "Capacity" in told else UNKNOWN
    device = os.stat(folder).st_dev  # noqa: PTH116 - the number of the device is all that is wanted
    place = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()
    disk = place if (place / "queue").exists() else place.parent
    if not (disk / "queue").exists():
        return UNKNOWN
    for beginning, kind in (("nvme", "NVMe SSD"), ("vd", "virtual disk"), ("xvd", "virtual disk")):
        if disk.name.startswith(beginning):
            return kind
    return {"0": "SSD", "1": "hard disk"}.get(_text(str(disk / "queue" / "rotational")), UNKNOWN)


def _cpu_model() -> str:
    if platform.system() == "Darwin":
        return _asked("sysctl", "-n", "machdep.cpu.brand_string")
    fields = dict(_split(line, ":") for line in _text("/proc/cpuinfo").splitlines() if ":" in line)
    # ARM kernels write no model; then the part number has to do.
    return fields.get("model name") or fields.get("CPU part") or platform.processor() or UNKNOWN


def _usable_cores() -> int:
    """Cores that this process may run on: fewer than there are in a container or under taskset."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count() or 1


def _os() -> str:
    if platform.system() == "Darwin":
        return f"macOS {platform.mac_ver()[0]}"
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", UNKNOWN)
    except OSError:
        return UNKNOWN


def _virtualization() -> tuple[str, str]:
    """What this process runs in ("kvm", "docker", "virtual machine"; "none" on bare metal), and what says so."""
    if platform.system() == "Darwin":
        told = {"0": "none", "1": "virtual machine"}.get(
            _asked("sysctl", "-n", "kern.hv_vmm_present"), UNKNOWN
        )
        return told, "kern.hv_vmm_present"
    container = container_of(Path("/proc/self/ns"), Path("/"))
    if container is not None:
        return container, "namespaces of its own"
    # Exit status 1 means "none", which it also prints.
    machine = _asked("systemd-detect-virt", "--vm")
    if machine != UNKNOWN:
        return machine, "systemd-detect-virt --vm"
    flags = next((line for line in _text("/proc/cpuinfo").splitlines() if line.startswith("flags")), "")
    if "hypervisor" in flags.split():
        return "virtual machine", "the processor's flag hypervisor"
    return UNKNOWN, UNKNOWN


def _filesystem(folder: Path) -> str:
    """Kind of the file system that holds this folder, or will hold it: "ext4", "apfs", "tmpfs"."""
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
