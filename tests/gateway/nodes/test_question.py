"""What a question may say of its machine: a name and evidence, and nothing that it came to."""

from typing import Any

import pytest

from gateway.errors import RequestError
from gateway.nodes.question import Asked, take_attestation
from gateway.pdp.request import DecisionRequest
from tests.gateway.nodes.machines import Machine
from tests.gateway.world import question

EVIDENCE = Machine().evidence()


def taken(said: Any) -> tuple[DecisionRequest, Asked | None]:
    context = {"data": {"labels": ["health"]}, "attestation": said}
    return take_attestation(DecisionRequest.read(question(context=context)))


def test_a_node_is_taken_out_of_the_question() -> None:
    rest, asked = taken({"node": "n1"})
    assert rest.context == {"data": {"labels": ["health"]}}
    assert asked == Asked("n1", None)


def test_a_question_without_one_stays_as_it_is() -> None:
    request = DecisionRequest.read(question())
    assert take_attestation(request) == (request, None)
    assert taken(None)[1] is None


def test_evidence_is_taken_in_one_spelling_whatever_its_layout() -> None:
    backwards = dict(reversed(EVIDENCE.items()))
    found = [taken({"node": "n1", "evidence": one})[1] for one in (EVIDENCE, backwards)]
    assert found[0] == found[1]
    assert found[0] is not None
    assert found[0].submission is not None
    assert found[0].submission.challenge is None


HERE = "/context/attestation"
WRONG: dict[str, tuple[Any, str, str]] = {
    "a text": ("n1", "malformed-question", HERE),
    "a list": (["n1"], "malformed-question", HERE),
    "no node": ({}, "malformed-question", f"{HERE}/node"),
    "an empty node": ({"node": ""}, "malformed-question", f"{HERE}/node"),
    "a number": ({"node": 1}, "malformed-question", f"{HERE}/node"),
    "a long node": ({"node": "n" * 257}, "malformed-question", f"{HERE}/node"),
    "a node that steers a terminal": ({"node": "\x1b[2J"}, "malformed-question", f"{HERE}/node"),
    "a technology": ({"node": "n1", "technology": "tdx"}, "foreign-origin", f"{HERE}/technology"),
    "a verdict": ({"node": "n1", "verdict": None}, "foreign-origin", f"{HERE}/verdict"),
    "a member with a slash": ({"node": "n1", "a/b~": 1}, "foreign-origin", f"{HERE}/a~1b~0"),
    "a challenge alone": (
        {"node": "n1", "challenge": "x"}, "malformed-question", f"{HERE}/challenge",
    ),
    "a challenge that is a list": (
        {"node": "n1", "challenge": ["x"], "evidence": EVIDENCE}, "malformed-question",
        f"{HERE}/challenge",
    ),
    "evidence that is a text": (
        {"node": "n1", "evidence": "x"}, "malformed-question", f"{HERE}/evidence",
    ),
    "evidence of no technology": (
        {"node": "n1", "evidence": {**EVIDENCE, "technology": "sgx"}}, "malformed-question",
        f"{HERE}/evidence",
    ),
    "evidence with more in it": (
        {"node": "n1", "evidence": {**EVIDENCE, "verdict": "accepted"}}, "malformed-question",
        f"{HERE}/evidence",
    ),
    "evidence that is no base64": (
        {"node": "n1", "evidence": {**EVIDENCE, "evidence": {"quote": "%"}}},
        "malformed-question", f"{HERE}/evidence",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_malformed_or_anothers_to_say_is_refused_by_name(what: str) -> None:
    said, kind, pointer = WRONG[what]
    with pytest.raises(RequestError) as refused:
        taken(said)
    assert (refused.value.kind, refused.value.pointer) == (kind, pointer)
