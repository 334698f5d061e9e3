"""Connections that are not through their TLS handshake, over raw sockets."""

import socket
import ssl
import time
from collections.abc import Generator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.web.connections import Bounds
from tests.gateway.certificates import authority
from tests.gateway.web.sockets import Served, get, post, receive, serving

SERVER = ExtendedKeyUsageOID.SERVER_AUTH
BOUNDS = Bounds(head_timeout_s=1.0, connections=20, of_client=8)


@dataclass(frozen=True)
class Spoken:
    """A server that speaks TLS, and how a client does."""

    served: Served
    client: ssl.SSLContext

    def wrap(self, connection: socket.socket) -> ssl.SSLSocket:
        return self.client.wrap_socket(connection, server_hostname="localhost")

    def get(self, *sent: bytes) -> bytes:
        with self.wrap(self.served.connect()) as connection:
            for part in sent or (get(b"Connection: close"),):
                connection.sendall(part)
            return receive(connection)

    def nothing_is_open(self) -> bool:
        deadline = time.monotonic() + 5
        while self.served.open and time.monotonic() < deadline:
            time.sleep(0.02)
        return not self.served.open


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Generator[Spoken]:
    folder = tmp_path_factory.mktemp("tls")
    root = authority("server")
    certificate, key = root.leaf(dns="localhost", usage=SERVER).write(folder, "host")
    with serving(BOUNDS, tls=context(certificate, key)) as served:
        yield Spoken(served, ssl.create_default_context(cadata=root.pem.decode()))


def context(certificate: Path, key: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate, key)
    return made


def ends_within(connection: socket.socket, seconds: float) -> float:
    """After how long the other side has closed."""
    begun = time.monotonic()
    connection.settimeout(seconds)
    receive(connection)
    return time.monotonic() - begun


def test_a_request_is_answered(spoken: Spoken) -> None:
    assert spoken.get().startswith(b"HTTP/1.1 200 ")


def test_a_request_in_many_packets_and_two_in_one_are_answered(spoken: Spoken) -> None:
    body = b"x" * 100_000
    assert spoken.get(post(body, b"Connection: close")).endswith(body)
    assert spoken.get(get() + get(b"Connection: close")).count(b"HTTP/1.1 200 ") == 2


def test_what_comes_in_the_packet_that_ends_the_handshake_is_read(spoken: Spoken) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    inside = spoken.client.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with spoken.served.connect() as connection:
        while True:
            try:
                inside.do_handshake()
                break
            except ssl.SSLWantReadError:
                connection.sendall(outgoing.read())
                incoming.write(connection.recv(65536))
        # With TLS 1.3 the last message of the client is not sent yet here.
        inside.write(get(b"Connection: close"))
        connection.sendall(outgoing.read())
        received = b""
        while not received:
            incoming.write(connection.recv(65536))
            with suppress(ssl.SSLWantReadError):  # tickets come first
                received = inside.read(65536)
    assert received.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00\x01", b"\x16\x03\x01"])
def test_a_handshake_that_never_ends_is_ended(spoken: Spoken, sent: bytes) -> None:
    with spoken.served.connect() as connection:
        connection.sendall(sent)
        assert 0.5 < ends_within(connection, 8.0) < 5


@pytest.mark.parametrize("sent", [get(), b"\x00" * 4096, b"\xff" * 100_000])
def test_bytes_that_are_no_handshake_end_the_connection(spoken: Spoken, sent: bytes) -> None:
    with spoken.served.connect() as connection:
        try:
            connection.sendall(sent)
        except ConnectionError:
            return
        assert ends_within(connection, 8.0) < 5
    assert spoken.get().startswith(b"HTTP/1.1 200 ")


def test_of_one_client_no_more_than_its_part_is_held(spoken: Spoken) -> None:
    with ExitStack() as silent:
        for _ in range(BOUNDS.of_client):
            silent.enter_context(spoken.served.connect())
        time.sleep(0.1)
        with spoken.served.connect() as more:
            assert ends_within(more, 4.0) < 0.5
        with spoken.wrap(spoken.served.connect("127.0.0.2")) as other:
            other.sendall(get(b"Connection: close"))
            assert receive(other).startswith(b"HTTP/1.1 200 ")
    time.sleep(0.2)
    assert spoken.get().startswith(b"HTTP/1.1 200 ")


def test_of_all_no_more_than_there_is_room_for_is_held(spoken: Spoken) -> None:
    with ExitStack() as opened:
        sources = [f"127.0.0.{3 + n // BOUNDS.of_client}" for n in range(BOUNDS.connections)]
        silent = [opened.enter_context(spoken.served.connect(source)) for source in sources]
        time.sleep(0.1)
        with spoken.served.connect("127.0.0.9") as more:
            assert ends_within(more, 4.0) < 0.5
        for connection in silent:
            assert ends_within(connection, 8.0) < 5
    assert spoken.get().startswith(b"HTTP/1.1 200 ")


def test_those_that_are_through_are_counted_apart_and_told(spoken: Spoken) -> None:
    assert spoken.nothing_is_open()
    with ExitStack() as through:
        for _ in range(BOUNDS.of_client):
            through.enter_context(spoken.wrap(spoken.served.connect()))
        with spoken.wrap(spoken.served.connect()) as more:
            assert receive(more).startswith(b"HTTP/1.1 429 ")
    assert spoken.nothing_is_open()


def test_a_server_that_stops_waits_for_no_handshake(tmp_path: Path) -> None:
    certificate, key = authority("x").leaf(dns="localhost", usage=SERVER).write(tmp_path, "x")
    bounds = replace(BOUNDS, head_timeout_s=60.0)
    with serving(bounds, tls=context(certificate, key)) as served:
        silent = served.connect()
        time.sleep(0.1)
        begun = time.monotonic()
    silent.close()
    assert time.monotonic() - begun < 5
