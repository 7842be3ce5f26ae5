"""
How is a stack of containers started and stopped?

By compose, with the file that lies beside the stack file: stacks/compose.yaml starts what stacks/compose.toml measures.
"""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from devperf_pipeline.errors import ConfigurationError
from devperf_pipeline.model import Stack
from devperf_pipeline.services.whole_stack import run_preflight

UP_S, DOWN_S, ASK_S = 900, 120, 30
"""Images may have to be fetched first."""

ANSWER_S = 120.0
"""So long the services may take to answer once their containers run."""

COMPOSES: Sequence[Sequence[str]] = (("docker", "compose"), ("docker-compose",), ("podman-compose",))
"""The programs that read such a file, the usual one first."""

REQUIRED = re.compile(r"\$\{(\w+):\?")
"""A variable without which compose starts nothing."""

LISTENS_S = 1.0


def file_of(stack: Stack) -> Path | None:
    """The compose file beside a stack file, for a stack that this project does not manage; None if there is none."""
    file = stack.path.with_suffix(".yaml")
    return file if not stack.managed and file.is_file() else None


def runs(stack: Stack) -> bool:
    """Whether anybody listens at any address of a stack."""
    for service in stack.services:
        for address in service.addresses:
            with suppress(OSError), socket.create_connection((address.host, address.port), timeout=LISTENS_S):
                return True
    return False


def command_for(file: Path) -> Sequence[str]:
    """
    The words that call compose on this machine, where everything that the file asks for is there.

    Raises:
        ConfigurationError: compose is not here, or a variable is not set.

    """
    absent = [
        name for name in dict.fromkeys(REQUIRED.findall(file.read_text("utf-8"))) if name not in os.environ
    ]
    if absent:
        raise ConfigurationError(
            f"{file} expects {', '.join(absent)} in the environment: the passwords that its servers are started with. "
            "Export them, and measure with the same ones."
        )
    return _command()


def up(stack: Stack, file: Path, command: Sequence[str], say: Callable[[str], None]) -> None:
    """
    Start the containers, and wait until their services answer.

    Raises:
        ConfigurationError: compose fails.

    """
    say(f"Starting the containers of {file} with {' '.join(command)}.")
    _run([*command, "up", "-d"], file, UP_S)
    ends = time.monotonic() + ANSWER_S
    while silent := [one for one in run_preflight(stack) if one.facts is None]:
        if time.monotonic() > ends:
            say(
                f"After {ANSWER_S:.0f} s there is no answer of {', '.join(one.service.name for one in silent)}."
            )
            return
        time.sleep(1.0)


def down(file: Path) -> None:
    """
    Remove the containers and their data.

    Raises:
        ConfigurationError: compose is not here, or fails.

    """
    # To take them down no password is used, but compose reads the whole file.
    unused = {name: "unused" for name in REQUIRED.findall(file.read_text("utf-8")) if name not in os.environ}
    _run([*_command(), "down", "--volumes"], file, DOWN_S, unused)


def _command() -> Sequence[str]:
    for words in COMPOSES:
        if shutil.which(words[0]) and _answers([*words, "version"]):
            return words
    there = [name for name in ("docker", "podman") if shutil.which(name)]
    raise ConfigurationError(
        "The servers of this stack run in containers: expected Docker with its compose plugin, or podman with "
        f"podman-compose, found {' and '.join(there) or 'neither of them'}"
        f"{' without compose' if there else ''}. Install it (on Debian `apt-get install docker-compose-plugin` from "
        "Docker's packages, or `apt-get install podman` and `uv tool install podman-compose`). docker-compose works "
        "with podman, too: `podman system service --time=0 unix:///run/podman/podman.sock &` and "
        "DOCKER_HOST=unix:///run/podman/podman.sock."
    )


def _answers(words: Sequence[str]) -> bool:
    try:
        return subprocess.run(words, capture_output=True, check=False, timeout=ASK_S).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _run(words: Sequence[str], file: Path, within_s: float, more: Mapping[str, str] | None = None) -> None:
    """Call compose for that file, and for those that COMPOSE_FILE names where it does."""
    environment = {"COMPOSE_FILE": str(file), **os.environ, **(more or {})}
    try:
        finished = subprocess.run(
            words, env=environment, capture_output=True, text=True, check=False, timeout=within_s
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigurationError(f"`{' '.join(words)}` for {file} did not end well: {error}.") from error
    if finished.returncode:
        last = " ".join(finished.stderr.split()[-60:])
        raise ConfigurationError(f"`{' '.join(words)}` for {file} failed: {last}")
