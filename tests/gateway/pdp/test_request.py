"""The shape of a question: what is not declared is refused by name."""

from typing import Any

import pytest

from gateway.errors import RequestError
from gateway.pdp.request import DecisionRequest
from tests.gateway.world import question

LONG = "x" * 257

# What was damaged, the damaged question, the place that must be named.
DAMAGE: list[tuple[str, Any, str]] = [
    ("a list", [], ""),
    ("a string", "place", ""),
    ("null", None, ""),
    ("a number", 7, ""),
    ("no subject", question(subject=...), "/subject"),
    ("no action", question(action=...), "/action"),
    ("no resource", question(resource=...), "/resource"),
    ("subject is null", question(subject=None), "/subject"),
    ("subject is a list", question(subject=[]), "/subject"),
    ("subject without type", question(subject__type=...), "/subject/type"),
    ("subject without id", question(subject__id=...), "/subject/id"),
    ("subject id is empty", question(subject__id=""), "/subject/id"),
    ("subject id is a number", question(subject__id=7), "/subject/id"),
    ("subject id is true", question(subject__id=True), "/subject/id"),
    ("subject id is too long", question(subject__id=LONG), "/subject/id"),
    ("action name is a list", question(action__name=["place"]), "/action/name"),
    ("action name is empty", question(action__name=""), "/action/name"),
    ("action is a string", question(action="place"), "/action"),
    ("resource id is null", question(resource__id=None), "/resource/id"),
    ("resource id is too long", question(resource__id=LONG), "/resource/id"),
    ("properties is null", question(subject__properties=None), "/subject/properties"),
    ("properties is a list", question(resource__properties=[]), "/resource/properties"),
    ("context is null", question(context=None), "/context"),
    ("context is a string", question(context="x"), "/context"),
    ("a fifth member", question(tenant="clinic-b"), "/tenant"),
    ("a member of subject", question(subject__tenant="clinic-b"), "/subject/tenant"),
    ("a member of action", question(action__at="2020-01-01"), "/action/at"),
    ("a member of resource", question(resource__facts={}), "/resource/facts"),
    ("a member with ~ and /", question(**{"a/b~c": 1}), "/a~1b~0c"),
]


def test_a_question_is_read() -> None:
    request = DecisionRequest.read(question(context__data__labels=["health"]))
    assert (request.action.name, request.resource.id) == ("place", "near")
    assert request.context["data"] == {"labels": ["health"]}


@pytest.mark.parametrize("left_out", ["context", "subject__properties"])
def test_what_may_be_left_out_is_empty(left_out: str) -> None:
    request = DecisionRequest.read(question(**{left_out: ...}))
    assert request.context == {} or request.subject.properties == {}


@pytest.mark.parametrize(
    ("value", "pointer"), [row[1:] for row in DAMAGE], ids=[row[0] for row in DAMAGE]
)
def test_a_malformed_question_is_refused_at_its_place(value: Any, pointer: str) -> None:
    with pytest.raises(RequestError) as caught:
        DecisionRequest.read(value)
    assert (caught.value.kind, caught.value.pointer) == ("malformed-question", pointer)
    # Words of ours, not of a library.
    assert "pydantic" not in caught.value.detail
    assert caught.value.detail[0].islower()
