"""Runs something again whenever files change, with the standard library alone.

Files are polled by their time, size and identity. A round waits until nothing has changed
for a moment, so that a file an editor is still writing, or a folder a checkout is still
filling, is read once and whole.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TextIO

POLL_S = 0.25
SETTLED_S = 0.2
MAX_UNSETTLED_S = 3.0  # something that never stops changing is looked at all the same
_SUFFIX = ".charter"
_CLEAR = "\x1b[2J\x1b[3J\x1b[H"

Snapshot = dict[str, tuple[int, int, int]]


@dataclass(frozen=True)
class Round:
    """What is done each time: `run` takes the time of the round and returns what to write
    to `out`. The screen is cleared before it where `out` is a terminal."""

    run: Callable[[datetime], str]
    out: TextIO
    clears: bool = True

    def __call__(self) -> None:
        if self.clears and self.out.isatty():
            self.out.write(_CLEAR)
            self.out.flush()
        self.out.write(self.run(datetime.now().astimezone()))
        self.out.flush()


def watch(paths: Sequence[Path], run: Callable[[], None]) -> None:
    """Run once, and again after every change of a charter at or below `paths`, until
    somebody interrupts it."""
    try:
        while True:
            # Taken before the round: what changes while it runs starts another.
            seen = snapshot(paths)
            run()
            _wait_for_change(paths, seen)
    except KeyboardInterrupt:
        return


def _wait_for_change(paths: Sequence[Path], seen: Snapshot) -> None:
    while snapshot(paths) == seen:
        time.sleep(POLL_S)
    patience = time.monotonic() + MAX_UNSETTLED_S
    last = snapshot(paths)
    while time.monotonic() < patience:
        time.sleep(SETTLED_S)
        now = snapshot(paths)
        if now == last:
            return
        last = now


def snapshot(paths: Sequence[Path]) -> Snapshot:
    """Time in nanoseconds, size and identity of every charter, by its path. What vanishes
    while it is looked at is not there."""
    found: Snapshot = {}
    for path in paths:
        if path.is_dir():
            for folder, _, names in os.walk(path):
                for name in names:
                    if name.endswith(_SUFFIX):
                        _look(os.path.join(folder, name), found)
        else:
            _look(str(path), found)
    return found


def _look(name: str, found: Snapshot) -> None:
    try:
        stat = os.stat(name)
    except OSError:
        return
    found[name] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
