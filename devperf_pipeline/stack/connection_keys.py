"""What do the keys of a service say of how it is reached: its addresses, `tls`, `headers`?"""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePath

from devperf_pipeline.model import Address, Header, Service, Tls, VaultField
from devperf_pipeline.stack.connection_schema import (
    OF_POSTGRESQL,
    SENDABLE,
    UNIX,
    HeaderInEnvironment,
    HeaderInFile,
    HeaderInVault,
    TlsTable,
    wrong_value,
)
from devperf_pipeline.stack.kept_values import InEnvironment
from devperf_pipeline.stack.source import Source

HeaderValue = str | HeaderInVault | HeaderInEnvironment | HeaderInFile


def reached(
    source: Source, keys: tuple[str, ...], kind: str, addresses: tuple[Address, ...], found: bool | TlsTable
) -> tuple[Address, ...]:
    """The addresses of a service, each with how connections to it are encrypted."""
    for address in (each for each in addresses if each.is_unix):
        place = (*keys, "address")
        if kind not in UNIX or len(addresses) > 1:
            only = ", ".join(UNIX)
            source.complain(
                place, 'an address as "127.0.0.1:5432"', str(address), f"Unix sockets: {only} alone."
            )
        if UNIX[kind] == "postgresql" and not OF_POSTGRESQL.fullmatch(PurePath(address.host).name):
            source.complain(place, "a socket called .s.PGSQL.<port>, as PostgreSQL calls it", str(address))
        if found:
            source.complain(
                (*keys, "tls"), "no TLS on a unix socket", "one", "What is said there leaves no machine."
            )
    if found is False:
        return addresses
    place = (*keys, "tls")
    table = found if isinstance(found, TlsTable) else TlsTable()
    if "management" in table.model_fields_set and kind != "rabbitmq":
        source.complain((*place, "management"), "ca, certificate, key, server_name or verify", "management")
    tls = Tls(
        where=f"{'.'.join(place)} ({source.place(place)})",
        ca=_file(source, table.ca),
        certificate=_file(source, table.certificate),
        key=_file(source, table.key),
        server_name=table.server_name,
        verify=table.verify,
    )
    plain = addresses[1:] if not table.management else ()
    return tuple(each if each in plain else replace(each, tls=tls) for each in addresses)


def with_headers(
    source: Source,
    keys: tuple[str, ...],
    service: Service,
    found: Mapping[str, HeaderValue],
    *,
    secrets: bool,
) -> Service:
    """A service with what its requests carry, as far as that is known, and where the rest is kept."""
    headers: dict[str, Header] = {}
    kept, files = dict(service.kept), dict(service.files)
    for name, value in found.items():
        place, own = (*keys, "headers", name), f"headers.{name}"
        match value:
            case str():
                headers[name] = Header(value=value)
            case HeaderInEnvironment():
                text = from_environment(source, place, value) if secrets else ""
                if secrets and (wrong := wrong_value(text)):
                    source.complain(place, f"{SENDABLE}, in the environment variable {value.env}", wrong)
                headers[name] = Header(value.prefix, text)
            case HeaderInVault():
                headers[name] = Header(value.prefix)
                where = f"{source.place(place)}: {'.'.join(place)}"
                kept[own] = VaultField(value.vault, value.field or name, where)
            case HeaderInFile():
                headers[name] = Header(value.prefix)
                files[own] = seen_from(source, value.file)
    return replace(service, headers=headers, kept=kept, files=files)


def from_environment(source: Source, keys: tuple[str, ...], found: InEnvironment) -> str:
    """What a variable holds; one that is not there is complained of."""
    if found.env not in os.environ:
        source.complain(
            keys, f"the environment variable {found.env} to hold it", "no such variable", "Set it."
        )
    return os.environ[found.env]


def seen_from(source: Source, path: str) -> Path:
    """A path of the file, seen from its folder; `~` is the home folder."""
    return source.path.parent / Path(path).expanduser()


def _file(source: Source, path: str) -> Path | None:
    return seen_from(source, path) if path else None
