from pathlib import Path

import pytest

from devperf_pipeline.errors import ConfigurationError
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.private_folders import held, make_folder, make_private


class TestMakePrivate:
    def test_makes_a_folder_that_others_only_pass(self, tmp_path: Path) -> None:
        """A new private folder can be passed through, not listed or written by others."""
        make_private(tmp_path / "new")
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o711

    def test_refuses_a_folder_that_others_can_write(self, tmp_path: Path) -> None:
        """A folder that anybody can write may have been put there by anybody."""
        (tmp_path / "open").mkdir()
        (tmp_path / "open").chmod(0o777)
        with pytest.raises(ConfigurationError, match="Somebody else may have put it there"):
            make_private(tmp_path / "open")

    def test_refuses_a_link(self, tmp_path: Path) -> None:
        """A link in the place of the folder leads to where somebody else wants."""
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(ConfigurationError, match="Somebody else may have put it there"):
            make_private(tmp_path / "link")

    def test_refuses_a_file(self, tmp_path: Path) -> None:
        """A file in the place of the folder is told as what is in the way."""
        (tmp_path / "file").touch()
        with pytest.raises(ConfigurationError, match="remove what is in the way"):
            make_private(tmp_path / "file")


class TestMakeFolder:
    def test_names_what_is_in_the_way(self, tmp_path: Path) -> None:
        """A file in the place of a folder of the project is told, with what to do."""
        (tmp_path / "data").touch()
        with pytest.raises(
            ConfigurationError, match=r"data/logs, found that it is not possible.*set DEVPERF_ROOT"
        ):
            make_folder(tmp_path / "data" / "logs")


class TestHeld:
    def test_lets_one_in_at_a_time(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who comes second waits, and is told after a while what for."""
        monkeypatch.setattr("devperf_pipeline.stack.private_folders.WAIT_S", 0.2)
        folders = Folders(tmp_path)
        with (
            held("small", folders),
            pytest.raises(ConfigurationError, match="another run"),
            held("small", folders),
        ):
            pass

    def test_leaves_no_trace(self, tmp_path: Path) -> None:
        """When nothing runs, neither lock nor folder stays."""
        folders = Folders(tmp_path)
        with held("small", folders):
            assert folders.servers.is_dir()
        assert not folders.servers.exists()
