"""HTTP/1.1 with the bounds that uvicorn leaves open: size, number and time.

uvicorn reads headers of any length for any time, keeps a connection whose request never
ends, takes any number of connections and of requests ahead of their answers, and answers
what it cannot read with plain text. Here each of these has a bound, and ends the
connection with a problem document, after the answers that are still due on it.

At every moment one of these runs: the time of a head, the time of a body, the time that an
answer may take, or uvicorn's time for a connection at rest. A body that comes too slowly ends
before its time.

The parser is given what belongs to one request, and `gateway.web.framing` says how much that
is: where the two do not agree, the request is refused.
"""

import sys
from asyncio import BaseTransport, Task, TimerHandle, Transport
from collections.abc import Callable
from dataclasses import replace
from enum import Enum, auto

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.callers import Peer
from gateway.web.connections import Bounds, Connections
from gateway.web.framing import Body, Chunked, FramingError, Head, Sized
from gateway.web.peer import PEER, peer_of
from gateway.web.problem import (
    HEAD_TOO_LARGE,
    MALFORMED_HTTP,
    NO_CONNECTIONS_LEFT,
    OVERLOADED,
    TOO_MANY_CONNECTIONS,
    TOO_SLOW,
    Problem,
)

MAX_HEAD_BYTES = 16 * 1024  # request line and headers
MAX_HEADERS = 100
NO_MEMORY = replace(OVERLOADED, detail="there is no memory to read the request")


def _told_to_nobody(_: str) -> None:
    """Where nobody watches."""


class HeadRefusedError(Exception):
    """Raised inside the parser, which then stops."""


class _Phase(Enum):
    """What the connection is to receive next."""

    HEAD = auto()
    BODY = auto()
    ANYTHING = auto()  # the last request is complete
    NOTHING = auto()  # refused; only answers follow


