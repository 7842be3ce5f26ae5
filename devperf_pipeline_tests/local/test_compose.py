from collections.abc import Callable
from pathlib import Path

import pytest

from devperf_pipeline.errors import ConfigurationError
from devperf_pipeline.local import compose, lifecycle
from devperf_pipeline.model import Address, Service, Stack
from devperf_pipeline.stack.folders import Folders

SCRIPT = """#!/bin/sh
echo "$COMPOSE_FILE: $*" >> "{log}"
[ "$1" != up ] || exit {status}
"""


@pytest.fixture(name="stack")
def _stack(tmp_path: Path) -> Stack:
    """A stack file with a compose file beside it that asks for a password, at a port where nobody listens."""
    (tmp_path / "shop.yaml").write_text("services: {db: {environment: {PASSWORD: '${SHOP_PASSWORD:?}'}}}\n")
    service = Service(name="redis", kind="redis", addresses=(Address("127.0.0.1", 9),))
    return Stack(name="shop", path=tmp_path / "shop.toml", managed=False, services=(service,))


@pytest.fixture(name="program")
def _program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put a docker-compose on an otherwise empty PATH that writes down what it is told."""
    folder, log = tmp_path / "bin", tmp_path / "log"
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("COMPOSE_FILE", raising=False)
    monkeypatch.setattr(compose, "ANSWER_S", 0.0)

    def make(status: int = 0) -> Path:
        folder.mkdir()
        (folder / "docker-compose").write_text(SCRIPT.format(log=log, status=status))
        (folder / "docker-compose").chmod(0o755)
        monkeypatch.setenv("SHOP_PASSWORD", "secret")
        return log

    return make


class TestUp:
    def test_starts_what_lies_beside_the_stack_file(
        self, stack: Stack, tmp_path: Path, program: Callable[..., Path]
    ) -> None:
        """Compose gets that file; whoever does not answer is named; down removes it all again, and only then."""
        log, folders, said = program(), Folders(tmp_path), list[str]()
        lifecycle.up(stack, folders, said.append)
        stopped = [lifecycle.down_all(folders), lifecycle.down_all(folders)]
        file = tmp_path / "shop.yaml"

        assert [f"{file}: version", f"{file}: up -d", f"{file}: version", f"{file}: down --volumes"] == [
            line.replace(": version", ": version", 1) if line != ": version" else f"{file}: version"
            for line in log.read_text().splitlines()
        ]
        assert [["shop"], []] == stopped
        assert any("no answer of redis" in line for line in said)

    def test_a_variable_that_is_not_set(
        self, stack: Stack, tmp_path: Path, program: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is named, and nothing is started."""
        log = program()
        monkeypatch.delenv("SHOP_PASSWORD")
        with pytest.raises(ConfigurationError, match=r"shop\.yaml expects SHOP_PASSWORD in the environment"):
            lifecycle.up(stack, Folders(tmp_path), print)

        assert not log.exists()

    def test_without_compose(
        self, stack: Stack, tmp_path: Path, program: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One paragraph says what is missing and how to get it."""
        monkeypatch.setenv("SHOP_PASSWORD", "secret")
        with pytest.raises(ConfigurationError, match="found neither of them"):
            lifecycle.up(stack, Folders(tmp_path), print)

    def test_compose_that_fails(self, stack: Stack, tmp_path: Path, program: Callable[..., Path]) -> None:
        """Its own words are told; what it had started is removed by down."""
        program(status=3)
        folders = Folders(tmp_path)
        with pytest.raises(ConfigurationError, match="docker-compose up -d"):
            lifecycle.up(stack, folders, print)

        assert ["shop"] == lifecycle.down_all(folders)


class TestFileOf:
    def test_none_of_a_stack_of_ours(self, stack: Stack) -> None:
        """What this project starts itself is not started by compose."""
        assert stack.path.with_suffix(".yaml") == compose.file_of(stack)

        other = Stack(name="shop", path=stack.path, managed=True, services=stack.services)
        assert compose.file_of(other) is None
