import os
import re
import signal
from pathlib import Path

import psutil
import pytest

from devperf_pipeline.local.build import RECIPES, build, built
from devperf_pipeline.stack.folders import Folders

ASKED = 'echo "$@" > "$HOME/asked"\nwhile [ "$1" != -o ]; do shift; done\n'
"""A compiler that writes down what it was asked for, and looks for where to put the program."""

UNTIL_TOLD = (
    'tries=0\nwhile [ ! -e "$HOME/told" ] && [ $tries -lt 600 ]; do sleep 0.1; tries=$((tries + 1)); done\n'
)
"""A compiler that takes until it was told how far it is, on a machine of any speed."""

CARGO = f"""
echo "$@" > "$HOME/asked"
echo "  Downloaded libc v0.2.190"
echo "   Compiling libc v0.2.190"
{UNTIL_TOLD}
mkdir -p "$CARGO_TARGET_DIR/release"
printf "#!/bin/sh\\n" > "$CARGO_TARGET_DIR/release/secantusd-rs"
chmod 755 "$CARGO_TARGET_DIR/release/secantusd-rs"
"""
"""A Cargo that puts the program where it was told to build."""

MAKES = ASKED + 'printf "#!/bin/sh\\n" > "$2"\nchmod 755 "$2"\n'


@pytest.fixture(name="folders")
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    """A project whose server sources are small ones of its own."""
    for kind, recipe in RECIPES.items():
        (tmp_path / "sources" / kind).mkdir(parents=True)
        for name in recipe.sources:
            (tmp_path / "sources" / kind / name).write_text(name)
    monkeypatch.setattr(Folders, "server_sources", tmp_path / "sources")
    monkeypatch.setenv("HOME", str(tmp_path))
    return Folders(tmp_path)


class Said(list[str]):
    """What a build says; once it has said those words its compiler may go on."""

    def __init__(self, folder: Path, words: str) -> None:
        self._folder, self._words = folder, words

    def append(self, line: str) -> None:
        super().append(line)
        if self._words in line:
            (self._folder / "told").touch()


def tools(folder: Path, text: str, kind: str = "vault") -> dict[str, Path]:
    """The tools that build the server of that kind, each of which does what the text says."""
    found = {tool: folder / tool for tool in RECIPES[kind].tools}
    for program in found.values():
        program.write_text(f"#!/bin/sh\n{text}")
        program.chmod(0o755)
    return found


class TestBuild:
    def test_makes_a_program_once(self, folders: Folders, tmp_path: Path) -> None:
        """The program is where it is looked for; how long it takes is said before and after."""
        go = tools(tmp_path, MAKES)
        said: list[str] = []
        assert built("vault", folders) is None
        assert build("vault", folders, go, said.append)
        program = folders.cache / "servers" / "vault" / "vault"
        assert built("vault", folders) == program
        assert [program.name, "built-from"] == sorted(
            (each.name for each in program.parent.iterdir()), reverse=True
        )
        assert RECIPES["vault"].about in said[0]
        assert re.match(r"Built Vault in \d+ s: ", said[1])

    def test_pins_every_module(self, folders: Folders, tmp_path: Path) -> None:
        """Nothing but what go.mod and go.sum say may be compiled."""
        go = tools(tmp_path, MAKES)
        assert build("vault", folders, go, lambda _: None)
        asked = (tmp_path / "asked").read_text()
        assert asked.startswith(
            "build -v -mod=readonly -buildvcs=false -trimpath -tags minimal -ldflags -s -w -o "
        )

    def test_other_sources_are_another_program(self, folders: Folders, tmp_path: Path) -> None:
        """What was built from sources that have changed since does not count."""
        go = tools(tmp_path, MAKES)
        build("vault", folders, go, lambda _: None)
        (folders.server_sources / "vault" / "go.sum").write_text("other")
        assert built("vault", folders) is None

    def test_tells_the_compilers_last_words(self, folders: Folders, tmp_path: Path) -> None:
        """A compiler that fails is told with what it said last, and leaves nothing."""
        go = tools(tmp_path, "echo no network >&2\nexit 1\n")
        said: list[str] = []
        assert not build("vault", folders, go, said.append)
        assert said[1] == "Vault could not be built: \nno network"
        assert [] == list((folders.cache / "servers" / "vault").iterdir())

    def test_says_how_far_it_is(
        self, folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """While it takes long, modules that were fetched and packages that were compiled are counted."""
        go = tools(tmp_path, "echo go: downloading a v1\necho net\necho net/http\n" + UNTIL_TOLD + MAKES)
        monkeypatch.setattr("devperf_pipeline.local.build.TELL_EVERY_S", 0.2)
        said = Said(tmp_path, "2 of about")
        assert build("vault", folders, go, said.append)
        assert re.fullmatch(r"  Vault, \d+ s: 1 modules fetched, 2 of about 1750 packages compiled", said[-2])

    def test_interrupted_ends_its_compilers(
        self, folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Ctrl-C ends the build and everything that it started, and nothing counts as built."""
        go = tools(tmp_path, 'echo $$ > "$HOME/pid"\necho net\nsleep 60 &\nwait\n')
        monkeypatch.setattr("devperf_pipeline.local.build.TELL_EVERY_S", 0.1)

        def interrupt(line: str) -> None:
            if "1 of about" in line:
                os.kill(os.getpid(), signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            build("vault", folders, go, interrupt)
        assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))
        assert [] == list((folders.cache / "servers" / "vault").iterdir())

    def test_without_go(self, folders: Folders) -> None:
        """Without its tools nothing is built, and what is missing is told."""
        said: list[str] = []
        assert not build("vault", folders, {}, said.append)
        assert said == ["Vault has no package here and is built with go: go is not on this machine."]

    def test_crates(self, folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is written in Rust is built as its lock file pins it; its crates are counted, its scraps are gone."""
        monkeypatch.setattr("devperf_pipeline.local.build.TELL_EVERY_S", 0.2)
        said = Said(tmp_path, "1 of about")
        assert build("mongodb", folders, tools(tmp_path, CARGO, "mongodb"), said.append)
        program = folders.cache / "servers" / "mongodb" / "secantusd-rs"
        assert built("mongodb", folders) == program
        assert {program.name, "built-from"} == {each.name for each in program.parent.iterdir()}
        assert (tmp_path / "asked").read_text().startswith("build --release --locked ")
        assert said[-2].endswith(" s: 1 crates fetched, 1 of about 205 crates compiled")


class TestSources:
    @pytest.mark.parametrize("kind", RECIPES)
    def test_are_there(self, kind: str) -> None:
        """Each kind that can be built has the files that pin what it is built from."""
        sources = Folders.find().server_sources / kind
        assert [] == [name for name in RECIPES[kind].sources if not (sources / name).is_file()]
