"""Faults put into the compiler on purpose, one at a time; the fixed table sees each.

`FAULTS` says of every fault how it is seen: `load` (the engine refuses the policies),
`answers` (a question of the table is answered otherwise than defined) or `raw` (a fact
that is not fit opens the gate).
"""

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

import dsl.cedar_conditions
import dsl.rego_guards
import dsl.to_cedar
import dsl.to_rego
import gateway.pdp.cedar_slices
import gateway.pdp.engine_cedar
import gateway.pdp.engine_rego
from dsl import cedar_layout as layout
from dsl.cedar_layout import Doc, Text
from dsl.core import (
    PROFILE_PATH,
    And,
    AtLeast,
    Condition,
    Constant,
    DutyKind,
    Effect,
    InForce,
    Kind,
    Known,
    Level,
    Not,
    NotBefore,
    OneOf,
    Or,
    Program,
    Rule,
    Touches,
    Within,
)
from dsl.rego_facts import FactRules
from dsl.rego_guards import Guards
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


def policies(name: str, broken: object) -> Break:
    return put(Policies, name, broken)


def facts(name: str, broken: object) -> Break:
    return put(FactRules, name, broken)


def guards(name: str, broken: object) -> Break:
    return put(Guards, name, broken)


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


def rewritten(module: Any, change: Callable[[Any], Any]) -> Break:
    """Damage the formulas of a program before the back-end sees them."""
    fold_program = module.fold_program

    def fold(program: Program) -> Program:
        folded = fold_program(program)
        rules = (replace(rule, formula=_changed(rule.formula, change)) for rule in folded.rules)
        return replace(folded, rules=tuple(rules))

    return put(module, "fold_program", fold)


