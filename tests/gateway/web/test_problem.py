"""Problem documents: stable types, each with its page, and nothing of the inside."""

import json
import re

import pytest

from gateway import errors
from gateway.errors import GatewayError
from gateway.pdp import normalise, refusals, request
from gateway.web.problem import BASE, INTERNAL, PROBLEMS, QUESTIONS, Problem, of_error
from tests.project import ROOT

PAGE = (ROOT / "docs" / "problems.md").read_text(encoding="utf-8")
SECTION = re.compile(r"^## `(?P<slug>[a-z-]+)`\n\n(?P<rest>.*?)(?=^## |\Z)", re.M | re.S)


def test_every_problem_has_a_section_and_every_section_a_problem() -> None:
    sections = [match["slug"] for match in SECTION.finditer(PAGE)]
    assert sorted(sections) == sorted(problem.slug for problem in PROBLEMS)
    assert len(sections) == len(set(sections))


@pytest.mark.parametrize("problem", PROBLEMS, ids=[problem.slug for problem in PROBLEMS])
def test_a_section_gives_status_title_meaning_and_what_to_do(problem: Problem) -> None:
    rest = next(match["rest"] for match in SECTION.finditer(PAGE) if match["slug"] == problem.slug)
    first, meaning, todo = rest.strip().split("\n\n")[:3]
    assert first == f"Status {int(problem.status)}. *{problem.title}.*"
    assert len(meaning) > 40
    assert todo.startswith("**What to do:** ")


def test_every_kind_of_request_error_that_the_code_raises_is_a_problem() -> None:
    source = "".join(
        (ROOT / (module.__name__.replace(".", "/") + ".py")).read_text(encoding="utf-8")
        for module in (errors, normalise, refusals, request)
    )
    kinds = set(re.findall(r'kind(?:: str)? ?= ?"([a-z-]+)"', source))
    assert kinds == set(QUESTIONS)


@pytest.mark.parametrize(
    "error",
    [
        GatewayError("secret"),
        errors.ConfigurationError("secret"),
        errors.LedgerError("secret"),
        errors.EntryConflictError(entry_id="secret", index=3),
        errors.EngineAnswerError("cedar", "secret"),
        errors.KeyFileError("secret"),
        errors.StatementMalformedError("secret"),
    ],
)
def test_what_is_not_the_callers_doing_is_told_without_its_message(error: GatewayError) -> None:
    assert of_error(error) is INTERNAL
    assert b"secret" not in of_error(error).raw()


def test_a_ledger_that_is_down_asks_to_come_back_and_says_no_more() -> None:
    problem = of_error(errors.LedgerUnavailableError("disk /dev/sda1 is full"))
    headers = {"Retry-After": "5", "Retry-After-Ms": "5000"}
    assert (problem.status, problem.all_headers) == (503, headers)
    assert "sda1" not in json.dumps(problem.body())


@pytest.mark.parametrize("problem", PROBLEMS, ids=[problem.slug for problem in PROBLEMS])
def test_the_answer_and_the_raw_answer_hold_the_same_document(problem: Problem) -> None:
    response = problem.response({"Connection": "close"})
    head, _, body = problem.raw().partition(b"\r\n\r\n")
    assert json.loads(body) == json.loads(bytes(response.body)) == problem.body()
    assert head.startswith(f"HTTP/1.1 {int(problem.status)} ".encode())
    assert f"content-length: {len(body)}".encode() in head
    assert response.media_type == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    assert problem.body()["type"] == BASE + problem.slug


def test_no_slug_is_used_twice() -> None:
    assert len({problem.slug for problem in PROBLEMS}) == len(PROBLEMS)
