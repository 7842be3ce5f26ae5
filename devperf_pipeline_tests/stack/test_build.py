import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from devperf_pipeline.stack.build import RECIPES, build, built, how_to_build
from devperf_pipeline.stack.folders import Folders

ASKED = 'echo "$@" > "$HOME/asked"\nwhile [ "$1" != -o ]; do shift; done\n'
"""A compiler that writes down what it was asked for, and looks for where to put the program."""

MAKES = ASKED + 'printf "#!/bin/sh\\n" > "$2"\nchmod 755 "$2"\n'


@pytest.fixture(name="folders")
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    """
    A project whose server sources are small ones of its own.
    """
    sources = tmp_path / "sources" / "vault"
    sources.mkdir(parents=True)
    for name in ("go.mod", "go.sum", "main.go"):
        (sources / name).write_text(name)
    monkeypatch.setattr(Folders, "server_sources", tmp_path / "sources")
    monkeypatch.setenv("HOME", str(tmp_path))
    return Folders(tmp_path)


def install_go(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """
    A Go that does what the text says.
    """
    programs = folder / "bin"
    programs.mkdir()
    (programs / "go").write_text(f"#!/bin/sh\n{text}")
    (programs / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")


class TestBuild:
    def test_makes_a_program_once(
        self, folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        The program is where it is looked for; how long it takes is said before and after.
        """
        install_go(tmp_path, monkeypatch, MAKES)
        said: list[str] = []
        assert built("vault", folders) is None
        assert build("vault", folders, said.append)
        program = folders.cache / "servers" / "vault" / "vault"
        assert built("vault", folders) == program
        assert [program.name, "built-from"] == sorted(
            (each.name for each in program.parent.iterdir()), reverse=True
        )
        assert RECIPES["vault"].about in said[0]
        assert said[1].startswith("Built Vault in 0 s: ")

    def test_pins_every_module(
        self, folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Nothing but what go.mod and go.sum say may be compiled.
        """
        install_go(tmp_path, monkeypatch, MAKES)
        assert build("vault", folders, lambda _: None)
        asked = (tmp_path / "asked").read_text()
        assert asked.startswith(
            "build -v -mod=readonly -buildvcs=false -trimpath -tags minimal -ldflags -s -w -o "
        )

    def test_other_sources_are_another_program(
        self, folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        What was built from sources that have changed since does not count.
        """
        install_go(tmp_path, monkeypatch, MAKES)
        build("vault", folders, lambda _: None)
        (folders.server_sources / "vault" / "go.sum").write_text("other")
        assert built("vault", folders) is None

    def test_tells_the_compilers_last_words(
        self, folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        A compiler that fails is told with what it said last, and leaves nothing.
        """
        install_go(tmp_path, monkeypatch, "echo no network >&2\nexit 1\n")
        said: list[str] = []
        assert not build("vault", folders, said.append)
        assert said[1] == "Vault could not be built: \nno network"
        assert [] == list((folders.cache / "servers" / "vault").iterdir())

    def test_says_how_far_it_is(
        self, folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        While it takes long, modules that were fetched and packages that were compiled are counted.
        """
        install_go(
            tmp_path, monkeypatch, "echo go: downloading a v1\necho net\necho net/http\nsleep 0.3\n" + MAKES
        )
        monkeypatch.setattr("devperf_pipeline.stack.build.TELL_EVERY_S", 0.2)
        said: list[str] = []
        assert build("vault", folders, said.append)
        assert said[1] == "  Vault, 0 s: 1 modules fetched, 2 of about 1750 packages compiled"

    def test_interrupted_ends_its_compilers(
        self, folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Ctrl-C ends the build and everything that it started, and nothing counts as built.
        """
        install_go(tmp_path, monkeypatch, 'echo $$ > "$HOME/pid"\nsleep 60 &\nwait\n')

        def interrupt() -> None:
            while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=interrupt, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            build("vault", folders, lambda _: None)
        assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))
        assert [] == list((folders.cache / "servers" / "vault").iterdir())

    def test_without_go(self, folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Without Go nothing is built, and the way to it is one command.
        """
        monkeypatch.setattr("devperf_pipeline.stack.build.find_go", lambda: None)
        monkeypatch.setattr("shutil.which", lambda _: None)
        said: list[str] = []
        assert not build("vault", folders, said.append)
        assert said == ["Vault has no package here and is built with Go, which is not on this machine."]
        assert how_to_build().startswith("curl -fsSL https://go.dev/dl/go")
        assert how_to_build().endswith("&& uv run devperf doctor --get")
