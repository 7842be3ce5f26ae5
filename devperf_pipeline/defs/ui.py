"""
How are the Dagster UI and its daemon started and stopped?
"""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import psutil

from devperf_pipeline.defs.running import bury_the_dead, prepare_home
from devperf_pipeline.errors import ConfigurationError
from devperf_pipeline.stack.folders import Folders

PROGRAMS = ("dagster-webserver", "dagster-daemon")


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
        bury_the_dead(instance)
    workspace = str(Path(__file__).parents[2] / "workspace.yaml")
    beside = Path(sys.executable).parent
    children = [
        subprocess.Popen([beside / "dagster-webserver", "-w", workspace, "-h", "127.0.0.1", "-p", str(port)]),
        subprocess.Popen([beside / "dagster-daemon", "run", "-w", workspace]),
    ]
    say(f"Dagster: http://127.0.0.1:{port}/asset-groups  (Ctrl-C ends it)")
    try:
        while all(child.poll() is None for child in children):
            time.sleep(0.5)
    except KeyboardInterrupt:
        pass
    finally:
        for child in children:
            child.send_signal(signal.SIGINT)
        for child in children:
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def ours(folders: Folders) -> list[psutil.Process]:
    """
    Webservers and daemons that run on this project's home.
    """
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            named = any(program in " ".join(process.cmdline()[:2]) for program in PROGRAMS)
            if named and process.environ().get("DAGSTER_HOME") == str(folders.dagster_home):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def stop(folders: Folders) -> int:
    """
    Stop what `ours` finds; how many there were.
    """
    found = ours(folders)
    for process in found:
        process.send_signal(signal.SIGINT)
    _, left = psutil.wait_procs(found, timeout=5)
    for process in left:
        process.kill()
    return len(found)
