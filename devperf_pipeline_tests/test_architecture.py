import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "devperf_pipeline"
ROOMS = [
    "errors",
    "model",
    "stack",
    "services",
    "local",
    "measure",
    "store",
    "analyse",
    "report",
    "defs",
    "definitions",
]
"""From the ground up: a room imports from those below it, and from itself."""

OWNERS = {
    "dagster": ("defs/", "definitions.py"),
    "duckdb": ("store/",),
    "polars": ("store/",),
    "jinja2": ("report/",),
    "matplotlib": ("report/",),
    "psycopg": ("services/postgresql/",),
    "pymysql": ("services/mysql/",),
    "redis": ("services/redis/", "services/redis_cluster/"),
    "pika": ("services/rabbitmq/",),
    "hvac": ("services/vault/", "stack/credentials.py"),
    "pymongo": ("services/mongodb/",),
    "bson": ("services/mongodb/",),
    "markdown_it": ("report/",),
    "yaml": ("services/reference_api/",),
    "requests": ("services/vault/", "stack/credentials.py"),
    "httpx": ("services/reference_api/", "services/http/"),
    "rich": ("report/",),
    "pydantic": ("stack/", "defs/"),
}
"""Who may import what."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def room(dotted: str) -> str:
    return dotted.split(".")[1]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
class TestImports:
    def test_go_down_only(self, path: Path) -> None:
        """A module imports from its own room and the rooms below it; cli stands beside definitions."""
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        allowed = ROOMS if own in {"cli", "__init__"} else ROOMS[: ROOMS.index(own) + 1]
        ours = [name for name in imported(path) if name.startswith("devperf_pipeline.")]

        assert [] == [name for name in ours if room(name) not in allowed]

    def test_libraries_have_owners(self, path: Path) -> None:
        """Only the owner of a library imports it."""
        here = str(path.relative_to(PACKAGE))
        foreign = [
            name
            for name in imported(path)
            for library, owners in OWNERS.items()
            if name.split(".")[0] == library and not here.startswith(owners)
        ]

        assert [] == foreign


class TestDependencies:
    def test_are_declared(self) -> None:
        """Each library that is imported is a dependency of its own, not only one of another library's."""
        project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        declared = {re.split(r"[^\w-]", each)[0] for each in project["dependencies"]}
        libraries = {name.split(".")[0] for path in modules() for name in imported(path)}
        libraries -= {*sys.stdlib_module_names, PACKAGE.name}
        brought_by = packages_distributions()

        assert [] == [
            name for name in sorted(libraries) if declared.isdisjoint(map(str.lower, brought_by[name]))
        ]


class TestFiles:
    def test_packages_do_nothing_at_import(self) -> None:
        """__init__.py files are empty, except the catalogue of services."""
        filled = [
            path.parent.name
            for path in PACKAGE.rglob("__init__.py")
            if path.read_text(encoding="utf-8").strip()
        ]

        assert ["services"] == filled

    def test_modules_begin_with_their_question(self) -> None:
        """The first line of each module's docstring asks the question that the module answers."""
        silent = [
            str(path.relative_to(PACKAGE))
            for path in modules()
            if path.name != "__init__.py"
            for doc in [ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""]
            if not doc or ("?" not in doc.split("\n\n")[0] and path.name not in {"errors.py", "model.py"})
        ]

        assert [] == silent
