"""One connection of a worker to the writer, and what waits on it."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import cast

from gateway.errors import FrameError, GatewayError, LedgerError, LedgerUnavailableError
from gateway.ledger.head import Receipt
from gateway.ledger.pending import Entry, Pending
from gateway.workers.frames import Frame, FrameReader, Kind, write_frame, write_pieces
from gateway.workers.pieces import read_receipts, write_entries
from gateway.workers.sending import send_now
from gateway.workers.values import Failure, Value, listed

CLOSED = "the ledger is closed"


class Appending:
    """Appends that were asked for together."""

    def __init__(self, pending: Pending, grown: Callable[[int], None]) -> None:
        self._pending = pending
        self._entries = len(pending)
        self._grown = grown

    @property
    def entries(self) -> Sequence[Entry]:
        return self._pending.entries

    def fail(self, error: LedgerError) -> None:
        if self._pending.start():
            self._pending.end(error)

    def answer(self, value: object) -> None:
        self._end([_receipt(one) for one in listed(value, self._entries)])

    def appended(self, receipts: list[Receipt]) -> None:
        """All of it is."""
        if len(receipts) != self._entries:
            raise FrameError("this has not as many receipts as there were entries")
        self._end(receipts)

    def _end(self, told: Sequence[Receipt | LedgerError]) -> None:
        self._grown(max((one.tree_size for one in told if isinstance(one, Receipt)), default=0))
        self._pending.outcomes = list(told)
        # Whoever has cancelled some of it is told of the rest.
        if self._pending.start():
            self._pending.tell()


def _receipt(value: object) -> Receipt | LedgerError:
    if isinstance(value, Receipt):
        return value
    if isinstance(value, Failure):
        return value.error()
    raise FrameError("this is no receipt of what was appended")


class Reading:
    """A question in another thread."""

    def __init__(
        self, future: "Future[object]", see: Callable[[object], None] | None = None
    ) -> None:
        self._future = future
        self._see = see

    def fail(self, error: LedgerError) -> None:
        self._future.set_exception(error)

    def answer(self, value: object) -> None:
        if self._see is not None:
            self._see(value)  # in the loop, in the order in which it was sent
        self._future.set_result(value)


Asked = Appending | Reading


class Link(asyncio.Protocol):
    """One connection to the writer. All that waits on it is refused when it ends."""

    def __init__(
        self, take_state: Callable[["Link", object], None], say: Callable[[str], None]
    ) -> None:
        self._take_state = take_state
        self._say = say
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._waiting: dict[int, tuple[float, Asked]] = {}
        self._number = 0
        self._why: str | None = None
        self._lost = asyncio.Event()
        self._opened = self._loop.time()
        self._greeted = False
        self._settled: asyncio.Event | None = None

    async def settle(self, timeout_s: float) -> None:
        """Wait until nothing waits any more, at most so long."""
        if self._waiting:
            self._settled = asyncio.Event()
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._settled.wait()

    def ask(self, asked: Asked, question: Value) -> None:
        """Raises `FrameError` where it is too long for a frame."""
        if self._lost.is_set():
            asked.fail(LedgerUnavailableError("the writer of the log is gone"))
            return
        self._number += 1
        self._send(write_frame(Kind.ASK, self._number, question))
        self._waiting[self._number] = (self._loop.time(), asked)

    def append(self, asked: "Sequence[Appending]") -> None:
        """As `ask`, of what is to be appended, has no key and erases nothing."""
        if self._lost.is_set():
            for one in asked:
                one.fail(LedgerUnavailableError("the writer of the log is gone"))
            return
        first = self._number + 1
        groups = list(enumerate((one.entries for one in asked), first))
        self._send(write_pieces(Kind.APPEND, write_entries(groups)))
        self._number += len(asked)
        now = self._loop.time()
        self._waiting.update((number, (now, one)) for number, one in enumerate(asked, first))

    def _send(self, data: bytes) -> None:
        if self._transport is not None:
            send_now(self._transport, data)

    async def lasts(self, look_s: float, timeout_s: float) -> bool:
        """Wait until it ends; whether the writer has said anything. One that does not answer
        in time is ended."""
        while not self._lost.is_set():
            since = next(iter(self._waiting.values()), (self._loop.time(), None))[0]
            if not self._greeted:
                since = self._opened
            if self._loop.time() - since > timeout_s:
                self.end(f"it gave no answer for {timeout_s:g} s")
            with suppress(TimeoutError):
                async with asyncio.timeout(look_s):
                    await self._lost.wait()
        return self._greeted

    def end(self, why: str) -> None:
        self._why = self._why or why
        if self._transport is not None:
            self._transport.abort()

    # --- called by the loop ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        waiting, self._waiting = self._waiting, {}
        words = f"the writer of the log is gone: {self._why or 'it ended'}"
        if self._why != CLOSED:
            self._say(words)
        for _, asked in waiting.values():
            asked.fail(LedgerUnavailableError(words))
        self._lost.set()
        if self._settled is not None:
            self._settled.set()

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                self._take(frame)
        except GatewayError as error:
            self.end(f"it is not believed: {error}")

    def _take(self, frame: Frame) -> None:
        if frame.kind is Kind.STATE:
            self._take_state(self, frame.value)
            self._greeted = True
        elif frame.kind is Kind.RECEIPTS:
            for number, receipts in read_receipts(cast("bytes", frame.value)):
                self._answered(number, lambda asked, told=receipts: _appended(asked, told))
        elif frame.kind in (Kind.ANSWER, Kind.FAILED):
            self._answered(frame.number, lambda asked: _answered(asked, frame))
        else:
            raise FrameError("an answer that nobody asked for")

    def _answered(self, number: int, answer: "Callable[[Asked], None]") -> None:
        _, asked = self._waiting.pop(number, (0.0, None))
        if asked is None:
            raise FrameError("an answer that nobody asked for")
        try:
            answer(asked)
        except GatewayError as error:
            asked.fail(LedgerUnavailableError(str(error)))
            raise
        if self._settled is not None and not self._waiting:
            self._settled.set()


def _appended(asked: "Asked", receipts: list[Receipt]) -> None:
    if not isinstance(asked, Appending):
        raise FrameError("this is no answer to a question")
    asked.appended(receipts)


def _answered(asked: "Asked", frame: Frame) -> None:
    if frame.kind is Kind.ANSWER:
        asked.answer(frame.value)
    elif isinstance(frame.value, Failure):
        asked.fail(frame.value.error())
    else:
        raise FrameError("a failure without words")