class HeldFlow(FlowControl):
    """Reading stays paused while it is held, whoever wants to resume it."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport)
        self._held = False

    def hold(self, held: bool) -> None:
        was_held, self._held = self._held, held
        if held:
            self.pause_reading()
        elif was_held:
            self.resume_reading()

    def resume_reading(self) -> None:
        if not self._held:
            super().resume_reading()


class BoundedProtocol(HttpToolsProtocol):
    """One connection. `bounded` makes the class with its bounds."""

    bounds = Bounds()
    connections_open = Connections(bounds)
    refused: Callable[[str], None] = staticmethod(_told_to_nobody)

    _phase = _Phase.HEAD
    _entered = False
    _stopping = False
    _keep_alive = True  # after the answer to the request that is being received
    _head_bytes = 0  # of a head whose end has not come yet
    _body: Body = Sized(0)  # of the request that is being received
    _body_bytes = 0  # that came since somebody looked
    _body_until = 0.0
    _due = 0  # requests with a complete head and without a complete answer
    _unread = b""  # received and not parsed yet
    _in_hand: "Task[None] | None" = None  # answers a request that was not parsed
    _timer: TimerHandle | None = None
    _problem: Problem = MALFORMED_HTTP
    _refusal: Problem | None = None
    _peer: Peer | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)  # pyright: ignore[reportArgumentType]
        self._head = Head()
        self.flow = self._held_flow = HeldFlow(self.transport)
        self._peer = peer_of(self.transport)
        self._entered = self.connections_open.enter(self._address())
        if self._entered:
            self._wait_for_head()
        elif self.connections_open.is_full():
            self._refuse(NO_CONNECTIONS_LEFT)
        else:
            self._refuse(TOO_MANY_CONNECTIONS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._unread = b""
        if self._entered:
            self._entered = False
            self.connections_open.leave(self._address())
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_over():
            return
        try:
            self._unread += data
            self._parse()
        except MemoryError:
            self._refuse_for_want_of_memory()

    def shutdown(self) -> None:
        self._stopping = True
        super().shutdown()

    def _address(self) -> str:
        return self.client[0] if self.client else ""

    def _is_over(self) -> bool:
        return self._phase is _Phase.NOTHING or self.transport.is_closing()

    def _is_between(self) -> bool:
        """Whether nothing is due or half received, and what comes is the start of a request."""
        return (
            self._phase is _Phase.ANYTHING
            and not self._due
            and not self._unread
            and not self._stopping
            and not self.flow.write_paused
            and not self.transport.is_closing()
        )

    def _may_parse(self) -> bool:
        return not self.pipeline and self._in_hand is None and not self._is_over()

    def _learn(self, head: bytes) -> None:
        """Told of every head that came whole and was taken, while `scope` is of it."""

    # --- parsing ---

    def _parse(self) -> None:
        """Parse what is there, but not far ahead of the answers: what waits for one costs
        more memory than the bytes it came in."""
        unread, at = self._unread, 0
        self._unread = b""
        while at < len(unread) and self._may_parse():
            if self._phase is _Phase.BODY:
                at = self._parse_body(unread, at)
            elif self._phase is _Phase.ANYTHING and at and unread[at:] == b"\r\n":
                at = len(unread)  # RFC 9112 section 2.2: some clients end a request so
            else:
                at = self._parse_head(unread, at)
        if not self._is_over():
            self._unread = unread[at:]
            self._held_flow.hold(bool(self._unread or self.pipeline))

    def _parse_head(self, data: bytes, at: int) -> int:
        if self._phase is _Phase.ANYTHING:
            self._wait_for_head()
        end, is_whole = self._head.part(data, at)
        if self._head_bytes + end - at > MAX_HEAD_BYTES and not is_whole:
            # Whatever stands first in it is wrong with it first.
            end = min(end, at + MAX_HEAD_BYTES)
        super().data_received(data[at:end])
        if self._is_over():
            return end
        if self._phase is not _Phase.HEAD:
            if not is_whole:
                self._refuse(MALFORMED_HTTP)
            elif not self._head_bytes:
                self._learn(data[at:end])
            return end
        self._head_bytes += end - at
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(HEAD_TOO_LARGE)
        return end

    def _parse_body(self, data: bytes, at: int) -> int:
        try:
            end = self._body.part(data, at)
        except FramingError:
            self._refuse(MALFORMED_HTTP)
            return len(data)
        super().data_received(data[at:end])
        if end < len(data) and self._phase is _Phase.BODY:
            self._refuse(MALFORMED_HTTP)
        return end

    # --- called by the parser ---

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[PEER] = self._peer  # pyright: ignore[reportGeneralTypeIssues]
        if self._phase is not _Phase.HEAD:
            self._wait_for_head()

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            self._problem = HEAD_TOO_LARGE
            raise HeadRefusedError
        assert self.parser is not None  # noqa: S101 - it is the parser that calls
        version = self.parser.get_http_version()
        hosts = sum(name == b"host" for name, _ in self.headers)
        # RFC 9112 section 3.2: with another number, two readers could see two places.
        if version not in ("1.0", "1.1") or hosts > 1 or (version == "1.1" and hosts == 0):
            raise HeadRefusedError
        codings = [value for name, value in self.headers if name == b"transfer-encoding"]
        # RFC 9112 section 6.1: what another reader could take for another length.
        if codings and (version == "1.0" or [c.lower() for c in codings] != [b"chunked"]):
            raise HeadRefusedError
        self._body = Chunked() if codings else Sized(self._length())
        super().on_headers_complete()
        self._due += 1
        self._phase = _Phase.BODY
        self._wait_for_body()
        # An answer that comes before the whole request is the last one: nobody has to wait
        # for the rest, and the rest is no next request. Nor is what follows an upgrade.
        self._keep_alive = self.cycle.keep_alive and not self.parser.should_upgrade()
        self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def _length(self) -> int:
        """What the head says; the parser has refused what is no number, and two of them."""
        said = [value for name, value in self.headers if name == b"content-length"]
        return int(said[0]) if said and said[0].isdigit() and len(said[0]) < 20 else 0

    def on_message_complete(self) -> None:
        super().on_message_complete()  # first: where it fails, the request is not complete
        self._phase = _Phase.ANYTHING
        self._stop_waiting()
        if not self.cycle.response_started:
            self.cycle.keep_alive = self._keep_alive and not self._stopping

    # --- called when an answer is complete ---

    def on_response_complete(self) -> None:
        self._due -= 1
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self._refusal is not None:
            self._say_refusal()
        else:
            # What was being received could not be read on until now.
            if self._phase is _Phase.BODY:
                self._wait_for_body()
            elif self._phase is _Phase.HEAD:
                self._wait(self.bounds.head_timeout_s, self._time_is_over)
            self._parse()

    # --- refusing ---

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn for what its parser refuses, or where a callback failed."""
        if _is_want_of_memory(sys.exception()):
            self._refuse_for_want_of_memory()
        else:
            self._refuse(self._problem)

    def _refuse_for_want_of_memory(self) -> None:
        self._unread = b""
        try:
            self._refuse(NO_MEMORY)
        except MemoryError:
            self.transport.abort()

    def _refuse(self, problem: Problem) -> None:
        """Read no more; say so as soon as no answer is due."""
        self._stop_waiting()
        if self._is_over():
            return
        was, self._phase = self._phase, _Phase.NOTHING
        self._unread = b""
        self._held_flow.hold(True)
        self._refusal = problem
        if was is _Phase.BODY:
            self._give_up_request()
        self._say_refusal()

    def _give_up_request(self) -> None:
        """The request that is being received will never be complete."""
        self._due -= 1
        if self.pipeline:
            self.pipeline.popleft()
        elif self.cycle.response_started:
            self.transport.close()
        else:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _say_refusal(self) -> None:
        if self._refusal is not None and not self._due and not self.transport.is_closing():
            self.refused(self._refusal.slug)
            self.transport.write(self._refusal.raw())
            self.transport.close()

    # --- waiting ---

    def _wait_for_head(self) -> None:
        self._phase = _Phase.HEAD
        self._head_bytes = 0
        self._wait(self.bounds.head_timeout_s, self._time_is_over)

    def _wait_for_body(self) -> None:
        self._body_bytes = 0
        self._body_until = self.loop.time() + self.bounds.body_timeout_s
        self._wait(min(self.bounds.body_look_s, self.bounds.body_timeout_s), self._look_at_body)

    def _look_at_body(self) -> None:
        """Refuse a body that has come too slowly since the last look. What this side does
        not read is not slow."""
        left = self._body_until - self.loop.time()
        least = self.bounds.body_rate * self.bounds.body_look_s
        is_slow = self._body_bytes < least and not self.flow.read_paused
        if left <= 0 or is_slow:
            self._refuse(TOO_SLOW)
            return
        self._body_bytes = 0
        self._wait(min(left, self.bounds.body_look_s), self._look_at_body)

    def _time_is_over(self) -> None:
        self._refuse(TOO_SLOW)

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(seconds, then)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _is_want_of_memory(error: BaseException | None) -> bool:
    """The parser keeps what its callback raised as the context of its own error."""
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__context__
    return False


def bounded(
    given: Bounds, refused: Callable[[str], None] = _told_to_nobody
) -> type[BoundedProtocol]:
    """The protocol of one server, whose connections are counted together.

    Args:
        refused: Told the slug of the problem where no request reaches the application.
    """

    class Bounded(BoundedProtocol):
        bounds = given
        connections_open = Connections(given)

    Bounded.refused = staticmethod(refused)
    return Bounded
