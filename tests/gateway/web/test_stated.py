"""The limits that the gateway tells are those of the code and of the documents."""

import re

import pytest

from gateway.web.openapi import document
from gateway.web.problem import PROBLEMS, Problem
from gateway.web.stated import stated_limits
from tests.project import ROOT

TABLE = (
    (ROOT / "docs" / "wire_formats.md")
    .read_text(encoding="utf-8")
    .partition("| limit | value |")[2]
    .partition("\n\n")[0]
)


def test_the_file_tells_them() -> None:
    assert document([], b"{}")["x-limits"] == stated_limits()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("body_bytes", 2**20), ("batch_bytes", 2**22), ("batch_items", 100),
        ("page_items", 1000), ("head_bytes", 16 * 1024), ("headers", 100), ("json_depth", 32),
        ("json_keys", 10_000), ("json_values", 50_000), ("batch_values", 200_000),
        ("string_bytes", 64 * 1024), ("integer", 9007199254740991),
        ("head_ms", 10_000), ("body_ms", 10_000), ("engine_ms", 500),
        ("in_flight_of_tenant", 64), ("connections_of_client", 100),
        ("charter_bytes", 2**22), ("charter_rules", 10_000), ("charter_files", 1_000),
        ("evidence_bytes", 2**22), ("challenges_of_tenant", 1_000), ("challenge_ms", 300_000),
        ("outbound_ms", 5_000), ("outbound_bytes", 2**20), ("fact_source_ms", 1_000),
    ],
)  # fmt: skip
def test_a_limit_has_the_value_that_was_promised(name: str, value: int) -> None:
    assert stated_limits()[name] == value


@pytest.mark.parametrize(
    ("row", "name", "unit"),
    [
        ("open questions of one tenant", "in_flight_of_tenant", 1),
        ("connections of one client", "connections_of_client", 1),
        ("bodies of open questions of one tenant", "bytes_in_flight_of_tenant", 2**20),
        ("head and body", "head_ms", 1000),
        ("head and body", "body_ms", 1000),
    ],
)
def test_the_page_says_the_same(row: str, name: str, unit: int) -> None:
    (line,) = [line for line in TABLE.splitlines() if line.startswith(f"| {row} |")]
    (number,) = re.findall(r"[0-9]+", line)
    assert int(number) * unit == stated_limits()[name]


@pytest.mark.parametrize("problem", PROBLEMS, ids=[problem.slug for problem in PROBLEMS])
def test_whoever_is_to_come_back_is_told_when_in_seconds_and_milliseconds(
    problem: Problem,
) -> None:
    seconds = problem.all_headers.get("Retry-After")
    milliseconds = problem.body().get("retry_after_ms")
    assert (seconds is None) == (milliseconds is None)
    assert int(problem.status) not in (429, 503) or seconds is not None
    if seconds is not None:
        assert problem.all_headers["Retry-After-Ms"] == str(milliseconds)
        assert isinstance(milliseconds, int)
        assert (int(seconds) - 1) * 1000 < milliseconds <= int(seconds) * 1000
