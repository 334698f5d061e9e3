"""Events on standard error, one line of JSON each, for a log collector."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import cast


class JsonFormatter(logging.Formatter):
    """`charter` on a record is a dictionary of members besides the usual ones."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {
            "at": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line.update(cast("dict[str, object]", getattr(record, "charter", {})))
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def log_as_json() -> None:
    """Warnings of libraries, and every event of our own."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("charter").setLevel(logging.INFO)
