"""What do tests share: one local stack of real servers for the whole session, and the order in which they run."""

import signal
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from devperf_pipeline.local.install import find_server
from devperf_pipeline.local.lifecycle import down, up
from devperf_pipeline.model import Stack
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.stack_file import load_stack

# A suite that was started in the background ignores Ctrl-C, and so would the servers and tests that are to hear it.
signal.signal(signal.SIGINT, signal.default_int_handler)

HERE = Path(__file__).parent

APART = {"analyse", "report", "stack", "store", "test_architecture.py", "test_docs.py", "test_model.py"}
"""Whose tests measure nothing and, but for those marked `servers`, start nothing: it does not matter what runs beside them."""


class OneSerialProcess(LoadScopeScheduling):
    """Of several processes one runs whatever measures or starts something, in turn; the others run all else by file."""

    def _split_scope(self, nodeid: str) -> str:
        file = HERE.parent / nodeid.partition("::")[0]
        apart = file.relative_to(HERE).parts[0] in APART and "mark.servers" not in _text(file)
        return str(file) if apart else "serial"


@cache
def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneSerialProcess:
    """How `-n 2` shares tests out."""
    return OneSerialProcess(config, log)


@pytest.fixture(scope="session", autouse=True)
def _own_lock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The session and its processes hold a lock of their own: neither a baseline nor another suite is waited for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEVPERF_LOCK", str(tmp_path_factory.mktemp("lock") / "measuring.lock"))
        yield


@pytest.fixture(scope="session")
def stack_folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """A project folder of the session's own, where `running_stack` keeps its logs and its record."""
    return Folders(tmp_path_factory.mktemp("devperf"))


@pytest.fixture(scope="session")
def running_stack(stack_folders: Folders) -> Iterator[Stack]:
    """
    The local stack, up: every service of `stacks/local.toml` that this machine has a server for.

    A server that is installed and does not start is a failure, not a reason to skip.
    """
    described = load_stack("local", Folders.find(), CATALOGUE)
    try:
        stack = up(described, stack_folders, say=lambda _: None)
        broken = {name: why for name, why in stack.missing.items() if find_server(stack.service(name).kind)}
        assert broken == {}
        yield stack
    finally:
        down(described.name, stack_folders, say=lambda _: None)
