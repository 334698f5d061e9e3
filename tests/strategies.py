"""Programs and questions that nobody wrote: every construct of core, in any nesting.

A program is drawn first, then questions about it. Facts are few and their values fewer,
so that conditions turn often; terms hold quotes, backslashes and letters beyond ASCII.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from dsl.core import (
    And,
    AtLeast,
    Atom,
    Citation,
    Condition,
    Constant,
    Due,
    DueUnit,
    Duty,
    DutyKind,
    Effect,
    FactType,
    Holds,
    InForce,
    Kind,
    Known,
    Level,
    Not,
    NotBefore,
    OneOf,
    Or,
    Origin,
    Program,
    Rule,
    Touches,
    Within,
)
from dsl.facts import FIRST_DAY, LAST_DAY, MAX_INTEGER, MAX_TERMS, Question, settle_all

ACTIONS = ("flow", "place", "place-again")
ZONES = ("Europe/Brussels", "Pacific/Kiritimati", "UTC")
# Some collide once dots and dashes are gone, some are words of Rego.
PATHS = (
    *("a.b_c", "a_b.c", "data.input", "every", "m.k[A-1]", "m.k[A_1]", "not.every", "p.q", "p.r"),
    *("some.set", "x"),
)
TERMS = ("AT", "BE", "DE", "at", "scc-m1", 'say "no"', "back\\slash", "Ωmega", "😀", "null", "true")
BOUNDS = (-MAX_INTEGER, -1, 0, 1, 7, 10**13, MAX_INTEGER)
DAYS = (0, 17_676, 20_000, 20_010)
OFFSETS = (0, 1, -1, 10, -10, 2_334, LAST_DAY - FIRST_DAY, FIRST_DAY - LAST_DAY)

terms: st.SearchStrategy[str] = st.sampled_from(TERMS)


def _sorted(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


some_terms = st.lists(terms, max_size=7).map(_sorted)


# --- declarations --------------------------------------------------------------------


@st.composite
def taxonomies(draw: st.DrawFn, values: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Each value below some of the later ones, with all that are above those."""
    above: dict[str, tuple[str, ...]] = {}
    for number in reversed(range(len(values))):
        later = values[number + 1 :]
        direct = draw(st.lists(st.sampled_from(later), max_size=2)) if later else []
        above[values[number]] = _sorted([*direct, *(t for d in direct for t in above[d])])
    return {term: higher for term, higher in sorted(above.items()) if higher}


@st.composite
def fact_types(draw: st.DrawFn, path: str) -> FactType:
    kind = draw(st.sampled_from(Kind))
    wire = ("context", *path.split("."))
    fact = FactType(path, kind, draw(st.sampled_from(Origin)), wire)
    if kind is Kind.INTEGER:
        scale = draw(st.sampled_from([0, 0, 1, 2, 15]))
        unit = draw(st.sampled_from([None, "percent"]))
        return replace(fact, scale=scale, unit=unit, may_be_negative=draw(st.booleans()))
    if kind in (Kind.TRUTH, Kind.DAY):
        return fact
    values = draw(st.none() | st.lists(terms, min_size=1, max_size=8).map(_sorted))
    fact = replace(fact, values=values)
    if kind is Kind.TERM:
        return fact
    broader = draw(taxonomies(values)) if values and draw(st.booleans()) else {}
    return replace(fact, broader=broader, may_be_empty=draw(st.booleans()))


# --- conditions ----------------------------------------------------------------------

intervals = st.builds(
    InForce,
    st.sampled_from(ZONES),
    st.none() | st.sampled_from(DAYS),
    st.none() | st.sampled_from(DAYS),
)


