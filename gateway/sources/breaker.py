"""A breaker: a source that fails is left alone for a while, and then tried once."""

from collections.abc import Callable

FAILURES = 3  # one after the other, until it opens
FIRST_S = 0.5
LAST_S = 16.0  # a source that is back is asked again within this time


class Breaker:
    """Whether a source may be asked.

    Args:
        seconds: A clock that never steps back.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._failures = 0
        self._pause_s = FIRST_S
        self._until: float | None = None
        self._is_trying = False

    @property
    def is_open(self) -> bool:
        return self._until is not None

    def admit(self) -> bool:
        """Whether to ask now. Of a source that failed, one question is let through after a
        while, and the others wait for what becomes of it."""
        if self._until is None:
            return True
        now = self._seconds()
        if now < self._until:
            return False
        self._until = now + self._pause_s
        self._is_trying = True
        return True

    def succeeded(self) -> None:
        self._failures, self._pause_s, self._until = 0, FIRST_S, None
        self._is_trying = False

    def failed(self) -> None:
        """Count it; it opens, or stays open for twice as long as before. What was asked before
        it opened and fails now says nothing new."""
        self._failures += 1
        if self._failures < FAILURES or (self._until is not None and not self._is_trying):
            return
        if self._is_trying:
            self._pause_s = min(2 * self._pause_s, LAST_S)
            self._is_trying = False
        self._until = self._seconds() + self._pause_s
