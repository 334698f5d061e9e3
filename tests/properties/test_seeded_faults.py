"""Faults put into the compiler on purpose, one at a time; the fixed table sees each.

`FAULTS` says of every fault how it is seen: `load` (the engine refuses the policies),
`answers` (a question of the table is answered otherwise than defined) or `raw` (a fact
that is not fit opens the gate).
"""

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

import dsl.cedar_conditions
import dsl.to_cedar
import gateway.pdp.engine_cedar
import gateway.pdp.engine_rego
from dsl import cedar_layout as layout
from dsl.cedar_layout import Doc, Text
from dsl.core import And, Condition, Effect, InForce, Program, Rule, Touches, Within
from dsl.rego_facts import FactRules
from dsl.to_rego import RegoPolicy, rego_policy
from gateway.errors import ConfigurationError
from gateway.pdp.engine import Engine
from gateway.pdp.engine_cedar import CedarEngine
from gateway.pdp.engine_rego import RegoEngine
from tests import corpus
from tests.agreement import differences, openings

Break = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Fault:
    """What is broken, on which engine, and how the table must see it."""

    name: str
    engine: type[CedarEngine] | type[RegoEngine]
    seen: str
    apply: Break


# --- ways of breaking ----------------------------------------------------------------


def put(target: object, name: str, broken: object) -> Break:
    return lambda monkeypatch: monkeypatch.setattr(target, name, broken)


def cedar(name: str, broken: object) -> Break:
    return put(dsl.to_cedar, name, broken)


def conditions(name: str, broken: object) -> Break:
    return put(dsl.cedar_conditions, name, broken)


def facts(name: str, broken: object) -> Break:
    return put(FactRules, name, broken)


def rego_text(pattern: str, replacement: str) -> Break:
    """Damage the module after it is emitted."""

    def emit(program: Program) -> RegoPolicy:
        policy = rego_policy(program)
        return replace(policy, module=re.sub(pattern, replacement, policy.module, flags=re.M))

    return put(gateway.pdp.engine_rego, "rego_policy", emit)


