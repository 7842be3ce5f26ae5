"""
How is a connection encrypted, and why was it not?

One context for each table `tls` of a stack file: every driver and the engine wrap their sockets with it.
"""

import ssl
from functools import lru_cache
from pathlib import Path
from typing import Any

from devperf_pipeline.errors import ServiceError, ServiceRefused
from devperf_pipeline.model import Address, Tls

NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")
"""How OpenSSL takes an answer that is not encrypted."""

REFUSES_US = ("CERTIFICATE", "UNKNOWN_CA", "HANDSHAKE_FAILURE", "ACCESS_DENIED")
"""Words of alerts by which a server says that it wants another certificate of ours, or any."""


SYSTEMS = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
"""Where Debian, Red Hat, and macOS and Alpine keep whom they trust."""


class NamedContext(ssl.SSLContext):
    """A context that asks for the server by a name of its own, whatever host a driver connects to."""

    server_name = ""

    def wrap_socket(self, sock: Any, *given: Any, **more: Any) -> ssl.SSLSocket:
        """As `SSLContext.wrap_socket`."""
        return super().wrap_socket(
            sock, *given, **{**more, "server_hostname": self.server_name or more["server_hostname"]}
        )


def context(tls: Tls) -> ssl.SSLContext:
    """What sockets are wrapped with; raises a `ServiceRefused` where a file of it cannot be used."""
    files = [path for path in (tls.ca, tls.certificate, tls.key) if path is not None]
    # A file that was written again is read again.
    return _context(tls, tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in files))


@lru_cache(maxsize=64)
def _context(tls: Tls, _written_ns: tuple[int, ...]) -> ssl.SSLContext:
    made = NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    made.server_name = tls.server_name
    if not tls.verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    elif tls.ca is None:
        made.load_default_certs()
    else:
        try:
            made.load_verify_locations(tls.ca)
        except (OSError, ValueError) as error:
            raise _unusable(f"ca of {tls.where}", "certificates in PEM", tls.ca, error) from error
    if tls.certificate is not None:
        try:
            # Without a passphrase of ours OpenSSL would ask for one at the terminal.
            made.load_cert_chain(tls.certificate, tls.key, password="")
        except (OSError, ValueError) as error:
            expected = "a certificate and its key in PEM, without a passphrase,"
            raise _unusable(
                f"certificate of {tls.where}", expected, tls.key or tls.certificate, error
            ) from error
    return made


def _unusable(where: str, expected: str, path: Path, error: Exception) -> ServiceRefused:
    reason = error.reason if isinstance(error, ssl.SSLError) else None
    found = reason or (error.strerror if isinstance(error, OSError) else None) or str(error)
    return ServiceRefused(
        f"{where}: expected {expected} in {path}, found: {found}. Correct the path or the file."
    )


def trusted() -> Path | str:
    """The file of whom this system trusts, for libraries that bring an OpenSSL of their own; or their word for it."""
    files = (ssl.get_default_verify_paths().cafile, *SYSTEMS)
    return next((Path(file) for file in files if file and Path(file).is_file()), "system")


def refusal(where: str, address: Address, error: BaseException | None) -> ServiceError | None:
    """
    What an error says of TLS, and which key to change; None where it says nothing of it.

    `error` is what wrapping a socket raised, or the first read of it, or a driver's error that was raised from that.
    """
    tls = address.tls
    while tls is not None and error is not None:
        if isinstance(error, ssl.SSLError) and (told := _told(tls, address, error)):
            return ServiceRefused(f"{where}: {told}")
        error = error.__cause__ or error.__context__
    return None


def _told(tls: Tls, address: Address, error: ssl.SSLError) -> str | None:
    reason = error.reason or ""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _of_certificate(tls, address, error)
    if reason in NOT_TLS:
        return speaks_plainly(tls)
    if "ALERT" not in reason:
        return None
    said = f"it refuses our connection ({reason.replace('_', ' ').lower()})"
    if not any(word in reason for word in REFUSES_US):
        return f"expected it to agree on TLS, found that {said}. Look at its log, and at {tls.where}."
    if tls.certificate is None:
        return (
            f"expected it to let us in without a client certificate, found that {said}. "
            f"Add certificate and key to {tls.where}."
        )
    return f"expected it to accept {tls.certificate}, found that {said}. Correct certificate and key of {tls.where}."


def speaks_plainly(tls: Tls) -> str:
    """What is said of a server that should encrypt and does not."""
    return (
        f"expected TLS, found a server that answers without it. Remove {tls.where}, or correct the address."
    )


def _of_certificate(tls: Tls, address: Address, error: ssl.SSLCertVerificationError) -> str:
    found = error.verify_message
    match error.verify_code:
        case 9 | 10:  # not yet valid, not any more
            return (
                f"expected a certificate that is valid today, found: {found}. "
                f"Renew it on the server, or set verify = false in {tls.where}."
            )
        case 62 | 64:  # of another name, of another address
            return (
                f"expected a certificate for {tls.server_name or address.host}, found one for others: {found}. "
                f"Write a name that it is for as server_name in {tls.where}."
            )
        case _:
            by = f"whom {tls.ca} names" if tls.ca else "whom this system trusts"
            return (
                f"expected a certificate signed by somebody {by}, found: {found}. "
                f"Write the file of who signed it as ca in {tls.where}."
            )