def atoms_of(fact: FactType) -> st.SearchStrategy[Atom]:
    match fact.kind:
        case Kind.TRUTH:
            return st.just(Holds(fact.path))
        case Kind.INTEGER:
            return st.builds(AtLeast, st.just(fact.path), st.sampled_from(BOUNDS))
        case Kind.DAY:
            bounds = st.sampled_from([*DAYS, FIRST_DAY, LAST_DAY + 1])
            zones, offsets = st.sampled_from(ZONES), st.sampled_from(OFFSETS)
            return st.builds(AtLeast, st.just(fact.path), bounds) | st.builds(
                NotBefore, st.just(fact.path), zones, offsets
            )
        case Kind.TERM:
            return st.builds(OneOf, st.just(fact.path), some_terms)
        case Kind.TERMS:
            return st.builds(Within, st.just(fact.path), some_terms) | st.builds(
                Touches, st.just(fact.path), some_terms
            )


def conditions(facts: Mapping[str, FactType], *, known_helps: bool) -> st.SearchStrategy[Condition]:
    """Conditions in any nesting. `known_helps` says which sign `Known` may have: where what
    is known must help the caller none at all, it stands only behind `Not`."""
    atoms: st.SearchStrategy[Atom] = st.one_of(
        *(atoms_of(fact) for fact in facts.values()),
        intervals,
        st.builds(Constant, st.booleans()),
    )
    known = st.builds(Known, st.sampled_from(sorted(facts)))
    literals: st.SearchStrategy[Condition] = st.one_of(
        atoms, atoms, atoms.map(Not), atoms.map(Not), known if known_helps else known.map(Not)
    )

    def nest(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
        operands = st.lists(inner, max_size=4).map(tuple)
        return st.builds(And, operands) | st.builds(Or, operands)

    return st.recursive(literals, nest, max_leaves=10)


# --- programs ------------------------------------------------------------------------

_CITED = (Citation("GDPR", "Regulation (EU) 2016/679", "art 44"),)
_TITLES = st.sampled_from(["Plain", 'With "quotes" and \\', "# METADATA: [x]", "Zeile\nzwei"])


duties = st.builds(
    Duty,
    id=st.just(""),
    obligation=st.sampled_from(["keep-record", "notify"]),
    title=_TITLES,
    rule=st.just(""),
    condition=st.just(Constant(True)),
    citations=st.just(_CITED),
    due=st.none() | st.builds(Due, st.just(72), st.sampled_from(DueUnit)),
    kind=st.sampled_from(DutyKind),
    parameters=st.sampled_from([(), (("a", True), ("b", -5), ("c d", 'say "no"'))]),
)


@st.composite
def rules(draw: st.DrawFn, number: int, facts: Mapping[str, FactType]) -> Rule:
    identity = f"c.d/rule-{number}"
    effect = draw(st.sampled_from([*Effect, Effect.PERMIT, Effect.FORBID]))
    narrows = effect in (Effect.PERMIT, Effect.PREFER)
    wanted = draw(st.lists(conditions(facts, known_helps=effect is Effect.PERMIT), max_size=2))
    title = draw(_TITLES)
    enforced_or_not = effect in (Effect.PERMIT, Effect.FORBID)
    return Rule(
        id=identity,
        effect=effect,
        actions=tuple(sorted(draw(st.sets(st.sampled_from(ACTIONS), min_size=1)))),
        formula=draw(conditions(facts, known_helps=narrows)),
        title=title,
        citations=_CITED,
        because=title,
        remedies=(title,),
        exceptions=(),
        duties=tuple(
            replace(draw(duties), id=f"{identity}/{n}", rule=identity, condition=condition)
            for n, condition in enumerate(wanted)
        ),
        level=draw(st.sampled_from([Level.ENFORCE, *Level])) if enforced_or_not else Level.ENFORCE,
        weight=draw(st.sampled_from([1, 1000])) if effect is Effect.PREFER else 0,
    )


@st.composite
def programs(draw: st.DrawFn) -> Program:
    paths = sorted(draw(st.sets(st.sampled_from(PATHS), min_size=1, max_size=5)))
    facts = {path: draw(fact_types(path)) for path in paths}
    count = draw(st.integers(0, 5))
    listed = [draw(rules(number, facts)) for number in range(count)]
    if draw(st.booleans()):
        # Without a plain permission most questions would be refused for the same reason.
        plain = draw(rules(count, facts))
        listed.append(
            replace(
                plain,
                effect=Effect.PERMIT,
                formula=Constant(True),
                actions=ACTIONS,
                duties=(),
                level=Level.ENFORCE,
                weight=0,
            )
        )
    return Program(facts=facts, places=(), actions=ACTIONS, rules=tuple(listed))


# --- questions -----------------------------------------------------------------------


def _sum(day: int, by: int) -> int:
    return day + by


days = st.builds(_sum, st.sampled_from(DAYS), st.integers(-1, 1))


def fit_values(fact: FactType) -> st.SearchStrategy[Any]:
    """Values a caller may state of a fact; most are fit."""
    vocabulary = terms if fact.values is None else st.sampled_from(fact.values)
    match fact.kind:
        case Kind.TRUTH:
            return st.booleans()
        case Kind.INTEGER:
            return st.builds(_sum, st.sampled_from(BOUNDS), st.integers(-1, 1))
        case Kind.DAY:
            moved = st.builds(_sum, days, st.sampled_from(OFFSETS))
            return days | moved | st.sampled_from([FIRST_DAY, LAST_DAY, LAST_DAY + 1])
        case Kind.TERM:
            return vocabulary
        case Kind.TERMS:
            return st.lists(vocabulary, max_size=4)


# What no fact may be. Left out, for Rego cannot tell: numbers such as 3.0, and for
# identifiers without a vocabulary unprintable and overlong text (`dsl.rego_facts`).
GARBAGE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 1.5, -0.5, 2**53, 2**63, -(2**63) - 1, 10**30),
    *("", "1", "2026-11-22", "AT", "nowhere", "at ", {}, {"AT": True}, {"0": "AT"}),
    *([], [""], [None], [["AT"]], ["AT", 1], ["AT", None], ["nowhere"], ["AT", "nowhere"]),
    ["AT"] * (MAX_TERMS + 1),
    {"__entity": {"type": "Subject", "id": "subject"}},
)
garbage = st.sampled_from(GARBAGE)


