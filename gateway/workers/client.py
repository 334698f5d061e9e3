"""A worker's end: the ledger of another process, used as if it were in this one.

An append that has no answer when the writer goes is refused: the entry may be there or not,
and nobody is answered with it. Until the writer is back, everything is refused at once.

What the writer says of itself is checked: each checkpoint is signed by the key that
strangers are told to trust, and none is smaller than one seen before.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

from gateway.errors import (
    CheckpointRollbackError,
    FrameError,
    LedgerError,
    LedgerUnavailableError,
    WorkersError,
)
from gateway.keys import CheckpointPublicKey
from gateway.ledger.checkpoint import verify_checkpoint
from gateway.ledger.head import Receipt
from gateway.ledger.once import Once
from gateway.ledger.pending import Pending, promise
from gateway.ledger.storage import StoredRecord
from gateway.workers.frames import VERSION
from gateway.workers.link import CLOSED, Appending, Asked, Link, Reading
from gateway.workers.pieces import MAX_OF_GROUP
from gateway.workers.socket_file import connected
from gateway.workers.values import Value, listed, number, optional

ANSWER_TIMEOUT_S = 5.0
# The writer has a core of its own, and should have something to do before a turn of the loop of
# a worker ends. Fewer make more of what a commit costs, and more leave it idle.
EAGER = 8
_LOOK_S = 0.5
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.5
_TOO_MUCH = "too much is logged at once"
_GONE = "the writer of the log is not there"

log = logging.getLogger("charter")


class LedgerClient:
    """Keeps to `gateway.ledger.interface.Ledger`.

    It belongs to the event loop in which it was opened. `append_all` may be called there or
    in any thread; what reads blocks, and must be called in another thread.
    """

    def __init__(
        self, state: Path, key: CheckpointPublicKey, answer_timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        self._state = state
        self._key = key
        self._timeout_s = answer_timeout_s
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._link: Link | None = None
        self._refusal: str | None = _GONE
        self._size = 0
        self._told: Callable[[int], None] = lambda _: None
        self._closed = False
        self._said = ""
        self._text: bytes | None = None  # what bodies repeat
        self._up = asyncio.Event()
        self._staying: asyncio.Task[None] | None = None

    @staticmethod
    async def open(
        state: Path,
        key: CheckpointPublicKey,
        *,
        within_s: float,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> "LedgerClient":
        """The ledger of a state folder, once its writer has said how it is.

        Args:
            key: The key of the log, from the trust file.

        Raises:
            WorkersError: It did not within that many seconds.
        """
        client = LedgerClient(state, key, answer_timeout_s)
        client._staying = asyncio.create_task(client._stay_connected())
        try:
            async with asyncio.timeout(within_s):
                await client._up.wait()
        except TimeoutError as error:
            await client._end()
            raise WorkersError(f"{_GONE}: it was waited for {within_s:g} s") from error
        return client

    # --- appending -------------------------------------------------------------------

    def append(self, entry_id: str, tenant: str, body: bytes) -> "Future[Receipt]":
        return self.append_all([(entry_id, tenant, body)])[0]

    def append_all(
        self, entries: Sequence[tuple[str, str, bytes]], *, once: Once | None = None
    ) -> "list[Future[Receipt]]":
        return promise(self.hand_over, entries, once=once)

    def hand_over(self, pending: Sequence[Pending]) -> None:
        self._in_loop(self._ask_all, pending)

    def erase(self, target: str, entry_id: str, tenant: str, body: bytes) -> "Future[Receipt]":
        return promise(self.hand_over, [(entry_id, tenant, body)], erases=target)[0]

    def _ask_all(self, pending: Sequence[Pending]) -> None:
        plain: list[Appending] = []
        for one in pending:
            asked = Appending(one, self._grow)
            if len(one) > MAX_OF_GROUP:
                asked.fail(LedgerError(f"{_TOO_MUCH}: {len(one)} entries"))
            elif one.erases is not None:
                self._ask(asked, ("erase", one.erases, *one.entries[0]))
            elif one.once is not None:
                self._ask(asked, ("append_all", list(one.entries), one.once))
            else:
                plain.append(asked)
        if plain:
            self._append(plain)

    def _append(self, asked: Sequence[Appending]) -> None:
        link = self._link_now()
        try:
            if link is not None:
                link.append(asked)
                return
            error = LedgerUnavailableError(self._refusal or _GONE)
        except FrameError as too_long:
            error = LedgerError(f"{_TOO_MUCH}: {too_long}")
        for one in asked:
            one.fail(error)

    def repeats(self, text: bytes) -> None:
        """Told again to every writer that comes after this one."""
        self._in_loop(self._tell_repeats, text)

    def _tell_repeats(self, text: bytes) -> None:
        self._text = text
        if self._link is not None:
            # Nothing depends on it: whoever fails here is not heard.
            self._link.ask(Reading(Future()), ("repeats", text))

    @property
    def eager(self) -> int:
        return EAGER

    # --- what is known here ----------------------------------------------------------

    @property
    def size(self) -> int:
        return self._size

    def refusal(self) -> str | None:
        return self._refusal

    def on_commit(self, told: Callable[[int], None]) -> None:
        """Called in the event loop, a moment later, and in one of the workers alone."""
        self._told = told

    # --- asking the writer -----------------------------------------------------------

    def latest_checkpoint(self) -> str:
        """It comes from the writer, and brings `size` up to date."""
        note = optional(str, self._read("latest_checkpoint", see=self._see))
        if note is None:
            raise LedgerUnavailableError("the writer of the log gave no checkpoint")
        return note

    def get(self, entry_id: str, *, tenant: str | None = None) -> StoredRecord | None:
        return optional(StoredRecord, self._read("get", entry_id, tenant))

    def get_at(self, index: int) -> StoredRecord | None:
        return optional(StoredRecord, self._read("get_at", index))

    def find_once(self, key: bytes, now: int) -> Once | None:
        return optional(Once, self._read("find_once", key, now))

    def proof(self, entry_id: str) -> str | None:
        return optional(str, self._read("proof", entry_id))

    def witnessed(self) -> str | None:
        return optional(str, self._read("witnessed"))

    def is_tidy(self) -> bool:
        return self._read("is_tidy") == 1

    def _read(
        self, *question: str | bytes | int | None, see: "Callable[[object], None] | None" = None
    ) -> object:
        if threading.get_ident() == self._thread:
            raise RuntimeError("this would wait in the event loop for the event loop")
        answer: Future[object] = Future()
        self._in_loop(self._ask, Reading(answer, see), question)
        return answer.result()

    def _in_loop(self, do: Callable[..., None], *arguments: object) -> None:
        if threading.get_ident() == self._thread:
            do(*arguments)
        else:
            self._loop.call_soon_threadsafe(do, *arguments)

    def _ask(self, asked: "Asked", question: Value) -> None:
        link = self._link_now()
        if link is None:
            asked.fail(LedgerUnavailableError(self._refusal or _GONE))
            return
        try:
            link.ask(asked, question)
        except FrameError as error:
            asked.fail(LedgerError(f"{_TOO_MUCH}: {error}"))

    def _link_now(self) -> Link | None:
        return None if self._refusal in (_GONE, CLOSED) else self._link

    # --- closing ---------------------------------------------------------------------

    def close(self) -> None:
        """Must be called in another thread than that of the loop."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()

    async def _end(self) -> None:
        self._closed = True
        link = self._link
        if link is not None:
            await link.settle(self._timeout_s)
        self._refusal = CLOSED
        if self._staying is not None:
            self._staying.cancel()
            await asyncio.wait([self._staying])

    # --- the connection --------------------------------------------------------------

    async def _stay_connected(self) -> None:
        pause = _FIRST_PAUSE_S
        while not self._closed:
            try:
                link = await self._connect()
            except (OSError, WorkersError) as error:
                if isinstance(error, WorkersError):
                    self._say(f"the writer of the log is not believed: {error}")
            else:
                try:
                    lasted = await link.lasts(_LOOK_S, self._timeout_s)
                finally:
                    link.end(CLOSED)
                pause = _FIRST_PAUSE_S if lasted else pause
                self._link = None
                self._refusal = CLOSED if self._closed else _GONE
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _say(self, words: str) -> None:
        """Once, until something else is to be said."""
        if words != self._said:
            log.error("%s", words)
            self._said = words

    async def _connect(self) -> "Link":
        connection = connected(self._state)
        try:
            _, link = await self._loop.create_unix_connection(
                lambda: Link(self._take_state, self._say), sock=connection
            )
        except BaseException:
            connection.close()
            raise
        return link

    def _take_state(self, link: "Link", value: object) -> None:
        version, note, refusal, commits = listed(value, 4)
        if not isinstance(refusal, str | None):
            raise FrameError("a refusal is a text")
        if version != VERSION:
            raise FrameError(f"the writer is of version {version}, and this worker of {VERSION}")
        self._see(note)
        if not self._closed:
            is_new, self._link = self._link is not link, link
            self._refusal, self._said = refusal, ""
            if is_new and self._text is not None:
                self._tell_repeats(self._text)
            self._up.set()
        for entries in listed(commits):
            self._told(number(entries))

    def _grow(self, size: int) -> None:
        self._size = max(self._size, size)

    def _see(self, note: object) -> None:
        """Keep the size of a checkpoint that is signed.

        Raises:
            FrameError: It is no text.
            LedgerError: It is not signed, or is older than one seen before.
        """
        if not isinstance(note, str):
            raise FrameError("a checkpoint is a text")
        checkpoint = verify_checkpoint(note.encode(), self._key, origin=self._key.name)
        if checkpoint.size < self._size:
            raise CheckpointRollbackError(expected=self._size, found=checkpoint.size)
        self._size = checkpoint.size
