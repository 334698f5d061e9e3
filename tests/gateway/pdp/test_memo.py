"""The memo: the same question only, agreed answers only, and not too many."""

from dataclasses import replace

import pytest

from dsl.core import (
    And,
    AtLeast,
    Effect,
    ExceptionNote,
    FactType,
    Kind,
    OneOf,
    Origin,
    Program,
    Rule,
    Touches,
)
from dsl.evaluate import Answer
from dsl.facts import Question
from gateway.pdp.combine import Combined, Incident, IncidentKind
from gateway.pdp.memo import Memo

QUESTION = Question("place", {"a.b": ("x",), "a.c": 1}, {"Europe/Brussels": 20_000})
READ = And((Touches("a.b", ("x",)), AtLeast("a.c", 1), OneOf("a.d", ("y",))))
PROGRAM = Program(
    {
        path: FactType(path, kind, Origin.REQUEST, ("context", *path.split(".")))
        for path, kind in (
            ("a.b", Kind.TERMS),
            ("a.c", Kind.INTEGER),
            ("a.d", Kind.TERM),
            ("a.unread", Kind.TERM),
        )
    },
    (),
    ("flow", "place"),
    (Rule("c/r", Effect.FORBID, ("place",), READ, "R", (), "", (), (), ()),),
)
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
    memo = Memo(PROGRAM)
    assert memo.key(other) != memo.key(QUESTION)


def test_the_order_of_facts_does_not_matter() -> None:
    turned = replace(QUESTION, facts=dict(sorted(QUESTION.facts.items(), reverse=True)))
    memo = Memo(PROGRAM)
    assert memo.key(turned) == memo.key(QUESTION)


def test_a_fact_that_no_rule_reads_neither_changes_the_key_nor_fills_the_memory() -> None:
    memo = Memo(PROGRAM)
    longer = replace(QUESTION, facts={**QUESTION.facts, "a.unread": "z" * 100_000})
    assert memo.key(longer) == memo.key(QUESTION)
    assert len(memo.key(longer)) == 32


def test_a_fact_that_only_an_exception_reads_changes_the_key() -> None:
    # The explanation that is remembered names the exceptions that hold.
    (rule,) = PROGRAM.rules
    note = ExceptionNote("c/r/e", "E", (), OneOf("a.unread", ("z",)))
    memo = Memo(replace(PROGRAM, rules=(replace(rule, exceptions=(note,)),)))
    stated = replace(QUESTION, facts={**QUESTION.facts, "a.unread": "z"})
    assert memo.key(stated) != memo.key(QUESTION)


def test_an_incident_is_not_kept() -> None:
    memo = Memo(PROGRAM)
    memo.put(b"k", Combined({}, None, Incident(IncidentKind.ERROR, "cedar: down")))
    assert memo.get(b"k") is None


def test_the_least_recently_used_goes_first() -> None:
    memo = Memo(PROGRAM, 2)
    for key in (b"a", b"b"):
        memo.put(key, AGREED)
    assert memo.get(b"a") is AGREED
    memo.put(b"c", AGREED)
    assert (memo.get(b"a"), memo.get(b"b"), memo.get(b"c")) == (AGREED, None, AGREED)


def test_a_memo_of_size_nought_keeps_nothing() -> None:
    memo = Memo(PROGRAM, 0)
    memo.put(b"k", AGREED)
    assert memo.get(b"k") is None
