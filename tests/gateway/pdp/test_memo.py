"""The memo: the same question only, agreed answers only, and not too many."""

from dataclasses import replace

import pytest

from dsl.evaluate import Answer
from dsl.facts import Question
from gateway.pdp.combine import Combined, Incident, IncidentKind
from gateway.pdp.memo import Memo

QUESTION = Question("place", {"a.b": ("x",), "a.c": 1}, {"Europe/Brussels": 20_000})
AGREED = Combined({}, Answer(frozenset(), frozenset({"r"})), None)


@pytest.mark.parametrize(
    "other",
    [
        replace(QUESTION, action="flow"),
        replace(QUESTION, today={"Europe/Brussels": 20_001}),
        replace(QUESTION, today={"Europe/Paris": 20_000}),
        replace(QUESTION, facts={"a.b": ("x",)}),
        replace(QUESTION, facts={"a.b": ("x", "y"), "a.c": 1}),
        replace(QUESTION, facts={"a.b": ("x",), "a.c": True}),
        replace(QUESTION, facts={"a.b": "x", "a.c": 1}),
        replace(QUESTION, facts={"a.b": ("x",), "a.d": 1}),
    ],
)
def test_another_question_has_another_key(other: Question) -> None:
    assert Memo.key(other) != Memo.key(QUESTION)


def test_the_order_of_facts_does_not_matter() -> None:
    turned = replace(QUESTION, facts=dict(sorted(QUESTION.facts.items(), reverse=True)))
    assert Memo.key(turned) == Memo.key(QUESTION)


def test_an_incident_is_not_kept() -> None:
    memo = Memo()
    memo.put("k", Combined({}, None, Incident(IncidentKind.ERROR, "cedar: down")))
    assert memo.get("k") is None


def test_the_least_recently_used_goes_first() -> None:
    memo = Memo(2)
    for key in ("a", "b"):
        memo.put(key, AGREED)
    assert memo.get("a") is AGREED
    memo.put("c", AGREED)
    assert (memo.get("a"), memo.get("b"), memo.get("c")) == (AGREED, None, AGREED)


def test_a_memo_of_size_nought_keeps_nothing() -> None:
    memo = Memo(0)
    memo.put("k", AGREED)
    assert memo.get("k") is None
