"""A gateway on the loopback address, as simple or as broken as a test wants it."""

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from conformance.runner import main

TOKEN = "a-token-that-is-long-enough"
JSON, PROBLEM = "application/json", "application/problem+json"

Handler = BaseHTTPRequestHandler
App = Callable[[Handler, bytes], None]


def send(handler: Handler, status: int, body: bytes, media_type: str = JSON, **more: str) -> None:
    """One complete answer."""
    handler.send_response(status)
    headers = {"Content-Type": media_type, "Content-Length": str(len(body)), **more}
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


@dataclass
class Served:
    """A running gateway, and what it was asked."""

    base_url: str
    token_file: Path
    paths: list[str] = field(default_factory=list[str])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    bodies: list[bytes] = field(default_factory=list[bytes])

    def run(self, *more: str) -> int:
        """The exit code of a run against this gateway."""
        where = ["--base-url", self.base_url, "--token-file", str(self.token_file)]
        return main([*where, "--seed", "7", *more])


@contextmanager
def serve(app: App, folder: Path, *, tls: Any = None) -> Generator[Served]:
    """Serve `app` while the block runs; `folder` gets the token file."""
    token_file = folder / "token"
    token_file.write_text(TOKEN + "\n")

    class Gateway(Handler):
        def do_POST(self) -> None:  # noqa: N802  # the name http.server calls
            body = self.rfile.read(int(self.headers["Content-Length"]))
            served.paths.append(self.path)
            served.headers.append({name.lower(): value for name, value in self.headers.items()})
            served.bodies.append(body)
            with suppress(BrokenPipeError, ConnectionResetError):  # the runner had seen enough
                app(self, body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    server.daemon_threads = True
    server.block_on_close = False
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    served = Served(f"{scheme}://127.0.0.1:{server.server_address[1]}", token_file)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
