from pathlib import Path

import pytest

from devperf_pipeline.local.install import (
    REFERENCE_TOOLS,
    find_server,
    how_to_get,
    how_to_get_tool,
    obtain,
    obtain_tools,
)
from devperf_pipeline.local.server import servers
from devperf_pipeline.local.servers.reference_api import RECIPES
from devperf_pipeline.model import Service, Stack, Tool
from devperf_pipeline.services import CATALOGUE


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with one folder of programs, which is empty, and nothing else where servers are looked for."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setattr("devperf_pipeline.local.install._system_folders", lambda: [programs])
    monkeypatch.setattr("devperf_pipeline.local.install._wheel_folder", lambda _: None)
    monkeypatch.setattr("devperf_pipeline.local.install.TOOLCHAIN_FOLDERS", (".local/bin",))
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return programs


def install(folder: Path, name: str, text: str = "#!/bin/sh\n") -> Path:
    """Put a program into a folder."""
    program = folder / name
    program.write_text(text)
    program.chmod(0o755)
    return program


class TestFindServer:
    def test_knows_every_kind(self) -> None:
        """Each kind that can be started has programs to look for, and a way to get them."""
        assert [] == [kind for kind, one in servers().items() if not one.programs]
        assert [] == [kind for kind, one in servers().items() if not (one.recipe or (one.apt and one.brew))]
        assert servers().keys() <= CATALOGUE.keys()

    def test_a_kind_that_is_only_visited_is_not_looked_for(self) -> None:
        """What is measured and never started here needs no programs; who asks for it hears what to do."""
        assert find_server("somebody_elses") is None
        assert "managed = false" in how_to_get("somebody_elses")

    def test_finds_all_programs_or_nothing(self, bare_machine: Path) -> None:
        """Half of a server is no server."""
        server = install(bare_machine, "mariadbd")
        assert find_server("mysql") is None
        maker = install(bare_machine, "mariadb-install-db")
        found = find_server("mysql")
        assert found is not None
        assert (found.programs, found.origin) == ({"mariadbd": server, "mariadb-install-db": maker}, "system")

    def test_prefers_what_is_installed(self, bare_machine: Path) -> None:
        """A Vault of the system comes before OpenBao, and both before the one that we built."""
        found = [find_server("vault")]
        for name in ("bao", "vault"):
            install(bare_machine, name)
            found.append(find_server("vault"))
        programs = [each and (each.programs, each.origin) for each in found]
        assert programs == [
            None,
            ({"vault": bare_machine / "bao"}, "system"),
            ({"vault": bare_machine / "vault"}, "system"),
        ]

    def test_prefers_mongod(self, bare_machine: Path) -> None:
        """A mongod comes before the program that speaks its protocol, wherever that one is from."""
        found = [find_server("mongodb")]
        for name in ("secantusd-rs", "mongod"):
            install(bare_machine, name)
            found.append(find_server("mongodb"))
        assert [each and each.programs for each in found] == [
            None,
            {"mongod": bare_machine / "secantusd-rs"},
            {"mongod": bare_machine / "mongod"},
        ]

    def test_passes_by_what_cannot_be_executed(self, bare_machine: Path) -> None:
        """A file of the right name that is no program is not a server."""
        (bare_machine / "redis-server").touch(mode=0o644)
        (bare_machine / "pgbouncer").mkdir()
        assert [None, None] == [find_server("redis"), find_server("pgbouncer")]


