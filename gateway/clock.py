"""The time of day as far as it can be trusted: a wrong clock stops decisions rather than
dating them wrongly.

What the law demands depends on the day, and so does who counts as a caller, so neither is
asked while the time is in doubt. It is in doubt

- behind the newest record or an instant that was told before: time does not run back;
- after a jump that the clock of the machine, which nobody can set, knows nothing of; until
  the time has run evenly for `SETTLE_S`, since a clock that was wrong is set right by a jump
  as well.

A clock that was wrong from the start and runs evenly cannot be told from a right one here.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock
from typing import NamedTuple, Self

from gateway.errors import ClockError

# Beyond a leap second, and what is left of small corrections.
TOLERANCE_S = 2.0
SETTLE_S = 20.0
# For how long a gateway tells the same instant: less than it writes down.
KEPT_S = 0.0005
# By how much the system may slow or hasten the clock to correct it: twice what Linux does.
_DRIFT = 0.001

log = logging.getLogger("charter")


_BOOT: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def machine_seconds() -> float:
    """Seconds that the machine has run, asleep or not; nobody can set them."""
    return time.clock_gettime(_BOOT)


class _Reading(NamedTuple):
    """What both clocks said at one moment."""

    wall: float
    machine: float

    def agrees(self, later: "_Reading") -> bool:
        """Whether both have run on evenly."""
        ran = later.machine - self.machine
        return abs(later.wall - self.wall - ran) <= TOLERANCE_S + _DRIFT * ran


class TrustedClock:
    """Gives the instant, in UTC.

    Args:
        wall: Seconds since 1970, which somebody may set.
        machine: Seconds that nobody can set.
        keep_s: So long an instant that was told is told again, by the clock of the machine.
    """

    def __init__(
        self,
        *,
        wall: Callable[[], float] = time.time,
        machine: Callable[[], float] = machine_seconds,
        keep_s: float = 0.0,
    ) -> None:
        self._wall = wall
        self._machine = machine
        self._keep_s = keep_s
        self._told = (0.0, 0.0, datetime.fromtimestamp(0, UTC))  # from when, until when, what
        self._latest = 0.0
        self._trusted = self._read()
        self._jumped_to: _Reading | None = None
        self._doubt = ""
        self._lock = Lock()

    def not_before(self, instant: datetime | None) -> Self:
        """Tell it of the newest record, or that there is none; returns itself."""
        if instant is not None:
            with self._lock:
                self._latest = max(self._latest, instant.timestamp())
        return self

    def __call__(self) -> datetime:
        """The instant.

        Raises:
            ClockError: It is in doubt.
        """
        since, until, told = self._told
        if since <= self._machine() < until:
            return told
        with self._lock:
            now = self._read()
            kind, words = self._doubt_about(now)
            self._tell(kind, words)
            if words:
                raise ClockError(words)
            self._trusted = now
            self._latest = max(self._latest, now.wall)
            told = datetime.fromtimestamp(now.wall, UTC)
            self._told = (now.machine, now.machine + self._keep_s, told)
            return told

    def _read(self) -> _Reading:
        """Both clocks at one moment, unless the system lets us never look at both at once."""
        before = self._machine()
        now = _Reading(self._wall(), self._machine())
        for _ in range(10):
            if now.machine - before < TOLERANCE_S / 4:
                break
            before = now.machine
            now = _Reading(self._wall(), self._machine())
        return now

    def _doubt_about(self, now: _Reading) -> tuple[str, str]:
        settled = self._has_settled(now)
        if now.wall < self._latest - TOLERANCE_S:
            latest = _shown(self._latest)
            return "behind", (
                f"the clock says {_shown(now.wall)}, and it was {latest} before: set the clock; "
                "nothing is decided until it is past that. If it was ahead then, restart with "
                f"--clock-was-ahead-until {latest}"
            )
        if not settled:
            off = now.wall - self._trusted.wall - (now.machine - self._trusted.machine)
            return "jumped", (
                f"the clock jumped by {off:+.0f} s: nothing is decided until it has run evenly "
                f"for {SETTLE_S:g} s"
            )
        return "", ""

    def _has_settled(self, now: _Reading) -> bool:
        if self._trusted.agrees(now):
            self._jumped_to = None
            return True
        if self._jumped_to is None or not self._jumped_to.agrees(now):
            self._jumped_to = now
        return now.machine - self._jumped_to.machine >= SETTLE_S

    def _tell(self, kind: str, words: str) -> None:
        """Once for each doubt, and at its end."""
        if kind and kind != self._doubt:
            log.error("%s", words)
        elif self._doubt and not kind:
            log.warning("the clock is trusted again")
        self._doubt = kind


def _shown(seconds: float) -> str:
    instant = datetime.fromtimestamp(seconds, UTC)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
