"""
Which container engine do the tests have, and how are images built and containers run there?

Docker where its daemon answers, else podman as it is, else podman with a runtime that asks for no limits which root may
not raise here. podman gets storage and a socket of its own, so that nothing of anybody else is touched.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devperf_pipeline.local.install import find_server

HERE = Path(__file__).parent
IMAGES = HERE / "images"
ROOM = Path("/var/tmp") / f"devperf-containers-{os.geteuid()}"  # noqa: S108 - images are kept between sessions
BASE = "localhost/devperf-base:bookworm"
NAMES = ("redis", "postgres", "pgbouncer", "mysql", "rabbitmq", "mongodb", "vault")
BROUGHT = {"mongodb": "mongodb", "vault": "vault"}
"""Images whose program this project builds, and the kind of service that has it."""

BUILD_S, ASK_S = 900, 120
ANSWER_S = 20.0

CHECK_EVERY_S = 5.0
"""A check of RabbitMQ starts an Erlang of its own: more of them leave it no CPU to start with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerEngine:
    """`program` is docker or podman, `environment` what it is called with, `how` what is said of it."""

    program: str
    how: str
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    def run(self, *words: str, within_s: float = ASK_S, check: bool = True) -> str:
        """What the program says to these words; where it fails, its last words are raised."""
        finished = subprocess.run(
            [self.program, *words],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=within_s,
        )
        if check and finished.returncode:
            raise RuntimeError(f"{self.program} {words[0]} ({self.how}) failed: {finished.stderr[-800:]}")
        return finished.stdout.strip()

    def image(self, name: str) -> str:
        """The image of that name, built where it is missing or was made of something else."""
        tag = f"localhost/devperf-{name}:test"
        with tempfile.TemporaryDirectory() as folder:
            context = Path(folder)
            shutil.copytree(IMAGES, context, dirs_exist_ok=True)
            if name in BROUGHT:
                found = find_server(BROUGHT[name])
                if found is None:
                    raise RuntimeError(f"{name} is not on this machine: `devperf doctor --get` brings it")
                for program, path in found.programs.items():
                    shutil.copy(path, context / program)
            made_of = hashlib.sha256(
                b"".join(file.read_bytes() for file in sorted(context.iterdir()))
            ).hexdigest()
            label = self.run(
                "image", "inspect", tag, "--format", '{{index .Config.Labels "made-of"}}', check=False
            )
            if label != made_of:
                base = () if self.program == "docker" else ("--build-arg", f"BASE={self._base()}")
                file = str(context / "Containerfile")
                self.run(
                    *("build", "-q", "--network", "host", "--target", name, "--label", f"made-of={made_of}"),
                    *(*base, "-t", tag, "-f", file, folder),
                    within_s=BUILD_S,
                )
        return tag

    def _base(self) -> str:
        """Debian as Debian's own packages make it: no registry is asked."""
        if not self.run("image", "ls", "-q", BASE):
            archive = ROOM / "base.tar"
            subprocess.run(
                [
                    *(
                        "mmdebstrap",
                        "--quiet",
                        "--variant=minbase",
                        "--mode=root",
                        "--skip=cleanup/apt/lists",
                    ),
                    *("--include=ca-certificates", '--aptopt=APT::Install-Recommends "false"'),
                    *("--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*"),
                    *("bookworm", str(archive)),
                ],
                check=True,
                timeout=BUILD_S,
            )
            self.run("import", "-q", str(archive), BASE, within_s=BUILD_S)
            archive.unlink()
        return BASE


@contextlib.contextmanager
def engine() -> Iterator[ContainerEngine | str]:
    """The engine of this machine, with its API served; or why there is none."""
    docker = ContainerEngine(program="docker", how="Docker")
    if "DOCKER_HOST" not in os.environ and shutil.which("docker"):
        with contextlib.suppress(RuntimeError, subprocess.TimeoutExpired):
            docker.run("version")
            yield docker
            return
    if not shutil.which("podman"):
        yield "neither a Docker daemon that answers nor podman is here (apt-get install podman runc netavark mmdebstrap)"
        return
    ROOM.mkdir(parents=True, exist_ok=True)
    plain, shim = (_podman(runtime) for runtime in ("", str(HERE / "runc-no-rlimits")))
    problem = ""
    for podman in (plain, shim):
        try:
            podman.run("run", "--rm", "--network", "none", podman._base(), "true", within_s=BUILD_S)
        except (RuntimeError, subprocess.SubprocessError, FileNotFoundError) as error:
            problem = str(error)
            continue
        with _served(podman):
            yield podman
        return
    yield f"podman is here and runs no container: {problem}"


def _podman(runtime: str) -> ContainerEngine:
    """How podman is called with storage and a socket of our own."""
    storage, settings = ROOM / "storage.conf", ROOM / f"containers{'-shim' * bool(runtime)}.conf"
    storage.write_text(f'[storage]\ndriver = "overlay"\ngraphroot = "{ROOM}/graph"\nrunroot = "{ROOM}/run"\n')
    named = f'runtime = "shim"\n[engine.runtimes]\nshim = ["{runtime}"]\n' if runtime else ""
    manager = (
        ""
        if Path("/run/systemd/system").is_dir()
        else 'cgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
    )
    own = f'tmp_dir = "{ROOM}/tmp"\nlock_type = "file"\n'  # noqa: S108 - shared with no other podman
    settings.write_text(f'[network]\nnetwork_backend = "netavark"\n[engine]\n{own}{manager}{named}')
    return ContainerEngine(
        program="podman",
        how="podman with runc that asks for no rlimits" if runtime else "podman",
        environment={
            "CONTAINERS_STORAGE_CONF": str(storage),
            "CONTAINERS_CONF": str(settings),
            "DOCKER_HOST": f"unix://{ROOM}/podman.sock",
        },
    )


@contextlib.contextmanager
def _served(podman: ContainerEngine) -> Iterator[None]:
    """Serve podman's API at our socket, and run health checks where no systemd does, as long as this lasts."""
    socket, done = ROOM / "podman.sock", threading.Event()
    socket.unlink(missing_ok=True)
    service = subprocess.Popen(
        ["podman", "system", "service", "--time=0", f"unix://{socket}"],
        env={**os.environ, **podman.environment},
        stderr=subprocess.DEVNULL,
    )
    checks = threading.Thread(target=_check_health, args=(podman, done), daemon=True)
    try:
        ends = time.monotonic() + ANSWER_S
        while not socket.is_socket() and time.monotonic() < ends:
            time.sleep(0.05)
        if not Path("/run/systemd/system").is_dir():
            checks.start()
        yield
    finally:
        done.set()
        if checks.is_alive():
            checks.join()
        service.terminate()
        service.wait()


def _check_health(podman: ContainerEngine, done: threading.Event) -> None:
    while not done.wait(CHECK_EVERY_S):
        for container in podman.run("ps", "-q", "--filter", "health=starting", check=False).split():
            podman.run("healthcheck", "run", container, check=False)


def compose(here: ContainerEngine) -> Sequence[str] | None:
    """The words that call compose there; None where it is not on this machine."""
    if here.program == "docker" and "compose" in here.run("compose", "version", check=False).lower():
        return ("docker", "compose")
    return ("docker-compose",) if shutil.which("docker-compose") else None