@st.composite
def raw_documents(draw: st.DrawFn, program: Program) -> dict[str, Any]:
    """What a caller might send: values hidden, fit, or of any other shape."""
    raw: dict[str, Any] = {}
    for path, fact in program.facts.items():
        choice = draw(st.integers(0, 7))
        if choice > 1:
            raw[path] = draw(garbage if choice == 2 else fit_values(fact))
    return raw


def actions(program: Program) -> st.SearchStrategy[str]:
    return st.sampled_from([*program.actions, program.actions[0], "unheard-of"])


@st.composite
def questions(draw: st.DrawFn, program: Program) -> Question:
    facts = settle_all(program.facts, draw(raw_documents(program)))
    today = {zone: draw(days) for zone in ZONES}
    return Question(draw(actions(program)), facts, today)


@st.composite
def raw_questions(draw: st.DrawFn, program: Program) -> Question:
    """Questions that no normaliser has seen, as a stock engine may get them."""
    today: dict[str, Any] = {zone: draw(days) for zone in ZONES}
    if draw(st.booleans()):
        zone = draw(st.sampled_from(ZONES))
        broken = draw(st.sampled_from([None, "20000", 20000.5, True, 2**63 - 1, 2**63, -(2**63)]))
        today[zone] = broken
        if broken is None and draw(st.booleans()):
            del today[zone]
    return Question(draw(actions(program)), draw(raw_documents(program)), today)


@st.composite
def cases(
    draw: st.DrawFn, *, raw: bool = False, per_program: int = 12
) -> tuple[Program, list[Question]]:
    """A program and some questions about it."""
    program = draw(programs())
    one = raw_questions(program) if raw else questions(program)
    return program, draw(st.lists(one, min_size=per_program, max_size=per_program))
