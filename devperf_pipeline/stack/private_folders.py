"""
Which folders are ours alone, and who may work in them now?

Servers keep their data outside the project, where every user may make folders: what we find there is checked.
"""

import contextlib
import fcntl
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from devperf_pipeline.errors import ConfigurationError
from devperf_pipeline.stack.folders import Folders

NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
"""What a stack may be called: it becomes a folder."""

WAIT_S = 60.0
"""How long we wait for another run that is starting or stopping the same stack."""


def stack_folder(stack_name: str, folders: Folders) -> Path:
    """
    The private folder of a stack. Not created here.

    Raises:
        ConfigurationError: the name would lead elsewhere.

    """
    if not NAME.fullmatch(stack_name):
        raise ConfigurationError(
            f"Expected the name of a stack (at most 40 lower-case letters, digits, - and _), found {stack_name!r}."
        )
    return folders.servers / stack_name


def make_private(folder: Path) -> None:
    """
    Create a folder that only we can write, or check that it is one.

    Others may pass through it (servers run as another user), nobody may list it.

    Raises:
        ConfigurationError: it is not ours, is not a folder, or others may write to it.

    """
    try:
        folder.mkdir(mode=0o711, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise ConfigurationError(
            f"Expected a private folder for servers at {folder}, but it cannot be made: {error.strerror}. "
            f"Make {folder.parent} writable, or remove what is in the way."
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise ConfigurationError(
            f"Expected {folder} to be a folder that only user {os.geteuid()} can write; found mode "
            f"{stat.filemode(found.st_mode)}, owner {found.st_uid}. Somebody else may have put it there: remove it, "
            "or set DEVPERF_ROOT to another folder."
        )


def make_folder(folder: Path) -> None:
    """
    Create a folder of the project.

    Raises:
        ConfigurationError: it cannot be made or written to.

    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Tried, not asked: a read-only file system and a full disk say no as well.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"Expected to write to the folder {folder}, found that it is not possible: {error.strerror}. "
            "Make it writable, or set DEVPERF_ROOT to a folder that is."
        ) from error


@contextlib.contextmanager
def held(stack_name: str, folders: Folders) -> Iterator[None]:
    """
    Let one run at a time start or stop this stack. The lock frees itself when its holder dies.

    Raises:
        ConfigurationError: another run holds it for longer than a minute, or the private folder is not ours,
            or the name would lead elsewhere.

    """
    path = stack_folder(stack_name, folders).with_suffix(".lock")
    deadline = time.monotonic() + WAIT_S
    while (file := _locked(path)) is None:
        if time.monotonic() > deadline:
            raise ConfigurationError(
                f"Expected to start or stop stack '{stack_name}' alone; another run has been doing that for "
                f"{WAIT_S:.0f} s (lock {path}). Wait for it, or end it."
            )
        time.sleep(0.1)
    with file:
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                # Nothing of ours stays behind, unless something runs in it.
                path.parent.rmdir()


def _locked(path: Path) -> IO[str] | None:
    """The lock file, locked, or None: somebody else has it, or removed it just now."""
    make_private(path.parent)
    try:
        file = path.open("a")
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
            return file
    except (BlockingIOError, FileNotFoundError):
        pass
    file.close()
    return None


def remove(folder: Path) -> None:
    """
    Remove a private folder, whatever is left in it.

    Raises:
        ConfigurationError: something in it cannot be removed.

    """
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise ConfigurationError(
            f"Expected to remove the servers' data in {folder}, but {error.filename}: {error.strerror}. Remove it by hand."
        ) from error
