import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from devperf_pipeline.errors import ServiceMissing
from devperf_pipeline.local.build import Recipe, build, built, files
from devperf_pipeline.local.server import servers
from devperf_pipeline.local.servers import reference_api
from devperf_pipeline.stack.folders import Folders

RECIPES: dict[str, Recipe] = {kind: one.recipe for kind, one in servers().items() if one.recipe}
VAULT, MONGODB, GIN = (RECIPES[kind] for kind in ("vault", "mongodb", "gin"))

TOOL = '#!/bin/sh\ncase "$1" in version|--version) echo "tool 1.0"; exit ;; esac\n'
"""A tool that says its version."""

ASKED = 'echo "$@" > "$HOME/asked"\nnice >> "$HOME/asked"\nwhile [ "$1" != -o ]; do shift; done\n'
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

BUILDER = """
import sys
from pathlib import Path
from devperf_pipeline.local.build import build
from devperf_pipeline.local.server import servers
recipe = servers()["vault"].recipe
print(build(recipe, {"go": Path(sys.argv[1])}, lambda said: print(said, flush=True)), flush=True)
"""


@pytest.fixture(name="cache")
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose server sources are small ones of its own, and a cache of its own."""
    for recipe in RECIPES.values():
        project = tmp_path / "clone" / recipe.project
        project.mkdir(parents=True)
        (project / recipe.lock).write_text(recipe.title)
    monkeypatch.setattr(Folders, "repository", tmp_path / "clone")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "devperf"


class Said(list[str]):
    """What a build says; once it has said those words its compiler may go on."""

    def __init__(self, folder: Path, words: str) -> None:
        self._folder, self._words = folder, words

    def append(self, line: str) -> None:
        super().append(line)
        if self._words in line:
            (self._folder / "told").touch()


def tools(folder: Path, text: str, recipe: Recipe = VAULT) -> dict[str, Path]:
    """The tools of that recipe, each of which does what the text says."""
    found = {tool: folder / tool for tool in recipe.tools}
    for program in found.values():
        program.write_text(TOOL + text)
        program.chmod(0o755)
    return found


def silent(_: str) -> None:
    """Say nothing."""


class TestBuild:
    def test_makes_a_program_once(self, cache: Path, tmp_path: Path) -> None:
        """The program is where it is looked for; how long it takes is said before and after, and it is not built again."""
        go = tools(tmp_path, MAKES)
        said: list[str] = []
        assert built(VAULT, go) is None
        program = build(VAULT, go, said.append)
        assert program == built(VAULT, go) == build(VAULT, go, said.append)
        assert ("vault", cache, ["vault"]) == (
            program.name,
            program.parents[1],
            [each.name for each in program.parent.iterdir()],
        )
        assert VAULT.about in said[0]
        assert re.match(r"Built Vault in \d+ s: ", said[1])
        assert 2 == len(said)

    def test_is_found_by_another_clone(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A clone elsewhere with the same sources builds nothing."""
        go = tools(tmp_path, MAKES)
        program = build(VAULT, go, silent)
        other = tmp_path / "other"
        (tmp_path / "clone").rename(other)
        monkeypatch.setattr(Folders, "repository", other)
        assert program == built(VAULT, go)

    def test_pins_every_module(self, cache: Path, tmp_path: Path) -> None:
        """Nothing but what go.mod and go.sum say may be compiled, and that lets everything else go first."""
        build(VAULT, tools(tmp_path, MAKES), silent)
        asked, niceness = (tmp_path / "asked").read_text().splitlines()
        assert asked.startswith(
            "build -v -mod=readonly -buildvcs=false -trimpath -tags minimal -ldflags -s -w -o "
        )
        assert "19" == niceness

    def test_other_sources_and_other_tools_are_another_program(self, cache: Path, tmp_path: Path) -> None:
        """What was built from other sources, or by another version of a tool, does not count."""
        go = tools(tmp_path, MAKES)
        build(VAULT, go, silent)
        newer = tmp_path / "newer" / "go"
        newer.parent.mkdir()
        newer.write_text((TOOL + MAKES).replace("tool 1.0", "tool 1.1"))
        newer.chmod(0o755)
        assert built(VAULT, {"go": newer}) is None
        (tmp_path / "clone" / VAULT.project / VAULT.lock).write_text("other")
        assert built(VAULT, go) is None

    def test_outlives_its_tools(self, cache: Path, tmp_path: Path) -> None:
        """A program that is whole is taken also where its tools are not on the machine any more."""
        program = build(VAULT, tools(tmp_path, MAKES), silent)
        assert program == built(VAULT, {}) == build(VAULT, {}, silent)

    def test_without_its_program_is_built_again(self, cache: Path, tmp_path: Path) -> None:
        """A program that was removed from the cache is built again."""
        go = tools(tmp_path, MAKES)
        program = build(VAULT, go, silent)
        program.unlink()
        assert built(VAULT, go) is None
        assert program == build(VAULT, go, silent)
        assert program.is_file()

    def test_tells_the_compilers_last_words(self, cache: Path, tmp_path: Path) -> None:
        """A compiler that fails is told with what it said last, and leaves nothing; the next build tries again."""
        go = tools(tmp_path, "echo no network >&2\nexit 1\n")
        for _ in range(2):
            with pytest.raises(
                ServiceMissing, match=r"Vault could not be built: go ended with exit status 1\.\nno network$"
            ):
                build(VAULT, go, silent)
            assert ["vault.lock"] == [each.name for each in cache.iterdir()]

    def test_says_how_far_it_is(self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """While it takes long, modules that were fetched and packages that were compiled are counted."""
        go = tools(tmp_path, "echo go: downloading a v1\necho net\necho net/http\n" + UNTIL_TOLD + MAKES)
        monkeypatch.setattr("devperf_pipeline.local.build.TELL_EVERY_S", 0.2)
        said = Said(tmp_path, "2 of about")
        build(VAULT, go, said.append)
        assert re.fullmatch(r"  Vault, \d+ s: 1 modules fetched, 2 of about 1750 packages compiled", said[-2])

    def test_crates(self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is written in Rust is built as its lock file pins it; its crates are counted, its scraps are gone."""
        monkeypatch.setattr("devperf_pipeline.local.build.TELL_EVERY_S", 0.2)
        said = Said(tmp_path, "1 of about")
        program = build(MONGODB, tools(tmp_path, CARGO, MONGODB), said.append)
        assert ["secantusd-rs"] == [each.name for each in program.parent.iterdir()]
        assert {program.parent.name, "mongodb.lock"} == {each.name for each in cache.iterdir()}
        assert (tmp_path / "asked").read_text().startswith("build --release --locked ")
        assert said[-2].endswith(" s: 1 crates fetched, 1 of about 205 crates compiled")

    def test_beside_its_sources(self, cache: Path, tmp_path: Path) -> None:
        """What needs its sources beside it gets a copy of them, and is kept whole."""
        recipe = replace(RECIPES["express"], copied=("package-lock.json", "src"))
        source = tmp_path / "clone" / recipe.project / "src" / "main.js"
        source.parent.mkdir()
        source.write_text("1")
        program = build(recipe, tools(tmp_path, "mkdir node_modules\n", recipe), silent)
        assert "1" == program.read_text()
        assert {"src", "node_modules", "package-lock.json"} == {
            each.name for each in program.parents[1].iterdir()
        }

    def test_without_go(self, cache: Path) -> None:
        """Without its tools nothing is built, and what is missing is told."""
        with pytest.raises(
            ServiceMissing, match="Vault has no package here and is built with go: go is not on this machine"
        ):
            build(VAULT, {}, silent)

    def test_without_its_project(self, cache: Path, tmp_path: Path) -> None:
        """A project that is not there is named with its place."""
        (tmp_path / "clone" / GIN.project / GIN.lock).unlink()
        with pytest.raises(ServiceMissing, match=r"reference_apis/gin, found no go\.sum there"):
            build(GIN, tools(tmp_path, MAKES, GIN), silent)


class TestInterrupted:
    def test_ends_its_compilers(self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ctrl-C ends the build and everything that it started, and nothing counts as built."""
        go = tools(tmp_path, 'echo $$ > "$HOME/pid"\necho net\nsleep 60 &\nwait\n')
        monkeypatch.setattr("devperf_pipeline.local.build.TELL_EVERY_S", 0.1)

        def interrupt(line: str) -> None:
            if "1 of about" in line:
                os.kill(os.getpid(), signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            build(VAULT, go, interrupt)
        assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))
        assert ["vault.lock"] == [each.name for each in cache.iterdir()]

    def test_called_off(self, cache: Path, tmp_path: Path) -> None:
        """A start that is called off waits neither for the compiler nor for another build."""
        stopping = threading.Event()
        stopping.set()
        go = tools(tmp_path, "sleep 60\n")
        with pytest.raises(ServiceMissing, match="called off"):
            build(VAULT, go, silent, stopping)
        with (cache / "vault.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with pytest.raises(ServiceMissing, match="called off"):
                build(VAULT, go, silent, stopping)

    def test_killed_build_counts_for_nothing(self, cache: Path, tmp_path: Path) -> None:
        """What a killed build left is not taken and is removed by the next build, which needs no help."""
        go = tools(tmp_path, ASKED + 'printf "half" > "$2"\n' + UNTIL_TOLD)
        killed = subprocess.Popen([sys.executable, "-c", BUILDER, go["go"]], stdout=subprocess.DEVNULL)
        until(lambda: any(each.suffix == ".partial" and any(each.iterdir()) for each in partials(cache)))
        killed.kill()
        killed.wait()
        (tmp_path / "told").touch()
        assert [] != partials(cache)
        assert built(VAULT, go) is None
        program = build(VAULT, tools(tmp_path, MAKES), silent)
        assert "#!/bin/sh\n" == program.read_text()
        assert [] == partials(cache)

    def test_two_clones_build_once(self, cache: Path, tmp_path: Path) -> None:
        """Of two builds at once one waits for the other, says so, and takes what it made."""
        go = tools(tmp_path, 'echo built >> "$HOME/count"\n' + UNTIL_TOLD + MAKES)
        asked = [sys.executable, "-c", BUILDER, go["go"]]
        first, second = (subprocess.Popen(asked, stdout=subprocess.PIPE, text=True) for _ in range(2))
        until((tmp_path / "count").exists)
        # Whichever waits says so; the compiler goes on when it has.
        told = threading.Timer(1, (tmp_path / "told").touch)
        told.start()
        said = [one.communicate()[0].splitlines() for one in (first, second)]
        assert said[0][-1] == said[1][-1]
        assert "built\n" == (tmp_path / "count").read_text()


def partials(cache: Path) -> list[Path]:
    return list(cache.glob("*.partial"))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class TestSources:
    @pytest.mark.parametrize("kind", RECIPES)
    def test_are_there(self, kind: str) -> None:
        """Each kind that is built has its lock file among its sources, and nothing that was built or fetched."""
        recipe = RECIPES[kind]
        names = list(files(recipe))

        assert f"{recipe.project}/{recipe.lock}" in names
        assert not {"node_modules", "target", ".venv"} & {part for name in names for part in name.split("/")}

    @pytest.mark.parametrize("kind", reference_api.RECIPES)
    def test_of_an_api_have_its_code(self, kind: str) -> None:
        """The code of an API is among its sources."""
        assert len(files(RECIPES[kind])) > 5

    def test_contract_is_code_of_the_first(self) -> None:
        """An API that is made of the contract changes when the contract does."""
        assert "reference_apis/openapi.yaml" in files(RECIPES["fastapi_api_first"])
