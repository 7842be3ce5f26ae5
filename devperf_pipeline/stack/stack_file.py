"""
What does a stack file say, and is it as it must be?

Every complaint names the file, the line, what was expected, what was found, and the nearest valid name.
Nothing but the file is read here: what a Vault or a file keeps is fetched when it is needed.
"""

import re
import tomllib
from collections.abc import Collection
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, get_args

from devperf_pipeline.errors import ConfigurationError
from devperf_pipeline.model import (
    ROUTED,
    Companion,
    Credentials,
    Kept,
    Service,
    Stack,
    VaultField,
    VaultLogin,
    kind_named,
)
from devperf_pipeline.stack.connection_keys import from_environment, reached, seen_from, with_headers
from devperf_pipeline.stack.connection_schema import REFERENCE_APIS
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.kept_values import InEnvironment, InFile, InVault
from devperf_pipeline.stack.own_operations import own_operations
from devperf_pipeline.stack.source import Source, nearest, shown
from devperf_pipeline.stack.stack_file_schema import (
    CompanionTable,
    ManagedService,
    ReferenceApi,
    RoutedService,
    RunningService,
    StackTable,
    VaultTable,
    checked,
)

LARGEST_BYTES = 1_000_000
SERVICE_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
COMPANION_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}(/[1-9][0-9]?)?")
RESERVED = ("host", "others", "engine", "devperf", "total")
"""Rows that every table of resources has."""


def load_stack(name_or_path: str, folders: Folders, kinds: Collection[str], *, secrets: bool = True) -> Stack:
    """
    Read a stack by its name (a file of `stacks/`) or by the path of its file.

    `kinds` are those that can be measured: the catalogue of `services/`. Without `secrets` the file is described as it
    stands, and no variable of the environment has to be set.

    Raises:
        ConfigurationError: there is no such file, or something in it is not as it must be.

    """
    path = _find(name_or_path, folders)
    source = Source(path, _read(path))
    try:
        found = tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        # The parser's message ends with the line and column.
        raise ConfigurationError(
            f"Expected {path} to be TOML; found: {error}. Correct that place."
        ) from error
    if not found:
        source.complain(
            (), "the keys name, managed and [services.<name>]", "an empty file", "See stacks/local.toml."
        )
    stack = checked(source, StackTable, found)
    services = tuple(
        _service(source, name, table, managed=stack.managed, kinds=kinds, secrets=secrets)
        for name, table in stack.services.items()
    )
    _check_needs(source, services)
    if stack.vault and stack.managed:
        source.complain(
            ("vault",), "no [vault] in a managed stack", "one", "Such a stack chooses its passwords itself."
        )
    for field in (field for service in services for field in service.kept.values() if stack.vault is None):
        raise ConfigurationError(
            f"{field.where}: expected a table [vault] that says how the Vault is entered, found none. "
            "Add it, with its address and token, token_file, or role_id_file and secret_id_file."
        )
    return Stack(
        name=stack.name,
        path=path,
        managed=stack.managed,
        services=services,
        vault=_login(source, stack.vault) if stack.vault else None,
        footprint=tuple(
            _companion(source, name, table, stack.services) for name, table in stack.footprint.items()
        ),
    )


def _find(name_or_path: str, folders: Folders) -> Path:
    is_path = "/" in name_or_path or name_or_path.endswith(".toml")
    path = Path(name_or_path).absolute() if is_path else folders.stacks / f"{name_or_path}.toml"
    if path.is_file():
        return path
    known = sorted(file.stem for file in folders.stacks.glob("*.toml"))
    raise ConfigurationError(
        f"Expected a stack file at {path}, found {'no file' if not path.exists() else 'something that is no file'}. "
        f"Stacks in {folders.stacks}: {', '.join(known) or 'none'}.{nearest(name_or_path, known, ' ')}"
    )


