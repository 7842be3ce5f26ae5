"""
What does a stack file say about a Vault that keeps credentials: how it is entered, and what of a service it keeps?

Nothing is read here but the file: secrets are fetched when they are needed.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

from devperf_pipeline.model import Address, Kept, VaultField, VaultLogin
from devperf_pipeline.stack.source import Source, shown

LOGIN_KEYS = ("address", "token", "token_file", "role_id_file", "secret_id_file")
FIELD_KEYS = ("vault", "field")


def vault_login(
    source: Source, found: Mapping[str, Any], address: Callable[[Source, tuple[str, ...], Any], Address]
) -> VaultLogin:
    """
    The table [vault]. `address` reads an address.

    Raises:
        ConfigurationError: something in it is not as it must be.

    """
    keys = ("vault",)
    source.check_keys(keys, found, LOGIN_KEYS)
    where = f"{source.path}, line {source.line(keys)}: [vault]"
    asked = [key for key in ("token", "token_file", "role_id_file") if key in found]
    if len(asked) != 1 or ("role_id_file" in found) != ("secret_id_file" in found):
        source.complain(
            keys,
            "exactly one way in: token, token_file, or role_id_file with secret_id_file",
            ", ".join(key for key in LOGIN_KEYS[1:] if key in found) or "none",
        )
    variable: str | None = None
    if "token" in found:
        token = found["token"]
        if not isinstance(token, dict):
            # What was found is not shown: it may be most of a token.
            source.complain(
                (*keys, "token"), '{env = "NAME"}', "something else", "Tokens are not written here."
            )
        source.check_keys((*keys, "token"), token, ("env",))
        variable = source.take((*keys, "token"), token, "env", str)
    return VaultLogin(
        address=address(source, (*keys, "address"), source.take(keys, found, "address", str)),
        where=where,
        token_variable=variable,
        token_file=_file(source, keys, found, "token_file"),
        role_id_file=_file(source, keys, found, "role_id_file"),
        secret_id_file=_file(source, keys, found, "secret_id_file"),
    )


def kept_fields(
    source: Source, keys: tuple[str, ...], found: Mapping[str, Any]
) -> tuple[dict[Kept, VaultField], dict[str, Any]]:
    """
    What of a service a Vault keeps, and the rest of its table.

    Raises:
        ConfigurationError: a reference to the Vault is not as it must be.

    """
    kept: dict[Kept, VaultField] = {}
    rest = dict(found)
    for name in get_args(Kept):
        value = found.get(name)
        if not isinstance(value, dict) or "vault" not in value:
            continue
        at = (*keys, name)
        source.check_keys(at, value, FIELD_KEYS)
        path = source.take(at, value, "vault", str).strip("/").removeprefix("v1/")
        if not path.isascii() or not path.isprintable() or not path or set(path) & set(" ?#%"):
            source.complain(at, 'a path such as "secret/data/postgres"', shown(path))
        field = source.take(at, value, "field", str, name)
        kept[name] = VaultField(path, field, f"{source.path}, line {source.line(at)}: {'.'.join(at)}")
        del rest[name]
    return kept, rest


def _file(source: Source, keys: tuple[str, ...], found: Mapping[str, Any], key: str) -> Path | None:
    """A path, seen from the stack file's folder; `~` is the home folder."""
    if key not in found:
        return None
    return source.path.parent / Path(source.take(keys, found, key, str)).expanduser()
