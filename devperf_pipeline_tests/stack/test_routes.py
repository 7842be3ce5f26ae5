from pathlib import Path

import pytest

from devperf_pipeline.errors import ConfigurationError
from devperf_pipeline.model import ROUTED
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.stack_file import load_stack

VISITED = """name = "mine"
managed = false

[services.api]
kind = "api"
address = "127.0.0.1:8080"
routes = ["/orders/7", "/orders?limit=10", "/health"]
"""
ROUTES = '["/orders/7", "/orders?limit=10", "/health"]'


def complaint(tmp_path: Path, content: str) -> str:
    """What is said about a stack file of that content, without the folder it lies in."""
    path = tmp_path / "it.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_stack(str(path), Folders(tmp_path), CATALOGUE)
    return str(caught.value).replace(f"{tmp_path}/", "")


class TestRoutes:
    def test_are_taken_in_their_order(self, tmp_path: Path) -> None:
        """The first one is load tested, so their order is kept."""
        path = tmp_path / "mine.toml"
        path.write_text(VISITED, encoding="utf-8")
        service = load_stack(str(path), Folders(tmp_path), CATALOGUE).service("api")

        assert ("/orders/7", "/orders?limit=10", "/health") == service.routes
        assert ROUTED == service.kind
        assert ROUTED in CATALOGUE

    @pytest.mark.parametrize(
        ("routes", "said"),
        [
            ("[]", "expected at least one path, found an empty list. Write routes = "),
            (
                '"/health"',
                'expected a list of paths in quotes, such as ["/orders/7", "/health"], found \'/health\'.',
            ),
            ("[7]", 'expected a list of paths in quotes, such as ["/orders/7", "/health"], found 7.'),
            ('["health"]', "expected a path that begins with /, found 'health'."),
            ('[""]', "expected a path that begins with /, found ''."),
            ('["/a", "/b", "/a"]', "expected each path once, found '/a' twice."),
            (str([f"/{number}" for number in range(21)]), "expected at most 20 paths, found 21."),
            (
                '["/a b"]',
                "expected a path of printable ASCII without spaces and #, found '/a b'. Write other characters as %20",
            ),
            (
                '["/caf\u00e9"]',
                "expected a path of printable ASCII without spaces and #, found '/caf\u00e9'. Write other",
            ),
            ('["/a\\r\\nX: y"]', "expected a path of printable ASCII without spaces and #, found"),
            ('["/a#b"]', "expected a path of printable ASCII without spaces and #, found '/a#b'."),
            (f'["/{"a" * 200}"]', "expected a path of at most 200 characters, found 201 characters."),
            ('["GET /health"]', "expected a path alone, found 'GET /health'. Leave out GET"),
            (
                '["http://127.0.0.1:8080/health"]',
                "expected a path alone, found 'http://127.0.0.1:8080/health'.",
            ),
            (
                '["POST /orders"]',
                "expected a path alone, which is asked with GET, found 'POST /orders'. Nothing of somebody else's API may",
            ),
            (
                '["delete /orders/7"]',
                "expected a path alone, which is asked with GET, found 'delete /orders/7'.",
            ),
        ],
    )
    def test_that_are_not_as_they_must_be(self, tmp_path: Path, routes: str, said: str) -> None:
        """Each complaint names file, line and key, what was expected, what was found, and what to write."""
        found = complaint(tmp_path, VISITED.replace(ROUTES, routes))

        assert found.startswith(f"it.toml, line 7: services.api.routes: {said}")

    def test_longest_and_most(self, tmp_path: Path) -> None:
        """Twenty paths of 200 characters are taken."""
        routes = [f"/{number:0199}" for number in range(20)]
        path = tmp_path / "mine.toml"
        path.write_text(VISITED.replace(ROUTES, str(routes)), encoding="utf-8")

        assert tuple(routes) == load_stack(str(path), Folders(tmp_path), CATALOGUE).service("api").routes

    def test_are_needed(self, tmp_path: Path) -> None:
        """Without them nobody knows what to ask."""
        found = complaint(tmp_path, VISITED.replace(f"routes = {ROUTES}\n", ""))

        assert (
            "it.toml, line 4: services.api: expected the key 'routes' (a list of paths in quotes, such as "
            '["/orders/7", "/health"]), found none. Add it to it.toml.' == found
        )

    def test_are_of_this_kind_alone(self, tmp_path: Path) -> None:
        """What other kinds are asked is known: routes given there would be passed over, so they are refused."""
        found = complaint(tmp_path, VISITED.replace("services.api", "services.gin").replace('"api"', '"gin"'))

        assert found.startswith("it.toml, line 7: services.gin.routes: expected one of kind, ")
        assert found.endswith(
            "found 'routes'. Only [services.api] has routes: what the other kinds are asked is known."
        )

    @pytest.mark.parametrize("key", ["username", "password", "database", "addresses"])
    def test_what_an_api_has_no_use_for(self, tmp_path: Path, key: str) -> None:
        """Credentials that nobody would use are refused, not passed over."""
        found = complaint(tmp_path, f'{VISITED}{key} = "x"\n')

        assert found.startswith(
            f"it.toml, line 8: services.api.{key}: expected one of kind, settings, needs, operations, address, routes, "
        )

    def test_cannot_be_started(self, tmp_path: Path) -> None:
        """Nobody knows here how to start somebody else's API; what is to be written is said."""
        found = complaint(tmp_path, VISITED.replace("false", "true"))

        assert (
            "it.toml, line 5: services.api.kind: expected a kind that this project can start, found 'api'. "
            "Such an API is measured where it runs: managed = false, with its address and routes." == found
        )

    def test_of_several_apis(self, tmp_path: Path) -> None:
        """A stack may have as many services of a kind as it likes, each with a name that begins with its kind."""
        path = tmp_path / "mine.toml"
        second = VISITED.partition("[services.api]")[2].replace("8080", "8081")
        redis = '[services.redis_cluster_b]\nkind = "redis_cluster"\naddress = "127.0.0.1:1"\n'
        path.write_text(f"{VISITED}\n[services.api_next]{second}\n{redis}", encoding="utf-8")
        stack = load_stack(str(path), Folders(tmp_path), CATALOGUE)

        assert [("api", ROUTED), ("api_next", ROUTED), ("redis_cluster_b", "redis_cluster")] == [
            (one.name, one.kind) for one in stack.services
        ]
