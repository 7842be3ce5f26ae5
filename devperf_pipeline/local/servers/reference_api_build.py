"""How is a reference API built, once, and which command starts what was built?"""

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devperf_pipeline.errors import ServiceMissing
from devperf_pipeline.local.server_setup import Site

STAMP = "built.sha256"
"""Beside what was built: from which sources. It is there only when the build was whole."""

POLITE = 10
"""The niceness of a build: servers that already run beside it go first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """
    How one kind of API is built and run.

    `programs` are its toolchain; `lock` is the file that its dependencies are locked to, and `patterns` are all the
    files that make it what it is, from the folder of all APIs; `arguments` follow the program of that name;
    `environment` is added to the caller's; `run` is the command, where the project and what was built are known.
    """

    programs: tuple[str, ...]
    lock: str
    patterns: tuple[str, ...]
    arguments: Callable[[Path, Path], tuple[str | Path, ...]]
    environment: Callable[[Path], Mapping[str, str]]
    run: Callable[[Path, Mapping[str, Path]], list[str | Path]]
    seconds: int = 300
    takes: str = "a moment"
    copied: tuple[str, ...] = ()


def _python(kind: str, module: str, *more: str) -> Recipe:
    return Recipe(
        programs=("uv",),
        lock="uv.lock",
        patterns=(f"{kind}/uv.lock", f"{kind}/{module}/**/*.py", *more),
        arguments=lambda project, _: ("sync", "--frozen", "--no-dev", "--project", project),
        environment=lambda built: {"UV_PROJECT_ENVIRONMENT": str(built)},
        run=lambda built, _: [built / "bin" / "python", "-m", module],
    )


RECIPES: Mapping[str, Recipe] = {
    "fastapi": _python("fastapi", "reference_api"),
    "fastapi_api_first": _python(
        # It is made of the contract, and of the other's clients.
        "fastapi_api_first",
        "api_first",
        "openapi.yaml",
        "fastapi/reference_api/**/*.py",
    ),
    "gin": Recipe(
        programs=("go",),
        lock="go.sum",
        patterns=("gin/go.*", "gin/**/*.go"),
        arguments=lambda _, built: ("build", "-ldflags=-s -w", "-o", built / "reference-api", "."),
        # The toolchain that is here, or none: never one that is fetched in passing.
        environment=lambda _: {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0"},
        run=lambda built, _: [built / "reference-api"],
        seconds=900,
        takes="about a minute",
    ),
    "express": Recipe(
        programs=("npm", "node"),
        lock="package-lock.json",
        patterns=("express/package*.json", "express/src/**/*.js"),
        # Packages are looked for beside the source, so the source goes to where they are.
        copied=("package.json", "package-lock.json", "src"),
        arguments=lambda *_: ("ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"),
        environment=lambda _: {},
        run=lambda built, programs: [programs["node"], built / "src" / "main.js"],
    ),
    "actix": Recipe(
        # Some crates have parts in C.
        programs=("cargo", "cc"),
        lock="Cargo.lock",
        patterns=("actix/Cargo.*", "actix/build.rs", "actix/src/**/*.rs"),
        arguments=lambda *_: ("build", "--release", "--locked"),
        environment=lambda built: {"CARGO_TARGET_DIR": str(built)},
        run=lambda built, _: [built / "release" / "reference-api"],
        seconds=3_600,
        takes="several minutes: some 400 crates are compiled",
    ),
}
"""Every kind of reference API."""


def sources(kind: str, reference_apis: Path) -> list[Path]:
    """The files that make the API what it is: its code and what its dependencies are locked to."""
    found = {path for pattern in RECIPES[kind].patterns for path in reference_apis.glob(pattern)}
    return sorted(path for path in found if path.is_file())


def command(kind: str, cache: Path, programs: Mapping[str, Path]) -> list[str | Path]:
    """What starts the API that was built into the cache; the path of its configuration is to follow."""
    return RECIPES[kind].run(cache / kind, programs)


def build(site: Site) -> None:
    """
    Build the API into the cache, unless it is there already, from the same sources.

    Raises:
        ServiceMissing: its project is not there, it cannot be built, or the whole start was called off.

    """
    kind = site.service.kind
    recipe = RECIPES[kind]
    project, built = site.folders.reference_apis / kind, site.folders.cache / kind
    if not (project / recipe.lock).is_file():
        raise ServiceMissing(
            f"{site.service.name} was not started: expected its project at {project}, found no {recipe.lock} there. "
            "Restore that folder from the repository."
        )
    built.mkdir(parents=True, exist_ok=True)
    with _alone(site, built.with_suffix(".lock")):
        digest, stamp = _digest(kind, site.folders.reference_apis), built / STAMP
        program = Path(recipe.run(built, site.programs)[0])
        # A link to a Python that was uninstalled since is no program.
        if program.exists() and stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
            return
        site.say(f"{site.service.name}: building it once, which takes {recipe.takes} (log {site.log})")
        began = time.monotonic()
        stamp.unlink(missing_ok=True)
        for name in recipe.copied:
            _copy(project / name, built / name)
        # All of the caller's environment: the tools find their caches, their proxy and their index there.
        inherited = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
        site.run(
            [site.programs[recipe.programs[0]], *recipe.arguments(project, built)],
            folder=built if recipe.copied else project,
            environment={**inherited, **recipe.environment(built)},
            seconds=recipe.seconds,
            nice=POLITE,
        )
        stamp.write_text(digest, encoding="utf-8")
        site.say(f"{site.service.name}: built in {time.monotonic() - began:.0f} s")


def _copy(source: Path, target: Path) -> None:
    """Put a file or a folder into the cache, in the place of what is there."""
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)


def _digest(kind: str, reference_apis: Path) -> str:
    # Where the sources lie is part of it: an environment may refer to them.
    whole = hashlib.sha256(f"{reference_apis}\n".encode())
    for path in sources(kind, reference_apis):
        content = path.read_bytes()
        whole.update(f"{path.relative_to(reference_apis)} {len(content)}\n".encode() + content)
    return whole.hexdigest()


@contextmanager
def _alone(site: Site, path: Path) -> Iterator[None]:
    """One build at a time in one cache, whichever stack it is for. The lock frees itself when its holder dies."""
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if site.stopping.is_set():
                    raise ServiceMissing(
                        f"{site.service.name} was not started: the start was called off."
                    ) from None
                time.sleep(0.1)
            else:
                break
        yield
