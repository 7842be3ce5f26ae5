"""
What does a stack file say, and is it as it must be?

Every complaint names the file, the line, what was expected, what was found, and the nearest valid name.
"""

import os
import re
import socket
import tomllib
from collections.abc import Collection, Mapping
from graphlib import CycleError, TopologicalSorter
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from devperf_pipeline.errors import ConfigurationError
from devperf_pipeline.model import ROUTED, Address, Credentials, Service, Stack, is_routed
from devperf_pipeline.stack.companions import companions
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.private_folders import NAME
from devperf_pipeline.stack.routes import routes_of
from devperf_pipeline.stack.source import Source, nearest, shown
from devperf_pipeline.stack.vault_login import kept_fields, vault_login

LARGEST_BYTES = 1_000_000
STACK_KEYS = ("name", "managed", "services", "vault", "footprint")
MANAGED_KEYS = ("kind", "settings", "needs")
VISITED_KEYS = (*MANAGED_KEYS, "address", "addresses", "database", "username", "password")
ROUTED_KEYS = ("kind", "address", "routes", "settings", "needs")
SERVICE_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


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
    source.check_keys((), found, STACK_KEYS)
    name = source.take((), found, "name", str)
    if not NAME.fullmatch(name):
        source.complain(("name",), "at most 40 lower-case letters, digits, - and _", repr(name))
    managed = source.take((), found, "managed", bool)
    tables = source.take((), found, "services", dict)
    if not tables:
        source.complain(("services",), "at least one [services.<name>]", "none")
    services = tuple(
        _service(source, key, table, managed=managed, kinds=kinds, secrets=secrets)
        for key, table in tables.items()
    )
    _check_needs(source, services)
    vault = source.take((), found, "vault", dict, {})
    if vault and managed:
        source.complain(
            ("vault",), "no [vault] in a managed stack", "one", "Such a stack chooses its passwords itself."
        )
    login = vault_login(source, vault, _address) if vault else None
    if login is None:
        for field in (field for service in services for field in service.kept.values()):
            raise ConfigurationError(
                f"{field.where}: expected a table [vault] that says how the Vault is entered, found none. "
                "Add it, with its address and token, token_file, or role_id_file and secret_id_file."
            )
    footprint = companions(
        source, source.take((), found, "footprint", dict, {}), [service.name for service in services]
    )
    return Stack(name=name, path=path, managed=managed, services=services, vault=login, footprint=footprint)


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
    if not isinstance(table, dict):
        source.complain(keys, "a table", shown(table), f"Write [services.{name}].")
    found: dict[str, Any] = table
    routed = found.get("kind") == ROUTED and ROUTED in kinds
    if managed:
        if routed:
            source.complain(
                (*keys, "kind"),
                "a kind that this project can start",
                repr(ROUTED),
                "Such an API is visited where it runs: managed = false, with its address and routes.",
            )
        for key in found:
            if key in VISITED_KEYS and key not in MANAGED_KEYS:
                source.complain(
                    (*keys, key),
                    f"one of {', '.join(MANAGED_KEYS)}",
                    repr(key),
                    "A managed stack chooses addresses and passwords itself; managed = false visits a running one.",
                )
    valid = MANAGED_KEYS if managed else ROUTED_KEYS if routed else VISITED_KEYS
    if "routes" in found and not routed:
        source.complain(
            (*keys, "routes"),
            f"one of {', '.join(valid)}",
            "'routes'",
            f"Only [services.{ROUTED}] has routes: what the other kinds are asked is known.",
        )
    source.check_keys(keys, found, valid)
    kind = source.take(keys, found, "kind", str)
    if kind not in kinds:
        source.complain(
            (*keys, "kind"), f"one of {', '.join(sorted(kinds))}", repr(kind), nearest(kind, kinds)
        )
    if name != kind and not (kind == ROUTED and is_routed(name)):
        # Assets, tables and reports have one place for each kind; another name would never be measured.
        own = f" or, where there are several, [services.{ROUTED}_<name>]" if kind == ROUTED else ""
        source.complain(keys, f"the service to be called by its kind, [services.{kind}]{own}", repr(name))
    settings = source.take(keys, found, "settings", dict, {})
    for key, value in settings.items():
        if not isinstance(value, str | int) or "\n" in f"{key}{value}":
            source.complain(
                (*keys, "settings", key), "text on one line, a number or true or false", shown(value)
            )
    needs = source.take(keys, found, "needs", list, [])
    if not all(isinstance(need, str) for need in needs):
        source.complain((*keys, "needs"), "a list of names of services", shown(needs))
    kept, found = kept_fields(source, keys, found)
    return Service(
        name=name,
        kind=kind,
        addresses=() if managed else _addresses(source, keys, found),
        credentials=_credentials(source, keys, found, secrets=secrets),
        kept=kept,
        database=source.take(keys, found, "database", str, "") or None,
        settings=settings,
        needs=tuple(needs),
        password_file=_password_file(source, keys, found),
        routes=routes_of(source, keys, found) if routed else (),
    )


