"""A line that says how far something has come, on a terminal and nowhere else."""

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import TextIO

from gateway.keeping.progress import Told, nobody

_EVERY_S = 0.2
_WIDTH = 24
_CLEAR = "\r\x1b[K"


@contextmanager
def shown(out: TextIO | None = None, *, style: str = "human") -> Generator[Told]:
    """Show progress on standard error for the length of the block, where that is a terminal
    and the output is for people."""
    screen = out or sys.stderr
    if style != "human" or not screen.isatty():
        yield nobody
        return
    bar = _Bar(screen)
    try:
        yield bar.told
    finally:
        screen.write(_CLEAR)
        screen.flush()


class _Bar:
    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._what = ""
        self._began = self._drawn = 0.0

    def told(self, what: str, done: int, of: int) -> None:
        now = time.monotonic()
        if what != self._what:
            self._what, self._began, self._drawn = what, now, 0.0
        if now - self._drawn < _EVERY_S and done < of:
            return
        self._drawn = now
        share = done / of if of else 1.0
        filled = "#" * int(share * _WIDTH)
        left = (now - self._began) * (1 - share) / share if share else 0.0
        more = f", {_duration(left)} left" if left > 1 else ""
        self._out.write(
            f"{_CLEAR}{what}  [{filled:<{_WIDTH}}] {share:4.0%}  {done:,} of {of:,}{more}"
        )
        self._out.flush()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