def without_validation(then: Break) -> Break:
    """What strict validation would catch, let through, to see whether answers show it."""

    def accept(*_: object) -> object:
        return type("Accepted", (), {"validation_passed": True})

    def apply(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(gateway.pdp.engine_cedar.cedarpy, "validate_policies", accept)
        then(monkeypatch)

    return apply


# --- what is put in the place of the compiler's own ----------------------------------

_bounds = dsl.cedar_conditions._bounds  # pyright: ignore[reportPrivateUsage]
_affirmed = dsl.cedar_conditions._affirmed  # pyright: ignore[reportPrivateUsage]
_decide = dsl.to_cedar._decide  # pyright: ignore[reportPrivateUsage]
_policy = dsl.to_cedar._policy  # pyright: ignore[reportPrivateUsage]
_when_certainly = dsl.to_cedar._when_certainly  # pyright: ignore[reportPrivateUsage]
_unless_certainly_not = dsl.to_cedar._unless_certainly_not  # pyright: ignore[reportPrivateUsage]
_conjuncts = dsl.to_cedar.conjuncts
_fold_program = dsl.to_cedar.fold_program


def unguarded(path: str, test: Doc | None) -> Doc:
    return test or layout.has("context", Text(dsl.cedar_conditions.quote(path)))


def when_for_unless(formula: Condition) -> list[Doc] | None:
    clauses = _unless_certainly_not(formula)
    ways = [dsl.to_cedar.certainly(dsl.to_cedar.opposite(p)) for p in _conjuncts(formula)]  # pyright: ignore[reportPrivateUsage]
    return [layout.condition("when", way) for way in ways] if clauses else clauses


def without_last_day(atom: InForce, first: str, last: str) -> Iterator[Doc]:
    bounded = atom if atom.first is None else replace(atom, last=None)
    return _bounds(bounded, first, last)


def a_day_late(atom: InForce, first: str, last: str) -> Iterator[Doc]:
    late = atom if atom.first is None else replace(atom, first=atom.first + 1)
    return _bounds(late, first, last)


def without_last_conjunct(condition: Condition) -> tuple[Condition, ...]:
    parts = _conjuncts(condition)
    return parts[:-1] if len(parts) > 1 else parts


def as_touches(atom: Any) -> Doc:
    return _affirmed(Touches(atom.path, atom.values) if isinstance(atom, Within) else atom)


def any_action(_operator: str, _actions: object) -> Doc:
    return Text("action,")


def labels_read_as_owners(program: Program) -> Program:
    def swap(condition: Any) -> Any:
        if isinstance(condition, Touches) and condition.path == "data.labels":
            return replace(condition, path="provider.foreign_owners")
        if isinstance(condition, And):
            return And(tuple(swap(operand) for operand in condition.operands))
        return condition

    folded = _fold_program(program)
    return replace(
        folded, rules=tuple(replace(rule, formula=swap(rule.formula)) for rule in folded.rules)
    )


def duties_grant(rule: Rule) -> str | None:
    return _policy(rule, "permit", "", []) if rule.effect is Effect.OBLIGE else _decide(rule)


def possibly_broken(rule: Rule) -> str | None:
    return _policy(rule, "permit", dsl.to_cedar.WHY, _unless_certainly_not(rule.formula))


def certain_duties(rule: Rule, duty: Any) -> str | None:
    conditions = _when_certainly(duty.condition)
    return _policy(rule, "permit", dsl.to_cedar.DUTIES, conditions, duty)


def present_is_known(_: FactRules, fact: Any) -> Iterator[str]:
    yield f'object.get(input.facts, "{fact.path}", null) != null'


def refuted_is_affirmed(rules: FactRules, atom: Any) -> tuple[str, str]:
    return rules.atom(atom), "true"


def refuted_without_guard(rules: FactRules, atom: Any) -> tuple[str, str]:
    return "true", f"not {rules.atom(atom)}"


def every_term_is_fit(_: FactRules, _fact: object, term: str) -> str:
    return f"is_string({term})"


def is_always_fit(_: object) -> Callable[[object], bool]:
    return lambda value: True


FAULTS = [
    Fault("negation affirms", CedarEngine, "answers", conditions("_refuted", _affirmed)),
    Fault("`has` dropped", CedarEngine, "load", conditions("_known_and", unguarded)),
    Fault(
        "`has` dropped, validation off",
        CedarEngine,
        "answers",
        without_validation(conditions("_known_and", unguarded)),
    ),
    Fault(
        "`when` for `unless`",
        CedarEngine,
        "answers",
        cedar("_unless_certainly_not", when_for_unless),
    ),
    Fault(
        "possibly for certainly",
        CedarEngine,
        "answers",
        cedar("_when_certainly", _unless_certainly_not),
    ),
    Fault(
        "certainly for possibly",
        CedarEngine,
        "answers",
        cedar("_unless_certainly_not", _when_certainly),
    ),
    Fault("last day dropped", CedarEngine, "answers", conditions("_bounds", without_last_day)),
    Fault("first day a day late", CedarEngine, "answers", conditions("_bounds", a_day_late)),
    Fault("conjunct dropped", CedarEngine, "answers", cedar("conjuncts", without_last_conjunct)),
    Fault("`within` as `touches`", CedarEngine, "answers", conditions("_affirmed", as_touches)),
    Fault("action dropped", CedarEngine, "answers", put(layout, "scope_list", any_action)),
    Fault("wrong fact read", CedarEngine, "answers", cedar("fold_program", labels_read_as_owners)),
    Fault("duty grants", CedarEngine, "answers", cedar("_decide", duties_grant)),
    Fault("duty only if certain", CedarEngine, "answers", cedar("_due", certain_duties)),
    Fault("possibly broken as broken", CedarEngine, "answers", cedar("_why", possibly_broken)),
    Fault(
        "vocabulary not tested",
        CedarEngine,
        "raw",
        put(gateway.pdp.engine_cedar, "_fitness", is_always_fit),
    ),
    Fault("negation affirms", RegoEngine, "answers", facts("negated", refuted_is_affirmed)),
    Fault("negation unguarded", RegoEngine, "answers", facts("negated", refuted_without_guard)),
    Fault("type guard dropped", RegoEngine, "raw", facts("_guard", present_is_known)),
    Fault("vocabulary guard dropped", RegoEngine, "raw", facts("_fit_term", every_term_is_fit)),
    Fault(
        "taxonomy guard dropped",
        RegoEngine,
        "raw",
        rego_text(r"^\tevery term in \w+ \{\n\t\tevery above .*\n\t\}\n", ""),
    ),
    Fault(
        "day guard dropped",
        RegoEngine,
        "raw",
        rego_text(r"^\tknown_today_\w+\n\tnot ", "\tnot "),
    ),
    Fault(
        "way out dropped",
        RegoEngine,
        "answers",
        rego_text(r"^(\tnot prohibition_way_out)\n\tnot prohibition_way_out_2$", r"\1"),
    ),
    Fault(
        "way out as condition",
        RegoEngine,
        "answers",
        rego_text(r"^\tnot prohibition_way", "\tprohibition_way"),
    ),
    Fault(
        "`within` as `touches`",
        RegoEngine,
        "answers",
        rego_text(
            r"^\tevery term in (\w+) \{ (.*at_be_bg_and_27.*) \}$", r"\tsome term in \1\n\t\2"
        ),
    ),
    Fault(
        "bound strict",
        RegoEngine,
        "answers",
        rego_text(r"^(\tinput\.facts\[.*\]) >= 1", r"\1 > 1"),
    ),
    Fault("last day a day early", RegoEngine, "answers", rego_text("<= 20010$", "<= 20009")),
    Fault("action dropped", RegoEngine, "answers", rego_text(r"^\taction_is_\w+$", "\ttrue")),
    Fault(
        "entry point missing", RegoEngine, "answers", rego_text("^package charter$", "package x")
    ),
    Fault("duty grants", RegoEngine, "answers", rego_text(r"count\(granted\)", "count(due)")),
    Fault(
        "granted and open swapped",
        RegoEngine,
        "answers",
        rego_text('"granted": granted', '"granted": open'),
    ),
]


# --- looking -------------------------------------------------------------------------


async def _first_seen(make: Callable[[Program], Engine]) -> tuple[str, str]:
    """How and where the first fault shows; `("nowhere", "")` where none does."""
    engines: dict[str, Engine] = {}
    try:
        for name, program in corpus.PROGRAMS.items():
            try:
                engines[name] = make(program)
            except ConfigurationError as error:
                return "load", str(error)
        for name, engine in engines.items():
            program = corpus.PROGRAMS[name]
            async for sentence in differences(engine, program, corpus.questions(program)):
                return "answers", f"{name}: {sentence}"
        for name, engine in engines.items():
            program = corpus.PROGRAMS[name]
            async for sentence in openings(engine, program, _raw(program)):
                return "raw", f"{name}: {sentence}"
    finally:
        for engine in engines.values():
            await engine.close()
    return "nowhere", ""


def _raw(program: Program) -> Iterator[Any]:
    questions = list(corpus.raw_questions(program))
    yield from questions[:: max(1, len(questions) // 600)]


def _look(engine: type[CedarEngine] | type[RegoEngine]) -> tuple[str, str]:
    # Whole programs, as published: a slice would hide a dropped action.
    return asyncio.run(_first_seen(lambda program: engine(program, sliced=False)))


@pytest.mark.parametrize("engine", [CedarEngine, RegoEngine])
def test_nothing_is_seen_where_nothing_is_broken(
    engine: type[CedarEngine] | type[RegoEngine],
) -> None:
    assert _look(engine) == ("nowhere", "")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f.engine.name}: {f.name}")
def test_a_seeded_fault_is_seen(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    fault.apply(monkeypatch)
    seen, where = _look(fault.engine)
    assert seen == fault.seen, where
