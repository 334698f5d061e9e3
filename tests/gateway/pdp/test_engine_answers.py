"""Which answers of an engine are believed, where rules have levels and preferences."""

from typing import Any

import pytest

from dsl.core import Effect, Level
from dsl.evaluate import Answer
from gateway.errors import EngineAnswerError
from gateway.pdp.engine import AnswerCheck, RawAnswer, Told, rego_answer
from tests import corpus

CHARTER = "test.charter/"
P, F = f"{CHARTER}permission", f"{CHARTER}prohibition"
WARNED, HOPED, NEAR = f"{CHARTER}warned", f"{CHARTER}hoped-for", f"{CHARTER}near"
DUTY, NOT_DUE = f"{P}/keep-record", f"{WARNED}/not-due"
ADVICE = f"{CHARTER}advise/start-logs"

PROGRAM = corpus.program(
    corpus.permit(duties={"keep-record": corpus.ALWAYS}),
    corpus.forbid(corpus.ENCRYPTED),
    corpus.rule(
        "warned",
        Effect.FORBID,
        corpus.ALWAYS,
        level=Level.WARN,
        duties={"not-due": corpus.ALWAYS},
    ),
    corpus.rule("hoped-for", Effect.PERMIT, corpus.ALWAYS, level=Level.SHADOW),
    corpus.rule("near", Effect.PREFER, corpus.IN_EEA),
    corpus.with_advice(corpus.rule("advise", Effect.OBLIGE, corpus.ALWAYS), corpus.ALWAYS),
)
PERMIT: dict[str, Any] = {
    "program": "sha256:1",
    "denied": [],
    "granted": [P],
    "duties": [DUTY, ADVICE],
    "preferred": [NEAR],
    "noted": [WARNED, HOPED],
}
REFUSAL: dict[str, Any] = {
    "program": "sha256:1",
    "denied": [F],
    "granted": [],
    "broken": [F],
    "open": [P],
    "noted": [WARNED],
}


def believe(document: dict[str, Any]) -> Answer:
    return AnswerCheck("test", PROGRAM).answer(rego_answer("test", document, "sha256:1"))


def without(document: dict[str, Any], member: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != member}


def test_a_permit_has_duties_advice_preferences_and_what_is_noted() -> None:
    assert believe(PERMIT) == Answer(
        frozenset(),
        frozenset({P}),
        duties=frozenset({DUTY, ADVICE}),
        preferred=frozenset({NEAR}),
        noted=frozenset({WARNED, HOPED}),
    )


def test_a_refusal_has_reasons_and_what_is_noted() -> None:
    assert believe(REFUSAL) == Answer(
        frozenset({F}),
        frozenset(),
        broken=frozenset({F}),
        open=frozenset({P}),
        noted=frozenset({WARNED}),
    )


WRONG: dict[str, dict[str, Any]] = {
    "noted missing of a permit": without(PERMIT, "noted"),
    "noted missing of a refusal": without(REFUSAL, "noted"),
    "preferred missing": without(PERMIT, "preferred"),
    "preferred on a refusal": {**REFUSAL, "preferred": []},
    "preferred beside reasons, for duties": {**without(PERMIT, "duties"), "open": []},
    "duties and preferred for what is denied": {**PERMIT, "denied": [F]},
    "noted null": {**PERMIT, "noted": None},
    "preferred as text": {**PERMIT, "preferred": NEAR},
    "preferred twice": {**PERMIT, "preferred": [NEAR, NEAR]},
    "noted twice": {**REFUSAL, "noted": [WARNED, WARNED]},
    "an enforced prohibition is noted": {**PERMIT, "noted": [F]},
    "an enforced permission is noted": {**PERMIT, "noted": [P]},
    "a preference is noted": {**PERMIT, "noted": [NEAR]},
    "a duty is noted": {**PERMIT, "noted": [DUTY]},
    "a noted prohibition denies": {**REFUSAL, "denied": [F, WARNED]},
    "a noted prohibition is broken": {**REFUSAL, "broken": [F, WARNED]},
    "a noted permission grants": {**PERMIT, "granted": [HOPED]},
    "a noted permission grants as well": {**PERMIT, "granted": [P, HOPED]},
    "a noted permission is open": {**REFUSAL, "open": [P, HOPED]},
    "a preference grants": {**PERMIT, "granted": [NEAR]},
    "a preference denies": {**REFUSAL, "denied": [NEAR], "broken": []},
    "a preference is a duty": {**PERMIT, "duties": [NEAR]},
    "a permission is preferred": {**PERMIT, "preferred": [P]},
    "a noted rule is preferred": {**PERMIT, "preferred": [WARNED]},
    "a duty is preferred": {**PERMIT, "preferred": [DUTY]},
    "advice grants": {**PERMIT, "granted": [ADVICE]},
    "the duty of a rule that is not enforced": {**PERMIT, "duties": [NOT_DUE]},
    "an unheard-of preference": {**PERMIT, "preferred": ["test.charter/far"]},
    "an unheard-of rule is noted": {**REFUSAL, "noted": ["test.charter/far"]},
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_out_of_its_place_makes_the_answer_unusable(name: str) -> None:
    with pytest.raises(EngineAnswerError):
        believe(WRONG[name])


def test_ids_listed_together_are_told_apart_by_what_they_are() -> None:
    listed = [WARNED, ADVICE, P, NEAR, F, DUTY, HOPED, "unheard-of"]
    assert AnswerCheck("test", PROGRAM).told(listed) == Told(
        prohibitions=[F, "unheard-of"],
        permissions=[P],
        preferences=[NEAR],
        duties=[ADVICE, DUTY],
        noted=[WARNED, HOPED],
    )


@pytest.mark.parametrize("member", ["duties", "preferred"])
def test_a_refusal_with_an_empty_list_of_a_permit_is_unusable(member: str) -> None:
    raw: dict[str, Any] = {"broken": [F], "open": [P], member: []}
    with pytest.raises(EngineAnswerError, match="refuses"):
        AnswerCheck("test", PROGRAM).answer(RawAnswer([F], [], [], **raw))
