"""The writer's end: the ledger, answered for over a Unix socket.

 1. What comes in one piece is appended at once, so that it can share a commit.
 2. The loop writes it itself, so that no other thread is waited for and wants the interpreter;
    while a disk hangs nothing of this could be answered anyway.
 3. The loop sends each worker its answers, and tells all of them how the ledger is.

Workers are trusted to be ours, and nothing else: whoever sends what is no frame is cut off.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import get_ident
from typing import cast

from gateway.errors import FrameError, PeerError
from gateway.ledger.interface import Ledger
from gateway.ledger.once import Once
from gateway.ledger.pending import Entry
from gateway.workers.asked import Asker, Group, answers, entry_of, read_of
from gateway.workers.frames import MAX_FRAME, VERSION, Frame, FrameReader, Kind, write_frame
from gateway.workers.pieces import read_entries
from gateway.workers.sending import send_now
from gateway.workers.socket_file import check_peer
from gateway.workers.values import Failure, Value, listed

TELL_S = 0.25
MAX_COMMITS_TOLD = 4000
# A worker that takes none of its answers is cut off, before they fill the memory.
MAX_UNREAD = 2 * MAX_FRAME

log = logging.getLogger("charter")


class LedgerServer:
    """Answers for one ledger in the running event loop."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.connections: list[Connection] = []
        self._loop = asyncio.get_running_loop()
        self._thread = get_ident()
        self._coming: list[Group] = []
        self._done: deque[Group] = deque()
        self._commits: deque[int] = deque(maxlen=MAX_COMMITS_TOLD)
        self._woken = False
        self._left = asyncio.Event()
        self._told: tuple[str, str | None] | None = None
        ledger.on_commit(self._commits.append)

    def connection(self) -> "Connection":
        """What `loop.create_unix_server` asks for each that connects."""
        return Connection(self)

    async def tell_now_and_then(self, until: Callable[[], bool]) -> None:
        """Tell all workers how the ledger is, whenever that has changed."""
        while not until():
            await asyncio.sleep(TELL_S)
            self.tell()

    async def deserted(self, timeout_s: float) -> None:
        """Wait until no worker is connected, at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.connections:
                    self._left.clear()
                    await self._left.wait()

    def leave(self, connection: "Connection") -> None:
        if connection in self.connections:
            self.connections.remove(connection)
            self._left.set()

    def tell(self) -> None:
        """The commits are told to one worker alone: they are counted over all of them."""
        now = (self.ledger.latest_checkpoint(), self.ledger.refusal())
        if now == self._told and not self._commits:
            return
        self._told = now
        for number, connection in enumerate(self.connections):
            connection.tell(self.take_commits() if number == 0 else [])

    def take_commits(self) -> list[int]:
        commits: list[int] = []
        while self._commits:
            commits.append(self._commits.popleft())
        return commits

    def append(
        self, asker: "Connection", number: int, entries: list[Entry], once: Once | None = None,
        *, is_plain: bool = False,
    ) -> None:  # fmt: skip
        told = self._finished
        self._coming.append(Group(asker, number, told, entries, once=once, is_plain=is_plain))

    def erase(self, asker: "Connection", number: int, arguments: list[object]) -> None:
        target, *entry = arguments or [None]
        if not isinstance(target, str):
            raise FrameError("what is erased has an id")
        entries = [entry_of(entry)]
        self._coming.append(Group(asker, number, self._finished, entries, erases=target))

    def hand_over(self) -> None:
        """Append what has been asked for since the last time."""
        if self._coming:
            coming, self._coming = self._coming, []
            self.ledger.hand_over(coming)

    def _finished(self, group: "Group") -> None:
        """Called in the thread of the ledger, or in the loop."""
        self._done.append(group)
        if not self._woken:
            self._woken = True
            if get_ident() == self._thread:
                self._loop.call_soon(self._answer)
            else:
                self._loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        self._woken = False  # before the queue is emptied: what comes after wakes again
        groups: dict[Asker, list[Group]] = {}
        while self._done:
            group = self._done.popleft()
            groups.setdefault(group.asker, []).append(group)
        if any(one.has_failed() for done in groups.values() for one in done):
            self.tell()  # first: whoever is refused and then asks whether it is ready is told no
        for asker, done in groups.items():
            asker.send(b"".join(answers(done)))

    def ask(self, asker: "Connection", number: int, read: Callable[[], object]) -> None:
        """Answer from the disk, in a thread."""

        def done(future: "Future[object] | asyncio.Future[object]") -> None:
            if error := future.exception():
                asker.send(write_frame(Kind.FAILED, number, Failure.of(error)))
            else:
                asker.send(write_frame(Kind.ANSWER, number, cast("Value", future.result())))

        self._loop.run_in_executor(None, read).add_done_callback(done)


class Connection(asyncio.Protocol):
    """One worker, as the writer sees it."""

    def __init__(self, server: LedgerServer) -> None:
        self._server = server
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        try:
            check_peer(transport.get_extra_info("socket"))
        except PeerError as error:
            self._cut_off(error)
            return
        self._server.connections.append(self)
        self.tell([])

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._server.leave(self)

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                self._take(frame)
        except FrameError as error:
            self._cut_off(error)
        finally:
            self._server.hand_over()

    def end(self) -> None:
        """Send what is left, and close."""
        if self._transport is not None:
            self._transport.close()

    def send(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return  # what it asked for is done all the same; nobody is told
        send_now(self._transport, data)
        if self._transport.get_write_buffer_size() > MAX_UNREAD:
            self._cut_off(FrameError("a worker takes none of its answers"))

    def tell(self, commits: list[int]) -> None:
        """How the ledger is: version of the protocol, checkpoint, refusal; new commits."""
        ledger = self._server.ledger
        state = (VERSION, ledger.latest_checkpoint(), ledger.refusal(), commits)
        self.send(write_frame(Kind.STATE, 0, state))

    def _take(self, frame: Frame) -> None:
        if frame.kind is Kind.APPEND:
            for number, entries in read_entries(cast("bytes", frame.value)):
                self._server.append(self, number, entries, is_plain=True)
            return
        if frame.kind is not Kind.ASK:
            raise FrameError(f"a worker asks, and this is of kind {frame.kind.name}")
        name, *arguments = listed(frame.value) or [None]
        if name == "append_all":
            entries, once = listed(arguments, 2)
            if not isinstance(once, Once | None):
                raise FrameError("a key is no key")
            checked = [entry_of(one) for one in listed(entries)]
            if not checked:
                raise FrameError("nothing is appended")
            self._server.append(self, frame.number, checked, once)
        elif name == "erase":
            self._server.erase(self, frame.number, arguments)
        elif name == "latest_checkpoint" and not arguments:
            # In order with what is told of the ledger otherwise: it only grows.
            note = self._server.ledger.latest_checkpoint()
            self.send(write_frame(Kind.ANSWER, frame.number, note))
        else:
            read = read_of(self._server.ledger, name, arguments)
            self._server.ask(self, frame.number, read)

    def _cut_off(self, error: Exception) -> None:
        log.warning("a connection to the writer of the log is cut off: %s", error)
        if self._transport is not None:
            self._transport.abort()
