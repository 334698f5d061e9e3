"""A PKCS#11 module in a process of its own, from the gateway's side.

Whoever asks gets a future, which is done within `sign_s` seconds. A process that is late, or
ends, is killed, what waits fails, and another one begins: at once, then later each time. While
nobody is asked it is looked after every few seconds, so that a lost token is known before the
next decision. A PIN that was refused is not tried a second time: tokens lock.
"""

import logging
import os
import select
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress

from gateway.keys.errors import CustodyError, SigningUnavailableError
from gateway.keys.hsm_process import DONE, MAX_MESSAGE, NUMBER, HsmProcess

SIGN_S = 1.5
START_S = 20.0
PING_S = 5.0
MAX_WAITING = 128
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0

log = logging.getLogger("charter")


class Hsm:
    """One key of one token. `told` is what its process said when it first began.

    Raises:
        CustodyError: The key cannot be opened, or not within `start_s` seconds.
    """

    def __init__(
        self,
        name: str,
        asked: Mapping[str, object],
        *,
        sign_s: float = SIGN_S,
        start_s: float = START_S,
        ping_s: float = PING_S,
    ) -> None:
        self._name = name
        # Made once, by the first process alone.
        self._again = {**asked, "make": False}
        self._sign_s, self._start_s, self._ping_s = sign_s, start_s, ping_s
        self._gate = threading.Lock()
        self._waiting: dict[int, tuple[Future[bytes], float]] = {}
        self._number = 0
        self._refusal: str | None = None
        self._closed = threading.Event()
        self._wake, self._woken = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            self._child: HsmProcess | None = HsmProcess(asked, start_s)
        except CustodyError:
            os.close(self._wake)
            os.close(self._woken)
            raise
        self.told = self._child.told
        self._thread = threading.Thread(target=self._run, name=f"key {name}", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """Of the process that has the module now; 0 where there is none."""
        child = self._child
        return 0 if child is None else child.pid

    def submit(self, data: bytes) -> "Future[bytes]":
        """What the module makes of the data; never blocks."""
        answer: Future[bytes] = Future()
        with self._gate:
            refusal = self._refusal
            child = self._child
            if self._closed.is_set():
                refusal = "it is closed"
            elif len(self._waiting) >= MAX_WAITING:
                refusal = "too many signatures are waited for"
            if refusal is None and child is not None:
                self._number = self._number % 0xFFFF_FFFF + 1
                try:
                    child.send(self._number, data)
                    self._waiting[self._number] = (answer, time.monotonic() + self._sign_s)
                except OSError:
                    refusal = "its process takes no more"
        if refusal is not None:
            answer.set_exception(self._lost(refusal))
        else:
            self._stir()
        return answer

    def refusal(self) -> str | None:
        return self._refusal

    def distrust(self, why: str) -> None:
        """Begin again with another process, since this one answered wrongly."""
        child = self._child
        log.error("the key %s: %s", self._name, why)
        if child is not None:
            child.kill()

    def close(self) -> None:
        """End the process; what waits fails."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._stir()
        self._thread.join()
        os.close(self._wake)
        os.close(self._woken)

    # --- the thread ------------------------------------------------------------------

    def _run(self) -> None:
        pause = _FIRST_PAUSE_S
        while True:
            child = self._child
            if child is not None:
                began = time.monotonic()
                why = self._serve(child)
                with self._gate:
                    self._child, self._refusal = None, why
                child.end()
                self._fail_all(why)
                if time.monotonic() - began > _LONGEST_PAUSE_S:
                    pause = _FIRST_PAUSE_S
                if not self._closed.is_set():
                    log.error("the key %s cannot be used: %s", self._name, why)
            if self._closed.wait(pause):
                return
            pause = min(2 * pause, _LONGEST_PAUSE_S)
            if not self._start_again():
                return

    def _start_again(self) -> bool:
        """False where it may not be tried again."""
        try:
            child = HsmProcess(self._again, self._start_s, until=self._closed)
            self._same_key(child)
        except CustodyError as error:
            with self._gate:
                self._refusal = str(error)
            if error.is_final:
                log.error("the key %s: %s; restart the gateway", self._name, error)  # noqa: TRY400
            return not error.is_final
        with self._gate:
            self._child, self._refusal = child, None
        log.info("the key %s can be used again", self._name)
        return True

    def _same_key(self, child: HsmProcess) -> None:
        if child.told != self.told:
            child.end()
            raise CustodyError("the token has another key now than at the start")

    def _serve(self, child: HsmProcess) -> str:
        """Until it ends; why it did."""
        while not self._closed.is_set():
            due = self._due()
            wait = self._ping_s if due is None else max(0.0, due - time.monotonic())
            readable, _, _ = select.select([child.socket, self._wake], [], [], wait)
            if self._wake in readable:
                with suppress(BlockingIOError):
                    os.read(self._wake, 4096)
            if child.socket in readable:
                why = self._hear(child)
                if why is not None:
                    return why
            elif not readable:
                if due is not None:
                    return f"no answer within {self._sign_s:g} s"
                self.submit(b"")  # is anybody there?
        return "it is closed"

    def _due(self) -> float | None:
        with self._gate:
            return min((until for _, until in self._waiting.values()), default=None)

    def _hear(self, child: HsmProcess) -> str | None:
        """Take one answer. Why it is the last one, where it is."""
        try:
            message = child.socket.recv(MAX_MESSAGE)
        except OSError:
            message = b""
        if len(message) <= NUMBER:
            return "its process ended"
        number, kind = int.from_bytes(message[:NUMBER]), message[NUMBER]
        if kind != DONE:
            return message[NUMBER + 1 :].decode("utf-8", "replace")
        with self._gate:
            answer, _ = self._waiting.pop(number, (None, 0.0))
        if answer is not None and answer.set_running_or_notify_cancel():
            answer.set_result(message[NUMBER + 1 :])
        return None

    def _fail_all(self, why: str) -> None:
        with self._gate:
            waiting, self._waiting = self._waiting, {}
        for answer, _ in waiting.values():
            if answer.set_running_or_notify_cancel():
                answer.set_exception(self._lost(why))

    def _lost(self, why: str) -> SigningUnavailableError:
        return SigningUnavailableError(f"the key {self._name} cannot be used: {why}")

    def _stir(self) -> None:
        with suppress(BlockingIOError):
            os.write(self._woken, b"\0")
