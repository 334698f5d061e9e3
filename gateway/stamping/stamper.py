"""Has the newest checkpoint stamped now and then, in a thread. No decision waits for it."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from gateway.errors import GatewayError
from gateway.ledger.checkpoint import parse_checkpoint
from gateway.ledger.note import parse_note
from gateway.stamping.authority import Authority
from gateway.stamping.stamps import Stamp, Stamps

RETRY_S = 60.0

log = logging.getLogger("charter")


class Stamper:
    """Stamps one log from `start` to `close`.

    Args:
        newest: The newest signed checkpoint.
        interval_s: One token for everything that is logged within so many seconds.
    """

    def __init__(
        self,
        authority: Authority,
        stamps: Stamps,
        newest: Callable[[], str],
        clock: Callable[[], datetime],
        *,
        interval_s: float,
    ) -> None:
        self._authority = authority
        self._stamps = stamps
        self._newest = newest
        self._clock = clock
        self._interval_s = interval_s
        self._said = ""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="timestamps", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End; an exchange that is under way comes to its own end, within its time."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()

    def stamp(self) -> bool:
        """Have the newest checkpoint stamped, unless it was; whether that is so now."""
        try:
            note = self._newest()
            size = parse_checkpoint(parse_note(note.encode())).size
            if size and size not in self._stamps.sizes():
                data = note.encode()
                response, _ = self._authority.stamp(data, self._clock())
                self._stamps.keep(Stamp(size, data, response))
        except GatewayError as error:
            self._say(str(error))
            return False
        except Exception as error:  # a library that fails must not end the thread
            self._say(f"unforeseen: {type(error).__name__}")
            return False
        self._said = ""
        return True

    def _run(self) -> None:
        pause = 0.0
        while not self._end.wait(pause):
            pause = self._interval_s if self.stamp() else min(RETRY_S, self._interval_s)

    def _say(self, words: str) -> None:
        """Once, until something else is to be said."""
        if words != self._said:
            log.error("no timestamp over the log: %s", words)
        self._said = words