def _changed(condition: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(condition, And | Or):
        return type(condition)(tuple(_changed(part, change) for part in condition.operands))
    if isinstance(condition, Not):
        return Not(change(condition.operand))
    return change(condition)


def with_errors_unread(then: Break) -> Break:
    """Cedar as somebody uses it who looks at the decision alone."""
    is_authorized = cast("Any", gateway.pdp.engine_cedar.cedarpy).is_authorized

    def ask(*arguments: Any) -> Any:
        result = is_authorized(*arguments)
        result.diagnostics.errors.clear()
        return result

    def apply(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(gateway.pdp.engine_cedar.cedarpy, "is_authorized", ask)
        then(monkeypatch)

    return apply


# --- what is put in the place of the compiler's own ----------------------------------

_bounds = dsl.cedar_conditions._bounds  # pyright: ignore[reportPrivateUsage]
_affirmed = dsl.cedar_conditions._affirmed  # pyright: ignore[reportPrivateUsage]
Policies: Any = dsl.to_cedar._Policies  # pyright: ignore[reportPrivateUsage]
_decide, _on_permit, _due = Policies.decide, Policies.on_permit, Policies._due
_asked = Policies.asked
_certainly, _certainly_not = dsl.cedar_conditions.certainly, dsl.cedar_conditions._certainly_not  # pyright: ignore[reportPrivateUsage]
_atom, _guard = FactRules.atom, Guards._guard  # pyright: ignore[reportPrivateUsage]
_when_certainly = dsl.to_cedar._when_certainly  # pyright: ignore[reportPrivateUsage]
_unless_certainly_not = dsl.to_cedar._unless_certainly_not  # pyright: ignore[reportPrivateUsage]
_conjuncts = dsl.to_cedar.conjuncts


def unguarded(atom: Any, test: Doc | None) -> Doc:
    return test or layout.has("context", Text(dsl.cedar_conditions.quote(atom.path)))


def when_for_unless(formula: Condition) -> list[tuple[str, Condition]] | None:
    clauses = _unless_certainly_not(formula)
    return clauses and [("when", way) for _, way in clauses]


def without_last_day(atom: InForce, first: str, last: str) -> Iterator[Doc]:
    bounded = atom if atom.first is None else replace(atom, last=None)
    return _bounds(bounded, first, last)


def a_day_late(atom: InForce, first: str, last: str) -> Iterator[Doc]:
    late = atom if atom.first is None else replace(atom, first=atom.first + 1)
    return _bounds(late, first, last)


def without_last_conjunct(condition: Condition) -> tuple[Condition, ...]:
    parts = _conjuncts(condition)
    return parts[:-1] if len(parts) > 1 else parts


def as_touches(atom: Any) -> Doc | None:
    return _affirmed(Touches(atom.path, atom.values) if isinstance(atom, Within) else atom)


def any_action(_operator: str, _actions: object) -> Doc:
    return Text("action,")


def labels_read_as_owners(atom: Any) -> Any:
    reads_labels = isinstance(atom, Touches) and atom.path == "data.labels"
    return replace(atom, path="provider.foreign_owners") if reads_labels else atom


def duties_grant(self: Any, rule: Rule) -> str | None:
    if rule.effect is Effect.OBLIGE:
        return self._policy(rule, "permit", "", [])
    return _decide(self, rule)


def possibly_broken(self: Any, rule: Rule) -> str | None:
    conditions = _unless_certainly_not(rule.formula)
    return self._policy(rule, "permit", dsl.to_cedar.WHY, conditions)


def certain_duties(self: Any, rule: Rule, duty: Any, prefix: str) -> str | None:
    conditions = _when_certainly(duty.condition)
    return self._policy(rule, "permit", prefix, conditions, duty)


def a_day_later(atom: Any) -> Any:
    return replace(atom, offset=atom.offset + 1) if isinstance(atom, NotBefore) else atom


def the_other_way(atom: Any) -> Any:
    return replace(atom, offset=-atom.offset) if isinstance(atom, NotBefore) else atom


def unscaled(atom: Any) -> Any:
    decimal = isinstance(atom, AtLeast) and atom.path == "site.share"
    return replace(atom, bound=atom.bound // 100) if decimal else atom


def of_the_other_key(atom: Any) -> Any:
    path = getattr(atom, "path", "")
    return replace(atom, path=corpus.OWN_SEAL) if path == corpus.OTHER_SEAL else atom


def of_any_profile(atom: Any) -> Any:
    is_profile = isinstance(atom, OneOf) and atom.path == PROFILE_PATH
    return Constant(True) if is_profile else atom


def always_known(atom: Any) -> Doc:
    if isinstance(atom, Known):
        return Text("true")
    return _certainly(atom)


def unknown_is_known(atom: Any) -> Doc:
    if isinstance(atom, Known):
        return layout.has("context", Text(dsl.cedar_conditions.quote(atom.path)))
    return _certainly_not(atom)


def every_level_decides(self: Any, rule: Rule) -> str | None:
    return _decide(self, replace(rule, level=Level.ENFORCE))


def every_level_owes(self: Any, rule: Rule, prefix: str) -> Iterator[tuple[str, str | None]]:
    yield from _on_permit(self, rule, prefix)
    if rule.level is not Level.ENFORCE:
        yield from ((duty.id, self._due(rule, duty, prefix)) for duty in rule.duties)


def noted_of_refusals_alone(self: Any, rule: Rule, prefix: str) -> Iterator[tuple[str, str | None]]:
    return _on_permit(self, rule, prefix) if rule.level is Level.ENFORCE else iter(())


def possibly_preferred(self: Any, rule: Rule, prefix: str) -> Iterator[tuple[str, str | None]]:
    if rule.effect is Effect.PREFER:
        conditions = _unless_certainly_not(rule.formula)
        yield rule.id, self._policy(rule, "permit", prefix, conditions)
    else:
        yield from _on_permit(self, rule, prefix)


def advice_left_out(self: Any, rule: Rule, duty: Any, prefix: str) -> str | None:
    return None if duty.kind is DutyKind.ADVICE else _due(self, rule, duty, prefix)


def certain_where_asked(self: Any, rule: Rule) -> Iterator[tuple[str, str | None]]:
    if rule.effect is Effect.FORBID and rule.level is Level.ENFORCE:
        conditions = _when_certainly(rule.formula)
        yield rule.id, self._policy(rule, "permit", dsl.to_cedar.ASKED, conditions)
        yield from _on_permit(self, rule, dsl.to_cedar.ASKED)
    else:
        yield from _asked(self, rule)


def possible_where_asked(self: Any, rule: Rule) -> Iterator[tuple[str, str | None]]:
    if rule.effect is Effect.PERMIT and rule.level is Level.ENFORCE:
        conditions = _unless_certainly_not(rule.formula)
        yield rule.id, self._policy(rule, "permit", dsl.to_cedar.ASKED, conditions)
        yield from _on_permit(self, rule, dsl.to_cedar.ASKED)
    else:
        yield from _asked(self, rule)


def no_prohibitions_where_asked(self: Any, rule: Rule) -> Iterator[tuple[str, str | None]]:
    if rule.effect is Effect.FORBID and rule.level is Level.ENFORCE:
        return _on_permit(self, rule, dsl.to_cedar.ASKED)
    return _asked(self, rule)


def no_duties_where_asked(self: Any, rule: Rule) -> Iterator[tuple[str, str | None]]:
    return _asked(self, replace(rule, duties=()))


def forbidden_where_asked(self: Any, rule: Rule) -> Iterator[tuple[str, str | None]]:
    """Prohibitions left as they are where Cedar decides by itself."""
    for name, text in _asked(self, rule):
        is_prohibition = rule.effect is Effect.FORBID and name == rule.id
        yield name, text.replace("\npermit (", "\nforbid (") if text and is_prohibition else text


def advice_grants(self: Any, rule: Rule) -> str | None:
    for duty in rule.duties:
        if duty.kind is DutyKind.ADVICE:
            return self._policy(rule, "permit", "", [], duty)
    return _decide(self, rule)


def no_bounds(_: object) -> Iterator[Doc]:
    return iter(())


def present_is_enough(rules: Any, atom: Any) -> str:
    """What `is known` asks, without the fitness of the fact."""
    if not isinstance(atom, Known):
        return _atom(rules, atom)
    name = rules._names.fresh("present", atom.path)
    reference = dsl.rego_guards.fact(atom.path)
    rules.conditions.append(f"{name} if {reference} != null")
    return name


def present_is_known(_: Guards, fact: Any) -> Iterator[str]:
    yield f'object.get(input.facts, "{fact.path}", null) != null'


def refuted_is_affirmed(rules: FactRules, atom: Any) -> tuple[str, str]:
    return rules.atom(atom), "true"


def refuted_without_guard(rules: FactRules, atom: Any) -> tuple[str, str]:
    return "true", f"not {rules.atom(atom)}"


def day_is_any_number(rules: Any, fact: Any) -> Iterator[str]:
    if fact.kind is Kind.DAY:
        return iter([f"is_number({dsl.rego_guards.fact(fact.path)})"])
    return _guard(rules, fact)


def never_negative(rules: Any, fact: Any) -> Iterator[str]:
    return _guard(rules, replace(fact, may_be_negative=False))


def every_term_is_fit(_: Guards, _fact: object, term: str) -> str:
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
    Fault(
        "wrong fact read", CedarEngine, "answers", rewritten(dsl.to_cedar, labels_read_as_owners)
    ),
    Fault("duty grants", CedarEngine, "answers", policies("decide", duties_grant)),
    Fault("duty only if certain", CedarEngine, "answers", policies("_due", certain_duties)),
    Fault("possibly broken as broken", CedarEngine, "answers", policies("why", possibly_broken)),
    Fault(
        "vocabulary not tested",
        CedarEngine,
        "raw",
        put(gateway.pdp.engine_cedar, "fitness", is_always_fit),
    ),
    Fault("negation affirms", RegoEngine, "answers", facts("negated", refuted_is_affirmed)),
    Fault("negation unguarded", RegoEngine, "answers", facts("negated", refuted_without_guard)),
    Fault("type guard dropped", RegoEngine, "raw", guards("_guard", present_is_known)),
    Fault("vocabulary guard dropped", RegoEngine, "raw", guards("_fit_term", every_term_is_fit)),
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
    Fault("action dropped", RegoEngine, "answers", rego_text(r"^\tinput\.action == .*$", "\ttrue")),
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
    # --- dates, decimals, maps, profiles, and what is known
    Fault("day off by one", CedarEngine, "answers", rewritten(dsl.to_cedar, a_day_later)),
    Fault("day off by one", RegoEngine, "answers", rego_text(r">= (input\.today)", r"> \1")),
    Fault("offset the other way", CedarEngine, "answers", rewritten(dsl.to_cedar, the_other_way)),
    Fault("offset the other way", RegoEngine, "answers", rego_text(r"\+ 30$", "- 30")),
    Fault("offset dropped", RegoEngine, "answers", rego_text(r" - 365$", "")),
    Fault(
        "bounds of the day dropped",
        CedarEngine,
        "raw",
        with_errors_unread(conditions("_reckonable", no_bounds)),
    ),
    Fault(
        "guard of the day dropped",
        RegoEngine,
        "raw",
        rego_text(r"^\tknown_today_\w+\n(\tinput\.facts)", r"\1"),
    ),
    Fault("guard of a date dropped", RegoEngine, "raw", guards("_guard", day_is_any_number)),
    Fault("scale ignored", CedarEngine, "answers", rewritten(dsl.to_cedar, unscaled)),
    Fault("scale ignored", RegoEngine, "answers", rewritten(dsl.to_rego, unscaled)),
    Fault("negative numbers unfit", RegoEngine, "answers", guards("_guard", never_negative)),
    Fault("key swapped", CedarEngine, "answers", rewritten(dsl.to_cedar, of_the_other_key)),
    Fault("key swapped", RegoEngine, "answers", rewritten(dsl.to_rego, of_the_other_key)),
    Fault("profile dropped", CedarEngine, "answers", rewritten(dsl.to_cedar, of_any_profile)),
    Fault("profile dropped", RegoEngine, "answers", rewritten(dsl.to_rego, of_any_profile)),
    Fault("all is known", CedarEngine, "answers", conditions("certainly", always_known)),
    Fault(
        "unknown is known", CedarEngine, "answers", conditions("_certainly_not", unknown_is_known)
    ),
    Fault("what is present is known", RegoEngine, "raw", facts("atom", present_is_enough)),
    # --- groups of rules
    Fault(
        "group on the wrong action",
        RegoEngine,
        "answers",
        rego_text(r'^(denied contains id if \{\n\tinput\.action == )"place"$', r'\1"flow"'),
    ),
    Fault(
        "group asks the opposite",
        RegoEngine,
        "answers",
        rego_text(r"^\tnot certainly_not_(\w+\n\tsome id in)", r"\tnot \1"),
    ),
    Fault(
        "group never entered",
        RegoEngine,
        "answers",
        rego_text(r"^\tsome id in denied_on_.*_2018_05_25$", "\tsome id in {}"),
    ),
    # --- levels, preferences, advice
    Fault("warning enforced", CedarEngine, "answers", policies("decide", every_level_decides)),
    Fault(
        "noted in denied",
        RegoEngine,
        "answers",
        rego_text(r'^noted (contains ".*/warned")', r"denied \1"),
    ),
    Fault(
        "duty of what is not enforced",
        CedarEngine,
        "answers",
        policies("on_permit", every_level_owes),
    ),
    Fault(
        "noted of refusals alone",
        CedarEngine,
        "answers",
        policies("on_permit", noted_of_refusals_alone),
    ),
    Fault(
        "noted of permits alone",
        RegoEngine,
        "answers",
        rego_text(r'("open": open,\n\t"noted": )noted', r"\1set()"),
    ),
    Fault(
        "preferred on a refusal",
        RegoEngine,
        "answers",
        rego_text('"open": open,', '"open": open, "preferred": preferred,'),
    ),
    Fault("possibly preferred", CedarEngine, "answers", policies("on_permit", possibly_preferred)),
    Fault(
        "preference grants",
        RegoEngine,
        "answers",
        rego_text("^preferred contains", "granted contains"),
    ),
    Fault("advice left out", CedarEngine, "answers", policies("_due", advice_left_out)),
    Fault("advice grants", CedarEngine, "answers", policies("decide", advice_grants)),
    Fault(
        "advice grants",
        RegoEngine,
        "answers",
        rego_text(r'^due (contains ".*/start-logs")', r"granted \1"),
    ),
]


# --- looking -------------------------------------------------------------------------


async def _first_seen(make: Callable[[Program], Engine]) -> tuple[str, str]:
    """How and where the first fault shows; `("nowhere", "")` where none does."""
    engines: dict[str, Engine] = {}
    try:
        for name, program in corpus.PROGRAMS.items():
            try:
                engines[name] = engine = make(program)
            except ConfigurationError as error:
                return "load", str(error)
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


def _look(engine: type[CedarEngine] | type[RegoEngine], *, sliced: bool = False) -> tuple[str, str]:
    # Whole programs, as published: a slice would hide a dropped action.
    return asyncio.run(_first_seen(lambda program: engine(program, sliced=sliced)))


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    """The compiler keeps clauses that it rendered: no fault may see, or leave, any."""
    kept = dsl.to_cedar._clause  # pyright: ignore[reportPrivateUsage]
    kept.cache_clear()
    yield
    kept.cache_clear()


# Of the set that Cedar's slices are asked first, which is not published.
FAULTS_WHERE_ASKED = [
    Fault("certain for possible", CedarEngine, "answers", policies("asked", certain_where_asked)),
    Fault("possible for certain", CedarEngine, "answers", policies("asked", possible_where_asked)),
    Fault(
        "prohibitions left out",
        CedarEngine,
        "answers",
        policies("asked", no_prohibitions_where_asked),
    ),
    Fault("duties left out", CedarEngine, "answers", policies("asked", no_duties_where_asked)),
    Fault("still a prohibition", CedarEngine, "answers", policies("asked", forbidden_where_asked)),
    Fault(
        "vocabulary not tested",
        CedarEngine,
        "raw",
        put(gateway.pdp.cedar_slices, "fitness", is_always_fit),
    ),
]


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


@pytest.mark.parametrize("fault", FAULTS_WHERE_ASKED, ids=lambda f: f.name)
def test_a_seeded_fault_of_a_slice_is_seen(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    fault.apply(monkeypatch)
    seen, where = _look(fault.engine, sliced=True)
    assert seen == fault.seen, where


def test_nothing_is_seen_of_slices_where_nothing_is_broken() -> None:
    assert _look(CedarEngine, sliced=True) == ("nowhere", "")