def _addresses(source: Source, keys: tuple[str, ...], found: Mapping[str, Any]) -> tuple[Address, ...]:
    if "address" in found and "addresses" in found:
        source.complain((*keys, "addresses"), "either address or addresses", "both")
    if "addresses" not in found:
        return (_address(source, (*keys, "address"), source.take(keys, found, "address", str)),)
    listed = source.take(keys, found, "addresses", list)
    if not listed:
        source.complain((*keys, "addresses"), 'addresses as "host:port"', "an empty list")
    return tuple(_address(source, (*keys, "addresses"), address) for address in listed)


def _address(source: Source, keys: tuple[str, ...], text: Any) -> Address:
    """Load goes to this machine only: whoever points it elsewhere by mistake would attack somebody."""
    if isinstance(text, str):
        # Whoever pastes a URL may have pasted a password with it: no complaint repeats that.
        text = re.sub(r".*@", "********@", text, flags=re.DOTALL)
    match = re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^:\s]+):(\d{1,9})", text) if isinstance(text, str) else None
    if match is None:
        source.complain(keys, 'an address as "127.0.0.1:5432"', shown(text))
    host, port = match[1].strip("[]"), int(match[2])
    if not 1 <= port <= 65_535:
        source.complain(keys, "a port between 1 and 65535", str(port))
    if not _is_loopback(host):
        source.complain(
            keys, "a loopback address (127.0.0.1, localhost)", repr(host), "Load goes to this machine only."
        )
    return Address(host, port)


def _is_loopback(host: str) -> bool:
    """Whether this is a loopback address, or the name localhost where that is nothing else."""
    try:
        if host == "localhost":
            return all(ip_address(found[4][0]).is_loopback for found in socket.getaddrinfo(host, None))
        return ip_address(host).is_loopback
    except (ValueError, OSError):
        return False


def _credentials(
    source: Source, keys: tuple[str, ...], found: Mapping[str, Any], *, secrets: bool
) -> Credentials | None:
    """Username and password, the latter written here or in the environment variable that is named here."""
    username = source.take(keys, found, "username", str, "")
    password = found.get("password")
    if isinstance(password, dict) and "file" in password:
        source.check_keys((*keys, "password"), password, ("file",))
        password = None  # read when it is needed, like what a Vault keeps
    elif isinstance(password, dict):
        source.check_keys((*keys, "password"), password, ("env", "vault", "file"))
        variable = source.take((*keys, "password"), password, "env", str)
        password = os.environ.get(variable) if secrets else ""
        if password is None:
            source.complain(
                (*keys, "password"),
                f"the environment variable {variable} to hold it",
                "no such variable",
                "Set it.",
            )
    if password is not None and not isinstance(password, str):
        # What was found is not shown: it may be most of a password.
        source.complain(
            (*keys, "password"),
            'text in quotes, {env = "NAME"}, {file = "~/…"} or {vault = "secret/data/…", field = "password"}',
            "something else",
        )
    return Credentials(username, password or "") if username or password else None


def _password_file(source: Source, keys: tuple[str, ...], found: Mapping[str, Any]) -> Path | None:
    """The file that holds the password, seen from the stack file's folder; `~` is the home folder."""
    password = found.get("password")
    if not isinstance(password, dict) or "file" not in password:
        return None
    return source.path.parent / Path(source.take((*keys, "password"), password, "file", str)).expanduser()


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
