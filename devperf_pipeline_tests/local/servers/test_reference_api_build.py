from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from devperf_pipeline.errors import ServiceMissing
from devperf_pipeline.local.process_record import Record
from devperf_pipeline.local.server_setup import Site
from devperf_pipeline.local.servers.reference_api_build import RECIPES, build, command, sources
from devperf_pipeline.model import Service
from devperf_pipeline.stack.folders import Folders

APIS = Folders.find().reference_apis

COMPILER = """#!/bin/sh
echo "$@" >> "$0.calls"
nice >> "$0.calls"
touch "$4"
"""
"""A Go toolchain as far as a build sees it: the fourth argument is where the program goes."""

MakeSite = Callable[[str], tuple[Site, list[str]]]


@pytest.fixture(name="site")
def _site(tmp_path: Path) -> MakeSite:
    """A place for Gin whose toolchain is a script."""

    def site(script: str) -> tuple[Site, list[str]]:
        go = tmp_path / "go"
        go.write_text(script)
        go.chmod(0o755)
        said: list[str] = []
        return Site(
            service=Service(name="gin", kind="gin"),
            programs={"go": go},
            folder=tmp_path,
            log=tmp_path / "log",
            folders=Folders(tmp_path),
            record=Record(path=tmp_path / "record.json", asked={}),
            running={},
            stopping=Event(),
            say=said.append,
            user=None,
        ), said

    (tmp_path / "log").touch()
    return site


class TestBuild:
    def test_once(self, site: MakeSite, tmp_path: Path) -> None:
        """What was built from the same sources is not built again; the first time is told, and is polite to others."""
        place, said = site(COMPILER)
        build(place)
        build(place)

        program = tmp_path / "data" / "cache" / "gin" / "reference-api"
        assert [program] == command("gin", place.folders.cache, place.programs)
        assert program.is_file()
        calls = (tmp_path / "go.calls").read_text().splitlines()
        assert ["build -ldflags=-s -w -o " + str(program) + " .", "10"] == calls
        assert (2, True, True) == (len(said), "building it once" in said[0], "built in" in said[1])

    def test_again_without_program(self, site: MakeSite, tmp_path: Path) -> None:
        """A program that was removed from the cache is built again."""
        place, _ = site(COMPILER)
        build(place)
        program = tmp_path / "data" / "cache" / "gin" / "reference-api"
        program.unlink()
        build(place)

        assert program.is_file()

    def test_failure(self, site: MakeSite, tmp_path: Path) -> None:
        """A build that fails is told in the compiler's words, and the next start tries again."""
        place, _ = site("#!/bin/sh\necho go.mod requires go 1.26\nexit 1\n")
        for _ in range(2):
            with pytest.raises(
                ServiceMissing, match=r"go ended with exit status 1(?s:.*)go.mod requires go 1.26"
            ):
                build(place)

        assert [] == list((tmp_path / "data" / "cache" / "gin").iterdir())

    def test_called_off(self, site: MakeSite) -> None:
        """A start that is called off does not wait for the compiler."""
        place, _ = site("#!/bin/sh\nsleep 60\n")
        place.stopping.set()
        with pytest.raises(ServiceMissing, match="was ended"):
            build(place)


class TestSources:
    @pytest.mark.parametrize("kind", sorted(RECIPES))
    def test_every_kind_is_whole(self, kind: str) -> None:
        """Each kind has its lock file and code among its sources, and nothing that was built or fetched."""
        found = sources(kind, APIS)
        names = {path.relative_to(APIS).parts for path in found}

        assert (kind, RECIPES[kind].lock) in names
        assert len(found) > 5
        assert not {"node_modules", "target", ".venv"} & {part for parts in names for part in parts}

    def test_contract_is_code_of_the_first(self) -> None:
        """An API that is made of the contract changes when the contract does."""
        assert APIS / "openapi.yaml" in sources("fastapi_api_first", APIS)
