"""Real servers that speak TLS with certificates of the tests' own, and one that encrypts in the place of others."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from devperf_pipeline.local.install import find_server
from devperf_pipeline.local.process import account
from devperf_pipeline.local.server_setup import READY_S, ask_http, free_port
from devperf_pipeline.model import Address, Credentials, Service
from devperf_pipeline_tests.certificates import Authority, Signed


@contextmanager
def certificates() -> Iterator[Path]:
    """A folder for certificates that the servers' user can read."""
    folder = Path(tempfile.mkdtemp(prefix="devperf-tls-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def for_servers(authority: Authority, name: str, *, days: int = 1) -> Signed:
    """A certificate whose key the servers' user can read, and nobody else."""
    signed = authority.sign(name, days=days)
    user = account()
    if user:
        os.chown(signed.key, user.pw_uid, user.pw_gid)
    return signed


@contextmanager
def tls_front(behind: Address, shown: Signed, asks_for: Path | None = None) -> Iterator[Address]:
    """
    A server that encrypts in the place of another, plain one.

    `asks_for` are those who may have signed the certificate that clients must show; None: they need none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.certificate, shown.key)
    if asks_for:
        context.load_verify_locations(asks_for)
        context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with suppress(OSError):  # the port was closed
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=serve, args=(client,), daemon=True).start()

        def serve(client: socket.socket) -> None:
            with client, suppress(OSError):
                client.settimeout(10)
                with (
                    context.wrap_socket(client, server_side=True) as ours,
                    socket.create_connection((behind.host, behind.port)) as theirs,
                ):
                    threading.Thread(target=pipe, args=(theirs, ours), daemon=True).start()
                    pipe(ours, theirs)

        def pipe(source: socket.socket, sink: socket.socket) -> None:
            with suppress(OSError, ValueError):
                while data := source.recv(65_536):
                    sink.sendall(data)
            with suppress(OSError):
                sink.shutdown(socket.SHUT_RDWR)

        threading.Thread(target=accept, daemon=True).start()
        yield Address(*listener.getsockname())


APP = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        for _ in range(2):
            message = await receive()
            await send({"type": message["type"] + ".complete"})
        return
    seen = dict(scope["headers"])
    status = 200 if seen.get(b"authorization") == b"Bearer s3cret-token" else 401
    if scope["path"] == "/elsewhere":
        status = 302
    body = b'{"name": "shop", "version": "1"}'
    kept = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": kept})
    await send({"type": "http.response.body", "body": body})
"""
"""An API that lets nobody in without its token."""


@contextmanager
def started(arguments: Sequence[str | Path], port: int) -> Iterator[None]:
    """A server process that listens at that port, until it is not needed any more."""
    log = tempfile.TemporaryFile()  # noqa: SIM115 - closed below
    process = subprocess.Popen(list(map(str, arguments)), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        ends = time.monotonic() + READY_S
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            log.seek(0)
            assert process.poll() is None, log.read()
            assert time.monotonic() < ends, log.read()
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()
        log.close()


@contextmanager
def api(folder: Path, shown: Signed, *, asks_for: Path | None = None) -> Iterator[Service]:
    """An API behind uvicorn's TLS; `asks_for` are those who may have signed the certificate that clients show."""
    (folder / "shop.py").write_text(APP)
    port = free_port()
    mutual = ("--ssl-ca-certs", asks_for, "--ssl-cert-reqs", "2") if asks_for else ()
    files = ("--ssl-certfile", shown.certificate, "--ssl-keyfile", shown.key)
    uvicorn = (sys.executable, "-m", "uvicorn", "shop:app", "--app-dir", folder, "--port", str(port))
    with started([*uvicorn, *files, *mutual, "--log-level", "warning"], port):
        yield Service(name="api", kind="api", addresses=(Address("127.0.0.1", port),), routes=("/orders",))


@contextmanager
def mongodb(folder: Path, shown: Signed) -> Iterator[Service | None]:
    """What answers as MongoDB here, which lets in whoever encrypts; None where there is nothing of it."""
    found = find_server("mongodb")
    if found is None:
        yield None
        return
    program, port, data = found.programs["mongod"], free_port(), folder / "mongodb"
    data.mkdir()
    both = folder / "both.pem"
    both.write_bytes(shown.certificate.read_bytes() + shown.key.read_bytes())
    if program.name == "mongod":
        told = ["--bind_ip", "127.0.0.1", "--dbpath", data, "--nounixsocket"]
        told += ["--tlsMode", "requireTLS", "--tlsCertificateKeyFile", both]
    else:
        (folder / "secantusd.toml").write_text("")
        told = ["--config", folder / "secantusd.toml", "--host", "127.0.0.1", "--storage-path", data]
        told += ["--standalone", "--tls-cert-file", shown.certificate, "--tls-key-file", shown.key]
    with started([program, "--port", str(port), *told], port):
        yield Service(name="mongodb", kind="mongodb", addresses=(Address("127.0.0.1", port),))


@contextmanager
def vault(folder: Path, shown: Signed) -> Iterator[tuple[Service, Address] | None]:
    """A Vault with a listener that encrypts, and the address of its other one; None where there is no Vault."""
    found = find_server("vault")
    if found is None:
        yield None
        return
    ports = [free_port() for _ in range(3)]
    plain, encrypted, cluster = ports
    listeners = [
        {"tcp": {"address": f"127.0.0.1:{plain}", "tls_disable": True}},
        {
            "tcp": {
                "address": f"127.0.0.1:{encrypted}",
                "tls_cert_file": str(shown.certificate),
                "tls_key_file": str(shown.key),
            }
        },
    ]
    told = {
        "storage": {"inmem": {}},
        "listener": listeners,
        "api_addr": f"http://127.0.0.1:{plain}",
        "cluster_addr": f"http://127.0.0.1:{cluster}",
        "disable_mlock": True,
    }
    (folder / "vault.json").write_text(json.dumps(told))
    with started([found.programs["vault"], "server", f"-config={folder / 'vault.json'}"], plain):
        _, made = ask_http(plain, "PUT", "/v1/sys/init", {"secret_shares": 1, "secret_threshold": 1})
        ask_http(plain, "PUT", "/v1/sys/unseal", {"key": made["keys_base64"][0]})
        ends = time.monotonic() + READY_S
        while ask_http(plain, "GET", "/v1/sys/health")[0] != 200:
            assert time.monotonic() < ends
            time.sleep(0.05)
        service = Service(
            name="vault",
            kind="vault",
            addresses=(Address("127.0.0.1", encrypted),),
            credentials=Credentials("token", made["root_token"]),
        )
        yield service, Address("127.0.0.1", plain)
