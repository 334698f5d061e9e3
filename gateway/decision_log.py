"""The line of the log about a decision: there is one for each, so it is spelled from its parts
where nothing went wrong."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring
from typing import NamedTuple

from gateway.watch import request_id, shown, trace_id

log = logging.getLogger("charter")


class Decided(NamedTuple):
    """What is told of a decision. `incident` is in our own words; None where all went well."""

    id: str
    outcome: str
    caller: str
    tenant: str
    incident: str | None
    seconds: float


Tell = Callable[[Decided], None]


def tell(decided: Decided) -> None:
    """By the library, to whoever listens there."""
    level = logging.ERROR if decided.incident else logging.INFO
    if log.isEnabledFor(level):
        # Not by `log.log`, which looks for the line of the program it was called from.
        record = logging.LogRecord(log.name, level, __file__, 0, "decision", None, None)
        record.charter = {  # pyright: ignore[reportAttributeAccessIssue]
            "decision_id": decided.id,
            "decision": decided.outcome,
            "caller": shown(decided.caller),
            "tenant": decided.tenant,
            "incident": decided.incident,
            "milliseconds": round(decided.seconds * 1000, 3),
        }
        log.handle(record)


def line_of(decided: Decided, now: Callable[[], float] = time.time) -> str:
    """The line of a decision without incident, as `gateway.cli.logs.JsonFormatter` spells what
    `tell` gives it."""
    milliseconds = int(now() * 1000)
    head = f'{{"at": "{_second(milliseconds // 1000)}.{milliseconds % 1000:03}Z", '
    head += '"level": "info", "event": "decision", '
    if request := request_id.get():
        head += f'"request_id": {encode_basestring(request)}, '
    if trace := trace_id.get():
        head += f'"trace_id": {encode_basestring(trace)}, '
    return (
        f'{head}"decision_id": "{decided.id}", "decision": "{decided.outcome}", '
        f'{_who(decided.caller, decided.tenant)}, "incident": null, '
        f'"milliseconds": {round(decided.seconds * 1000, 3)!r}}}'
    )


@lru_cache(maxsize=8)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=1024)
def _who(caller: str, tenant: str) -> str:
    return f'"caller": "{shown(caller)}", "tenant": {encode_basestring(tenant)}'
