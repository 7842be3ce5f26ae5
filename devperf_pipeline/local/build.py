"""
How is a server built that no package has?

Once for all clones of the project, into a folder of the user's cache that is named by everything the server is made
of: its sources, the versions of its tools, this kind of machine. A folder of that name is whole: it was built beside,
by one process at a time, and renamed.
"""

import fcntl
import functools
import hashlib
import os
import platform
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devperf_pipeline.errors import ServiceMissing
from devperf_pipeline.local import process
from devperf_pipeline.stack.folders import Folders

TELL_EVERY_S = 20.0
"""How often a build says how far it is."""

LONGEST_S = 3_600.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """
    How far a build is, by what its tool prints: the lines that begin with `fetched` and with `compiled`.

    They are told in the words of `pieces`; about `number` are compiled in all.
    """

    fetched: str
    compiled: str
    pieces: tuple[str, str]
    number: int

    def told(self, lines: list[str]) -> str:
        """For example "12 crates fetched, 7 of about 205 crates compiled"."""
        said = [line.strip() for line in lines]
        fetched = sum(line.startswith(self.fetched) for line in said)
        compiled = sum(line.startswith(self.compiled) for line in said) - (0 if self.compiled else fetched)
        parts = [f"{fetched} {self.pieces[0]} fetched"] if fetched else []
        return ", ".join([*parts, f"{compiled} of about {self.number} {self.pieces[1]} compiled"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """
    How one kind of server is built.

    `tools` are the programs that it takes, the one that builds first. `project` is the folder that it is built from;
    `sources` are patterns of all the files that make it what it is, `lock` of its dependencies among them; `copied` are
    those that have to lie beside what is built: all of them seen from the repository, or from the project.
    `arguments` follow the tool; they and `environment` know the project and the folder that is built into, where
    `made` is the program then. Of a build that `keeps_all` the whole folder is kept, of others that program.
    """

    title: str
    tools: tuple[str, ...]
    project: str
    lock: str
    sources: tuple[str, ...]
    arguments: Callable[[Path, Path], tuple[str | Path, ...]]
    environment: Callable[[Path], Mapping[str, str]] = lambda _: {}
    made: str
    about: str
    keeps_all: bool = False
    copied: tuple[str, ...] = ()
    progress: Progress | None = None


def files(recipe: Recipe) -> dict[str, Path]:
    """The files that make the server what it is, by their names in the repository."""
    repository = Folders.find().repository
    found = {path for pattern in recipe.sources for path in repository.glob(pattern) if path.is_file()}
    return {str(path.relative_to(repository)): path for path in sorted(found)}


def built(recipe: Recipe, tools: Mapping[str, Path]) -> Path | None:
    """
    The program that was built from the same sources, or None.

    With the same tools, too; where not all of them are on this machine any more, with whichever there were.
    """
    whole = all(name in tools for name in recipe.tools)
    name = _name(recipe, tools if whole else None)
    program = recipe.made if recipe.keeps_all else Path(recipe.made).name
    places = (folder / program for folder in Folders.find().cache.glob(name) if not folder.suffix)
    # A link to a Python that was uninstalled since is no program.
    return next((place for place in sorted(places) if place.exists()), None)


def build(
    recipe: Recipe, tools: Mapping[str, Path], say: Say, stopping: threading.Event | None = None
) -> Path:
    """
    The program, built now if it is not there. Out of the way of everything else (nice 19).

    Interrupted, also by `stopping`, it leaves nothing that counts as built.

    Raises:
        ServiceMissing: a tool or the project is missing, the tool fails, or the whole start was called off.

    """
    stopping = stopping or threading.Event()
    if (ready := built(recipe, tools)) is not None:
        return ready
    absent = [tool for tool in recipe.tools if tool not in tools]
    if absent:
        raise ServiceMissing(
            f"{recipe.title} has no package here and is built with {', '.join(recipe.tools)}: "
            f"{', '.join(absent)} is not on this machine."
        )
    project = Folders.find().repository / recipe.project
    if not (project / recipe.lock).is_file():
        raise ServiceMissing(
            f"{recipe.title} cannot be built: expected its project at {project}, found no {recipe.lock} there. "
            "Restore that folder from the repository."
        )
    cache = Folders.find().cache
    cache.mkdir(parents=True, exist_ok=True)
    with _alone(recipe, cache / f"{project.name}.lock", say, stopping):
        if (ready := built(recipe, tools)) is not None:
            return ready
        # Whoever holds the lock knows that what lies half built is nobody's any more.
        for left in cache.glob(f"{project.name}-*.partial"):
            shutil.rmtree(left, ignore_errors=True)
        say(f"Building {recipe.title} ({recipe.about}); nothing is measured meanwhile.")
        began = time.monotonic()
        folder = cache / _name(recipe, tools)
        # Compilers of a run that was killed may still write to its folder.
        scratch = folder.with_suffix(f".{os.getpid()}.partial")
        scratch.mkdir()
        try:
            for name in recipe.copied:
                copy = shutil.copytree if (project / name).is_dir() else shutil.copyfile
                copy(project / name, scratch / name)
            _compile(recipe, tools, project, scratch, say=say, stopping=stopping)
            shutil.rmtree(folder, ignore_errors=True)
            whole = scratch
            if not recipe.keeps_all:
                whole = folder.with_suffix(".partial")
                whole.mkdir()
                (scratch / recipe.made).replace(whole / Path(recipe.made).name)
            whole.replace(folder)
        except OSError as error:
            raise ServiceMissing(f"{recipe.title} could not be built: {error}") from error
        finally:
            for left in cache.glob(f"{folder.name}.*partial"):
                shutil.rmtree(left, ignore_errors=True)
        say(f"Built {recipe.title} in {time.monotonic() - began:.0f} s: {folder}")
    made = built(recipe, tools)
    if made is None:
        raise ServiceMissing(f"{recipe.title} could not be built: {folder} holds no {recipe.made}.")
    return made


def _compile(
    recipe: Recipe,
    tools: Mapping[str, Path],
    project: Path,
    scratch: Path,
    *,
    say: Say,
    stopping: threading.Event,
) -> None:
    """Run the tool that builds, and say how far it is."""
    nice = shutil.which("nice")
    command = [*([nice, "-n", "19"] if nice else []), str(tools[recipe.tools[0]])]
    # All of the caller's environment: the tools find their caches and their proxy there.
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    lines: list[str] = []
    child = subprocess.Popen(
        [*command, *map(str, recipe.arguments(project, scratch))],
        cwd=scratch if recipe.copied else project,
        env={**environment, **recipe.environment(scratch)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # A group of its own, so that its compilers end with it.
        start_new_session=True,
    )
    try:
        assert child.stdout is not None
        reader = threading.Thread(target=lines.extend, args=(child.stdout,), daemon=True)
        reader.start()
        began = told = time.monotonic()
        while reader.is_alive():
            reader.join(0.1)
            now = time.monotonic()
            if stopping.is_set():
                raise ServiceMissing(f"{recipe.title} was not built: the start was called off.")
            if now > began + LONGEST_S:
                raise ServiceMissing(
                    f"{recipe.title} could not be built: it took longer than {LONGEST_S / 60:.0f} minutes."
                )
            if now > told + TELL_EVERY_S:
                told = now
                far = f": {recipe.progress.told(list(lines))}" if recipe.progress else ""
                say(f"  {recipe.title}, {now - began:.0f} s{far}")
        if child.wait() != 0:
            last = process.tail("".join(lines))
            raise ServiceMissing(
                f"{recipe.title} could not be built: {recipe.tools[0]} ended with exit status {child.returncode}.\n{last}"
            )
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        if child.stdout is not None:
            child.stdout.close()


def _name(recipe: Recipe, tools: Mapping[str, Path] | None) -> str:
    """The folder's name: the kind, a hash of its sources, and one of its tools (any, where they are not known)."""
    sources = hashlib.sha256()
    for name, path in files(recipe).items():
        content = path.read_bytes()
        sources.update(f"{name} {len(content)}\n".encode() + content)
    versions = [_version(str(tools[name])) for name in recipe.tools] if tools else []
    # Whatever the project and the folder are called, the command is the same.
    command = recipe.arguments(Path("project"), Path("made"))
    made_by = "\n".join([platform.system(), platform.machine(), *map(str, command), *versions])
    digest = hashlib.sha256(made_by.encode()).hexdigest()[:12] if tools else "*"
    return f"{Path(recipe.project).name}-{sources.hexdigest()[:12]}-{digest}"


@functools.cache
def _version(tool: str) -> str:
    """What a tool says of its version. Go has no option for it."""
    asked = "version" if Path(tool).name == "go" else "--version"
    try:
        finished = subprocess.run([tool, asked], check=False, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return finished.stdout.partition("\n")[0]


@contextmanager
def _alone(recipe: Recipe, lock: Path, say: Say, stopping: threading.Event) -> Iterator[None]:
    """One build of a kind at a time, whichever clone it is for. The lock frees itself when its holder dies."""
    waits = False
    with lock.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not waits:
                    say(f"{recipe.title} is being built by another run; waiting for it.")
                waits = True
                if stopping.wait(0.2):
                    raise ServiceMissing(f"{recipe.title} was not built: the start was called off.") from None
        yield
