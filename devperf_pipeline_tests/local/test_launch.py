import os
import pwd
from pathlib import Path

import pytest

from devperf_pipeline.errors import ServiceMissing
from devperf_pipeline.local.launch import within_reach


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A wheel's server in an environment that is closed to other users."""
    packages = tmp_path / "closed" / "site-packages"
    (packages / "server" / "install" / "bin").mkdir(parents=True)
    (packages / "server" / "install" / "bin" / "run").touch(mode=0o755)
    (packages / "server.libs").mkdir()
    (packages / "server.libs" / "libneeded.so").touch()
    (tmp_path / "closed").chmod(0o700)
    return packages / "server" / "install" / "bin" / "run"


class TestWithinReach:
    def test_leaves_programs_where_they_are_when_we_run_them(self, closed: Path, tmp_path: Path) -> None:
        """What runs as ourselves needs no copy."""
        programs = {"run": closed}
        assert programs == within_reach(programs, tmp_path, None)

    def test_copies_a_wheel_with_its_libraries(self, closed: Path, tmp_path: Path) -> None:
        """The copy keeps the install tree and its libraries in the same places to each other."""
        nobody = pwd.getpwuid(os.getuid())
        found = within_reach({"run": closed}, tmp_path / "site", nobody)["run"]
        copied = tmp_path / "site" / "programs"
        assert found == copied / "server" / "install" / "bin" / "run"
        assert found.is_file()
        assert (copied / "server.libs" / "libneeded.so").is_file()
        assert all(place.stat().st_mode & 0o005 == 0o005 for place in (copied, *found.parents[:3]))

    def test_says_what_is_closed(self, tmp_path: Path) -> None:
        """A program that is no wheel's and is closed to the servers' user is named."""
        folder = tmp_path / "closed"
        folder.mkdir(mode=0o700)
        (folder / "run").touch(mode=0o755)
        with pytest.raises(ServiceMissing, match=r"chmod o\+x"):
            within_reach({"run": folder / "run"}, tmp_path, pwd.getpwuid(os.getuid()))
