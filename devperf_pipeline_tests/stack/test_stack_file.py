from pathlib import Path

import pytest

from devperf_pipeline.errors import ConfigurationError
from devperf_pipeline.local.server import servers
from devperf_pipeline.model import Address
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.stack_file import load_stack

VISITED = """name = "home"
managed = false

[services.redis]
kind = "redis"
address = "127.0.0.1:6379"
password = "p\\"ss %:/#"
"""


def complaint(tmp_path: Path, content: str | bytes) -> str:
    """What is said about a stack file of that content, without the folder it lies in."""
    path = tmp_path / "it.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigurationError) as caught:
        load_stack(str(path), Folders(tmp_path), CATALOGUE)
    return str(caught.value).replace(f"{tmp_path}/", "")


class TestLocalStack:
    def test_has_every_kind_in_the_order_of_the_report(self) -> None:
        """The stack file that comes with the project starts one service of each kind that can be started."""
        stack = load_stack("local", Folders.find(), CATALOGUE)
        assert ([kind for kind in CATALOGUE if kind in servers()], True) == (
            [service.kind for service in stack.services],
            stack.managed,
        )

    def test_hands_settings_on_unchanged(self) -> None:
        """A server's settings keep their names, their types and their order."""
        settings = load_stack("local", Folders.find(), CATALOGUE).service("redis").settings
        assert [
            ("maxmemory", "256mb"),
            ("maxmemory-policy", "noeviction"),
            ("save", ""),
            ("appendonly", "no"),
        ] == list(settings.items())


class TestNames:
    @pytest.mark.parametrize(
        ("name", "kind", "expected"),
        [
            ("cache", "redis", "'cache'. Call it [services.redis_cache]."),
            ("api_2", "gin", "'api_2', which says that its kind is 'api'. Call it [services.gin_2]."),
            (
                "redis_cluster",
                "redis",
                "'redis_cluster', which says that its kind is 'redis_cluster'. Call it [services.redis_second].",
            ),
            ("cluster", "redis", "'cluster'. Call it [services.redis_second]."),
            (
                "fastapi_api_first",
                "fastapi",
                "'fastapi_api_first', which says that its kind is 'fastapi_api_first'. Call it [services.fastapi_second].",
            ),
            ("a" * 38, "redis", f"'{'a' * 38}'. Call it [services.redis_second]."),
        ],
    )
    def test_say_the_kind(self, tmp_path: Path, name: str, kind: str, expected: str) -> None:
        """Tables and reports know a service by its name: one that does not say its kind is refused, with what would."""
        said = complaint(
            tmp_path, VISITED.replace("services.redis", f"services.{name}").replace('"redis"', f'"{kind}"')
        )
        told = f"[services.{kind}] or, where there are several, [services.{kind}_<name>]"
        assert (
            f"it.toml, line 4: services.{name}: expected the service to be called by its kind, {told}, found {expected}"
            == said
        )


