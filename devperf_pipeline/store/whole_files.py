"""
How does a file come to be whole or absent?

Written under a partial name, flushed to the disk, renamed: whoever looks sees all of it or nothing.
"""

import errno
import os
import shutil
from pathlib import Path

from devperf_pipeline.errors import StoreError

PARTIAL = ".partial"
"""Names that end so are leftovers of a write that did not end; nobody reads them."""

BROKEN = ".broken"
"""Names that end so were set aside because they could not be read; nobody reads or deletes them."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says when a file may not grow: disk full, quota used up, file too large."""


AGAIN = "run the command again"
REBUILD = "make the tables from the samples: devperf rebuild"
"""What to do after something could not be written, once the cause is gone."""


def write_whole(path: Path, data: bytes, *, then: str = AGAIN) -> None:
    """
    Write `data` to `path` so that it is there completely, or not at all, also after a kill or a power cut.

    Raises:
        StoreError: the disk is full, or the folder cannot be written.

    """
    partial = path.with_name(path.name + PARTIAL)
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)  # noqa: PTH105 - the one call that the whole promise rests on, by its own name
        sync_folder(path.parent)
    except OSError as error:
        _forget(partial)
        raise not_written(path, len(data), error, then=then) from error


def _forget(partial: Path) -> None:
    try:
        partial.unlink(missing_ok=True)
    except OSError:
        # Where nothing can be written nothing can be removed either; a partial file is read by nobody.
        return


def sync_file(path: Path) -> None:
    """Wait until the bytes of a finished file are on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def not_written(path: Path, needed_bytes: int, error: Exception, *, then: str = AGAIN) -> StoreError:
    """The error that says why `path` could not be written, and what to do."""
    number = error.errno if isinstance(error, OSError) else None
    if number in FULL or "No space left on device" in str(error) or "File too large" in str(error):
        needed = f"about {needed_bytes:,} bytes are needed, " if needed_bytes else ""
        return StoreError(
            f"No space for {path}: {needed}{free_bytes(path):,} are free on the file "
            f"system at {mount_point(path)}. Everything that was kept before is safe. Make space and {then}."
        )
    return StoreError(
        f"{path} could not be written ({error}). Everything that was kept before is safe. "
        f"Make the folder writable and {then}."
    )


def free_bytes(path: Path) -> int:
    """What a user may still write on the file system of `path`."""
    return shutil.disk_usage(_existing(path)).free


def mount_point(path: Path) -> Path:
    """The folder at which the file system of `path` is mounted."""
    folder = _existing(path).resolve()
    return next(place for place in (folder, *folder.parents) if place.is_mount())


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.absolute().parents) if place.exists())


def set_aside(path: Path) -> Path:
    """Give a file or folder that cannot be read a name that nobody reads, and that no other has."""
    for count in range(1, 10_000):
        name = path.name.removeprefix("baseline_id=")
        aside = path.with_name(f"{name}{'' if count == 1 else f'.{count}'}{BROKEN}")
        if not aside.exists():
            path.rename(aside)
            return aside
    raise StoreError(
        f"Ten thousand broken files named like {path} were set aside. Look at them and remove some."
    )
