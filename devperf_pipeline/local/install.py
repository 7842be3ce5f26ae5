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

from devperf_pipeline.errors import ServiceMissing
from devperf_pipeline.local.build import Recipe, build, built
from devperf_pipeline.local.server import Server, servers
from devperf_pipeline.model import Stack, Tool
from devperf_pipeline.stack.folders import Folders

INSTALL_S = 600
"""How long a package manager may take."""

WHEEL_COMMAND = ("sync", "--inexact", "--frozen", "--group", "servers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What brings a program: Debian's packages, brew's, or else a command (packages are often too old for languages)."""

    apt: tuple[str, ...] = ()
    brew: str
    command: str = ""


REFERENCE_TOOLS: Mapping[Tool, Source] = {
    "ab": Source(apt=("apache2-utils",), brew="httpd"),
    "wrk": Source(apt=("wrk",), brew="wrk"),
    "h2load": Source(apt=("nghttp2-client",), brew="nghttp2"),
    "sysbench": Source(apt=("sysbench",), brew="sysbench"),
    "pgbench": Source(apt=("postgresql",), brew="postgresql@16"),
    "redis-benchmark": Source(apt=("redis-tools",), brew="redis"),
}

_NODE = Source(
    command="curl -LsSf https://nodejs.org/dist/v22.20.0/node-v22.20.0-linux-$(uname -m | sed 's/x86_64/x64/;s/aarch64/arm64/').tar.gz "
    "| sudo tar -C /usr/local -xz --strip-components=1",
    brew="node",
)

TOOLCHAINS: Mapping[str, Source] = {
    "uv": Source(command="curl -LsSf https://astral.sh/uv/install.sh | sh", brew="uv"),
    "go": Source(
        command="curl -LsSf https://go.dev/dl/go1.26.0.linux-$(dpkg --print-architecture).tar.gz | sudo tar -C /usr/local -xz",
        brew="go",
    ),
    "npm": _NODE,
    "node": _NODE,
    "cargo": Source(command="curl -LsSf https://sh.rustup.rs | sh -s -- -y --profile minimal", brew="rust"),
    "cc": Source(apt=("gcc", "libc6-dev"), brew="gcc"),
    "cmake": Source(apt=("cmake", "make"), brew="cmake"),
    "c++": Source(apt=("g++",), brew="gcc"),
}
"""What servers are built with; packages of a system come with the servers', where the rest of the tools is there."""

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
    server = servers().get(kind)
    if server is None:
        return None
    first, *others = server.programs
    names = {first: (first, *server.other_names)} | {name: (name,) for name in others}
    system = {name: path for name, them in names.items() if (path := _in_system(*them))}
    if len(system) == len(names):
        return Found(kind=kind, programs=system, origin="system")
    folder = _wheel_folder(server)
    carried = {name: folder / name for name in names if (folder / name).is_file()} if folder else {}
    if len(carried) == len(names):
        return Found(kind=kind, programs=carried, origin="wheel")
    ahead = server.recipe if not server.built_by_start else None
    made = built(ahead, _tools(ahead)) if ahead else None
    return Found(kind=kind, programs={first: made}, origin="source") if made else None


def how_to_get(kind: str) -> str:
    """The exact command that brings the server of this kind to this machine, between backticks; or what to do instead."""
    server = servers().get(kind)
    if server is None:
        return "nothing here starts it; start it yourself and name it in a stack file with managed = false"
    if server.recipe:
        absent = _absent(server.recipe)
        commands = [_brings(TOOLCHAINS[name]) for name in absent]
        commands += [] if server.built_by_start else ["make servers"]
        return f"`{' && '.join(dict.fromkeys(commands))}`"
    if server.wheel and not _brew() and not shutil.which("apt-get"):
        return f"`uv {' '.join(WHEEL_COMMAND)}`"
    return _told(Source(apt=(server.apt,), brew=server.brew))


def how_to_get_tool(name: Tool) -> str:
    """The exact command that brings a reference tool to this machine, between backticks; or what to do instead."""
    return _told(REFERENCE_TOOLS[name])


def _told(source: Source) -> str:
    if _brew() or shutil.which("apt-get"):
        return f"`{_brings(source)}`"
    return f"install {' '.join(source.apt)} with this system's package manager"


def _brings(source: Source) -> str:
    if _brew():
        return f"brew install {source.brew}"
    command = source.command or f"sudo apt-get install --no-install-recommends {' '.join(source.apt)}"
    # Root needs no sudo, and often has none.
    return command.replace("sudo ", "") if os.geteuid() == 0 else command


def obtain_tools(names: Collection[Tool], say: Callable[[str], None] = print) -> None:
    """
    Install reference tools that this machine lacks, on Debian and where that can be done without asking.

    Never fails: tools are second instruments, and rows of one that is missing say so.
    """
    missing = [package for name in names if _in_system(name) is None for package in REFERENCE_TOOLS[name].apt]
    _run_all(_apt_commands(missing), say)


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
    _run_all(_package_commands(missing), say)
    carried = [kind for kind in _missing(stack) if servers()[kind].wheel]
    uv = find_uv()
    if carried and uv:
        say(f"Getting {' and '.join(carried)} as wheels: uv {' '.join(WHEEL_COMMAND)}")
        _runs([str(uv), *WHEEL_COMMAND], say, cwd=Folders.find().repository)
        importlib.invalidate_caches()
    for kind in _missing(stack):
        recipe = servers()[kind].recipe
        if recipe and not servers()[kind].built_by_start:
            try:
                build(recipe, _tools(recipe), say)
            except ServiceMissing as error:
                say(str(error))
    for kind in _missing(stack):
        say(f"{kind} could not be had and will be skipped. To get it: {how_to_get(kind)}")


def find_uv() -> Path | None:
    """The uv that runs us, or the one on PATH or in the folders that its installer uses."""
    return _first(os.environ.get("UV"), _find_tool("uv"))


def _missing(stack: Stack) -> list[str]:
    kinds = dict.fromkeys(service.kind for service in stack.services)
    return [kind for kind in kinds if kind in servers() and find_server(kind) is None]


def _package_commands(kinds: list[str]) -> list[list[str]]:
    """What to run, in order, to install all of them at once; nothing where we may not."""
    wanted = [servers()[kind] for kind in kinds]
    brew = _brew()
    if brew:
        formulas = list(dict.fromkeys(server.brew for server in wanted if server.brew))
        return [[str(brew), "install", *formulas]] if formulas else []
    packages = [server.apt for server in wanted if server.apt]
    for recipe in (server.recipe for server in wanted if server.recipe):
        # What a server is built with is installed if what no package brings (the language) is there.
        absent = [TOOLCHAINS[name].apt for name in _absent(recipe)]
        packages += [package for them in absent for package in them] if all(absent) else []
    return _apt_commands(packages)


def _apt_commands(packages: list[str]) -> list[list[str]]:
    """How Debian's package manager is called without a question; nothing where it is not here, or we may not."""
    apt = shutil.which("apt-get")
    if not packages or not apt or not _may_install():
        return []
    before = [] if os.geteuid() == 0 else ["sudo", "-n"]
    quiet = [*before, "env", "DEBIAN_FRONTEND=noninteractive", apt, "-qq", "-o", "Dpkg::Use-Pty=0"]
    install = [*quiet, "install", "--yes", "--no-install-recommends", *dict.fromkeys(packages)]
    return [[*quiet, "update"], install]


def _tools(recipe: Recipe) -> dict[str, Path]:
    """Those of the tools that it is built with that are on this machine."""
    return {name: path for name in recipe.tools if (path := _in_system(name))}


def _absent(recipe: Recipe) -> list[str]:
    return [name for name in recipe.tools if _in_system(name) is None]


def _run_all(commands: list[list[str]], say: Callable[[str], None]) -> None:
    """Run them in order, up to the first that fails."""
    for command in commands:
        say(f"Running: {' '.join(command)}")
        if not _runs(command, say):
            return


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


def _in_system(*names: str) -> Path | None:
    """The first of these programs that this system has."""
    if names[0] == "uv":
        return find_uv()
    if names[0] in TOOLCHAINS:
        return _find_tool(names[0])
    return _first(*(folder / name for name in names for folder in _system_folders()))


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


def _wheel_folder(server: Server) -> Path | None:
    package, _, rest = server.wheel.partition("/")
    # Looked up, not imported: the packages do more than we want when they are imported.
    spec = importlib.util.find_spec(package) if package else None
    return Path(spec.origin).parent / rest if spec and spec.origin else None


def _brew() -> Path | None:
    return _first(shutil.which("brew"), "/opt/homebrew/bin/brew") if sys.platform == "darwin" else None
