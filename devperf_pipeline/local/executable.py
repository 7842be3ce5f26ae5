"""
Can the user that servers run as execute this program? If not, where is a copy that it can?

A wheel's server lies in the environment of the project, and that may lie in a home folder closed to others.
"""

import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from pwd import struct_passwd

from devperf_pipeline.errors import ServiceMissing


def within_reach(
    programs: Mapping[str, Path], folder: Path, user: struct_passwd | None
) -> Mapping[str, Path]:
    """
    The programs themselves, or copies of them under `folder`.

    Raises:
        ServiceMissing: a program is closed to the user, and is not part of a wheel that could be copied.

    """
    if user is None or all(_reachable(path) for path in programs.values()):
        return programs
    return {name: _copied(path, folder / "programs", user.pw_name) for name, path in programs.items()}


def _reachable(program: Path) -> bool:
    """Whether everybody may pass through every folder on the way and execute the program."""
    whole = program.resolve()
    return all(place.stat().st_mode & stat.S_IXOTH for place in (whole, *whole.parents))


def _copied(program: Path, folder: Path, user: str) -> Path:
    """The program's place in a copy of its install tree, its bundled libraries beside it as its links expect them."""
    packages = next(
        (place for place in program.parents if place.name in {"site-packages", "dist-packages"}), None
    )
    if packages is None:
        raise ServiceMissing(
            f"Expected a program that user '{user}' can execute, because servers refuse root; found {program}, "
            f"which it cannot reach. Let others pass: chmod o+x on each folder on the way to it."
        )
    tree = program.parents[1].relative_to(packages)
    libraries = f"{tree.parts[0]}.libs"
    for part in (str(tree), libraries):
        if (packages / part).is_dir() and not (folder / part).exists():
            shutil.copytree(packages / part, folder / part, ignore=shutil.ignore_patterns("include"))
    for place in (folder, *(folder / tree).relative_to(folder).parents):
        os.chmod(folder / place, 0o755)  # noqa: S103, PTH101 - programs, to be read by the servers' user
    return folder / tree / "bin" / program.name
