"""
How is a server built that no package manager has?

Once, from its sources as the Go modules pin them, into the cache; then it is found there like any other program.
"""

import hashlib
import os
import platform
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from devperf_pipeline.stack.folders import Folders

TELL_EVERY_S = 20.0
"""How often a build says how far it is."""

LONGEST_S = 3_600.0

SOURCES = ("go.mod", "go.sum", "main.go")

STAMP = "built-from"
"""The file beside a program that tells which sources it was built from."""

GO_VERSION = "1.26.8"
"""The Go that is fetched where there is none."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """
    What a build takes: Go's build tags, about how many packages it compiles, and how long that takes.
    """

    title: str
    tags: str
    packages: int
    about: str


RECIPES: Mapping[str, Recipe] = {
    "vault": Recipe(
        title="Vault",
        tags="minimal",
        packages=1_750,
        about="once, some minutes (15 on two busy cores), with low priority",
    ),
}
"""The kinds of service whose server can be built: `servers/<kind>` holds the sources."""


def built(kind: str, folders: Folders) -> Path | None:
    """
    The program that an earlier build left, or None: there is none, or its sources have changed since.
    """
    if kind not in RECIPES:
        return None
    program = _program(kind, folders)
    try:
        current = (program.parent / STAMP).read_text(encoding="ascii") == _digest(
            folders.server_sources / kind
        )
    except (OSError, UnicodeDecodeError):
        return None
    return program if current and os.access(program, os.X_OK) else None


def find_go() -> Path | None:
    """
    Go on PATH, or where its own archive and brew put it.
    """
    for place in (shutil.which("go"), "/usr/local/go/bin/go", "/opt/homebrew/bin/go"):
        if place and os.access(place, os.X_OK):
            return Path(place)
    return None


def how_to_build() -> str:
    """
    The exact command that builds what is missing; where Go is missing, the one that brings Go too.
    """
    build = "uv run devperf doctor --get"
    if find_go():
        return build
    if shutil.which("brew"):
        return f"brew install go && {build}"
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    archive = f"https://go.dev/dl/go{GO_VERSION}.{platform.system().lower()}-{machine}.tar.gz"
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"curl -fsSL {archive} | {sudo}tar -xz -C /usr/local && {build}"


def build(kind: str, folders: Folders, say: Say) -> bool:
    """
    Build the server of this kind, out of the way of everything else (nice 19), and say how it goes.

    Whether it worked; why not is said. Interrupted, it leaves nothing that counts as built.
    """
    go, recipe, program = find_go(), RECIPES[kind], _program(kind, folders)
    if go is None:
        say(f"{recipe.title} has no package here and is built with Go, which is not on this machine.")
        return False
    say(f"Building {recipe.title} from its sources ({recipe.about}); nothing is measured meanwhile.")
    began = time.monotonic()
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as scratch:
        made = Path(scratch) / program.name
        said = _compile(go, recipe, folders.server_sources / kind, made, say)
        if said is not None:
            say(f"{recipe.title} could not be built: {said}")
            return False
        # The stamp comes last: a program without one does not count.
        (program.parent / STAMP).unlink(missing_ok=True)
        made.replace(program)
        (program.parent / STAMP).write_text(_digest(folders.server_sources / kind), encoding="ascii")
    size_mb = program.stat().st_size / 1e6
    say(f"Built {recipe.title} in {time.monotonic() - began:.0f} s: {program}, {size_mb:.0f} MB.")
    return True


def _compile(go: Path, recipe: Recipe, sources: Path, made: Path, say: Say) -> str | None:
    """
    Run the compiler. None, or the last words of one that failed.
    """
    nice = shutil.which("nice")
    command = [
        *([nice, "-n", "19"] if nice else []),
        *(str(go), "build", "-v", "-mod=readonly", "-buildvcs=false", "-trimpath"),
        *("-tags", recipe.tags, "-ldflags", "-s -w", "-o", str(made), "."),
    ]
    lines: list[str] = []
    try:
        # All of the caller's environment: Go finds its caches and its proxy there. A group of its own, so that
        # its compilers end with it.
        child = subprocess.Popen(
            command,
            cwd=sources,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return str(error)
    try:
        assert child.stdout is not None
        reader = threading.Thread(target=lines.extend, args=(child.stdout,), daemon=True)
        reader.start()
        began = time.monotonic()
        while reader.is_alive():
            reader.join(TELL_EVERY_S)
            seconds = time.monotonic() - began
            if seconds > LONGEST_S:
                return f"it took longer than {LONGEST_S / 60:.0f} minutes"
            if reader.is_alive():
                say(f"  {recipe.title}, {seconds:.0f} s: {_progress(lines, recipe)}")
        child.wait()
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        if child.stdout is not None:
            child.stdout.close()
    return None if child.returncode == 0 else "\n".join(["", *(line.rstrip() for line in lines[-5:])])


def _progress(lines: list[str], recipe: Recipe) -> str:
    """
    How far a build is, by what Go said: modules that it fetched, packages that it compiled.
    """
    fetched = sum(line.startswith("go: downloading") for line in list(lines))
    compiled = len(lines) - fetched
    parts = [f"{fetched} modules fetched"] if fetched else []
    return ", ".join([*parts, f"{compiled} of about {recipe.packages} packages compiled"])


def _program(kind: str, folders: Folders) -> Path:
    return folders.cache / "servers" / kind / kind


def _digest(sources: Path) -> str:
    """
    A name for the sources: another module, another version or another main is another one.
    """
    text = b"\0".join((sources / name).read_bytes() for name in SOURCES)
    return hashlib.sha256(text).hexdigest()
