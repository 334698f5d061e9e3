"""Work that makes very many objects and no rubbish that only the collector would find.

Python looks for cycles again and again while objects become more. Trees and formulas have no
cycles, and looking through all of them takes as long as making them.
"""

import gc
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock


class _Pause:
    """Counts who works, as threads may at the same time: the last one ends the pause."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._working = 0
        self._was_enabled = False

    def begin(self) -> None:
        with self._lock:
            if not self._working:
                self._was_enabled = gc.isenabled()
                gc.disable()
            self._working += 1

    def end(self) -> None:
        with self._lock:
            self._working -= 1
            if not self._working and self._was_enabled:
                gc.enable()


_PAUSE = _Pause()


@contextmanager
def uncollected() -> Generator[None]:
    """Cycles are not looked for inside; counted references free what they always do."""
    _PAUSE.begin()
    try:
        yield
    finally:
        _PAUSE.end()
