"""
How is a server built that no package manager has?

Once, from its sources as `servers/<kind>` pins them, into the cache; then it is found there like any other program.
"""

import hashlib
import os
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

STAMP = "built-from"
"""The file beside a program that tells which sources it was built from."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """
    How one kind of server is built.

    `tools` are the programs that it takes, the one that builds first; `sources` are the files that pin everything.
    `arguments` follow that program; they and `environment` know a scratch folder, in which `made` is the program then.
    `fetched` and `compiled` begin the lines that tell of progress, in the words of `pieces`: about `number` of them.
    """

    title: str
    tools: tuple[str, ...]
    sources: tuple[str, ...]
    arguments: Callable[[Path], tuple[str, ...]]
    environment: Callable[[Path], Mapping[str, str]]
    program: str
    made: str
    fetched: str
    compiled: str
    pieces: tuple[str, str]
    number: int
    about: str


RECIPES: Mapping[str, Recipe] = {
    "vault": Recipe(
        title="Vault",
        tools=("go",),
        sources=("go.mod", "go.sum", "main.go"),
        arguments=lambda scratch: (
            *("build", "-v", "-mod=readonly", "-buildvcs=false", "-trimpath"),
            *("-tags", "minimal", "-ldflags", "-s -w", "-o", str(scratch / "vault"), "."),
        ),
        environment=lambda _: {},
        program="vault",
        made="vault",
        fetched="go: downloading",
        compiled="",
        pieces=("modules", "packages"),
        number=1_750,
        about="once, some minutes (15 on two busy cores), with low priority",
    ),
    "mongodb": Recipe(
        title="SecantusDB, which answers in MongoDB's place,",
        # WiredTiger's sources are among the crates.
        tools=("cargo", "cmake", "cc", "c++"),
        sources=("Cargo.toml", "Cargo.lock"),
        arguments=lambda _: (
            *("build", "--release", "--locked", "--ignore-rust-version"),
            *("--package", "secantus-mdb", "--bin", "secantusd-rs"),
        ),
        environment=lambda scratch: {"CARGO_TARGET_DIR": str(scratch)},
        program="secantusd-rs",
        made="release/secantusd-rs",
        fetched="Downloaded",
        compiled="Compiling",
        pieces=("crates", "crates"),
        number=205,
        about="once, some minutes (8 on two busy cores), with low priority",
    ),
}
"""The kinds of service whose server can be built: `servers/<kind>` holds the sources."""


def built(kind: str, folders: Folders) -> Path | None:
    """The program that an earlier build left, or None: there is none, or its sources have changed since."""
    if kind not in RECIPES:
        return None
    program = _program(kind, folders)
    try:
        current = (program.parent / STAMP).read_text(encoding="ascii") == _digest(kind, folders)
    except (OSError, UnicodeDecodeError):
        return None
    return program if current and os.access(program, os.X_OK) else None


def build(kind: str, folders: Folders, tools: Mapping[str, Path], say: Say) -> bool:
    """
    Build the server of this kind with those of its tools that were found, and say how it goes.

    Out of the way of everything else (nice 19). Whether it worked; why not is said.
    Interrupted, it leaves nothing that counts as built.
    """
    recipe, program = RECIPES[kind], _program(kind, folders)
    absent = [tool for tool in recipe.tools if tool not in tools]
    if absent:
        say(
            f"{recipe.title} has no package here and is built with {', '.join(recipe.tools)}: "
            f"{', '.join(absent)} is not on this machine."
        )
        return False
    say(f"Building {recipe.title} from its sources ({recipe.about}); nothing is measured meanwhile.")
    began = time.monotonic()
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as scratch:
        made = Path(scratch) / recipe.made
        said = _compile(recipe, tools[recipe.tools[0]], folders.server_sources / kind, Path(scratch), say)
        if said is not None:
            say(f"{recipe.title} could not be built: {said}")
            return False
        # The stamp comes last: a program without one does not count.
        (program.parent / STAMP).unlink(missing_ok=True)
        made.replace(program)
        (program.parent / STAMP).write_text(_digest(kind, folders), encoding="ascii")
    size_mb = program.stat().st_size / 1e6
    say(f"Built {recipe.title} in {time.monotonic() - began:.0f} s: {program}, {size_mb:.0f} MB.")
    return True


def _compile(recipe: Recipe, builder: Path, sources: Path, scratch: Path, say: Say) -> str | None:
    """Run the compiler. None, or the last words of one that failed."""
    nice = shutil.which("nice")
    command = [*([nice, "-n", "19"] if nice else []), str(builder), *recipe.arguments(scratch)]
    lines: list[str] = []
    try:
        # All of the caller's environment: the tools find their caches and their proxy there. A group of its own, so
        # that its compilers end with it.
        child = subprocess.Popen(
            command,
            cwd=sources,
            env={**os.environ, **recipe.environment(scratch)},
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
    """How far a build is, by what its tool said: what it fetched, and what it compiled."""
    said = [line.strip() for line in list(lines)]
    fetched = sum(line.startswith(recipe.fetched) for line in said)
    compiled = sum(line.startswith(recipe.compiled) for line in said) - (0 if recipe.compiled else fetched)
    parts = [f"{fetched} {recipe.pieces[0]} fetched"] if fetched else []
    return ", ".join([*parts, f"{compiled} of about {recipe.number} {recipe.pieces[1]} compiled"])


def _program(kind: str, folders: Folders) -> Path:
    return folders.cache / "servers" / kind / RECIPES[kind].program


def _digest(kind: str, folders: Folders) -> str:
    """A name for the sources: another module, another version or another main is another one."""
    text = b"\0".join((folders.server_sources / kind / name).read_bytes() for name in RECIPES[kind].sources)
    return hashlib.sha256(text).hexdigest()