def _read(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > LARGEST_BYTES:
            raise ConfigurationError(
                f"{path}, line 1: expected a stack file of at most {LARGEST_BYTES} bytes, found {size} bytes. "
                "Is it the right file?"
            )
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigurationError(
            f"{path}, line {line}: expected text in UTF-8, found the byte 0x{error.object[error.start]:02x}. "
            "Is it the right file?"
        ) from error
    except OSError as error:
        raise ConfigurationError(f"Expected to read {path}: {error.strerror}. Make it readable.") from error


def _service(
    source: Source, name: str, table: Any, *, managed: bool, kinds: Collection[str], secrets: bool
) -> Service:
    keys = ("services", name)
    if not SERVICE_NAME.fullmatch(name):
        source.complain(keys, "a name of at most 40 lower-case letters, digits and _", repr(name))
    kind = table.get("kind") if isinstance(table, dict) else None
    if managed and kind == ROUTED:
        source.complain(
            (*keys, "kind"),
            "a kind that this project can start",
            repr(ROUTED),
            "Such an API is measured where it runs: managed = false, with its address and routes.",
        )
    model = ManagedService if managed else RunningService
    if not managed and kind in (ROUTED, *REFERENCE_APIS):
        model = RoutedService if kind == ROUTED else ReferenceApi
    found = checked(source, model, table, keys)
    if found.kind not in kinds:
        expected = f"one of {', '.join(sorted(kinds))}"
        source.complain((*keys, "kind"), expected, shown(found.kind), nearest(found.kind, kinds))
    if (said := kind_named(name, kinds)) != found.kind:
        # Tables, rules and reports know a service's kind by its name.
        names = (f"{found.kind}_{own}" for own in (name.removeprefix(said or "").strip("_"), "second"))
        example = next(
            each for each in names if kind_named(each, kinds) == found.kind and SERVICE_NAME.fullmatch(each)
        )
        source.complain(
            keys,
            f"the service to be called by its kind, [services.{found.kind}] or, where there are several, "
            f"[services.{found.kind}_<name>]",
            f"{name!r}, which says that its kind is {said!r}" if said else repr(name),
            f"Call it [services.{example}].",
        )
    service = Service(
        name=name,
        kind=found.kind,
        settings=dict(found.settings),
        needs=tuple(found.needs),
        own_operations=own_operations(source, keys, found.kind, found.operations),
    )
    match found:
        case RoutedService():
            addresses = reached(source, keys, found.kind, (found.address,), found.tls)
            service = replace(service, addresses=addresses, routes=tuple(found.routes))
            return with_headers(source, keys, service, found.headers, secrets=secrets)
        case RunningService():
            addresses = (found.address,) if found.address else tuple(found.addresses)
            service = replace(
                service,
                addresses=reached(source, keys, found.kind, addresses, found.tls),
                database=found.database if isinstance(found.database, str) and found.database else None,
                **_credentials(source, keys, found, secrets=secrets),
            )
            headers = found.headers if isinstance(found, ReferenceApi) else {}
            return with_headers(source, keys, service, headers, secrets=secrets)
        case _:
            return service


def _credentials(
    source: Source, keys: tuple[str, ...], found: RunningService, *, secrets: bool
) -> dict[str, Any]:
    """How the service is entered: what is written here or in the environment, and where the rest is kept."""
    kept = {
        name: VaultField(
            value.vault, value.field or name, f"{source.place((*keys, name))}: {'.'.join((*keys, name))}"
        )
        for name in get_args(Kept)
        if isinstance(value := getattr(found, name), InVault)
    }
    username = found.username if isinstance(found.username, str) else ""
    password = found.password if isinstance(found.password, str) else ""
    if secrets and isinstance(found.password, InEnvironment):
        password = from_environment(source, (*keys, "password"), found.password)
    return {
        "kept": kept,
        "credentials": Credentials(username, password) if username or password else None,
        "files": {"password": seen_from(source, found.password.file)}
        if isinstance(found.password, InFile)
        else {},
    }


def _login(source: Source, found: VaultTable) -> VaultLogin:
    return VaultLogin(
        address=reached(source, ("vault",), "vault", (found.address,), found.tls)[0],
        where=f"{source.place(('vault',))}: [vault]",
        token_variable=found.token.env if found.token else None,
        token_file=_file(source, found.token_file),
        role_id_file=_file(source, found.role_id_file),
        secret_id_file=_file(source, found.secret_id_file),
    )


def _companion(source: Source, name: str, table: Any, services: Collection[str]) -> Companion:
    """One that is called as a service, or as a node of it ("redis_cluster/2"), needs no category."""
    keys = ("footprint", name)
    if not COMPANION_NAME.fullmatch(name) or name in RESERVED:
        source.complain(
            keys,
            f"a name of at most 40 letters, digits, - and _, none of {', '.join(RESERVED)}",
            shown(name),
        )
    found = checked(source, CompanionTable, table, keys)
    if found.category is None and name.partition("/")[0] not in services:
        source.complain(keys, "the key 'category' (text in quotes)", "none", f"Add it to {source.path.name}.")
    return Companion(
        name=name,
        category=found.category or "other",
        process=found.process,
        container=found.container,
    )


def _file(source: Source, path: str) -> Path | None:
    return seen_from(source, path) if path else None


def _check_needs(source: Source, services: tuple[Service, ...]) -> None:
    names = [service.name for service in services]
    for service in services:
        for need in service.needs:
            if need not in names:
                keys = ("services", service.name, "needs")
                source.complain(keys, f"one of {', '.join(names)}", repr(need), nearest(need, names))
    try:
        TopologicalSorter({service.name: service.needs for service in services}).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        source.complain(("services", circle[0], "needs"), "needs that end somewhere", " needs ".join(circle))
