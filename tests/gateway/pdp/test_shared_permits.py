"""A permit of which no fact is a part is one for all questions that it is the answer to, of one
tenant; what has a fact in it is nobody else's."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from dsl.core import Level, Origin, Program
from dsl.evaluate import Answer, evaluate
from dsl.facts import Question
from gateway.pdp.combine import Combined
from gateway.pdp.decider import Decider
from gateway.pdp.decision import Decision
from gateway.pdp.judge import Judged
from gateway.pdp.normalise import Joined
from gateway.record.canonical import canonicalise
from gateway.spelling import Speller
from tests.pack import pack

PROGRAM = pack().program
VECTORS = pack().vectors
DAY = date(2026, 11, 22)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PERMITTED = [v.question for v in VECTORS if v.answer.permits and not v.answer.noted]
REFUSED = [v.question for v in VECTORS if not v.answer.permits]


def decide(
    by: Decider,
    question: Question,
    *,
    today: date = DAY,
    tenant: str | None = "clinic",
    program: Program = PROGRAM,
) -> Decision:
    origins = dict.fromkeys(question.facts, Origin.REQUEST)
    answer = evaluate(program, question)
    assert by.defined(answer, question)
    return by.decide(answer, question, origins, today=today, tenant=tenant)


def test_whatever_was_decided_before_a_decision_is_that_of_a_decider_that_knows_nothing() -> None:
    warm = Decider(PROGRAM)
    shared = 0
    known: set[int] = set()
    kept: list[Decision] = []
    for today in (DAY, DAY + timedelta(days=1)):
        for vector in VECTORS:
            decision = decide(warm, vector.question, today=today)
            assert decision == decide(Decider(PROGRAM), vector.question, today=today)
            shared += id(decision) in known
            known.add(id(decision))
            kept.append(decision)
    assert shared > 20


def test_a_refusal_is_explained_alike_from_the_values_it_was_held_to_and_from_new_ones() -> None:
    by, unknown = Decider(PROGRAM), 0
    for number, question in enumerate(REFUSED):
        origins = dict.fromkeys(question.facts, Origin.REQUEST)
        fresh = Decider(PROGRAM) if number % 20 == 0 else by
        # Not held to the definition, or another question was since.
        expected = fresh.decide(evaluate(PROGRAM, question), question, origins, today=DAY)
        assert decide(by, question, tenant=None) == expected
        by.defined(evaluate(PROGRAM, PERMITTED[0]), PERMITTED[0])
        unknown += bool(expected.missing)
    assert unknown > 20


def test_without_being_held_to_the_definition_first_the_grounds_are_the_same() -> None:
    for question in PERMITTED:
        answer = evaluate(PROGRAM, question)
        alone, after = Decider(PROGRAM), Decider(PROGRAM)
        assert after.defined(evaluate(PROGRAM, PERMITTED[0]), PERMITTED[0])
        said = [d.decide(answer, question, {}, today=DAY) for d in (alone, after)]
        assert said[0] == said[1] == decide(Decider(PROGRAM), question)


def test_another_question_with_the_same_facts_is_valued_anew() -> None:
    # By identity: what is equal may be of another program's action.
    decider = Decider(PROGRAM)
    for question in PERMITTED[:10]:
        assert decide(decider, question) == decide(decider, replace(question))


def different() -> tuple[Question, Question]:
    """Two questions with other facts and one permit."""
    decider = Decider(PROGRAM)
    seen: dict[int, Question] = {}
    kept: list[Decision] = []
    for question in PERMITTED:
        decision = decide(decider, question)
        kept.append(decision)
        before = seen.setdefault(id(decision), question)
        if before.facts != question.facts:
            return before, question
    raise AssertionError("no two questions share a permit")


def test_questions_with_other_facts_share_a_permit() -> None:
    one, other = different()
    decider = Decider(PROGRAM)
    assert decide(decider, one) is decide(decider, other)


def test_another_tenant_or_day_has_its_own() -> None:
    one, _ = different()
    decider = Decider(PROGRAM)
    known = decide(decider, one)
    assert decide(decider, one) is known
    assert decide(decider, one, tenant="other") is not known
    assert decide(decider, one, tenant=None) is not known
    assert decide(decider, one, today=DAY + timedelta(days=1)) is not known


def test_deadlines_are_those_of_the_day() -> None:
    question = next(q for q in PERMITTED if any(d.due for d in decide(Decider(PROGRAM), q).duties))
    decider = Decider(PROGRAM)
    first = decide(decider, question)
    later = decide(decider, question, today=DAY + timedelta(days=1))
    dues = [(a.due, b.due) for a, b in zip(first.duties, later.duties, strict=True) if a.due]
    assert dues
    assert all(a != b for a, b in dues)


def test_what_has_a_fact_in_it_is_not_shared() -> None:
    warned = replace(
        PROGRAM,
        rules=tuple(
            replace(rule, level=Level.WARN) if rule.id.startswith("eu.gdpr") else rule
            for rule in PROGRAM.rules
        ),
    )
    noted = next(v.question for v in VECTORS if evaluate(warned, v.question).noted)
    for program, question in ((PROGRAM, REFUSED[0]), (warned, noted)):
        decider = Decider(program)
        first = decide(decider, question, program=program)
        assert not first.is_of_rules_alone
        assert decide(decider, question, program=program) is not first


# --- spelled ------------------------------------------------------------------------------


def judged(decision: Decision, question: Question, key: bool = True) -> Judged:
    origins = dict.fromkeys(question.facts, Origin.REQUEST)
    types = {path: PROGRAM.facts[path] for path in question.facts}
    joined = Joined(question, origins, types=types, vouched_until=None)
    answer = evaluate(PROGRAM, question)
    combined = Combined({"cedar": answer, "rego": answer}, answer, None)
    return Judged(
        joined, combined, decision, (b"k" + str(question.facts).encode(), DAY, b"") if key else None
    )


def speller() -> Speller:
    return Speller(bundle="sha256:b", catalogue="sha256:c", remember=0)


def predicate(by: Speller, one: Judged) -> bytes:
    return by.predicate(one, decision_id="i", tenant="clinic", now=NOW, until=NOW)


@pytest.mark.parametrize("keyed", [True, False])
def test_the_bytes_are_those_of_a_speller_that_knows_nothing(keyed: bool) -> None:
    warm, decider = speller(), Decider(PROGRAM)
    for vector in VECTORS:
        one = judged(decide(decider, vector.question), vector.question, keyed)
        said = predicate(warm, one)
        assert said == predicate(speller(), one)
        for name, value in one.body().items():
            assert canonicalise(name) + b":" + canonicalise(value) in said


def test_nothing_of_a_refusal_is_kept_and_of_permits_only_what_follows_from_rules() -> None:
    warm, decider = speller(), Decider(PROGRAM)
    for question in REFUSED:
        predicate(warm, judged(decide(decider, question), question))
    shared = warm._shared._known  # pyright: ignore[reportPrivateUsage]
    assert len(shared) == 0
    one, other = different()
    for question in (one, other):
        predicate(warm, judged(decide(decider, question), question))
    assert len(shared) == 1


def test_another_word_of_an_engine_is_spelled_though_the_decision_is_the_same() -> None:
    one, _ = different()
    warm, decider = speller(), Decider(PROGRAM)
    first = judged(decide(decider, one), one)
    refusal = Answer(frozenset({PROGRAM.rules[0].id}), frozenset())
    other = replace(
        first, combined=replace(first.combined, answers={**first.combined.answers, "rego": refusal})
    )
    predicate(warm, first)
    assert predicate(warm, other) == predicate(speller(), other) != predicate(warm, first)
