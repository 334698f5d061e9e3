"""HTTP/1.1 with the bounds that uvicorn leaves open: size, number and time of headers.

uvicorn reads headers of any length for any time, and answers what it cannot read with
plain text. Here each of these ends the connection with a problem document.
"""

from asyncio import BaseTransport, TimerHandle

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.web.problem import HEAD_TOO_LARGE, MALFORMED_HTTP, TOO_SLOW, Problem

MAX_HEAD_BYTES = 16 * 1024  # request line and headers
MAX_HEADERS = 100
HEAD_TIMEOUT_S = 10.0


class HeadRefusedError(Exception):
    """Raised inside the parser, which then stops."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    _in_head = True
    _head_bytes = 0  # of a head whose end has not come yet
    _timer: TimerHandle | None = None
    _problem: Problem = MALFORMED_HTTP

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)  # pyright: ignore[reportArgumentType]
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        was_in_head = self._in_head
        super().data_received(data)
        if was_in_head and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(HEAD_TOO_LARGE)

    # --- called by the parser ---

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait_for_head()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_waiting()
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            self._problem = HEAD_TOO_LARGE
            raise HeadRefusedError
        version = self.parser.get_http_version() if self.parser else ""
        hosts = sum(name == b"host" for name, _ in self.headers)
        # RFC 9112 section 3.2: with another number, two readers could see two places.
        if version not in ("1.0", "1.1") or hosts > 1 or (version == "1.1" and hosts == 0):
            raise HeadRefusedError
        super().on_headers_complete()

    # --- refusing ---

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn for what its parser refuses."""
        self._refuse(self._problem)

    def _refuse(self, problem: Problem) -> None:
        self._stop_waiting()
        if not self.transport.is_closing():
            self.transport.write(problem.raw())
            self.transport.close()

    def _wait_for_head(self) -> None:
        self._stop_waiting()
        self._in_head = True
        self._head_bytes = 0
        self._timer = self.loop.call_later(HEAD_TIMEOUT_S, self._refuse, TOO_SLOW)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
