"""
How are the Dagster UI and its daemon started and stopped?

Both ask one code server that runs as long as they do. With the module itself in their workspace the daemon would load
it anew in a fresh process every minute, and those seconds of work would be measured, too.
"""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import dagster as dg
import psutil

from devperf_pipeline.defs.command_line import LOCATION, fail_dead_runs, prepare_home
from devperf_pipeline.errors import ConfigurationError
from devperf_pipeline.local.server_setup import free_port
from devperf_pipeline.stack.folders import Folders

PROGRAMS = ("dagster-webserver", "dagster-daemon", "dagster code-server", "dagster api grpc")

LOADS_S = 90
"""How long loading the definitions may take, on a busy machine."""


def serve(folders: Folders, port: int, say: Callable[[str], None]) -> None:
    """
    Run webserver and daemon until one of them ends or Ctrl-C is pressed.

    Raises:
        ConfigurationError: the port is taken, or a UI of this project runs already.

    """
    running = ours(folders)
    if running:
        raise ConfigurationError(
            f"Expected no Dagster of this project to run, found process {running[0].pid}: use it, or stop it with `make down`."
        )
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigurationError(
                f"Port {port} on 127.0.0.1 cannot be used for the UI: {error.strerror}. Choose another: `make ui PORT=3001`."
            ) from error
    prepare_home(folders)
    with dg.DagsterInstance.get() as instance:
        fail_dead_runs(instance)
    code_port = free_port()
    workspace = folders.dagster_home / "workspace.yaml"
    workspace.write_text(
        "# Written by `devperf ui` each time it starts.\n"
        f"load_from:\n  - grpc_server:\n      host: 127.0.0.1\n      port: {code_port}\n      location_name: {LOCATION}\n",
        encoding="utf-8",
    )
    beside = Path(sys.executable).parent
    code = [beside / "dagster", "code-server", "start", "-h", "127.0.0.1", "-p", str(code_port)]
    children = [subprocess.Popen([*code, "-m", "devperf_pipeline.definitions", "--location-name", LOCATION])]
    try:
        _wait_for(children[0], code_port)
        webserver = [beside / "dagster-webserver", "-w", workspace, "-h", "127.0.0.1", "-p", str(port)]
        children.append(subprocess.Popen(webserver))
        children.append(subprocess.Popen([beside / "dagster-daemon", "run", "-w", workspace]))
        say(f"Dagster: http://127.0.0.1:{port}/asset-groups  (Ctrl-C ends it)")
        while all(child.poll() is None for child in children):
            time.sleep(0.5)
    except KeyboardInterrupt:
        pass
    finally:
        # The code server goes last: the others complain of one that is gone.
        for child in reversed(children):
            child.send_signal(signal.SIGINT)
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _wait_for(code_server: subprocess.Popen[bytes], port: int) -> None:
    """Wait until the code server answers at its port."""
    deadline = time.monotonic() + LOADS_S
    while code_server.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    ended = code_server.poll()
    found = f"nothing at 127.0.0.1:{port}" if ended is None else f"that it ended with status {ended}"
    raise ConfigurationError(
        f"Expected Dagster's code server to answer within {LOADS_S} s, found {found}. What it said stands above."
    )


def ours(folders: Folders) -> list[psutil.Process]:
    """Webservers, daemons and their code servers that run on this project's home."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            # Their first words, without the interpreter and its options, and without the folder they lie in.
            words = [Path(word).name for word in process.cmdline()[:6]]
            named = any(program in " ".join(words) for program in PROGRAMS)
            if named and process.environ().get("DAGSTER_HOME") == str(folders.dagster_home):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def stop(folders: Folders) -> int:
    """Stop what `ours` finds; how many there were."""
    found = ours(folders)
    for process in found:
        with suppress(psutil.NoSuchProcess):  # it may have ended with the one before it
            process.send_signal(signal.SIGINT)
    _, left = psutil.wait_procs(found, timeout=5)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return len(found)
