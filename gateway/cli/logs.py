"""Events on standard error, one line of JSON each, for a log collector."""

import asyncio
import json
import logging
import sys
import traceback
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TextIO, cast

from gateway.decision_log import Decided, Tell, line_of, tell
from gateway.watch import request_id, trace_id

OURS = "charter"


def _kind(value: object) -> str:
    return type(value).__name__


_ENCODE = json.JSONEncoder(ensure_ascii=False, check_circular=False, default=_kind).encode


class JsonFormatter(logging.Formatter):
    """`charter` on a record is a dictionary of members besides the usual ones.

    Words that are not ours can repeat what a question says: of a library's event only the
    first line stands, before anything was put into it, and of an error its kind and places.
    """

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        ours = record.name == OURS
        words = record.getMessage() if ours else str(record.msg).partition("\n")[0]
        line: dict[str, object] = {
            "at": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": words if ours else f"{record.name}: {words}",
        }
        if request := request_id.get():
            line["request_id"] = request
        if trace := trace_id.get():
            line["trace_id"] = trace
        line.update(cast("dict[str, object]", getattr(record, "charter", {})))
        if record.exc_info and record.exc_info[1]:
            line["trace"] = _places(record.exc_info[1])
        return _ENCODE(line)


def _places(error: BaseException) -> list[str]:
    """Where an error came from, without the values it speaks of."""
    places = [
        f"{frame.filename}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    cause = error.__cause__ or error.__context__
    return [type(error).__name__, *places, *(["after", *_places(cause)] if cause else [])]


class TogetherHandler(logging.StreamHandler[TextIO]):
    """Writes the lines of one turn of the event loop in one go, when the turn has ended: a
    commit group of decisions is one write and not one each. Whatever is worse than usual, and
    whatever is told where no event loop runs, is written at once, after what came before."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines: list[str] = []
        self._later: asyncio.AbstractEventLoop | None = None  # where `flush` is due

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.append(self.format(record) + self.terminator)
            if record.levelno > logging.INFO or not self._is_later():
                self.flush()
        except Exception:
            self.handleError(record)

    def decided(self, decided: Decided) -> None:
        """As `gateway.decision_log.tell`, of a logger that this is the handler of."""
        if decided.incident is None:
            line = line_of(decided) + self.terminator
            with self.lock or nullcontext():  # another thread may be writing what waits
                if self._is_due() or self._is_later():
                    self._lines.append(line)
                    return
        tell(decided)

    def _is_due(self) -> bool:
        """Whether a loop is about to write what waits. To ask which loop runs here asks the
        system as well, for each decision of many."""
        later = self._later
        return later is not None and later.is_running()

    def _is_later(self) -> bool:
        """Whether what waits will be written without further ado."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        if self._later is not loop:
            self._later = loop
            loop.call_soon(self.flush)
        return True

    def flush(self) -> None:
        """Write what waits. It is called at the end of the process as well."""
        with self.lock or nullcontext():
            text, self._lines, self._later = "".join(self._lines), [], None
            if text:
                self.stream.write(text)
            super().flush()


def log_as_json() -> Tell:
    """Warnings of libraries, and every event of our own. Whom to tell of decisions."""
    # No line says so, and finding it out costs as much as the line.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = TogetherHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(OURS).setLevel(logging.INFO)
    return handler.decided
