"""A line of the log is JSON, and repeats nothing that somebody else wrote."""

import asyncio
import io
import json
import logging
import sys
from typing import Any

import pytest

from gateway.cli.logs import JsonFormatter, TogetherHandler
from gateway.decision_log import Decided
from gateway.watch import request_id, shown, trace_id


def line(record: logging.LogRecord) -> dict[str, Any]:
    text = JsonFormatter().format(record)
    assert "\n" not in text
    return json.loads(text)


def record(name: str, words: str, *values: object, error: object = None) -> logging.LogRecord:
    information: Any = sys.exc_info() if error else None
    return logging.LogRecord(name, logging.ERROR, "p", 1, words, values, information)


def raised() -> logging.LogRecord:
    try:
        try:
            {}["secret-key"]
        except KeyError as inner:
            raise ValueError("secret-value") from inner
    except ValueError as outer:
        return record("charter", "unforeseen", error=outer)
    raise AssertionError("nothing was raised")


def test_an_error_is_told_by_its_kind_and_places_and_not_by_its_words() -> None:
    found = line(raised())
    assert "secret" not in json.dumps(found)
    assert found["trace"][0] == "ValueError"
    assert "KeyError" in found["trace"]
    assert any("test_logs.py:" in place for place in found["trace"])


@pytest.mark.parametrize("words", ["asked %s", "first line\nwith %s and secret-more"])
def test_of_a_librarys_event_only_the_first_line_stands_without_values(words: str) -> None:
    found = line(record("aiohttp.client", words, "secret-value"))
    assert "secret" not in json.dumps(found)
    assert found["event"].startswith("aiohttp.client: ")


def test_our_own_events_are_told_in_full() -> None:
    assert line(record("charter", "%d connections", 3))["event"] == "3 connections"


def test_a_value_that_is_no_json_is_told_by_its_type() -> None:
    one = record("charter", "decision")
    one.charter = {"what": object()}  # pyright: ignore[reportAttributeAccessIssue]
    assert line(one)["what"] == "object"


def test_inside_a_request_its_ids_are_told_and_outside_none() -> None:
    tokens = request_id.set("r-1"), trace_id.set("t-1")
    try:
        found = line(record("charter", "x"))
        assert (found["request_id"], found["trace_id"]) == ("r-1", "t-1")
    finally:
        request_id.reset(tokens[0])
        trace_id.reset(tokens[1])
    assert {"request_id", "trace_id"}.isdisjoint(line(record("charter", "x")))


@pytest.mark.parametrize(
    "caller", ["alice@clinic.example", "spiffe://clinic/ns/a", "", "clinicalice7", "0123456789AB"]
)
def test_a_caller_that_we_did_not_name_is_told_by_a_digest(caller: str) -> None:
    found = shown(caller)
    assert found.startswith("sha256:")
    assert not caller or caller not in found
    assert shown(caller) == found != shown(caller + "x")


def test_a_token_of_ours_is_told_by_its_id() -> None:
    assert shown("0123456789ab") == "0123456789ab"


# --- when it is written ----------------------------------------------------------------


class Writes(io.StringIO):
    """A stream that notes each write, in events."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[list[str]] = []

    def write(self, text: str) -> int:
        self.seen.append([json.loads(line)["event"] for line in text.splitlines()])
        return len(text)


def told(words: str, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("charter", level, "p", 1, words, None, None)


def handler() -> tuple[TogetherHandler, list[list[str]]]:
    stream = Writes()
    made = TogetherHandler(stream)
    made.setFormatter(JsonFormatter())
    return made, stream.seen


def test_the_lines_of_one_turn_of_the_loop_are_one_write_in_their_order() -> None:
    made, seen = handler()

    async def turns() -> None:
        for turn in range(2):
            for number in range(3):
                made.handle(told(f"{turn}-{number}"))
            assert len(seen) == turn
            await asyncio.sleep(0)

    asyncio.run(turns())
    assert seen == [["0-0", "0-1", "0-2"], ["1-0", "1-1", "1-2"]]


@pytest.mark.parametrize("level", [logging.WARNING, logging.ERROR])
def test_what_is_worse_than_usual_is_written_at_once_behind_what_waits(level: int) -> None:
    made, seen = handler()

    async def turn() -> None:
        made.handle(told("usual"))
        made.handle(told("worse", level))
        assert seen == [["usual", "worse"]]
        made.handle(told("usual again"))
        await asyncio.sleep(0)

    asyncio.run(turn())
    assert seen == [["usual", "worse"], ["usual again"]]


def test_without_an_event_loop_each_line_is_written_at_once() -> None:
    made, seen = handler()
    made.handle(told("one"))
    made.handle(told("two"))
    assert seen == [["one"], ["two"]]


def test_nothing_is_lost_where_a_loop_ends_before_its_turn_does() -> None:
    made, seen = handler()

    async def left() -> None:
        made.handle(told("left"))

    loop = asyncio.new_event_loop()
    task = loop.create_task(left())
    task.add_done_callback(lambda _: loop.stop())
    loop.run_forever()
    loop.close()
    made.handle(told("outside"))
    assert [event for events in seen for event in events] == ["left", "outside"]

    seen.clear()

    async def ended() -> None:
        made.handle(told("last"))
        made.close()  # as at the end of the process
        assert seen == []

    asyncio.run(ended())
    made.flush()
    assert [event for events in seen for event in events] == ["last"]


def test_a_line_that_cannot_be_told_takes_no_other_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, seen = handler()
    failed: list[logging.LogRecord] = []
    monkeypatch.setattr(made, "handleError", failed.append)
    broken = logging.LogRecord("charter", logging.INFO, "p", 1, "%d things", ("x",), None)

    async def turn() -> None:
        for one in (told("before"), broken, told("after")):
            made.handle(one)
        await asyncio.sleep(0)

    asyncio.run(turn())
    assert failed == [broken]
    assert seen == [["before", "after"]]


# --- decisions ---------------------------------------------------------------------------


def decided(number: int, incident: str | None = None) -> Decided:
    return Decided(str(number), "permit", "0123456789ab", "clinic-a", incident, 0.001)


def test_decisions_are_written_with_the_other_lines_of_their_turn_in_their_order() -> None:
    made, seen = handler()

    async def turn() -> None:
        made.decided(decided(1))
        made.handle(told("between"))
        made.decided(decided(2))
        assert seen == []
        await asyncio.sleep(0)

    asyncio.run(turn())
    assert seen == [["decision", "between", "decision"]]


def test_decisions_of_a_loop_that_ended_are_written_with_those_of_the_next() -> None:
    made, seen = handler()
    loop = asyncio.new_event_loop()

    async def left() -> None:
        loop.stop()
        made.decided(decided(1))

    task = loop.create_task(left())
    loop.run_forever()
    loop.close()
    assert task.done()
    assert seen == []

    async def turn() -> None:
        made.decided(decided(2))
        made.decided(decided(3))
        await asyncio.sleep(0)

    asyncio.run(turn())
    assert [event for events in seen for event in events] == ["decision"] * 3


def test_a_decision_without_a_loop_and_one_with_an_incident_are_left_to_the_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, seen = handler()
    kept: list[Decided] = []
    monkeypatch.setattr("gateway.cli.logs.tell", kept.append)
    made.decided(decided(1))

    async def turn() -> None:
        made.decided(decided(2, "engines disagree"))

    asyncio.run(turn())
    assert [one.id for one in kept] == ["1", "2"]
    assert seen == []
