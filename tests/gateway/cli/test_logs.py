"""A line of the log is JSON, and repeats nothing that somebody else wrote."""

import json
import logging
import sys
from typing import Any

import pytest

from gateway.cli.logs import JsonFormatter
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