class TestStackThatRuns:
    def test_says_where_its_services_are(self, tmp_path: Path) -> None:
        """Addresses and credentials of a visited stack come from its file."""
        path = tmp_path / "home.toml"
        path.write_text(VISITED)
        service = load_stack(str(path), Folders(tmp_path), CATALOGUE).service("redis")
        assert service.credentials is not None
        assert (Address("127.0.0.1", 6379), 'p"ss %:/#') == (service.address, service.credentials.password)

    def test_reads_a_password_from_the_environment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A password may be the value of a named environment variable."""
        monkeypatch.setenv("CACHE_PASSWORD", "from outside")
        path = tmp_path / "home.toml"
        path.write_text(VISITED.replace('"p\\"ss %:/#"', '{ env = "CACHE_PASSWORD" }'))
        credentials = load_stack(str(path), Folders(tmp_path), CATALOGUE).service("redis").credentials
        assert credentials is not None
        assert credentials.password == "from outside"

    def test_localhost_is_this_machine(self, tmp_path: Path) -> None:
        """The name that everybody writes is a loopback address too."""
        path = tmp_path / "home.toml"
        path.write_text(VISITED.replace("127.0.0.1:6379", "localhost:6379"))
        assert (
            Address("localhost", 6379)
            == load_stack(str(path), Folders(tmp_path), CATALOGUE).service("redis").address
        )

    def test_password_in_a_file_is_not_read_yet(self, tmp_path: Path) -> None:
        """Which file holds a password is known from the stack file; what it holds is read when it is needed."""
        path = tmp_path / "home.toml"
        path.write_text(VISITED.replace('"p\\"ss %:/#"', '{ file = "secrets/cache" }'))
        service = load_stack(str(path), Folders(tmp_path), CATALOGUE).service("redis")
        assert {"password": tmp_path / "secrets" / "cache"} == service.files
        assert service.credentials is None or not service.credentials.password

    def test_names_the_variable_that_is_not_set(self, tmp_path: Path) -> None:
        """A variable that does not exist is named, with the line that asks for it."""
        said = complaint(tmp_path, VISITED.replace('"p\\"ss %:/#"', '{ env = "NOT_SET_ANYWHERE" }'))
        assert said == (
            "it.toml, line 7: services.redis.password: expected the environment variable NOT_SET_ANYWHERE to hold it, "
            "found no such variable. Set it."
        )

    def test_never_repeats_a_password(self, tmp_path: Path) -> None:
        """A password of the wrong type is not shown in the message about it."""
        said = complaint(tmp_path, VISITED.replace('"p\\"ss %:/#"', "90210"))
        assert said == (
            "it.toml, line 7: services.redis.password: "
            'expected text in quotes, {env = "NAME"}, {file = "~/…"} or {vault = "secret/data/…", field = "password"}, '
            "found something else."
        )


LOCAL = """name = "mine"
managed = true

# kind = "in a comment"
[services.postgresql]
kind = "postgresql"

[services.postgresql.settings]
max_connections = 100

