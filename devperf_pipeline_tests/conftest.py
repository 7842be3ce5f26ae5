"""What do the tests of one process share: a local stack of real servers, a lock; and in which order do they run?"""

import signal
from collections.abc import Iterator

import pytest

from devperf_pipeline.local.install import find_server
from devperf_pipeline.local.lifecycle import down, up
from devperf_pipeline.model import Stack
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.stack_file import load_stack

# A suite that was started in the background ignores Ctrl-C, and so would the servers and tests that are to hear it.
signal.signal(signal.SIGINT, signal.default_int_handler)
# One that is told to end stops its servers first.
signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start servers come first: the many short ones fill up what time is left beside them."""
    slow = {item.path for item in items if item.get_closest_marker("servers")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def _own_lock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Each process of the tests holds a lock of its own: neither a baseline nor another process is waited for."""
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
