"""A timestamp authority that answers over HTTPS on loopback, with tokens by OpenSSL, or in a
bad manner."""

import ssl
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.gateway.certificates import authority
from tests.gateway.sources.hosts import SERVER_AUTH
from tests.gateway.verify.tsa import Authority, Issued, issue


@dataclass
class Stamping:
    """A running authority; `manner` says how it answers the next request."""

    port: int
    tls_roots: Path
    tokens: Authority
    manner: str = "good"
    asked: list[bytes] = field(default_factory=list[bytes])
    turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}/tsr"

    def reply(self, asked: bytes, signer: Issued | None = None) -> bytes:
        """One at a time: OpenSSL reads and writes files."""
        with self.turn:
            return self.tokens.reply(asked, signer)

    def roots(self) -> tuple[str, ...]:
        return (self.tokens.root.pem, self.tokens.middle.pem)


def _of_another(stamping: Stamping, _: bytes) -> bytes:
    return stamping.reply(stamping.asked[0])


def _by_a_stranger(stamping: Stamping, asked: bytes) -> bytes:
    from cryptography.x509.oid import ExtendedKeyUsageOID

    signer = issue("signer", issue("root"), purposes=[ExtendedKeyUsageOID.TIME_STAMPING])
    return stamping.reply(asked, signer)


MANNERS: dict[str, Callable[[Stamping, bytes], bytes | int]] = {
    "good": lambda s, asked: s.reply(asked),
    "down": lambda s, asked: 503,
    "a redirect": lambda s, asked: 302,
    "no token": lambda s, asked: b"<!doctype html>",
    "empty": lambda s, asked: b"",
    "refused": lambda s, asked: bytes.fromhex("30053003020102"),
    "a bit wrong": lambda s, asked: s.reply(asked)[:-1] + b"\x00",
    "of another request": _of_another,
    "by a stranger": _by_a_stranger,
    "slow": lambda s, asked: (time.sleep(1.5), s.reply(asked))[1],
}


@contextmanager
def stamping_authority(folder: Path) -> Generator[Stamping]:
    """The authority for the length of the block."""
    root = authority("tls")
    roots = folder / "tls-root.pem"
    roots.write_bytes(root.pem)
    certificate, key = root.leaf(dns="localhost", usage=SERVER_AUTH).write(folder, "tsa-tls")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/timestamp-query"
            running.asked.append(asked)
            said = MANNERS[running.manner](running, asked)
            with suppress(OSError):
                status, body = (said, b"") if isinstance(said, int) else (200, said)
                self.send_response(status)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the name of the parameter is the library's."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Nothing: clients that go away are meant."""

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    running = Stamping(server.server_address[1], roots, Authority.make(folder / "tsa"))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
