"""The emitted Cedar is what its readers and Cedar itself expect of it."""

# cedarpy annotates only in part.
# pyright: reportUnknownMemberType=false

import asyncio
import re
from dataclasses import replace

import cedarpy
import pytest

from dsl.core import (
    And,
    AtLeast,
    Condition,
    Constant,
    Effect,
    Not,
    NotBefore,
    OneOf,
    Or,
    Program,
    Touches,
    opposite,
)
from dsl.errors import CoreFormatError
from dsl.evaluate import Answer, evaluate
from dsl.facts import Question, Value
from dsl.to_cedar import cedar_policies, cedar_schema
from gateway.errors import EngineAnswerError
from gateway.pdp.engine_cedar import CedarEngine
from tests import corpus
from tests.stock_tools import cedar_format

NAMED = pytest.mark.parametrize("name", corpus.PROGRAMS)
SETS = ("decide", "why", "duties")


def texts(program: Program) -> dict[str, str]:
    policies = cedar_policies(program)
    return {name: getattr(policies, name) for name in SETS}


@NAMED
def test_every_set_passes_strict_validation(name: str) -> None:
    schema = cedar_schema(corpus.PROGRAMS[name])
    for text in texts(corpus.PROGRAMS[name]).values():
        assert cedarpy.validate_policies(text, schema).errors == []


@NAMED
def test_cedar_format_has_nothing_to_change(name: str) -> None:
    for text in texts(corpus.PROGRAMS[name]).values():
        assert text == "" or cedar_format(text) == text


@NAMED
def test_every_attribute_that_may_be_absent_is_tested_before_it_is_read(name: str) -> None:
    for text in texts(corpus.PROGRAMS[name]).values():
        for clause in re.split(r"\n(?:when|unless)\b", text):
            for read in re.finditer(r'context\[("(?!today )[^"]+")\]', clause):
                assert f"context has {read.group(1)}" in clause[: read.start()]


@NAMED
def test_no_duty_and_no_reason_stands_under_an_action_that_grants(name: str) -> None:
    program = corpus.PROGRAMS[name]
    found = texts(program)
    assert "forbid" not in found["why"] + found["duties"]
    for prefix, text in (("why:", found["why"]), ("duties:", found["duties"])):
        assert set(re.findall(r'Action::"([a-z-]+:)?', text)) <= {prefix}
    assert 'Action::"why' not in found["decide"]
    assert 'Action::"duties' not in found["decide"]
    permitted = {rule.id for rule in program.rules if rule.effect is Effect.PERMIT}
    granting = re.findall(r'@id\("([^"]*)"\)(?:\n@.*)*\npermit', found["decide"])
    assert set(granting) <= permitted


@NAMED
def test_every_day_is_held_between_bounds_before_anything_is_added_to_it(name: str) -> None:
    # A sum beyond 64 bits is an error, and Cedar skips a policy with an error.
    for text in texts(corpus.PROGRAMS[name]).values():
        for clause in re.split(r"\n(?:when|unless)\b", text):
            for sum_ in re.finditer(r'(context\["today [^"]+"\])\s+[-+]\s', clause):
                before = clause[: sum_.start()]
                assert f"{sum_.group(1)} >= -9007199254740991 &&" in before
                assert f"{sum_.group(1)} <= 9007199254740991 &&" in before


ENDS_OF_64_BITS = (
    *(2**63 - 1, 2**63 - 30, -(2**63), -(2**63) + 29),
    *(2**53, -(2**53), 2**53 - 1, 1 - 2**53),
)


@pytest.mark.parametrize("today", ENDS_OF_64_BITS)
@pytest.mark.parametrize("offset", [30, -30, 3_652_058, -3_652_058])
@pytest.mark.parametrize("negated", [False, True])
def test_no_day_makes_cedar_skip_a_prohibition(today: int, offset: int, negated: bool) -> None:
    atom = NotBefore("contract.ends", corpus.BRUSSELS, offset)
    program = corpus.program(corpus.permit(), corpus.forbid(Not(atom) if negated else atom))
    context = {"contract.ends": 20_000, "today Europe/Brussels": today}
    result = cedarpy.is_authorized(
        {
            "principal": {"type": "Subject", "id": "s"},
            "action": {"type": "Action", "id": "place"},
            "resource": {"type": "Resource", "id": "r"},
            "context": context,
        },
        cedar_policies(program).decide,
        "[]",
        cedar_schema(program),
    )
    assert result.diagnostics.errors == []
    cleared = evaluate(
        program, Question("place", {"contract.ends": 20_000}, {corpus.BRUSSELS: today})
    )
    # A day out of range is known to nobody: it clears no prohibition.
    assert result.allowed is (cleared.permits and abs(today) < 2**53)


def test_levels_and_weights_stand_in_annotations() -> None:
    levels, ranked = texts(corpus.PROGRAMS["levels"]), texts(corpus.PROGRAMS["preferences"])
    assert '@id("test.charter/warned")' in levels["why"]
    assert '@level("warn")\n' in levels["why"]
    assert '@level("shadow")\n' in levels["duties"]
    assert '@weight("7")\n' in ranked["duties"]
    assert "@level" not in levels["decide"]


def test_what_is_not_enforced_is_in_neither_the_grants_nor_the_duties() -> None:
    found = texts(corpus.PROGRAMS["levels"])
    for name in ("warned", "shadowed", "hoped-for"):
        assert f'@id("test.charter/{name}")' not in found["decide"]
        assert f'@id("test.charter/{name}")' in found["why"]
        assert f'@id("test.charter/{name}")' in found["duties"]
    assert "warned/warned" not in found["duties"]


