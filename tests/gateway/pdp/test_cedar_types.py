"""Cedar is asked its slices without a schema, so what they are asked must conform to it."""

# cedarpy annotates only in part.
# pyright: reportUnknownMemberType=false

import asyncio
import json
from dataclasses import replace
from enum import IntEnum
from typing import Any, cast

import cedarpy
import pytest

from dsl.core import FactType, Kind, Level, Program
from dsl.evaluate import Answer, evaluate
from dsl.facts import Question, Value, settled
from dsl.to_cedar import ASKED, cedar_parts, cedar_policies, cedar_schema
from gateway.errors import EngineAnswerError
from gateway.pdp.engine_cedar import CedarEngine
from gateway.pdp.fitness import fitness, is_number
from tests import corpus
from tests.pack import pack


class Number(IntEnum):
    ONE = 1


class Text(str):
    pass


ODD: tuple[Any, ...] = (
    *(True, False, 0, 1, -1, 184, 20_000, 2**53 - 1, 2**53, 2**63, -(2**63) - 1, 10**400),
    *(0.0, 1.0, 20_000.5, float("nan"), Number.ONE, b"DE", object(), {}, {"a": 1}),
    *("", "DE", "health", "personal", "none", "x" * 10_000, "\ud800", "\x00", Text("DE")),
    *((), [], ("DE",), ["DE"], ("DE", "DE"), ("DE", 1), ("DE", True), (("DE",),), {"DE"}),
    *(("personal",), ("health", "personal", "special-category"), ("health",), (None,)),
    {"__entity": {"type": "Subject", "id": "subject"}},
    ({"__extn": {"fn": "decimal", "arg": "1.0"}},),
)
PROGRAMS: dict[str, Program] = {**corpus.PROGRAMS, "pack": pack().program}
NAMED = pytest.mark.parametrize("name", PROGRAMS)
TYPES: dict[Kind, tuple[type, ...]] = {
    Kind.TRUTH: (bool,),
    Kind.INTEGER: (int,),
    Kind.DAY: (int,),
    Kind.TERM: (str,),
    Kind.TERMS: (tuple, list),
}


def of_each_kind() -> dict[str, FactType]:
    """Facts that differ in what is fit for them."""
    facts: dict[str, FactType] = {}
    for program in PROGRAMS.values():
        for fact in program.facts.values():
            key = (fact.kind, fact.values is None, fact.may_be_empty, fact.may_be_negative)
            facts.setdefault(repr((*key, any(fact.broader.values()))), fact)
    return facts


FACTS = of_each_kind()


@pytest.mark.parametrize("what", FACTS)
@pytest.mark.parametrize("value", ODD, ids=lambda v: f"{type(v).__name__} {v!r:.20}")
def test_what_passes_as_fit_is_of_the_very_type_and_stays_as_it_is(what: str, value: Any) -> None:
    fact = FACTS[what]
    if fitness(fact)(value):
        assert type(value) in TYPES[fact.kind]
        as_read: Value = tuple(cast("list[str]", value)) if isinstance(value, list) else value
        kept = settled(fact, as_read)
        assert kept is not None
        assert members(kept) == members(as_read)


def members(value: Value) -> object:
    return set(value) if isinstance(value, tuple) else value


def test_every_kind_of_fact_is_looked_at() -> None:
    assert {fact.kind for fact in FACTS.values()} == set(Kind)


@NAMED
def test_no_value_passes_that_the_schema_refuses(name: str) -> None:
    program = PROGRAMS[name]
    schema = cedarpy.Schema.from_str(cedar_schema(program))
    days = {f"today {zone}": 20_000 for zone in program.time_zones()}
    passed = 0
    for path, fact in program.facts.items():
        for value in ODD:
            if fitness(fact)(value):
                passed += 1
                asked = request(program, {**days, path: value})
                said = cedarpy.is_authorized(asked, "", "[]", schema)
                assert said.decision is cedarpy.Decision.Deny, (path, value)
                assert said.diagnostics.errors == [], (path, value)
    assert passed >= len(program.facts)


def request(program: Program, context: dict[str, Any]) -> dict[str, Any]:
    return {
        "principal": {"type": "Subject", "id": "subject"},
        "action": {"type": "Action", "id": program.actions[0]},
        "resource": {"type": "Resource", "id": "resource"},
        "context": json.dumps(context),
    }


@pytest.mark.parametrize("day", [None, True, 1.0, "20000", 2**63, -(2**63) - 1, Number.ONE, ()])
def test_what_is_no_day_is_no_number(day: Any) -> None:
    assert not is_number(day)


DATED = corpus.PROGRAMS["during"]
GOOD = Question("place", {}, {"Europe/Tallinn": 20_000})


@pytest.mark.parametrize("day", [None, True, 1.0, "20000", 2**63, -(2**63) - 1, ()])
def test_a_slice_is_not_asked_on_a_day_that_the_schema_refuses(day: Any) -> None:
    assert ask(CedarEngine(DATED), GOOD).permits
    with pytest.raises(EngineAnswerError):
        ask(CedarEngine(DATED), replace(GOOD, today={"Europe/Tallinn": day}))


def test_a_slice_is_not_asked_without_a_day_that_none_of_its_rules_reads() -> None:
    program = corpus.PROGRAMS["exceptions"]
    assert len(program.time_zones()) > 1
    for zone in program.time_zones():
        others = {z: 20_000 for z in program.time_zones() if z != zone}
        with pytest.raises(EngineAnswerError):
            ask(CedarEngine(program), Question("place", {}, others))


def ask(engine: CedarEngine, question: Question) -> Answer:
    return asyncio.run(engine.ask(question))


# --- the set that is asked first --------------------------------------------------------


@NAMED
def test_what_is_asked_first_can_grant_nothing_and_is_not_published(name: str) -> None:
    program = PROGRAMS[name]
    for _, policy in cedar_parts(program, shared=True).asked:
        scope = policy.partition(" (\n")[2].partition("\n)")[0]
        assert f'Action::"{ASKED}' in scope
        assert scope.count('Action::"') == scope.count(f'Action::"{ASKED}')
        assert policy.count("\nforbid (") == 0
    assert cedar_parts(program).asked == ()
    assert f'"{ASKED}' not in cedar_schema(program)
    assert f'"{ASKED}' not in cedar_policies(program).decide


@NAMED
def test_what_is_asked_first_has_each_rule_that_can_say_something_of_a_permit(name: str) -> None:
    program = PROGRAMS[name]
    parts = cedar_parts(program, shared=True)
    names = [identity for identity, _ in parts.asked]
    enforced = {rule.id for rule in program.rules if rule.level is Level.ENFORCE}
    assert sorted(names) == sorted(
        [*(i for i, _ in parts.decide if i in enforced), *(i for i, _ in parts.duties)]
    )


def test_a_slice_says_of_every_vector_what_the_whole_does() -> None:
    program, sliced = pack().program, CedarEngine(pack().program)
    whole = CedarEngine(program, sliced=False)
    permits = 0
    for vector in pack().vectors[::4]:
        said = ask(sliced, vector.question)
        assert said == ask(whole, vector.question) == evaluate(program, vector.question)
        permits += said.permits
    assert permits > 5
