"""A real HTTPS service on loopback that answers with facts, or in every bad manner."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.fetch import MAX_BYTES
from gateway.sources.answer import FORMAT
from tests.gateway.certificates import Authority, authority

SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH


@dataclass
class Host:
    """A running service. `facts` is what it states, by id."""

    port: int
    root: Authority
    folder: Path
    facts: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    manner: str = "good"
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def answer(self, id: str, tenant: str | None, **changes: Any) -> bytes:
        named = {"id": id} | ({} if tenant is None else {"tenant": tenant})
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        whole = {"format": FORMAT, **named, "observed_at": at, "facts": self.facts.get(id, {})}
        return json.dumps({n: v for n, v in {**whole, **changes}.items() if v is not ...}).encode()


Manner = Callable[[Host, "Handler", str, str | None], None]


class Handler(BaseHTTPRequestHandler):
    """Answers in the manner of its host."""

    protocol_version = "HTTP/1.1"
    host: Host

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        self._answer(query["id"][0], query.get("tenant", [None])[0], None)

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(sent["id"], sent.get("tenant"), sent)

    def _answer(self, id: str, tenant: str | None, sent: Any) -> None:
        peer = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.host.asked.append(
            {"id": id, "tenant": tenant, "body": sent, "headers": headers, "peer": peer}
        )
        with suppress(OSError):
            MANNERS[self.host.manner](self.host, self, id, tenant)
        self.close_connection = True

    def say(
        self, body: bytes, *, status: int = 200, length: int | None = None, **headers: str
    ) -> None:
        self.send_response_only(status)
        if "Date" not in headers:
            self.send_header("Date", format_datetime(datetime.now(UTC), usegmt=True))
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            if value:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the name of the parameter is the library's."""


def _drip(_host: Host, handler: Handler, _id: str, _tenant: str | None) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.02)


def _for_ever(_host: Host, handler: Handler, _id: str, _tenant: str | None) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b"[" * 65536)


def _headers_for_ever(_host: Host, handler: Handler, _id: str, _tenant: str | None) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(100_000):
        handler.wfile.write(b"X-%d: y\r\n" % number)


def _mail(_host: Host, handler: Handler, _id: str, _tenant: str | None) -> None:
    handler.wfile.write(b"220 smtp.example ready\r\n\r\n")


def _reset(_host: Host, handler: Handler, _id: str, _tenant: str | None) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    handler.connection.close()


def _said(change: Callable[[Host, str, str | None], bytes]) -> Manner:
    return lambda host, handler, id, tenant: handler.say(change(host, id, tenant))


def _dated(when: timedelta | None) -> Manner:
    def say(host: Host, handler: Handler, id: str, tenant: str | None) -> None:
        date = "" if when is None else format_datetime(datetime.now(UTC) + when, usegmt=True)
        handler.say(host.answer(id, tenant, observed_at=...), Date=date)

    return say


def _observed(when: timedelta) -> Manner:
    return _said(lambda h, i, t: h.answer(i, t, observed_at=(datetime.now(UTC) + when).isoformat()))


DEEP = b'{"format":"charter-facts/v1","id":"near","facts":' + b'{"a":' * 40 + b"1" + b"}" * 41

MANNERS: dict[str, Manner] = {
    "good": _said(lambda h, i, t: h.answer(i, t)),
    "absent": lambda h, r, i, t: r.say(b"", status=404),
    "gone": lambda h, r, i, t: r.say(b"", status=410),
    "an error": lambda h, r, i, t: r.say(h.answer(i, t), status=500),
    "no content": lambda h, r, i, t: r.say(b"", status=204),
    "created": lambda h, r, i, t: r.say(h.answer(i, t), status=201),
    "a redirect": lambda h, r, i, t: r.say(b"", status=302, Location=f"/good?id={i}"),
    "a permanent redirect": lambda h, r, i, t: r.say(b"", status=308, Location="http://10.0.0.1/"),
    "compressed": lambda h, r, i, t: r.say(h.answer(i, t), Content_Encoding="gzip"),
    "slow": lambda h, r, i, t: (time.sleep(1.5), r.say(h.answer(i, t)))[1],
    "dripping": _drip,
    "for ever": _for_ever,
    "headers for ever": _headers_for_ever,
    "huge": _said(lambda h, i, t: h.answer(i, t) + b" " * MAX_BYTES),
    "cut": lambda h, r, i, t: r.say(h.answer(i, t), length=10_000),
    "reset": _reset,
    "no HTTP": _mail,
    "HTML": _said(lambda h, i, t: b"<!doctype html><title>Sign in</title>"),
    "deep": _said(lambda h, i, t: DEEP),
    "a key twice": _said(lambda h, i, t: h.answer(i, t)[:-1] + b', "facts": {"staff": []}}'),
    "not UTF-8": _said(lambda h, i, t: h.answer(i, t)[:-1] + b"\xff}"),
    "another site": _said(lambda h, i, t: h.answer("far", t)),
    "another tenant": _said(lambda h, i, t: h.answer(i, "clinic-z")),
    "more than it may": _said(lambda h, i, t: h.answer(i, t, facts={"open": True})),
    "of yesterday": _observed(timedelta(days=-1)),
    "of tomorrow": _observed(timedelta(days=1)),
    "dated now": _dated(timedelta()),
    "dated yesterday": _dated(timedelta(days=-1)),
    "not dated": _dated(None),
}


@contextmanager
def host(folder: Path, *, dns: str = "localhost", client: bytes | None = None) -> Generator[Host]:
    """The service for the length of the block.

    Args:
        dns: The name in its certificate.
        client: The authority whose certificates it wants to see, PEM.
    """
    root = authority("facts")
    (folder / "facts-root.pem").write_bytes(root.pem)
    certificate, key = root.leaf(dns=dns, usage=SERVER_AUTH).write(folder, "facts")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    if client is not None:
        context.load_verify_locations(cadata=client.decode())
        context.verify_mode = ssl.CERT_REQUIRED

    class Own(Handler):
        def setup(self) -> None:
            # In the thread of the connection: one that does not shake hands holds up nobody.
            self.request.settimeout(5)
            self.request = context.wrap_socket(self.request, server_side=True)
            super().setup()

        def finish(self) -> None:
            with suppress(OSError, ValueError):
                super().finish()
            self.connection.close()

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Nothing: a client that goes away is what these tests are about."""

    server = Server(("127.0.0.1", 0), Own)
    Own.host = Host(server.server_address[1], root, folder)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield Own.host
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@contextmanager
def black_hole() -> Generator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]
