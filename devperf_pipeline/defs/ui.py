"""
How are the Dagster UI and its daemon started and stopped?

By `dagster dev`, on the home that the command line uses. Webserver and daemon share one code server there, which loads the
stack files when it starts and when somebody reloads it: nothing is loaded again while something is measured.
"""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import dagster as dg
import psutil

from devperf_pipeline.defs.command_line import fail_dead_runs, prepare_home
from devperf_pipeline.errors import ConfigurationError
from devperf_pipeline.stack.folders import Folders

PROGRAMS = (
    "dagster dev",
    "dg dev",
    "dagster_webserver",
    "dagster-webserver",
    "dagster._daemon",
    "dagster-daemon",
    "dagster code-server",
    "dagster api grpc",
)

ENDS_S = 15.0
"""How long Dagster may take to end when it is asked to, on a busy machine."""


def serve(folders: Folders, port: int, say: Callable[[str], None]) -> None:
    """
    Run Dagster until it ends or Ctrl-C is pressed.

    Raises:
        ConfigurationError: the port is taken, a UI of this project runs already, or Dagster ended by itself.

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
    # Dagster would have us use `dg dev`, which is not there without the tools of developers.
    dev = [
        sys.executable,
        "-W",
        "ignore:Function `dev_command`",
        "-m",
        "dagster",
        "dev",
        "--log-level",
        "warning",
    ]
    workspace = Path(__file__).parents[2] / "workspace.yaml"
    dagster = subprocess.Popen(
        [*dev, "-w", workspace, "-h", "127.0.0.1", "-p", str(port)],
        cwd=folders.dagster_home,
        start_new_session=True,  # it hears one Ctrl-C, from us
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - there are no threads yet
    )
    try:
        told = False
        while dagster.poll() is None:
            time.sleep(0.5)
            if not told and _answers(port):
                say(f"Dagster: http://127.0.0.1:{port}/asset-groups  (Ctrl-C ends it)")
                told = True
        if dagster.returncode > 0:
            raise ConfigurationError(
                f"Dagster ended by itself with status {dagster.returncode}. What it said stands above."
            )
    except KeyboardInterrupt:
        pass
    finally:
        stop(folders)
        dagster.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ours(folders: Folders) -> list[psutil.Process]:
    """Webservers, daemons, their code servers and what started them, on this project's home or in its folder."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            # Their first words, without the interpreter and its options, and without the folder they lie in.
            words = [Path(word).name for word in process.cmdline()[:6]]
            if any(program in " ".join(words) for program in PROGRAMS) and _is_of(process, folders):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def _is_of(process: psutil.Process, folders: Folders) -> bool:
    """Whether it uses this project's history: by its home, or, where it was told none, by where it was started."""
    home = process.environ().get("DAGSTER_HOME")
    return home == str(folders.dagster_home) or (home is None and process.cwd() == str(folders.root))


def stop(folders: Folders) -> int:
    """Stop what `ours` finds, and the runs that it has started; how many there were."""
    found = ours(folders)
    started = {process.pid for process in found}
    # A code server would wait until its runs have ended by themselves.
    runs = [child for process in found for child in _children(process) if child.pid not in started]
    for process in (*runs, *found):
        with suppress(psutil.NoSuchProcess):  # it may have ended with the one before it
            if (
                process in runs or process.ppid() not in started
            ):  # those that others started are stopped by them
                process.send_signal(signal.SIGINT)
    _, left = psutil.wait_procs(found, timeout=ENDS_S)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=ENDS_S)
    return len(found)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children()
    except psutil.NoSuchProcess:
        return []