class TestHowToGet:
    @pytest.mark.parametrize("kind", sorted(servers()))
    def test_is_one_line(self, kind: str) -> None:
        """There is a command for every kind, on one line, ready to be pasted."""
        way = how_to_get(kind)
        assert way == way.strip()
        assert way.splitlines() == [way]

    def test_root_needs_no_sudo(self, bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Sudo is part of the command for everybody but root, who often has none."""
        install(bare_machine, "apt-get")
        for user, before in ((1000, "sudo "), (0, "")):
            monkeypatch.setattr("os.geteuid", lambda user=user: user)
            assert how_to_get("redis") == f"`{before}apt-get install --no-install-recommends redis-server`"
            assert f"| {before}tar -C /usr/local" in how_to_get("gin")

    def test_brings_the_tools_first(self, bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a server is built with comes before the command that builds it, and only what is missing."""
        monkeypatch.setattr("os.geteuid", lambda: 1000)
        install(bare_machine, "go")
        assert how_to_get("vault") == "`make servers`"
        for name in ("cargo", "cc", "c++"):
            install(bare_machine, name)
        assert how_to_get("mongodb") == (
            "`sudo apt-get install --no-install-recommends cmake make && make servers`"
        )


class TestObtain:
    def stack(self, *kinds: str) -> Stack:
        """A managed stack of these kinds."""
        services = tuple(Service(name=kind, kind=kind) for kind in kinds)
        return Stack(name="small", path=Path("small.toml"), managed=True, services=services)

    def test_says_what_could_not_be_had(self, bare_machine: Path) -> None:
        """Without a package manager nothing is installed, and each missing kind is told with the way to get it."""
        assert list(bare_machine.iterdir()) == []
        said: list[str] = []
        obtain(self.stack("pgbouncer"), said.append)
        assert said == [
            (
                "pgbouncer could not be had and will be skipped. "
                "To get it: install pgbouncer with this system's package manager"
            )
        ]

    def test_installs_everything_at_once(self, bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The package manager is asked once for all that is missing, after its lists were brought up to date."""
        monkeypatch.setattr("devperf_pipeline.local.install._may_install", lambda: True)
        monkeypatch.setattr("os.geteuid", lambda: 0)
        # The package manager of this machine installs a Redis, and writes down what it was asked for.
        asked = bare_machine.parent / "asked"
        install(bare_machine, "env", '#!/bin/sh\nshift\nexec "$@"\n')
        install(
            bare_machine,
            "apt-get",
            f'#!/bin/sh\necho "$*" >> {asked}\n'
            f"printf '#!/bin/sh\\n' > {bare_machine}/redis-server\n/bin/chmod 755 {bare_machine}/redis-server\n",
        )
        said: list[str] = []
        obtain(self.stack("redis", "redis_cluster", "pgbouncer"), said.append)
        assert asked.read_text().splitlines() == [
            "-qq -o Dpkg::Use-Pty=0 update",
            "-qq -o Dpkg::Use-Pty=0 install --yes --no-install-recommends redis-server pgbouncer",
        ]
        assert said[-1] == (
            "pgbouncer could not be had and will be skipped. "
            "To get it: `apt-get install --no-install-recommends pgbouncer`"
        )

    @pytest.mark.parametrize(
        ("here", "asked"),
        [
            (("cargo", "cc", "c++"), ["install --yes --no-install-recommends redis-server cmake make"]),
            (("cargo", "cmake", "cc", "c++"), ["install --yes --no-install-recommends redis-server"]),
            (("cc", "c++"), ["install --yes --no-install-recommends redis-server"]),
        ],
    )
    def test_brings_tools_with_the_servers(
        self, bare_machine: Path, monkeypatch: pytest.MonkeyPatch, here: tuple[str, ...], asked: list[str]
    ) -> None:
        """What a server is built with comes along where packages bring all of it that is missing."""
        monkeypatch.setattr("devperf_pipeline.local.install._may_install", lambda: True)
        monkeypatch.setattr("devperf_pipeline.local.install.build", lambda *_: None)
        monkeypatch.setattr("os.geteuid", lambda: 0)
        monkeypatch.setenv("DEVPERF_ROOT", str(bare_machine.parent))
        written = bare_machine.parent / "asked"
        for name in here:
            install(bare_machine, name)
        install(bare_machine, "env", '#!/bin/sh\nshift\nexec "$@"\n')
        install(bare_machine, "apt-get", f'#!/bin/sh\nshift 3\necho "$*" >> {written}\n')
        obtain(self.stack("redis", "mongodb"), lambda _: None)
        assert ["update", *asked] == written.read_text().splitlines()

    def test_goes_on_when_the_package_manager_fails(
        self, bare_machine: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A failing package manager is told with its last words, and nothing is raised."""
        monkeypatch.setattr("devperf_pipeline.local.install._may_install", lambda: True)
        install(bare_machine, "env", '#!/bin/sh\nshift\nexec "$@"\n')
        install(bare_machine, "sudo", '#!/bin/sh\nshift\nexec "$@"\n')
        install(bare_machine, "apt-get", "#!/bin/sh\necho no network\nexit 100\n")
        said: list[str] = []
        obtain(self.stack("redis"), said.append)
        assert "That ended with exit status 100:\nno network" in said

    def test_leaves_a_visited_stack_alone(self, bare_machine: Path) -> None:
        """For a stack that others started nothing is installed."""
        assert list(bare_machine.iterdir()) == []
        said: list[str] = []
        obtain(
            Stack(name="x", path=Path("x"), managed=False, services=self.stack("redis").services), said.append
        )
        assert said == []


class TestTools:
    @pytest.mark.parametrize("tool", sorted(REFERENCE_TOOLS))
    def test_way_to_get_one_is_one_line(self, tool: Tool) -> None:
        """There is a command for every tool, ready to be pasted."""
        assert [how_to_get_tool(tool)] == how_to_get_tool(tool).splitlines()

    def test_missing_ones_are_installed_together(
        self, bare_machine: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Debian's package manager is asked once for the packages of all tools that are not there, and of no other."""
        monkeypatch.setattr("devperf_pipeline.local.install._may_install", lambda: True)
        monkeypatch.setattr("os.geteuid", lambda: 0)
        asked = bare_machine.parent / "asked"
        install(bare_machine, "env", '#!/bin/sh\nshift\nexec "$@"\n')
        install(bare_machine, "apt-get", f'#!/bin/sh\necho "$*" >> {asked}\n')
        install(bare_machine, "wrk")
        obtain_tools(["ab", "wrk", "h2load", "ab"], lambda _: None)

        assert [
            "-qq -o Dpkg::Use-Pty=0 update",
            "-qq -o Dpkg::Use-Pty=0 install --yes --no-install-recommends apache2-utils nghttp2-client",
        ] == asked.read_text().splitlines()

    def test_nothing_is_asked_for_where_all_are_there(self, bare_machine: Path) -> None:
        """With every tool in place the package manager is not called."""
        install(bare_machine, "apt-get", "#!/bin/sh\nexit 9\n")
        install(bare_machine, "wrk")
        said: list[str] = []
        obtain_tools(["wrk"], said.append)

        assert [] == said


class TestToolchains:
    @pytest.mark.parametrize("kind", sorted(RECIPES))
    def test_missing_one(self, bare_machine: Path, kind: str) -> None:
        """An API whose toolchain is nowhere is not found, and one command brings it."""
        assert find_server(kind) is None
        assert how_to_get(kind).startswith("`curl -LsSf https://")

    @pytest.mark.parametrize("kind", sorted(RECIPES))
    def test_of_the_user(self, bare_machine: Path, tmp_path: Path, kind: str) -> None:
        """A toolchain that its installer put into the home folder is found before PATH knows it."""
        folder = tmp_path / ".local" / "bin"
        folder.mkdir(parents=True)
        tools = {name: install(folder, name) for name in RECIPES[kind].tools}
        found = find_server(kind)
        assert found is not None
        assert tools == found.programs
