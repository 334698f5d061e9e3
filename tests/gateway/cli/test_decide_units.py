"""Numbers among the facts of a refusal stand with their unit, for people and in logs."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import output
from tests.gateway.cli.commands import Charter
from tests.gateway.world import question

FRESH = "test.law/fresh"


def refused(charter: Charter, project: Path, tmp_path: Path, age: int, style: str) -> str:
    asked = question()
    asked["context"]["transfer"] = {"tool": "clauses", "age": age}
    file = tmp_path / "question.json"
    file.write_text(json.dumps(asked), encoding="utf-8")
    where = ("--policies", project, "--state", tmp_path / "state", "--engines", "reference")
    for dry in ((), ("--as-of", "2026-11-22")):
        ran = charter("decide", file, *where, *dry, "--format", style)
        assert ran.code == 2, ran.out + ran.err
        assert FRESH in ran.out
    return ran.out


@pytest.mark.parametrize(
    ("age", "shown"),
    [(400, "400 days"), (1000, "1000 days"), (36_525, "36 525 days")],
)
@pytest.mark.parametrize("style", ["human", "plain"])
def test_a_number_stands_with_its_unit(
    charter: Charter, project: Path, tmp_path: Path, age: int, shown: str, style: str
) -> None:
    said = refused(charter, project, tmp_path, age, style)
    assert f"transfer.age = {shown} (from the request)" in said


def test_json_has_the_number_alone(charter: Charter, project: Path, tmp_path: Path) -> None:
    """It is what was signed."""
    answer = json.loads(refused(charter, project, tmp_path, 400, "json"))
    (reason,) = (r for r in answer["reasons"] if r["rule"] == FRESH)
    assert {"path": "transfer.age", "value": 400, "origin": "request"} in reason["facts"]


ANSWER: dict[str, Any] = {
    "decision": "deny",
    "action": "place",
    "today": {},
    "engines": {},
    "missing": [],
    "obligations": [],
    "incident": None,
    "reasons": [
        {
            "rule": "a/b",
            "status": "forbidden",
            "title": "T",
            "because": "",
            "citations": [],
            "remedies": [],
            "facts": [
                {"path": "a.n", "value": 1, "origin": "request"},
                {"path": "a.d", "value": "24.10", "origin": "request"},
                {"path": "a.s", "value": ["x", "1"], "origin": "request"},
                {"path": "a.t", "value": True, "origin": "request"},
            ],
        }
    ],
}


@pytest.mark.parametrize("style", ["human", "plain"])
def test_only_what_has_a_unit_gets_one(style: str) -> None:
    said = output.decision(ANSWER, style=style, units={"a.n": "days", "a.d": "percent"})
    assert "a.n = 1 day (" in said
    assert "a.d = 24.10 percent (" in said
    assert "a.s = {x, 1} (" in said
    assert "a.t = yes (" in said


def test_without_the_charters_no_unit_is_made_up() -> None:
    assert "a.n = 1 (from the request)" in output.decision(ANSWER, style="plain")
