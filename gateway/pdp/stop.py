"""Stop: after so many disagreements of the engines, answer nothing more until a person says so.

The word is a file, so that it outlives the process: a restart is no person. While the file is
there, no engine is asked and nothing that they said before is repeated; when it is taken away,
the gateway answers again.
"""

import json
import logging
import os
from pathlib import Path

from gateway.errors import ConfigurationError

WHY = "the engines disagreed, and the gateway has stopped until an operator resumes it"

log = logging.getLogger("charter")


class Stop:
    """Counts disagreements, and says stop.

    Args:
        file: Is there while it is stopped.
        after: How many disagreements it takes; 0 for never.
    """

    def __init__(self, file: Path, after: int) -> None:
        self._file = file
        self._after = after
        self._counted: dict[str, int] = {}
        self._is_written = file.exists()
        self.why: str | None = WHY if self._is_written else None

    def refuse_to_start(self) -> None:
        """Raise `ConfigurationError` where it was stopped before and nobody has resumed it."""
        if self.why is not None:
            raise ConfigurationError(self._words())

    def disputed(self, engine: str) -> None:
        """The answer of an engine differs from another's; each of those says so once."""
        self._counted[engine] = self._counted.get(engine, 0) + 1
        if self._after and self.why is None and self._counted[engine] >= self._after:
            self.why = WHY
            self._write()
            log.critical(self._words())

    def _write(self) -> None:
        try:
            words = {"stopped": WHY, "disagreements": self._after}
            _keep(self._file, json.dumps(words) + "\n")
            self._is_written = True
        except OSError:
            self._is_written = False

    def _words(self) -> str:
        how = f"run: rm {self._file}" if self._is_written else "start it again"
        return f"{WHY}: find out why, then {how}"

    def look(self) -> None:
        """Stop where the file is there, which another worker has made, or a person; go on
        where a person has taken it away."""
        is_there = self._file.exists()
        if is_there and self.why is None:
            self.why, self._is_written = WHY, True
            log.critical(self._words())
        elif self._is_written and not is_there:
            self.why, self._is_written = None, False
            self._counted.clear()
            log.warning("the gateway answers again: %s is gone", self._file)


def _keep(path: Path, text: str) -> None:
    """On disk when this returns: a machine that fails a moment later is no person either."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
