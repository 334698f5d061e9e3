"""A server with short bounds in this process, spoken to over raw sockets."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from gateway.web.connections import Bounds
from gateway.web.handshake import TlsServer
from gateway.web.known_heads import Meaning, knowing
from gateway.web.protocol import bounded

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass
class Served:
    """A running server; `answered` are the bodies that were read to their end."""

    server: uvicorn.Server
    port: int
    answered: list[bytes] = field(default_factory=list[bytes])
    longest_queue: int = 0

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.port), 10, (source, 0))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # pieces go as they are sent
        return made

    def talk(self, *sent: bytes, pause: float = 0.05) -> bytes:
        """All that comes back, until it is closed, on a connection of its own."""
        with self.connect() as connection:
            for part in sent:
                with suppress(ConnectionError):
                    connection.sendall(part)
                time.sleep(pause)
            return receive(connection)

    @property
    def open(self) -> int:
        return len(self.server.server_state.connections)

    async def app(self, scope: Message, receive: Receive, send: Send) -> None:
        """`/echo` reads the body and takes a moment; anything else is answered at once."""
        for connection in self.server.server_state.connections:
            self.longest_queue = max(self.longest_queue, len(getattr(connection, "pipeline", ())))
        body = b""
        if scope["path"] == "/echo":
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                body += message["body"]
                more = message["more_body"]
            await asyncio.sleep(0.02)
            self.answered.append(body)
        length = str(len(body)).encode()
        headers = [(b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@contextmanager
def serving(
    bounds: Bounds,
    listener: socket.socket | None = None,
    tls: ssl.SSLContext | None = None,
    meaning: Meaning | None = None,
) -> Generator[Served]:
    """A server for the length of the block.

    Args:
        meaning: Of heads that come again; else all are parsed.
    """
    listener = listener or socket.create_server(("127.0.0.1", 0))
    served: Served

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await served.app(scope, receive, send)

    config = uvicorn.Config(
        app,  # pyright: ignore[reportArgumentType]
        http=bounded(bounds) if meaning is None else knowing(bounds, meaning, lambda _: None),
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_config=None,
        timeout_keep_alive=1,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config) if tls is None else TlsServer(config, tls, bounds)
    served = Served(server, listener.getsockname()[1])
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield served
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def receive(connection: socket.socket) -> bytes:
    """What comes until the other side closes; fails where it does not."""
    received = b""
    with suppress(ConnectionError):
        while chunk := connection.recv(65536):
            received += chunk
    return received


def post(body: bytes, *lines: bytes, path: bytes = b"/echo") -> bytes:
    head = [b"POST " + path + b" HTTP/1.1", b"Host: x", b"Content-Length: %d" % len(body), *lines]
    return b"\r\n".join([*head, b"", body])


def get(*lines: bytes, path: bytes = b"/") -> bytes:
    return b"\r\n".join([b"GET " + path + b" HTTP/1.1", b"Host: x", *lines, b"", b""])
