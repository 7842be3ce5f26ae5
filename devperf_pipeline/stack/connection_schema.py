"""How does a stack file say how a service is reached: its address, how connections are encrypted, what requests carry?"""

import re
import socket
from ipaddress import ip_address
from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, PlainValidator, Tag, model_validator

from devperf_pipeline.model import Address
from devperf_pipeline.stack.kept_values import InEnvironment, InFile, InVault, form_of
from devperf_pipeline.stack.source import shown
from devperf_pipeline.stack.tables import OneLine, PathText, Table, Wrong

REFERENCE_APIS = ("fastapi", "fastapi_api_first", "gin", "express", "actix", "typescript")
"""The kinds beside `api` whose requests may carry headers."""

UNIX = {"postgresql": "postgresql", "pgbouncer": "postgresql", "mysql": "mysql", "redis": "redis"}
"""The kinds that are measured through a unix socket, too."""

OF_POSTGRESQL = re.compile(r"\.s\.PGSQL\.\d{1,5}")
"""How clients of PostgreSQL expect a socket to be called."""

MOST_HEADERS = 16
LONGEST_VALUE = 8_192
OURS = (
    "host",
    "connection",
    "content-length",
    "content-type",
    "transfer-encoding",
    "accept-encoding",
    "cache-control",
    "expect",
    "upgrade",
)
"""Headers that are part of what is measured, or of how requests are told apart."""


def _loopback(text: Any) -> Address:
    """Load goes to this machine only: whoever points it elsewhere by mistake would attack somebody."""
    if isinstance(text, str) and re.match(r"(unix:)?/", text):
        path = text.removeprefix("unix:")
        if not path.isprintable() or len(path.encode()) > 100:
            raise Wrong("the path of a unix socket, at most 100 bytes", shown(path))
        return Address(path)
    if isinstance(text, str):
        # Whoever pastes a URL may have pasted a password with it: no message repeats that.
        text = re.sub(r".*@", "********@", text, flags=re.DOTALL)
    match = re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^:\s]+):(\d{1,9})", text) if isinstance(text, str) else None
    if match is None:
        raise Wrong('an address as "127.0.0.1:5432"', shown(text))
    host, port = match[1].strip("[]"), int(match[2])
    if not 1 <= port <= 65_535:
        raise Wrong("a port between 1 and 65535", str(port))
    try:
        # The name localhost may be given to another machine.
        found = [host] if host != "localhost" else [each[4][0] for each in socket.getaddrinfo(host, None)]
        is_loopback = all(ip_address(each).is_loopback for each in found)
    except (ValueError, OSError):
        is_loopback = False
    if not is_loopback:
        raise Wrong(
            "a loopback address (127.0.0.1, localhost)",
            repr(host),
            "Load goes to this machine only.",
        )
    return Address(host, port)


Loopback = Annotated[Address, PlainValidator(_loopback)]


class TlsTable(Table):
    """The table `tls` of a service, or of [vault]."""

    ca: PathText = ""
    certificate: PathText = ""
    key: PathText = ""
    server_name: OneLine = Field(default="", description="text in quotes")
    verify: bool = Field(default=True, description="true or false")
    management: bool = Field(default=True, description="true or false")

    @model_validator(mode="after")
    def check_pairs(self) -> "TlsTable":
        """Keys that say something only together, or not together."""
        if self.key and not self.certificate:
            raise Wrong("the key 'certificate' beside 'key'", "none", key="key")
        if self.ca and not self.verify:
            raise Wrong(
                "either ca or verify = false", "both", "Nothing is checked against ca then.", key="verify"
            )
        return self


def _is_table(value: Any) -> str | None:
    return next(
        (name for kind, name in ((bool, "<bool>"), (dict, "<table>")) if isinstance(value, kind)), None
    )


TlsKey = Annotated[
    Annotated[bool, Tag("<bool>")] | Annotated[TlsTable, Tag("<table>")],
    Discriminator(_is_table),
    Field(description='true, or a table as { ca = "…", server_name = "…" }'),
]


class _Prefixed(Table):
    prefix: OneLine = Field(default="", description="text in quotes")


class HeaderInVault(InVault, _Prefixed):
    """A header whose value a Vault keeps."""


class HeaderInEnvironment(InEnvironment, _Prefixed):
    """A header whose value an environment variable holds."""


class HeaderInFile(InFile, _Prefixed):
    """A header whose value a file holds."""


def wrong_value(value: str) -> str | None:
    """What of a header's value cannot be sent, without the value: it may be a secret."""
    if not value or len(value) > LONGEST_VALUE:
        return f"{len(value)} characters"
    # Whoever could write a line break could write headers, or requests, of their own.
    return (
        None if re.fullmatch(r"[\t -~]+", value) else "a line break, or another character that no header has"
    )


SENDABLE = f"printable ASCII on one line, 1 to {LONGEST_VALUE} characters"


def _headers(found: dict[str, Any]) -> dict[str, Any]:
    if len(found) > MOST_HEADERS:
        raise Wrong(f"at most {MOST_HEADERS} headers", f"{len(found)}")
    for name, value in found.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}", name):
            raise Wrong("the name of a header, such as Authorization", shown(name))
        if name.lower() in OURS:
            raise Wrong("a header that is not part of what is measured", shown(name), "Leave it out.")
        if [each.lower() for each in found].count(name.lower()) > 1:
            raise Wrong("each header once", f"{shown(name)} twice")
        text = value if isinstance(value, str) else value.prefix + "x"
        if wrong := wrong_value(text):
            raise Wrong(SENDABLE, wrong, key=name)
    return found


HeadersKey = Annotated[
    dict[
        str,
        Annotated[
            Annotated[str, Tag("<text>")]
            | Annotated[HeaderInVault, Tag("<vault>")]
            | Annotated[HeaderInEnvironment, Tag("<env>")]
            | Annotated[HeaderInFile, Tag("<file>")],
            Discriminator(form_of),
        ],
    ],
    AfterValidator(_headers),
    Field(
        repr=False,
        description='a table of headers, each text in quotes or as { env = "NAME", prefix = "Bearer " }',
    ),
]
