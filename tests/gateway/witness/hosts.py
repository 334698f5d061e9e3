"""Witnesses behind HTTPS on loopback: honest ones, and some that lie, stall or break."""

import base64
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.fetch import exchange, tls_context
from gateway.witness.asking import Exchange
from gateway.witness.errors import RefusedError
from gateway.witness.policy import Policy, parse_policy
from tests.gateway.certificates import Authority, authority
from tests.gateway.witness.histories import Made

LOOPBACK = ("127.0.0.0/8", "::1/128")


@dataclass
class Host:
    """A witness that is served. `manner` says how it behaves at present."""

    name: str
    made: Made
    port: int
    manner: str = "honest"
    asked: list[bytes] = field(default_factory=list[bytes])
    # What it answered to the first request, for one that says it again.
    first: bytes = b""

    @property
    def line(self) -> str:
        return f"witness {self.name} {self.made.key.vkey} https://localhost:{self.port}/w\n"

    def honest(self, body: bytes) -> tuple[int, bytes]:
        try:
            return 200, self.made.witness.add_checkpoint(body).line.encode()
        except RefusedError as error:
            return error.status, f"{error.known}\n".encode() if error.status == 409 else b"no\n"


Said = tuple[int, bytes]


def _silent(_host: Host, _body: bytes) -> Said:
    time.sleep(30)
    return 200, b""


def _slow(host: Host, body: bytes) -> Said:
    time.sleep(0.4)
    return host.honest(body)


def _wrong_signature(host: Host, body: bytes) -> Said:
    status, line = host.honest(body)
    name, _, data = line.decode().rpartition(" ")
    signed = bytearray(base64.b64decode(data))
    signed[-9] ^= 1
    return status, f"{name} {base64.b64encode(signed).decode()}\n".encode()


def _wrong_key(host: Host, body: bytes) -> Said:
    """Another key under the same name."""
    from gateway.witness.key import WitnessKey

    text = body.partition(b"\n\n")[2].partition(b"\n\n")[0].decode() + "\n"
    other = WitnessKey.generate(host.made.name)
    return 200, other.cosign(int(time.time()), text).encode()


def _replayed(host: Host, body: bytes) -> Said:
    """The cosignature of an older checkpoint, or of another log, again."""
    host.honest(body)
    return 200, host.first


def _older(host: Host, body: bytes) -> Said:
    """One that claims to know less, each time."""
    return 409, b"0\n" if not body.startswith(b"old 0") else b"1\n"


MANNERS: dict[str, Callable[[Host, bytes], Said]] = {
    "honest": lambda host, body: host.honest(body),
    "silent": _silent,
    "slow": _slow,
    "wrong signature": _wrong_signature,
    "wrong key": _wrong_key,
    "replayed": _replayed,
    "older": _older,
    "far ahead": lambda _host, _body: (409, b"1000000\n"),
    "a conflict without a size": lambda _host, _body: (409, b"many\n"),
    "a conflict of two lines": lambda _host, _body: (409, b"1\n2\n"),
    "a refusal": lambda _host, _body: (422, b"no\n"),
    "a log that it does not know": lambda _host, _body: (404, b"unknown log\n"),
    "broken": lambda _host, _body: (500, b"oh\n"),
    "nothing": lambda _host, _body: (200, b""),
    "no line": lambda _host, _body: (200, b"cosigned\n"),
    "control characters": lambda _host, _body: (200, b"\x1b[2J\n"),
    "a line of another": lambda _host, _body: (200, "— x.example AAAAAAAA\n".encode()),
    "its line twice": lambda host, body: (200, host.honest(body)[1] * 2),
    "very much": lambda _host, _body: (200, b"x" * 100_000),
    "too much": lambda _host, _body: (200, b"x" * 2_000_000),
    "a redirect": lambda _host, _body: (307, b""),
}


class _Handler(BaseHTTPRequestHandler):
    host: Host

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.host.asked.append(body)
        status, said = MANNERS[self.host.manner](self.host, body)
        if status == 200 and not self.host.first:
            self.host.first = said
        with suppress(OSError):
            self.send_response_only(status)
            self.send_header("Content-Length", str(len(said)))
            self.send_header("Location", f"https://localhost:{self.host.port}/elsewhere")
            self.end_headers()
            self.wfile.write(said)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the name of the parameter is the library's."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Those who hang up are part of the tests."""


@dataclass
class Hosts:
    """Several witnesses, and what a log needs to ask them."""

    hosts: list[Host]
    root: Authority
    folder: Path

    def __getitem__(self, number: int) -> Host:
        return self.hosts[number]

    @property
    def ca_file(self) -> Path:
        path = self.folder / "ca.pem"
        path.write_bytes(self.root.pem)
        return path

    def text(self, quorum: str | int, *more: str) -> str:
        """The policy file: `quorum` is a name, or how many are enough."""
        lines = "".join(host.line for host in self.hosts)
        if isinstance(quorum, int):
            names = " ".join(host.name for host in self.hosts)
            lines += f"group enough {quorum} {names}\n"
            quorum = "enough"
        return lines + "".join(more) + f"quorum {quorum}\n"

    def policy(self, quorum: str | int) -> Policy:
        return parse_policy(self.text(quorum).encode())

    def exchange(self, timeout_s: float) -> Exchange:
        nets = [ip_network(one) for one in LOOPBACK]
        return partial(
            exchange, context=tls_context(self.ca_file), networks=nets, timeout_s=timeout_s
        )


@contextmanager
def hosts(folder: Path, mades: Sequence[Made]) -> Generator[Hosts]:
    """Serve witnesses for the length of the block."""
    root = authority()
    certificate, key = root.leaf(dns="localhost", usage=ExtendedKeyUsageOID.SERVER_AUTH).write(
        folder, "host"
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    servers: list[_Server] = []
    served: list[Host] = []
    for number, made in enumerate(mades, 1):
        handler = type("Handler", (_Handler,), {})
        server = _Server(("127.0.0.1", 0), handler)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        handler.host = Host(f"w{number}", made, server.server_port)
        served.append(handler.host)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield Hosts(served, root, folder)
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


def free_of_listeners() -> int:
    """A port on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def read(said: str | None) -> dict[str, Any]:
    assert said is not None
    return json.loads(said)
