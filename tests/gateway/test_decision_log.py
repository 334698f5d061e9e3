"""The line of a decision is the one that the library would write, letter for letter."""

import json
import logging
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import decision_log
from gateway.cli.logs import JsonFormatter
from gateway.decision_log import Decided, line_of, tell
from gateway.watch import request_id, trace_id

# 1970 to 2100. The library rounds to a microsecond before it cuts off to a millisecond.
INSTANTS = st.integers(0, 4_102_444_800_000).map(lambda ms: ms / 1000 + 0.0001)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
DECIDED = st.builds(
    Decided,
    id=st.uuids().map(str),
    outcome=st.sampled_from(["permit", "deny", "indeterminate"]),
    caller=TEXTS | st.sampled_from(["0123456789ab", "spiffe://clinic/ns/a"]),
    tenant=TEXTS,
    incident=st.none(),
    seconds=st.floats(0, 5),
)


class Kept(logging.Handler):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def told(decided: Decided) -> logging.LogRecord:
    """What the library is given of a decision."""
    log, kept = logging.getLogger("charter"), Kept()
    before = log.level
    log.setLevel(logging.INFO)  # which forgets what it has found out about levels
    log.addHandler(kept)
    try:
        tell(decided)
    finally:
        log.removeHandler(kept)
        log.setLevel(before)
    (record,) = kept.records
    return record


@given(decided=DECIDED, now=INSTANTS, request=TEXTS, trace=TEXTS)
def test_the_line_is_what_the_library_writes_of_the_same_decision(
    decided: Decided, now: float, request: str, trace: str
) -> None:
    tokens = request_id.set(request), trace_id.set(trace)
    try:
        record = told(decided)
        record.created = now
        assert line_of(decided, lambda: now) == JsonFormatter().format(record)
    finally:
        request_id.reset(tokens[0])
        trace_id.reset(tokens[1])


@pytest.mark.parametrize("second", [0.0, 0.999, 1.0, 1_700_000_000.9999])
def test_the_end_of_a_second_is_not_the_next_one(second: float) -> None:
    found: dict[str, Any] = json.loads(
        line_of(Decided("i", "permit", "c", "t", None, 0), lambda: second)
    )
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(int(second)))
    assert found["at"] == f"{moment}.{int(second * 1000) % 1000:03}Z"


@pytest.mark.parametrize("incident", [None, "engines disagree"])
def test_an_incident_is_an_error_and_is_told_in_words(incident: str | None) -> None:
    record = told(Decided("i", "deny", "c", "t", incident, 0.001))
    assert record.levelno == (logging.ERROR if incident else logging.INFO)
    assert json.loads(JsonFormatter().format(record))["incident"] == incident


@pytest.mark.parametrize("hostile", ['"', "\\", "\n", "\x00", "\u2028", "alice@clinic.example"])
def test_what_a_caller_is_named_is_not_repeated_and_breaks_no_line(hostile: str) -> None:
    line = line_of(Decided("i", "permit", hostile, hostile, None, 0))
    found = json.loads(line)
    assert found["tenant"] == hostile
    assert found["caller"].startswith("sha256:")
    assert "\n" not in line
    assert decision_log.log.name == "charter"