def test_advice_says_that_it_is_advice_and_by_when() -> None:
    duties = texts(corpus.PROGRAMS["advice"])["duties"]
    assert '@advice("start-logs")\n@due("within 4320 minutes")\n' in duties


def test_bounds_are_spelled_out_beside_their_numbers() -> None:
    bounds = {
        "decimals": '@bounds("2410 is 24.10 percent")\n',
        "dated": '@bounds("20089 is 2025-01-01")\n',
    }
    for name, annotation in bounds.items():
        assert annotation in texts(corpus.PROGRAMS[name])["decide"]
    assert "@bounds" not in texts(corpus.PROGRAMS["at-least"])["decide"]


def test_policies_carry_id_title_citations_and_what_days_are() -> None:
    decide = texts(corpus.PROGRAMS["exceptions"])["decide"]
    assert '@id("test.charter/prohibition")\n' in decide
    assert '@title("The rule \\"prohibition\\": with \\\\ and é")\n' in decide
    assert '@cites("GDPR art 44")\n' in decide
    assert '@days("17676 is 2018-05-25, 20000 is 2024-10-04, 20010 is 2024-10-14")\n' in decide


@pytest.mark.parametrize("text", ['"); permit(principal, action, resource); //', "\n", "\0", "\\"])
def test_an_authors_words_cannot_break_out_of_an_annotation(text: str) -> None:
    program = corpus.program(replace(corpus.permit(), title=text))
    decide = cedar_policies(program).decide
    assert len(cedarpy.PolicySet.from_str(decide)) == 1
    assert cedar_format(decide) == decide


def answer(program: Program, question: Question) -> Answer:
    return asyncio.run(CedarEngine(program).ask(question))


@pytest.mark.parametrize("value", ['say "no"', "back\\slash", "Ωmega", "😀", "*", "'", "a\\n"])
def test_a_value_means_itself_whatever_characters_it_has(value: str) -> None:
    program = corpus.program(corpus.permit(OneOf("destination.site", (value,))))
    for site in (value, value + "x", value.replace("\\", "\\\\")):
        question = Question("place", {"destination.site": site}, {})
        assert answer(program, question) == evaluate(program, question)


def deep(depth: int) -> Condition:
    condition: Condition = corpus.ENCRYPTED
    for level in range(depth):
        kind = Or if level % 2 else And
        condition = kind((condition, AtLeast("training.compute", level)))
    return condition


def wide(count: int) -> Condition:
    return And(tuple(AtLeast("training.compute", bound) for bound in range(count)))


@pytest.mark.parametrize("effect", [Effect.PERMIT, Effect.FORBID])
@pytest.mark.parametrize(
    "formula", [deep(30), wide(300), opposite(wide(300))], ids=["deep", "wide and", "wide or"]
)
def test_large_formulas_are_answered_as_defined(formula: Condition, effect: Effect) -> None:
    program = corpus.program(corpus.permit(), corpus.rule("big", effect, formula))
    for compute in (None, 0, 1, 299, 300):
        facts: dict[str, Value] = {} if compute is None else {"training.compute": compute}
        question = Question("place", {**facts, "transfer.encrypted": True}, {})
        assert answer(program, question) == evaluate(program, question)
    for text in texts(program).values():
        assert text == "" or cedar_format(text) == text


def test_a_formula_beyond_cedars_stack_is_an_error_and_no_permit() -> None:
    never_true = Or(tuple(Not(AtLeast("training.compute", b)) for b in range(6_000)))
    program = corpus.program(corpus.permit(), corpus.forbid(never_true))
    question = Question("place", {"training.compute": 10_000}, {})
    assert evaluate(program, question).permits
    with pytest.raises(EngineAnswerError):
        answer(program, question)


def test_the_schema_types_every_fact_and_requires_every_day() -> None:
    schema = cedar_schema(corpus.PROGRAMS["exceptions"])
    assert '  "data.labels"?: Set<String>,\n' in schema
    assert '  "training.compute"?: Long,  // TFLOP\n' in schema
    assert '  "site.share"?: Long,  // steps of 0.01 percent\n' in schema
    assert '  "csf.seal[SOV-2]"?: String,\n' in schema
    ends = '  "contract.ends"?: Long,  // The last day of the contract, in days since 1970-01-01\n'
    assert ends in schema
    assert '  "transfer.encrypted"?: Bool,\n' in schema
    assert '  "destination.site"?: String,\n' in schema
    assert '  "today Europe/Brussels": Long,' in schema
    cedarpy.Schema.from_str(schema)


@pytest.mark.parametrize("title", ['a "title"', "two\nlines }", "*/ //"])
def test_words_of_the_vocabulary_cannot_break_the_schema(title: str) -> None:
    program = corpus.PROGRAMS["exceptions"]
    facts = {path: replace(fact, title=title) for path, fact in program.facts.items()}
    cedarpy.Schema.from_str(cedar_schema(replace(program, facts=facts)))


def test_a_rule_that_can_never_apply_is_left_out() -> None:
    policies = texts(corpus.program(corpus.forbid(Constant(False)), corpus.permit()))
    assert "prohibition" not in policies["decide"] + policies["why"]


def test_a_program_that_is_not_well_formed_is_not_emitted() -> None:
    undeclared = corpus.program(corpus.forbid(Touches("no.such.fact", ("x",))))
    for emit in (cedar_policies, cedar_schema):
        with pytest.raises(CoreFormatError, match=r"no\.such\.fact"):
            emit(undeclared)