[services.pgbouncer]
kind = "pgbouncer"
needs = ["postgresql"]
"""


class TestComplaints:
    @pytest.mark.parametrize(
        ("changed", "into", "expected"),
        [
            (
                'kind = "pgb',
                'kidn = "pgb',
                (
                    "line 12: services.pgbouncer.kidn: expected one of kind, settings, needs, operations, found 'kidn'. "
                    "Did you mean 'kind'?"
                ),
            ),
            (
                'kind = "pgbouncer"',
                'kind = "pgbuncer"',
                (
                    f"line 12: services.pgbouncer.kind: expected one of {', '.join(sorted(CATALOGUE))}, "
                    "found 'pgbuncer'. Did you mean 'pgbouncer'?"
                ),
            ),
            (
                'needs = ["postgresql"]',
                'needs = ["postgres"]',
                (
                    "line 13: services.pgbouncer.needs: expected one of postgresql, pgbouncer, found 'postgres'. "
                    "Did you mean 'postgresql'?"
                ),
            ),
            (
                'needs = ["postgresql"]',
                'needs = ["pgbouncer"]',
                (
                    "line 13: services.pgbouncer.needs: expected needs that end somewhere, "
                    "found pgbouncer needs pgbouncer."
                ),
            ),
            (
                'needs = ["postgresql"]',
                'needs = "postgresql"',
                "line 13: services.pgbouncer.needs: expected a list of names of services, found 'postgresql'.",
            ),
            (
                'needs = ["postgresql"]',
                'address = "127.0.0.1:6432"',
                (
                    "line 13: services.pgbouncer.address: expected one of kind, settings, needs, operations, found 'address'. "
                    "A managed stack chooses addresses and passwords itself; managed = false measures a running one."
                ),
            ),
            (
                "max_connections = 100",
                "max_connections = [1]",
                (
                    "line 9: services.postgresql.settings.max_connections: "
                    "expected a table whose values are text on one line, a number or true or false, found [1]."
                ),
            ),
            (
                "managed = true",
                'managed = "true"',
                "line 2: managed: expected true or false, found 'true'.",
            ),
            (
                "managed = true",
                "",
                "line 1: expected the key 'managed' (true or false), found none. Add it to it.toml.",
            ),
            (
                'name = "mine"',
                'name = "../../etc"',
                "line 1: name: expected at most 40 lower-case letters, digits, - and _, found '../../etc'.",
            ),
            (
                "[services.pgbouncer]",
                "[services.'p g|<script>']",
                (
                    "line 11: services.p g|<script>: expected a name of at most 40 lower-case letters, digits and _, "
                    "found 'p g|<script>'."
                ),
            ),
        ],
    )
    def test_name_line_expected_found_and_nearest(
        self, tmp_path: Path, changed: str, into: str, expected: str
    ) -> None:
        """One wrong place in a managed stack is told with its line, what was expected and what was found."""
        assert changed in LOCAL
        assert f"it.toml, {expected}" == complaint(tmp_path, LOCAL.replace(changed, into))

    @pytest.mark.parametrize(
        ("address", "expected"),
        [
            ("127.0.0.1:70000", "expected a port between 1 and 65535, found 70000."),
            ("127.0.0.1:0", "expected a port between 1 and 65535, found 0."),
            ("127.0.0.1", "expected an address as \"127.0.0.1:5432\", found '127.0.0.1'."),
            (
                "10.0.0.1:6379",
                (
                    "expected a loopback address (127.0.0.1, localhost), found '10.0.0.1'. "
                    "Load goes to this machine only."
                ),
            ),
            (
                "example.org:6379",
                (
                    "expected a loopback address (127.0.0.1, localhost), found 'example.org'. "
                    "Load goes to this machine only."
                ),
            ),
        ],
    )
    def test_refuse_addresses_that_are_none_of_this_machine(
        self, tmp_path: Path, address: str, expected: str
    ) -> None:
        """An address is a loopback host and a port."""
        said = complaint(tmp_path, VISITED.replace("127.0.0.1:6379", address))
        assert f"it.toml, line 6: services.redis.address: {expected}" == said

    @pytest.mark.parametrize("start", ["redis://me:hunter/2@", "me:hunter/2@"])
    def test_repeat_no_password_of_an_address(self, tmp_path: Path, start: str) -> None:
        """A URL in the place of an address is refused without its password."""
        said = complaint(tmp_path, VISITED.replace("127.0.0.1:6379", f"{start}127.0.0.1:6379"))
        assert "********@127.0.0.1" in said
        assert "hunter" not in said

    def test_name_the_line_of_a_duplicate(self, tmp_path: Path) -> None:
        """A service that is described twice is refused where it is described again."""
        said = complaint(tmp_path, LOCAL + "\n[services.pgbouncer]\n")
        assert "it.toml to be TOML; found: Cannot declare ('services', 'pgbouncer') twice (at line 15" in said

    def test_tell_an_empty_file(self, tmp_path: Path) -> None:
        """An empty file says nothing, and is told so."""
        assert complaint(tmp_path, "# nothing\n") == (
            "it.toml, line 1: expected the keys name, managed and [services.<name>], found an empty file. "
            "See stacks/local.toml."
        )

    def test_tell_a_binary_file(self, tmp_path: Path) -> None:
        """A file that is no text is told with its first byte that cannot be one."""
        assert complaint(tmp_path, b'name = "x"\n\xff\xfe\x00') == (
            "it.toml, line 2: expected text in UTF-8, found the byte 0xff. Is it the right file?"
        )

    def test_tell_a_huge_file(self, tmp_path: Path) -> None:
        """A file far larger than any stack is not read."""
        assert complaint(tmp_path, b"#" * 10_000_000) == (
            "it.toml, line 1: expected a stack file of at most 1000000 bytes, found 10000000 bytes. "
            "Is it the right file?"
        )

    def test_list_the_stacks_that_exist(self, tmp_path: Path) -> None:
        """A stack that does not exist is answered with those that do, and the nearest of them."""
        folders = Folders(tmp_path)
        folders.stacks.mkdir()
        (folders.stacks / "local.toml").touch()
        with pytest.raises(ConfigurationError) as caught:
            load_stack("locl", folders, CATALOGUE)
        assert str(caught.value) == (
            f"Expected a stack file at {folders.stacks}/locl.toml, found no file. "
            f"Stacks in {folders.stacks}: local. Did you mean 'local'?"
        )

    def test_obey_no_terminal(self, tmp_path: Path) -> None:
        """What was found is shown so that a terminal obeys nothing in it."""
        said = complaint(tmp_path, LOCAL.replace('"pgbouncer"', '"\\u001b[31m\\u202e"'))
        assert not any(ord(letter) < 32 or letter == "\u202e" for letter in said)
