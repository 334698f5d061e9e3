"""Requests whose head came before on their connection, byte for byte, are not parsed again.

A scheduler keeps its connection and asks one question after another: most heads it sends are
the same bytes. What a head means depends on its bytes alone, so the second time it is looked
up, and the request passes the parser, the cycle of the server and the framework by. It must be
whole in what arrived, with nothing after it, on a connection where no answer is due; whatever
else comes is parsed as every request is.

Heads are remembered for one connection alone: they hold its caller's token.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol, cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from gateway.web.connections import Bounds, Connections
from gateway.web.protocol import BoundedProtocol

# Of one connection: a client sends a head for each length of its questions.
MAX_KNOWN = 16
MAX_KNOWN_BYTES = 1024  # of one of them
_END_OF_HEAD = b"\r\n\r\n"
_CLOSE = b"connection: close\r\n"


class Answered(NamedTuple):
    """An answer: its status, the lines of its head without those of every answer, its body."""

    status: int
    lines: bytes
    body: bytes


class KnownHead(Protocol):
    """What is to be done with requests of one head. `length` is that of their body."""

    length: int

    async def answer(self, body: bytes) -> Answered | None:
        """The answer; None where the request is to go the way of all others, and nothing has
        come of it. It raises nothing but that it is cancelled."""
        ...


class Meaning(Protocol):
    """Looks at requests that were parsed and may come again."""

    def __call__(self, scope: Scope, /) -> KnownHead | None:
        """What is to be done with the next of this head; None where it must be parsed."""
        ...


class KnowingProtocol(BoundedProtocol):
    """One connection, which knows the heads that came over it."""

    meaning: Meaning | None = None

    _heads: dict[bytes, KnownHead] | None = None
    _answered_at = 0.0  # the last request that was not parsed; by the clock of the loop

    def data_received(self, data: bytes) -> None:
        heads = self._heads
        try:
            begun = heads is not None and self._is_between() and self._begin(heads, data)
        except MemoryError:
            self._refuse_for_want_of_memory()
            return
        if not begun:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # uvicorn's timer would keep them, with the tokens in them, where the end was rude.
        self._heads = None
        self._unset_keepalive_if_required()

    def shutdown(self) -> None:
        if self._in_hand is None:
            super().shutdown()
        else:
            self._stopping = True

    def timeout_keep_alive_handler(self) -> None:
        # Requests that are not parsed leave the timer alone: it is late that it looks.
        left = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if self._in_hand is not None:
            left = self.timeout_keep_alive
        if left <= 0:
            super().timeout_keep_alive_handler()
        else:
            self.timeout_keep_alive_task = self.loop.call_later(
                left, self.timeout_keep_alive_handler
            )

    # --- heads ---

    def _learn(self, head: bytes) -> None:
        """Remember the head of a request that is being received, unless it is to be parsed."""
        if self.meaning is None or not self._keep_alive or len(head) > MAX_KNOWN_BYTES:
            return
        if not head[:1].isalpha():
            return  # an empty line before it may belong to the request before that
        known = self.meaning(cast("Scope", self.scope))
        if known is None:
            return
        if self._heads is None or len(self._heads) >= MAX_KNOWN:
            self._heads = {}
        self._heads[head] = known

    def _begin(self, heads: dict[bytes, KnownHead], data: bytes) -> bool:
        """Whether this is a request that need not be parsed; then it is being answered."""
        end = data.find(_END_OF_HEAD) + len(_END_OF_HEAD)
        known = heads.get(data[:end])
        if known is None or len(data) - end != known.length:
            return False
        self._in_hand = self.loop.create_task(self._answer(known, data, end))
        self._due += 1
        self.tasks.add(self._in_hand)
        return True

    # --- answers ---

    async def _answer(self, known: KnownHead, data: bytes, end: int) -> None:
        try:
            answered = await known.answer(data[end:])
        except BaseException:  # cancelled; nobody else can say anything here any more
            self.transport.abort()
            raise
        finally:
            self._due -= 1
            if self._in_hand is not None:  # what runs
                self.tasks.discard(self._in_hand)
            self._in_hand = None
        if self.transport.is_closing():
            return
        if answered is not None:
            self.server_state.total_requests += 1
            self._answered_at = self.loop.time()
            self.transport.write(self._text(answered))
            data = b""
        if self._refusal is not None:
            self._say_refusal()
        elif answered is not None and self._stopping:
            self.transport.close()
        elif data or self._unread:
            self._parse_after_all(data)

    def _parse_after_all(self, data: bytes) -> None:
        try:
            self._unread = data + self._unread
            self._parse()
        except MemoryError:
            self._refuse_for_want_of_memory()

    def _text(self, answered: Answered) -> bytes:
        status, lines, body = answered
        always = [b"%b: %b\r\n" % header for header in self.server_state.default_headers]
        close = _CLOSE if self._stopping else b""
        return b"".join((STATUS_LINE[status], *always, lines, close, b"\r\n", body))


def knowing(
    given: Bounds, meaning: Meaning | None, refused: Callable[[str], None]
) -> type[KnowingProtocol]:
    """As `gateway.web.protocol.bounded`, for a server with such requests.

    Args:
        meaning: None where every request is to be parsed.
    """

    class Knowing(KnowingProtocol):
        bounds = given
        connections_open = Connections(given)

    Knowing.refused = staticmethod(refused)
    Knowing.meaning = None if meaning is None else staticmethod(meaning)
    return Knowing
