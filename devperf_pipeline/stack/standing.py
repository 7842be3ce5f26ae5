"""
Who stops the stack? Whoever started it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from devperf_pipeline.model import Stack
from devperf_pipeline.stack import local
from devperf_pipeline.stack.folders import Folders


@contextmanager
def standing(stack: Stack, folders: Folders, say: Callable[[str], None]) -> Iterator[Stack]:
    """
    The stack as it runs: found running, or started here and stopped at the end.

    A stack that this project does not manage is handed on as it is described.
    """
    if not stack.managed:
        yield stack
        return
    found = local.running(stack, folders)
    if found is not None:
        yield found
        return
    try:
        yield local.up(stack, folders, say)
    finally:
        local.down(stack.name, folders, lambda _: None)
