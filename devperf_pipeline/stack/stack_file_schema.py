"""
Which keys may the tables of a stack file have, and what must each value be?

A field's description is what a message says was expected; values of a field that is not in `repr` are never shown.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, TypeVar, get_args

from pydantic import AfterValidator, Field, ValidationError, model_validator

from devperf_pipeline.model import ROUTED
from devperf_pipeline.stack.connection_schema import HeadersKey, Loopback, TlsKey
from devperf_pipeline.stack.kept_values import InEnvironment, Secret, TextOrKept
from devperf_pipeline.stack.private_folders import NAME
from devperf_pipeline.stack.source import Keys, Source, nearest, shown
from devperf_pipeline.stack.tables import OneLine, PathText, Table, Text, Wrong, one_line

MOST_ROUTES = 20
LONGEST_ROUTE = 200
CATEGORIES = (
    "databases",
    "caching",
    "messaging",
    "secrets management",
    "reference apis",
    "observability",
    "git server",
    "other",
)
"""The groups of the published table, and one for all else."""


def _name_of_stack(name: str) -> str:
    if not NAME.fullmatch(name):
        raise Wrong("at most 40 lower-case letters, digits, - and _", shown(name))
    return name


def _route(path: str) -> str:
    """A path that may be asked, in the form in which it is sent."""
    method = re.match(r"([A-Za-z]{3,10})\s+/", path)
    if method and method[1].upper() != "GET":
        raise Wrong(
            "a path alone, which is asked with GET",
            shown(path),
            "Nothing of somebody else's API may be changed: only what can be asked with GET is measured.",
        )
    if method:
        raise Wrong("a path alone", shown(path), "Leave out GET: every path is asked with it.")
    if re.match(r"[a-z]+://", path, re.IGNORECASE):
        raise Wrong(
            "a path alone", shown(path), "Leave out scheme and host: the key 'address' says where it is."
        )
    if not path.startswith("/"):
        raise Wrong("a path that begins with /", shown(path))
    if not re.fullmatch(r"[!-~]+", path) or "#" in path:
        raise Wrong(
            "a path of printable ASCII without spaces and #",
            shown(path),
            "Write other characters as %20 (space), %23 (#), %C3%A9 (é).",
        )
    if len(path) > LONGEST_ROUTE:
        raise Wrong(f"a path of at most {LONGEST_ROUTE} characters", f"{len(path)} characters")
    return path


def _routes(paths: list[str]) -> list[str]:
    if not paths:
        raise Wrong("at least one path", "an empty list", 'Write routes = ["/orders/7", "/health"].')
    if len(paths) > MOST_ROUTES:
        raise Wrong(f"at most {MOST_ROUTES} paths", f"{len(paths)}", "Name those that matter most.")
    for place, path in enumerate(paths):
        if path in paths[:place]:
            raise Wrong("each path once", f"{shown(path)} twice")
    return paths


def _category(text: str) -> str:
    if text not in CATEGORIES:
        raise Wrong(f"one of {', '.join(CATEGORIES)}", shown(text), nearest(text, CATEGORIES))
    return text


class ManagedService(Table):
    """[services.<name>] of a stack that this project starts."""

    kind: Text
    settings: dict[OneLine, Annotated[str | int | bool, AfterValidator(one_line)]] = Field(
        default={}, description="a table whose values are text on one line, a number or true or false"
    )
    needs: list[str] = Field(default=[], description="a list of names of services")
    operations: list[Any] = Field(
        default=[], description="tables: write [[services.<name>.operations]] for each"
    )
    refused: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            ("address", "addresses", "database", "username", "password"),
            "A managed stack chooses addresses and passwords itself; managed = false measures a running one.",
        ),
        "routes": f"Only [services.{ROUTED}] has routes: what the other kinds are asked is known.",
        **dict.fromkeys(
            ("tls", "headers"), "What this project starts answers without: managed = false measures others."
        ),
    }


class RunningService(ManagedService):
    """[services.<name>] of a stack that runs already."""

    address: Loopback | None = None
    addresses: list[Loopback] = Field(default=[], description='a list of addresses as "127.0.0.1:5432"')
    database: TextOrKept = ""
    username: TextOrKept = ""
    password: Secret = Field(
        default="",
        repr=False,
        description=(
            'text in quotes, {env = "NAME"}, {file = "~/…"} or {vault = "secret/data/…", field = "password"}'
        ),
    )
    tls: TlsKey = False
    refused: ClassVar[Mapping[str, str]] = {
        "routes": ManagedService.refused["routes"],
        "headers": "Only requests to APIs carry headers of yours.",
    }

    @model_validator(mode="after")
    def check_addresses(self) -> "RunningService":
        """One way of saying where it listens."""
        said = {"address", "addresses"} & self.model_fields_set
        if len(said) == 2:
            raise Wrong("either address or addresses", "both", key="addresses")
        if not said:
            raise Wrong("the key 'address' (\"127.0.0.1:5432\") or 'addresses' (a list of them)", "none")
        if "addresses" in said and not self.addresses:
            raise Wrong('addresses as "host:port"', "an empty list", key="addresses")
        return self


class ReferenceApi(RunningService):
    """[services.<name>] of a reference API that runs already."""

    headers: HeadersKey = Field(default={})
    refused: ClassVar[Mapping[str, str]] = {"routes": ManagedService.refused["routes"]}


class RoutedService(ManagedService):
    """[services.api] and [services.api_<name>]: an API of which nothing is known but the routes named here."""

    address: Loopback = Field(description='"127.0.0.1:8080"')
    routes: Annotated[list[Annotated[str, AfterValidator(_route)]], AfterValidator(_routes)] = Field(
        description='a list of paths in quotes, such as ["/orders/7", "/health"]'
    )
    tls: TlsKey = False
    headers: HeadersKey = Field(default={})
    refused: ClassVar[Mapping[str, str]] = {}


class VaultTable(Table):
    """[vault]: how the Vault that keeps credentials is entered."""

    address: Loopback = Field(description='"127.0.0.1:8200"')
    token: InEnvironment | None = Field(
        default=None, repr=False, description='{env = "NAME"} (tokens are not written here)'
    )
    token_file: PathText = ""
    role_id_file: PathText = ""
    secret_id_file: PathText = ""
    tls: TlsKey = False

    @model_validator(mode="after")
    def check_ways(self) -> "VaultTable":
        """Exactly one way in."""
        ways = [key for key in type(self).model_fields if key not in ("address", "tls")]
        said = [key for key in ways if key in self.model_fields_set]
        if said not in (["token"], ["token_file"], ["role_id_file", "secret_id_file"]):
            raise Wrong(
                "exactly one way in: token, token_file, or role_id_file with secret_id_file",
                ", ".join(said) or "none",
            )
        return self


class CompanionTable(Table):
    """[footprint.<name>]: a process or container whose use is read, though nothing is asked of it."""

    process: OneLine | None = Field(default=None, min_length=1, description="the name of a process")
    container: OneLine | None = Field(default=None, min_length=1, description="the name of a container")
    category: Annotated[str, AfterValidator(_category)] | None = Field(
        default=None, description="text in quotes"
    )

    @model_validator(mode="after")
    def check_ways(self) -> "CompanionTable":
        """It is the one or the other."""
        if (self.process is None) == (self.container is None):
            raise Wrong("either process or container", "neither" if self.process is None else "both")
        return self


class StackTable(Table):
    """The whole file. What its tables hold is checked one by one: it depends on `managed` and on their names."""

    name: Annotated[Text, AfterValidator(_name_of_stack)]
    managed: bool = Field(description="true or false")
    services: dict[str, Any] = Field(min_length=1, description="at least one [services.<name>]")
    vault: VaultTable | None = Field(default=None, description="a table: write [vault]")
    footprint: dict[str, Any] = Field(default={}, description="tables: write [footprint.<name>]")


T = TypeVar("T", bound=Table)


def checked(source: Source, model: type[T], found: Any, at: Keys = ()) -> T:
    """
    A table of the file, at these keys, as its class.

    Raises:
        ConfigurationError: something in it is not as it must be; the first such thing is told.

    """
    try:
        return model.model_validate(found)
    except ValidationError as error:
        problems = error.errors(include_url=False)
    # Told here, outside the handler: what was found may be a password, and must be in no chain of errors.
    problem = problems[0]
    keys = (*at, *_keys(found, problem["loc"]))
    told = problem.get("ctx", {}).get("error")
    if isinstance(told, Wrong):
        source.complain((*keys, *told.keys), told.expected, told.found, told.advice)
    expected, is_secret = _described(model, problem["loc"])
    if problem["type"] == "missing":
        key = problem["loc"][-1]
        source.complain(keys, f"the key '{key}' ({expected})", "none", f"Add it to {source.path.name}.")
    if problem["type"] == "model_type" and not problem["loc"]:
        expected = f"a table [{'.'.join(map(str, at))}]"
    found = shown(problem["input"]) if problem["input"] not in ({}, []) else "none"
    return source.complain(keys, expected, "something else" if is_secret else found)


def _keys(found: Any, loc: tuple[int | str, ...]) -> Iterator[str]:
    """The keys of the file on the way to a value; pydantic names the forms it tried, and places in lists, too."""
    for part in loc:
        if isinstance(found, dict) and part in found:
            found = found[part]
            yield str(part)


def _described(model: type[Table], loc: tuple[int | str, ...]) -> tuple[str, bool]:
    """What the innermost field on that way must be, and whether its value is a secret."""
    said, is_secret = "a table", False
    tables = [model]
    for part in loc:
        field = next((each.model_fields[part] for each in tables if part in each.model_fields), None)
        if field is not None:
            said, is_secret = field.description or said, is_secret or not field.repr
            tables = list(_tables(field.annotation))
    return said, is_secret


def _tables(form: Any) -> Iterator[type[Table]]:
    """The tables among the forms that a value may have."""
    if isinstance(form, type) and issubclass(form, Table):
        yield form
    for each in get_args(form):
        yield from _tables(each)
