"""Events on standard error, one line of JSON each, for a log collector."""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import cast

from gateway.watch import request_id, trace_id

OURS = "charter"


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
        return json.dumps(line, ensure_ascii=False, default=lambda value: type(value).__name__)


def _places(error: BaseException) -> list[str]:
    """Where an error came from, without the values it speaks of."""
    places = [
        f"{frame.filename}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    cause = error.__cause__ or error.__context__
    return [type(error).__name__, *places, *(["after", *_places(cause)] if cause else [])]


def log_as_json() -> None:
    """Warnings of libraries, and every event of our own."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(OURS).setLevel(logging.INFO)
