"""Agreement vectors of the whole language: what an engine gets wrong about dates, levels,
preferences, profiles and hidden facts is found out."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from dsl.core import (
    PROFILE_PATH,
    And,
    AtLeast,
    Atom,
    Condition,
    Constant,
    Effect,
    InForce,
    Known,
    Level,
    Not,
    NotBefore,
    Or,
    Profile,
    Program,
    Rule,
    opposite,
)
from dsl.evaluate import evaluate, truth
from dsl.facts import Question, Value
from dsl.kleene import Truth
from dsl.vectors import agreement_vectors
from tests.dsl import whole
from tests.dsl.whole import ZONE

# With a profile that has another charter in force than that of the rules.
NAMES = ("banks", "clinics", "others")
PROGRAM = replace(
    whole.PROGRAM,
    profiles=(*whole.PROFILES, Profile("others", "All the rest", ("x",), ("a",))),
    facts={**whole.PROGRAM.facts, PROFILE_PATH: replace(whole.PROFILE_FACT, values=NAMES)},
)
TODAY = {ZONE: 20_050}
FACTS: dict[str, Value] = {
    "contract.ends": 20_300,
    "contract.notice_ends": 20_600,
    "csf.seal[SOV-2]": "SEAL-2",
    "data.labels": ("health", "personal"),
    "destination.countries": ("US",),
    "destination.margin": 0,
    "destination.non_eu_share": 0,
    "transfer.assessed": True,
    "transfer.report": "yearly",
}
EXAMPLES = [
    Question("place", FACTS, TODAY),
    Question("place", {**FACTS, "csf.seal[SOV-2]": "SEAL-1"}, TODAY),
    Question("place", {**FACTS, "destination.countries": ("DE",)}, TODAY),
    Question("place", {**FACTS, "transfer.assessed": False}, TODAY),
    Question("flow", {}, TODAY),
]
VECTORS = agreement_vectors(PROGRAM, EXAMPLES)
Rewrite = Callable[[Atom], Condition | None]


# --- what is shown -------------------------------------------------------------------


def test_every_vector_but_those_that_hide_it_has_a_profile() -> None:
    placed = [v.question.facts.get(PROFILE_PATH) for v in VECTORS if v.question.action == "place"]
    assert set(placed) == {*NAMES, None}
    assert placed.count(None) < len(placed) / 2


def test_what_is_known_is_shown_both_ways() -> None:
    known = [atom for atom in PROGRAM.atoms() if isinstance(atom, Known)]
    shown = {(atom, truth(atom, v.question)) for atom in known for v in VECTORS}
    assert shown == {(atom, value) for atom in known for value in (Truth.TRUE, Truth.FALSE)}


def bound(atom: Atom, question: Question) -> int | None:
    match atom:
        case AtLeast(_, lowest):
            return lowest
        case NotBefore(_, zone, offset):
            return question.today[zone] + offset
        case _:
            return None


def test_every_date_and_number_is_shown_before_on_and_after_its_bound() -> None:
    compared = [atom for atom in PROGRAM.atoms() if isinstance(atom, AtLeast | NotBefore)]
    assert len(compared) == 4
    for atom in compared:
        gaps: set[int] = set()
        for vector in VECTORS:
            lowest, value = bound(atom, vector.question), vector.question.facts.get(atom.path)
            if lowest is not None and isinstance(value, int):
                gaps.add(value - lowest)
        assert {-1, 0, 1} <= gaps


def test_every_period_is_shown_on_both_sides_of_both_ends() -> None:
    days = {vector.question.today[ZONE] for vector in VECTORS}
    assert {19_999, 20_000, 20_100, 20_101} <= days


def test_every_duty_preference_and_noted_rule_is_shown() -> None:
    duties = {duty.id for rule in PROGRAM.rules for duty in rule.duties}
    assert {duty for v in VECTORS for duty in v.answer.duties} == duties
    assert {name for v in VECTORS for name in v.answer.preferred} == {"test.whole/assured"}
    for permits in (True, False):
        noted = {n for v in VECTORS if v.answer.permits is permits for n in v.answer.noted}
        assert noted == {"test.whole/foreign", "test.whole/later"}
    assert any(v.answer.permits and not v.answer.preferred for v in VECTORS)


def test_the_order_of_the_examples_does_not_matter() -> None:
    assert agreement_vectors(PROGRAM, reversed(EXAMPLES)) == VECTORS


# --- what is found -------------------------------------------------------------------


def rewritten(condition: Condition, rewrite: Rewrite) -> Condition:
    match condition:
        case And(operands):
            return And(tuple(rewritten(part, rewrite) for part in operands))
        case Or(operands):
            return Or(tuple(rewritten(part, rewrite) for part in operands))
        case Not(operand):
            made = rewrite(operand)
            return condition if made is None else opposite(made)
        case _:
            made = rewrite(condition)
            return condition if made is None else made


def everywhere(rewrite: Rewrite) -> Program:
    """The program with atoms replaced in every formula and duty."""
    rules = tuple(
        replace(
            rule,
            formula=rewritten(rule.formula, rewrite),
            duties=tuple(
                replace(duty, condition=rewritten(duty.condition, rewrite)) for duty in rule.duties
            ),
        )
        for rule in PROGRAM.rules
    )
    return replace(PROGRAM, rules=rules)


def not_before(**change: Callable[[NotBefore], int]) -> Program:
    """The program with a member of every `NotBefore` changed."""
    return everywhere(
        lambda atom: (
            replace(atom, **{name: new(atom) for name, new in change.items()})
            if isinstance(atom, NotBefore)
            else None
        )
    )


def at_least(bound: Callable[[int], int]) -> Program:
    return everywhere(
        lambda atom: replace(atom, bound=bound(atom.bound)) if isinstance(atom, AtLeast) else None
    )


def in_force(first: int, last: int) -> Program:
    """The program with both ends of every period moved by so many days."""
    return everywhere(
        lambda atom: (
            InForce(atom.time_zone, (atom.first or 0) + first, (atom.last or 0) + last)
            if isinstance(atom, InForce)
            else None
        )
    )


def known(*, always: bool) -> Program:
    return everywhere(lambda atom: Constant(always) if isinstance(atom, Known) else None)


def each_rule(change: Callable[[Rule], Rule | None]) -> Iterator[tuple[str, Program]]:
    for rule in PROGRAM.rules:
        made = change(rule)
        if made is not None:
            rules = tuple(made if other is rule else other for other in PROGRAM.rules)
            yield rule.id, replace(PROGRAM, rules=rules)


def enforced(rule: Rule) -> Rule | None:
    return None if rule.level is Level.ENFORCE else replace(rule, level=Level.ENFORCE)


def only_shown(rule: Rule) -> Rule | None:
    settable = rule.effect in (Effect.PERMIT, Effect.FORBID) and rule.level is Level.ENFORCE
    return replace(rule, level=Level.WARN) if settable else None


def without_profile(rule: Rule) -> Rule | None:
    if rule.effect is Effect.OBLIGE:
        return None  # neither breaks nor grants
    return replace(rule, formula=rewritten(rule.formula, of_every_profile))


def of_every_profile(atom: Atom) -> Condition | None:
    return Constant(value=True) if getattr(atom, "path", "") == PROFILE_PATH else None


FAULTS: dict[str, Program] = {
    "not before a day late": not_before(offset=lambda atom: atom.offset + 1),
    "not before a day early": not_before(offset=lambda atom: atom.offset - 1),
    "offset of another sign": not_before(offset=lambda atom: -atom.offset),
    "bound one too high": at_least(lambda bound: bound + 1),
    "bound one too low": at_least(lambda bound: bound - 1),
    "scale ignored": at_least(lambda bound: bound // 100),
    "first day late": in_force(1, 0),
    "first day early": in_force(-1, 0),
    "last day early": in_force(0, -1),
    "last day late": in_force(0, 1),
    "always known": known(always=True),
    "never known": known(always=False),
    **{f"{name} enforced": made for name, made in each_rule(enforced)},
    **{f"{name} not enforced": made for name, made in each_rule(only_shown)},
    **{f"{name} for every profile": made for name, made in each_rule(without_profile)},
}


def is_another(program: Program) -> bool:
    return program != PROGRAM


@pytest.mark.parametrize("fault", [name for name, made in FAULTS.items() if is_another(made)])
def test_a_fault_is_found_by_a_vector(fault: str) -> None:
    assert [v for v in VECTORS if evaluate(FAULTS[fault], v.question) != v.answer]


def test_only_rules_that_read_no_profile_are_the_same_without_it() -> None:
    same = {name for name, made in FAULTS.items() if not is_another(made)}
    assert same == {f"test.whole/{name} for every profile" for name in ("assured", "later")}


def test_examples_alone_would_not_find_a_date_that_is_off_by_one() -> None:
    for fault in ("not before a day late", "last day early"):
        program = FAULTS[fault]
        assert all(evaluate(program, q) == evaluate(PROGRAM, q) for q in EXAMPLES)
