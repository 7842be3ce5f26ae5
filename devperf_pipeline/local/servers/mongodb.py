"""How is a private server started that speaks MongoDB's protocol: mongod, or SecantusDB in its place?"""

import socket
from collections.abc import Mapping
from pathlib import Path

from devperf_pipeline.errors import ServiceUnreachable
from devperf_pipeline.local.build import Progress, Recipe
from devperf_pipeline.local.server import Server
from devperf_pipeline.local.server_setup import LOOPBACK, USERNAME, Site, free_port
from devperf_pipeline.model import Service

STAND_IN = "secantusd-rs"
"""The program that is started where there is no mongod: another engine, which the report names."""


CACHE_SIZE = "wiredTigerCacheSizeGB"
"""The one setting of mongod that has another name there."""

OK = b"\x01ok\x00\x00\x00\x00\x00\x00\x00\xf0\x3f"
"""How BSON writes that a command succeeded: `ok: 1.0`."""


def start(site: Site) -> Service:
    """
    Start the server on an empty folder, and create its only user.

    Raises:
        ServiceMissing: it cannot be executed.
        ServiceUnreachable: it does not answer, or did not make the user.

    """
    data, port, program = site.make_folder("data"), free_port(), site.programs["mongod"]
    if program.name == STAND_IN:
        # The file keeps it from looking for one elsewhere on the machine.
        place = ["--config", site.write("secantusd.toml", ""), "--host", LOOPBACK, "--storage-path", data]
        place.append("--standalone")
    else:
        place = ["--bind_ip", LOOPBACK, "--dbpath", data, "--nounixsocket"]
    wanted = _arguments(site.service.settings, program)
    process = site.start([program, "--port", str(port), "--auth", *place, *wanted])
    site.wait(lambda: _asked(port, {"ping": "1"}), [process])
    # While a server with --auth has no user, whoever comes over loopback may make the first one.
    user: dict[str, str | list[str]] = {"createUser": USERNAME, "pwd": site.password, "roles": ["root"]}
    try:
        made = _asked(port, user)
    except OSError as error:
        raise ServiceUnreachable(site.told(f"it did not answer when its user was made ({error})")) from error
    if not made:
        raise ServiceUnreachable(site.told("it refused to make its first user"))
    return site.running_at(port)


def _arguments(settings: Mapping[str, str | int | bool], program: Path) -> list[str]:
    """The settings of the stack file as options; one that is true has no value, one that is false is left out."""
    told: list[str] = []
    for name, value in settings.items():
        if name == CACHE_SIZE and program.name == STAND_IN:
            told += ["--cache-size", f"{value}G"]
        elif value is not False:
            told += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return told


def _asked(port: int, command: Mapping[str, str | list[str]]) -> bool:
    """
    Whether the server did what the command says, in its database `admin`.

    Raises:
        OSError: nobody answers there, or nobody who speaks this protocol.

    """
    body = _bson({**command, "$db": "admin"})
    message = b"".join(
        # length, number, number of what is answered, OP_MSG; no flags; one section, which is a document
        number.to_bytes(4, "little")
        for number in (21 + len(body), 1, 0, 2013, 0)
    )
    with socket.create_connection((LOOPBACK, port), timeout=5) as connection:
        connection.sendall(message + b"\x00" + body)
        reply = b""
        while len(reply) < 4 or len(reply) < int.from_bytes(reply[:4], "little"):
            more = connection.recv(65536)
            if not more:
                raise ConnectionResetError("the server closed the connection")
            reply += more
    return OK in reply


def _bson(fields: Mapping[str, str | list[str]]) -> bytes:
    """A document of texts and lists of texts."""
    body = b""
    for name, value in fields.items():
        if isinstance(value, str):
            text = value.encode() + b"\x00"
            body += b"\x02" + name.encode() + b"\x00" + len(text).to_bytes(4, "little") + text
        else:
            body += (
                b"\x04" + name.encode() + b"\x00" + _bson({str(at): each for at, each in enumerate(value)})
            )
    return (len(body) + 5).to_bytes(4, "little") + body + b"\x00"


SERVERS = {
    "mongodb": Server(
        start=start,
        programs=("mongod",),
        other_names=(STAND_IN,),
        recipe=Recipe(
            title="SecantusDB, which answers in MongoDB's place,",
            # WiredTiger's sources are among the crates.
            tools=("cargo", "cmake", "cc", "c++"),
            project="servers/mongodb",
            lock="Cargo.lock",
            sources=("servers/mongodb/Cargo.*",),
            arguments=lambda *_: (
                *("build", "--release", "--locked", "--ignore-rust-version"),
                *("--package", "secantus-mdb", "--bin", STAND_IN),
            ),
            environment=lambda built: {"CARGO_TARGET_DIR": str(built)},
            made=f"release/{STAND_IN}",
            about="once, some minutes (8 on two busy cores), with low priority",
            progress=Progress(
                fetched="Downloaded", compiled="Compiling", pieces=("crates", "crates"), number=205
            ),
        ),
    )
}
